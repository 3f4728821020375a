"""What `longspan train` does: read, split, train, measure, save, and say at each step what was chosen."""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.cli.checking import check_early
from longspan.cli.cross_validating import train_folds
from longspan.cli.launching import end_with_launcher, is_launched, launched_rank
from longspan.cli.learners import (
    count_parameters,
    metrics_words,
    new_learner,
    planned,
    source_words,
    start_words,
    train_as_planned,
    training_words,
)
from longspan.cli.output_paths import OutputPaths, check_places, places_for
from longspan.cli.shell import interruptible, label, writing
from longspan.cli.tasks import (
    describe_split,
    describe_targets,
    make_task,
    read_rows,
    split_table,
)
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from longspan.data import Split, Table, Task
    from longspan.train import Learner
    from longspan.train.distributed.processes import Processes

__all__ = ["train_as_told"]

_SHOWN = 10
_LONG_S = 10.0  # so long before the first step, and people ask what it is doing
_SHOWN_CHARACTERS = 60
_COPIES = "the same sample twice: the held-out copy trains and is not measured on (--leaks refuse stops instead)"


def train_as_told(options: TrainOptions, *, resume: Path | None = None) -> None:
    """Train, measure and save; continue the training in the folder `resume` if it is given."""
    first = launched_rank() == 0
    options = options if first else replace(options, quiet=True)
    say = _silent if options.quiet else _aloud
    if is_launched() and options.folds is not None:
        raise ConfigError("--folds trains one model after another, in one process: leave out --processes and torchrun.")
    end_with_launcher()
    if resume is None:
        given = options
        options = check_early(options, check_paths=lambda: check_places(given, None) if first else None)
    from longspan.train.distributed.processes import join_processes, peers_named  # PyTorch takes seconds

    processes = join_processes()
    with peers_named(processes):
        with processes.together():
            places = places_for(options, resume, checked=first)
        if places.finished:
            say(f"The run in {places.home} is finished; {places.result} has its metrics.")
            return
        with interruptible(places.interrupted), (places.lock() if first else None) or nullcontext():
            _train_in(places, options, say, processes)


def _train_in(places: OutputPaths, options: TrainOptions, say: Any, processes: Processes) -> None:
    with processes.together():
        made = _made(places, options, say)
    if made is not None:
        _train_made(*made, places, say, processes)


def _made(places: OutputPaths, options: TrainOptions, say: Any) -> tuple[Learner, TrainOptions, str] | None:
    """The learner of the training, with all that is said before its first step; None where all is done."""
    clock = [time.perf_counter()]
    table, image, options = read_rows(
        options, lambda line: say(label("left out", line)), lambda line: say(label("reading", line))
    )
    say(label("data", f"{options.source}: {len(table):,} rows{describe_targets(table, options.target)}"))
    if table.columns[image].sources:
        say(label("features", table.columns[image].describe()))  # type: ignore[attr-defined]
    split = split_table(table, options)
    if options.relabel is not None:
        split = split.relabel(options.relabel)
        say(label("relabel", f"{options.relabel}: {_corrections(table, split, options)}"))
    if options.folds is not None:
        train_folds(places, split, image, options, say)
        return None
    task = make_task(split, image, options)
    say(label("split", describe_split(split)))
    clock.append(time.perf_counter())
    task.prepare()
    clock.append(time.perf_counter())
    if task.skipped:
        say(
            label(
                "left out",
                f"{len(task.skipped)} rows that cannot be used; the report names them, such as\n{task.skipped[0]!r}",
            )
        )
    if task.moved:
        say(label("copies", "\n".join([_COPIES, *task.moved[:_SHOWN], *_rest(task.moved)])))
    learner, options = new_learner(task, options, say)
    options = planned(options)
    say(label("model", f"{learner.full_name}, {count_parameters(learner):,} parameters, {start_words(options)}"))
    say(label("training", training_words(options, learner)))
    clock.append(time.perf_counter())
    if clock[-1] - clock[0] >= _LONG_S:
        say(label("ready", _spent(clock)))
    return learner, options, image


