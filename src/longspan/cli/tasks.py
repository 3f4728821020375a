"""From SOURCE and options to a task: what `longspan train` and `longspan study` have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from longspan.data import Split, Table, Task
    from longspan.train import TrainConfig

__all__ = [
    "choose_targets",
    "describe_classes",
    "describe_split",
    "make_task",
    "picture_side",
    "split_table",
    "suited_to",
    "train_config",
]

_SMALL_PX = 64


def choose_targets(table: Table, image: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """The columns to predict; without any wanted, the only one that could be meant."""
    for name in wanted:
        table.column(name)
    others = [name for name in table.columns if name != image]
    if wanted:
        return tuple(wanted)
    if not others:
        raise ConfigError(
            "There is nothing to predict: the pattern has no named group. Put one around the part of the path that is "
            "the answer: (?P<label>...)."
        )
    if len(others) > 1:
        raise ConfigError(f"What shall be predicted? --target with one or more of: {', '.join(others)}.")
    return (others[0],)


def picture_side(table: Table, image: str) -> tuple[int, bool]:
    """Longer side of the first picture that opens, and whether pictures are files, whose sizes may differ."""
    from longspan.columns.pictures import open_image

    if image in table.arrays:
        return max(table.arrays[image].shape[1:3]), False
    for row in range(min(len(table), 100)):
        try:
            with open_image(table.value(row, image)) as picture:
                return max(picture.size), True
        except ValueError:
            continue  # refused by name when the rows are read
    return _SMALL_PX + 1, True


def suited_to(options: TrainOptions, side_px: int, files: bool, *, texts: bool) -> TrainOptions:
    """The options with model and size that suit the pictures and targets, where the user has not chosen."""
    from longspan.models import model_names

    small = side_px <= _SMALL_PX
    model = options.model or ("line_cnn" if texts else "resnet20" if small else "resnet18")
    if model not in model_names():
        raise unknown_name("model", model, model_names())
    size = options.size or (None if small or not files or texts else 224)  # a square would cut lines off
    return replace(options, model=model, size=size, weights=options.weights or ("none" if small else None))


def split_table(table: Table, options: TrainOptions) -> Split:
    """The rows by part, as --valid, --test and --split-by say.

    Raises:
        ConfigError: --split-by cannot be read.
    """
    how, _, name = (options.split_by or "").partition(":")
    if options.split_by is not None and (how not in ("time", "group", "column") or not name):
        raise ConfigError(
            f"--split-by {options.split_by}: write time:COLUMN, group:COLUMN or column:COLUMN, such as group:patient."
        )
    return table.split(
        valid=_rows(options.valid), test=_rows(options.test), seed=options.seed,
        time=name if how == "time" else None, group=name if how == "group" else None,
        column=name if how == "column" else None,
    )  # fmt: skip


def make_task(split: Split, image: str, options: TrainOptions) -> Task:
    """The task, not yet read; leaks are mended where the split is drawn at random, unless --leaks says otherwise."""
    from longspan.data import Task

    leaks = options.leaks or ("move" if options.split_by is None else "refuse")
    return Task(
        split, inputs=image, targets=options.target, size_px=options.size,
        on_error="skip" if options.on_error == "skip" else "raise",
        allow_leaks=leaks == "allow", move_leaks=leaks == "move",
    )  # fmt: skip


def train_config(options: TrainOptions) -> TrainConfig:
    """Batch size, optimizer, augmentation and the like."""
    from longspan.data import Augment
    from longspan.train import TrainConfig

    augment = {"none": Augment, "photos": Augment.photos, "digits": Augment.digits}[options.augment]()
    return TrainConfig(
        batch_size=options.batch_size, optimizer=options.optimizer, weight_decay=options.weight_decay,  # type: ignore[arg-type]
        clip_norm=options.clip_norm, accumulate=options.accumulate, mixup=options.mixup, augment=augment,
        precision=options.precision,  # type: ignore[arg-type]
    )  # fmt: skip


def describe_classes(table: Table, targets: Sequence[str]) -> str:
    """Lines about the targets: their classes with how many rows each has, and how many rows have no value."""
    parts = []
    for name in targets:
        cells = table.frame[name].drop_nulls()
        missing = f", {len(table) - len(cells):,} without" if len(cells) < len(table) else ""
        if table.columns[name].kind == "category":
            counts = Counter(cells.to_list()).most_common()
            shown = ", ".join(f"{value} {count:,}" for value, count in counts[:4]) + (
                ", ..." if len(counts) > 4 else ""
            )
            parts.append(f"\n{name}: {len(counts)} classes ({shown}){missing}")
        else:
            parts.append(f"\n{name}: {table.columns[name].kind}{missing}")
    return "".join(parts)


def describe_split(split: Split) -> str:
    """Rows of each part, and how they were chosen."""
    return repr(split).removeprefix("Split(").removesuffix(")").replace(", 0 test in the vault", "")


def _rows(share: float) -> float | int:
    """On the command line 200 is 200.0; a number of rows is whole."""
    return int(share) if share >= 1 and share == int(share) else share
