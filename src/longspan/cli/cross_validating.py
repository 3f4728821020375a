"""What `longspan train --folds` does: a model per fold, out-of-fold predictions, and what they say together."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from longspan.cli.learners import metrics_words, new_learner, planned, source_words, train_as_planned, training_words
from longspan.cli.output_paths import OutputPaths
from longspan.cli.shell import label, print_table, writing
from longspan.cli.tasks import make_task
from longspan.cli.train_options import TrainOptions

if TYPE_CHECKING:
    from longspan.data import Split, Task
    from longspan.train import CrossValidation, Learner

__all__ = ["train_folds"]

_PREDICTIONS, _PAGE = "out_of_fold.csv", "relabel.html"


def train_folds(places: OutputPaths, split: Split, image: str, options: TrainOptions, say: Any) -> None:
    """Train and measure all folds, then write models, predictions, report, result and the page of suspect labels.

    Each fold has checkpoints of its own. A run that goes on reads those of the folds that were finished and continues
    the one that was not, so that its result is that of a run without an interruption.
    """
    from longspan.storage.files import write_whole
    from longspan.train.cross_validation import cross_validate
    from longspan.train.reports.cross_validation_report import write_cross_validation_report

    assert places.home is not None
    assert options.folds is not None
    fold = split.folds(options.folds, group=options.group)[0]
    sealed = f"; {len(split.vault):,} test rows stay sealed" if len(split.vault) else ""
    count = len(split.train) + len(split.valid)
    say(label("split", f"{options.folds} folds of {count:,} rows, {_divided(fold)}{sealed}"))
    chosen, done = options, 0

    def train(task: Task) -> Learner:
        nonlocal chosen, done
        learner, chosen = new_learner(task, options, say)
        chosen = planned(chosen)
        if not done:
            say(label("model", learner.full_name))
            say(label("training", training_words(chosen, learner)))
            places.begin(chosen)
        done += 1
        checkpoints = places.fold_checkpoints(done)
        if places.resumed and any(checkpoints.path.glob("step-*")):
            learner.resume(checkpoints)
        else:
            train_as_planned(learner, chosen, checkpoints)
        rows = f"{len(task.valid):,} rows that it was not trained on"
        say(label(f"fold {done}", f"{metrics_words(learner, learner.evaluate())} on {rows}"))
        return learner

    started = time.perf_counter()
    task = make_task(split, image, options)  # checks names and options, reads nothing
    result = cross_validate(
        split, image, options.target, train, folds=options.folds, group=options.group, seed=options.seed,
        size_px=task.size_px, on_error=task.on_error, allow_leaks=task.allow_leaks, move_leaks=task.move_leaks,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if not options.quiet:
        rows = [[name, f"{value:.4f}", f"{result.spread[name]:.4f}"] for name, value in result.mean.items()]
        print_table(["metric", "mean", "spread"], rows, right=(1, 2))
    unpredicted = len(split.train) + len(split.valid) - len(result.scores.rows)
    if unpredicted:
        first = "the earliest rows, which only train, " if fold.how["kind"] == "time" else ""
        say(label("left out", f"{unpredicted:,} rows have no prediction: {first}copies in other folds, or unusable"))
    home = places.home
    with writing(home, "--out"):
        for number, model in enumerate(result.models, start=1):
            model.save(home / f"fold-{number}.safetensors")
        write_whole(home / _PREDICTIONS, result.frame().write_csv)
        write_cross_validation_report(result, places.report)
        say(label("saved", f"{home}/fold-1.safetensors to fold-{options.folds}.safetensors, {home / _PREDICTIONS}"))
        say(label("report", str(places.report)))
        _suspects(result, places, options, say)
        _write_result(result, places, seconds)
    places.drop_checkpoints()


def _divided(fold: Split) -> str:
    """How the rows of folds were chosen."""
    if fold.how["kind"] == "time":
        gap = f" less {fold.how['gap']}" if "gap" in fold.how else ""
        return f"each trained on all rows before it by {fold.how['column']!r}{gap}"
    how = f"no {fold.how['fold_group']} in two" if "fold_group" in fold.how else "at random"
    strata = ", ".join(map(repr, fold.how["stratify"]))  # type: ignore[arg-type, call-overload]
    return how + (f", stratified by {strata}" if strata else "")


def _suspects(result: CrossValidation, places: OutputPaths, options: TrainOptions, say: Any) -> None:

    suspects = result.suspect_labels()
    if not suspects:
        return
    assert places.home is not None
    targets = list(dict.fromkeys(each.target for each in suspects))
    for target in targets:
        page = places.home / (_PAGE if len(targets) == 1 else f"relabel-{targets.index(target) + 1}.html")
        result.relabel_page(page, target)
        count = sum(each.target == target for each in suspects)
        command = f"longspan train {source_words(options)} ... --relabel corrections.csv"
        say(label("labels", f"{count:,} of {target} are probably wrong: {page} shows them; then\n{command}"))


def _write_result(result: CrossValidation, places: OutputPaths, seconds: float) -> None:
    from pathlib import Path

    from longspan.report import describe_environment
    from longspan.storage.files import plain, write_whole

    assert places.result is not None
    values: dict[str, Any] = {
        "format": "longspan cross-validation",
        "metrics": {"mean": result.mean, "spread": result.spread, "folds": result.metrics},
        "rows": len(result.scores.rows),
        "vault": result.task.split.vault.to_json(),
        "seconds": round(seconds, 3),
        "environment": describe_environment(),
    }
    text = json.dumps(plain(values), indent=1, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    write_whole(places.result, write)
