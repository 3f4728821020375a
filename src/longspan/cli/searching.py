"""What `longspan search` does: read, split, try settings within the budget, report."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.cli.checking import check_early
from longspan.cli.learners import new_learner, planned, train_as_planned
from longspan.cli.shell import label, new_file, print_table, writing
from longspan.cli.sources import check_source
from longspan.cli.spaces import read_space
from longspan.cli.tasks import describe_split, describe_targets, make_task, read_rows, split_table
from longspan.cli.train_options import AUGMENTS, TrainOptions
from longspan.errors import ConfigError, unknown_name
from longspan.extras import require_extra

if TYPE_CHECKING:
    from longspan.data import Task
    from longspan.train import Budget, Learner

__all__ = ["SEARCHED", "SearchOptions", "run_search"]

SEARCHED = (
    "lr", "weight_decay", "augment", "model", "weights", "batch_size", "epochs", "mode", "schedule", "optimizer",
    "clip_norm", "accumulate", "mixup", "label_smoothing", "dropout", "average", "sampling", "freeze_epochs",
    "short_first",
)  # fmt: skip
"""Options of `longspan train` that trials may change."""

_DECAY = {"low": 1e-4, "high": 0.3, "log": True, "whole": False}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions:
    """The options of `longspan search` beside those of a training; see its help."""

    space: tuple[str, ...]
    trials: int | None
    minutes: float | None
    decide_on: str | None
    out: str

    def __post_init__(self) -> None:
        """Check what needs no data.

        Raises:
            ConfigError: no budget, or a number out of range.
        """
        if self.trials is None and self.minutes is None:
            raise ConfigError("A search needs a budget: --trials N, --minutes M, or both.")
        if self.trials is not None and self.trials < 1:
            raise ConfigError(f"--trials must be at least 1, got {self.trials}.")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ConfigError(f"--minutes must be above 0 and finite, got {self.minutes}.")


@final
@dataclass(frozen=True, kw_only=True)
class _Training:
    """`longspan train` as a strategy, whose settings are its options."""

    options: TrainOptions

    def with_options(self, options: dict[str, Any]) -> _Training:
        """The same training with some options changed.

        Raises:
            ConfigError: a value that `longspan train` refuses.
        """
        return replace(self, options=check_early(replace(self.options, **options)))

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> Learner:
        """As the command does it."""
        del budget
        learner, options = new_learner(task, replace(self.options, seed=seed, quiet=True), lambda line: None)
        train_as_planned(learner, planned(options), None)
        return learner

    def to_json(self) -> dict[str, Any]:
        """What makes it the same search."""
        left = ("quiet", "force", "out", "report", "checkpoints", "checkpoint_every")
        return {each.name: getattr(self.options, each.name) for each in fields(TrainOptions) if each.name not in left}


def run_search(options: TrainOptions, settings: SearchOptions) -> None:
    """Try what the budget allows, keep the best model, and report."""
    folder = Path(settings.out).expanduser()
    parsed = _space(settings.space)
    require_extra("search", "longspan search")
    check_source(options.source)
    if not (folder / "search.jsonl").exists():
        for name in ("report.html", "best.safetensors"):
            new_file(folder / name, "--out", force=None)
    given = options
    options = check_early(options)
    from longspan.study import Between, Search

    table, image, options = read_rows(
        options, lambda line: _say(options, "left out", line), lambda line: _say(options, "reading", line)
    )
    task = make_task(split_table(table, options), image, options)
    _say(options, "data", f"{options.source}: {len(table):,} rows{describe_targets(table, options.target)}")
    task.prepare()
    _say(options, "split", describe_split(task.split))
    space = {
        name: Between(**each) if isinstance(each, dict) else each
        for name, each in (parsed or _usual_space(options)).items()
    }
    search = Search(
        task, _Training(options=options), space, folder=folder, trials=settings.trials, minutes=settings.minutes,
        target=settings.decide_on, seed=options.seed,
    )  # fmt: skip
    _say(options, "search", "\n".join(f"{name}: {_words(values)}" for name, values in space.items()))
    if search.trials:
        _say(options, "resumed", f"{len(search.trials)} trials are done already")
    try:
        search.run(say=lambda line: None if options.quiet else print(line, flush=True))
    except KeyboardInterrupt:
        done = len(search.trials)
        raise SystemExit(_stopped(f"{done} trials are kept in {folder}; the same command goes on.")) from None
    with writing(folder / "report.html", "--out"):
        report = search.save_report()
    if not options.quiet:
        _tell(search, given, report)


def _stopped(words: str) -> int:
    from longspan.cli.shell import fail

    fail(f"interrupted. {words}", mark="")
    return 130


def _tell(search: Any, given: TrainOptions, report: Path) -> None:
    best = search.best
    print()
    importances = search.importances()
    if importances:
        print_table(["setting", "importance"], [[name, f"{each:.2f}"] for name, each in importances.items()], right=[1])
        print()
    print(label("best", f"trial {best.number}: {search.measure.name} {best.error:.4f} on the validation rows"))
    print(label("train", _command(given, best.params)))
    print(label("model", str(search.model)))
    print(label("report", str(report)))


def _command(options: TrainOptions, params: dict[str, Any]) -> str:
    """The training of a trial as a command of its own."""
    words = ["longspan", "train", options.source]
    changed = replace(options, **params)
    for field in fields(TrainOptions):
        value = getattr(changed, field.name)
        if field.name not in ("source", "quiet", "out") and value != field.default:
            values = value if isinstance(value, tuple) else [value]
            words += [word for each in values for word in (f"--{field.name.replace('_', '-')}", str(each))]
    return shlex.join(words)


def _space(words: tuple[str, ...]) -> dict[str, Any]:
    """What was given, with the names of options as they are written on the command line.

    Raises:
        UnknownNameError: an option that is not searched over, or an augmentation that there is none of.
        ConfigError: it cannot be read.
    """
    found = {name.lstrip("-").replace("-", "_"): each for name, each in read_space(words, names=True).items()}
    kinds = {each.name: str(each.type) for each in fields(TrainOptions)}
    for name, values in found.items():
        if name not in SEARCHED:
            raise unknown_name("option to search over (in --space)", name, SEARCHED)
        listed = values if isinstance(values, list) else []
        if "str" in kinds[name] and (not listed or not all(isinstance(each, str) for each in listed)):
            raise ConfigError(f"--space {name}=...: write names with commas between, such as {name}=a,b.")
        if "str" not in kinds[name] and any(isinstance(each, str) for each in listed):
            raise ConfigError(f"--space {name}=...: write numbers, such as {name}=1,2, or a range such as {name}=1..4.")
        if name == "augment":
            for each in listed:
                if each not in AUGMENTS:
                    raise unknown_name("augmentation (in --space)", each, AUGMENTS)
    return found


def _usual_space(options: TrainOptions) -> dict[str, Any]:
    """Rate, weight decay, and for images whether they are augmented."""
    lr = options.lr or {"fine-tune": 2e-3, "fit": 1e-3}.get(options.mode or "", 3e-3)
    found: dict[str, Any] = {
        "lr": {"low": lr / 10, "high": lr * 10, "log": True, "whole": False},
        "weight_decay": dict(_DECAY),
    }
    if options.augment != "none":
        found["augment"] = ["none", options.augment]
    return found


def _words(values: Any) -> str:
    if isinstance(values, list):
        return ", ".join(map(str, values))
    return f"{values.low:g} to {values.high:g}" + (" (logarithm)" if values.log else "")


def _say(options: TrainOptions, name: str, text: str) -> None:
    if not options.quiet:
        print(label(name, text), flush=True)