def _train_made(
    learner: Learner, options: TrainOptions, image: str, places: OutputPaths, say: Any, processes: Processes
) -> None:
    task, split = learner.task, learner.task.split
    with processes.together():
        if processes.is_first:
            places.begin(options)
    resumed, _ = processes.from_first(places.resumed and places.has_checkpoints)
    started = time.perf_counter()
    try:
        if resumed:
            assert places.checkpoints is not None
            learner.resume(places.checkpoints)
        else:
            train_as_planned(learner, options, places.checkpoints)
    except TrainingError as error:
        raise (places.failed(error, learner) if processes.is_first else error) from error
    except ConfigError:
        if processes.is_first:
            places.undo()
        raise
    seconds = time.perf_counter() - started
    if not processes.is_first:
        return
    figures = learner.evaluate()
    rows = f"{len(task.valid):,} validation rows"
    say(label("result", f"{metrics_words(learner, figures)} on {rows}, after {seconds:.0f} s"))
    if options.open_vault is not None:
        figures = learner.evaluate("test", reason=options.open_vault)
        say(label("test", f"{metrics_words(learner, figures)} on {len(split.vault):,} rows never used before"))
    elif len(split.vault):
        command = f"longspan evaluate {shlex.quote(str(places.model))} {source_words(options)} --open-vault REASON"
        say(label("vault", f"{len(split.vault):,} test rows, still sealed; to measure on them once:\n{command}"))
    for path, write in ((places.model, learner.save), (places.report, partial(_write_report, learner))):
        with writing(path, "--out"):
            write(path)
        say(label("saved" if path == places.model else "report", str(path)))
    _write_suspects(learner, places, options, say)
    places.write_result(learner, seconds)
    drawn = " --draw drawn" if any(column.context_kind for column in task.targets.values()) else ""
    say(label("try", f"longspan predict {shlex.quote(str(places.model))} {_example_file(task, image)}{drawn}"))


def _write_report(learner: Learner, path: Path) -> None:
    """The report of a learner, with what is cheap to explain at its end."""
    from longspan.explain.report_sections import add_explanation
    from longspan.train.reports.learner_report import compose_report

    page = compose_report(learner)
    add_explanation(page, learner, learner.task.table.take(learner.task.valid.numpy()))
    page.save(path)


def _spent(clock: Sequence[float]) -> str:
    """What the time before the first step was spent on."""
    table, samples, network = (after - before for before, after in itertools.pairwise(clock))
    return (
        f"after {clock[-1] - clock[0]:.0f} s: {table:.0f} s for the table and the split, {samples:.0f} s for reading "
        f"and comparing samples, {network:.0f} s for the network"
    )


def _write_suspects(learner: Learner, places: OutputPaths, options: TrainOptions, say: Any) -> None:
    """In a run folder, a page of the validation labels that are probably wrong, where there are some."""
    suspects = learner.suspect_labels()
    if places.result is None or not suspects:
        return
    target, page = suspects[0].target, places.result.with_name("relabel.html")
    with writing(page, "--out"):
        learner.relabel_page(page, target)
    count = sum(each.target == target for each in suspects)
    command = f"longspan train {source_words(options)} ... --relabel corrections.csv"
    say(label("labels", f"{count:,} validation labels of {target} are probably wrong: see {page}, then\n{command}"))


def _corrections(table: Table, split: Split, options: TrainOptions) -> str:
    """How many labels were changed and how many rows dropped."""
    changed = sum(
        before != after
        for name in options.target
        for before, after in zip(table.column_values(name), split.table.column_values(name), strict=True)
    )
    dropped = split.how["corrections"]["dropped"]  # type: ignore[index]
    return f"{changed:,} labels changed, {dropped:,} rows dropped"


def _rest(pairs: Sequence[str]) -> list[str]:
    return [f"... and {len(pairs) - _SHOWN} more"] if len(pairs) > _SHOWN else []


def _aloud(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    del line


def _example_file(task: Task, image: str) -> str:
    value = task.table.value(int(task.split.valid[0]), image) if len(task.split.valid) else None
    if task.table.columns[image].sources:
        return "NEW.csv --out predictions.csv"
    if not isinstance(value, str):
        return "IMAGE"
    return shlex.quote(value if task.table.columns[image].in_files else value[:_SHOWN_CHARACTERS])
