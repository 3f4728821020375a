"""From SOURCE and options to a task: what `longspan train` and `longspan study` have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.cli.parallel import parallel_table, suited_to_writing, typed_texts
from longspan.cli.sources import image_column, read_source, typed_targets
from longspan.cli.split_by import split_columns
from longspan.cli.table_inputs import TABLE_MODEL, holds_features, streamed_table, with_chosen_features
from longspan.cli.text_inputs import suited_to_text, text_column, with_text
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    import polars as pl

    from longspan.columns import Column
    from longspan.columns.augmentation import Augmentation
    from longspan.data import Split, Table, Task
    from longspan.train import TrainConfig

__all__ = [
    "augmentation",
    "backbone_of",
    "describe_split",
    "describe_targets",
    "make_task",
    "read_rows",
    "split_table",
    "train_config",
]

_SMALL_PX = 64
_FEW_VALUES = 20
_SEPARATORS = ("|", ";", ",", " ")
_SHOWN_CLASSES = 4
_MOST_PARTS = 6  # different values of a column that names parts
_DESIGN_FOR = {
    "mask": "unet:resnet18", "boxes": "faster_rcnn:resnet18", "instances": "mask_rcnn:resnet18",
    "keypoints": "heat_maps:resnet18",
}  # fmt: skip


def read_rows(
    options: TrainOptions, tell: Callable[[str], None], explain: Callable[[str], None] = lambda line: None
) -> tuple[Table, str, TrainOptions]:
    """What SOURCE holds, its column of images, and the options with what suits them where the user has not chosen.

    Args:
        options: As they were given.
        tell: Called with a sentence about annotations that were left out.
        explain: Called with a sentence about how the source was read.

    Raises:
        LongspanError: what `read_source`, `image_column` and the choice of targets and model raise.
    """
    target, columns = typed_targets(options.target, options.column)
    options = replace(options, target=target, column=columns)
    options = typed_texts(options)
    table = parallel_table(options)
    if table is None and options.transcripts is not None:
        table = _transcribed(options, tell)
    elif table is None and (streamed := streamed_table(options, explain)) is not None:
        return with_chosen_features(streamed, options)
    elif table is None:
        table = read_source(
            options.source, pattern=options.pattern, image=options.image, columns=options.column, root=options.root,
            suffix=options.suffix, heading=options.heading, encoding=options.encoding, corners=options.corners,
            annotated=options.annotation_format,
            targets=options.target, on_error=options.on_error, tell=tell, explain=explain,
        )  # fmt: skip
    if holds_features(table):
        text = text_column(table, options)
        return with_chosen_features(table, options) if text is None else _with_text(table, text, options, explain)
    image = image_column(table)
    names = _choose_targets(table, image, options.target)
    targets = {name: table.columns[name] for name in names}
    options = replace(options, target=names, split_by=options.split_by or _split_column(table, options, explain))
    if table.columns[image].kind == "audio":
        if all(column.kind == "text" for column in targets.values()):  # a text is read step by step
            table = table.with_column(image, replace(table.columns[image], layout="sequence", seconds=None))  # type: ignore[type-var]
        return table, image, _suited_to_sound(options, targets)
    side_px, files = _image_side(table, image)
    options = _suited_to(options, targets, side_px, files)
    if options.resize is not None:
        table = table.with_column(image, replace(table.columns[image], resize=options.resize))  # type: ignore[type-var]
    return _with_everybody(table, options), image, options


def _with_everybody(table: Table, options: TrainOptions) -> Table:
    """With a design that compares rows, validation rows may be of classes that do not train: people held out."""
    from longspan.heads import HEADS
    from longspan.train.designs import DESIGNS

    design = DESIGNS.get((options.model or "").partition(":")[0])
    if design is None or HEADS[design.head].predicts_values:
        return table
    for name in options.target:
        column = table.columns[name]
        if column.kind in HEADS[design.head].column_kinds:
            table = table.with_column(name, column.fit_cells([table.frame[name].drop_nulls()]))
    return table


def _transcribed(options: TrainOptions, tell: Callable[[str], None]) -> Table:
    """The recordings in the folder SOURCE with the texts of --transcripts.

    Raises:
        ConfigError: options that do not go with it.
    """
    from longspan.data import Table

    given = ("pattern", "root", "suffix", "encoding")
    for flag, value in ((f"--{name}", getattr(options, name)) for name in given):
        if value is not None:
            raise ConfigError(f"{flag} does not go with --transcripts, which name the recordings.")
    assert options.transcripts is not None
    on_error = "skip" if options.on_error == "skip" else "raise"
    return Table.from_transcripts(options.transcripts, root=options.source, on_error=on_error, tell=tell)


def _with_text(
    table: Table, text: str, options: TrainOptions, explain: Callable[[str], None]
) -> tuple[Table, str, TrainOptions]:
    """`read_rows` where a column of texts is the input."""
    names = _choose_targets(table, text, options.target)
    options = replace(options, target=names, split_by=options.split_by or _split_column(table, options, explain))
    options = suited_to_writing(options, {name: table.columns[name] for name in names})
    options = suited_to_text(options, {name: table.columns[name] for name in names})
    backbone_of(options.model or "", {name: table.columns[name] for name in names})
    return with_text(table, text, options, explain), text, options


def _split_column(table: Table, options: TrainOptions, explain: Callable[[str], None]) -> str | None:
    """Where folders or the file say which rows train: that; with --group: by group; else None, at random."""
    import polars as pl

    for name in (each for each in table.columns if each not in options.target and table.frame[each].dtype == pl.String):
        values = {str(value).strip().lower() for value in table.frame[name].unique().to_list()}
        if len(values) > _MOST_PARTS or not values & {"train", "training"}:
            continue
        from longspan.data.splits.split_column import PART_WORDS

        unknown = sorted(values - set(PART_WORDS))
        if name == "split" and not unknown:
            return "column:split"
        if not unknown:
            explain(f"column {name!r} seems to name the parts of a split; to use it: --split-by column:{name}")
        elif name == "split":
            explain(f"column 'split' is not used, since {unknown[0]!r} is not train, valid or test")
    return None if options.group is None else f"group:{options.group}"


def backbone_of(model: str, targets: Mapping[str, Column]) -> str:
    """The network below the heads: `model` itself, or the backbone of the design that it names.

    Raises:
        UnknownNameError: there is no such network, design or backbone.
        ConfigError: a design that predicts none of the targets, or takes no other backbone.
    """
    from longspan.models import model_names
    from longspan.train.designs import DESIGNS, resolve_design

    name = model.partition(":")[0]
    if name not in DESIGNS and name not in model_names():
        raise unknown_name("model", name, [*model_names(), *DESIGNS])
    return resolve_design(model, targets, {})[0]


def _choose_targets(table: Table, image: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """The columns to predict; without any wanted, the only one that could be meant."""
    for name in wanted:
        table.column(name)
    if wanted:
        return tuple(wanted)
    others = [name for name in table.columns if name not in (image, "split") and table.columns[name].for_networks]
    annotated = [name for name in others if table.columns[name].context_kind]
    if len(annotated) == 1:  # boxes, with the sizes of the images beside them
        return (annotated[0],)
    if not others:
        raise ConfigError(
            f"There is nothing to predict in {table.source}. Put the images of each class into a folder of its own; "
            f"or, if file names say the label, read it with --pattern{_example_pattern(table, image)}, where a group "
            "has the name of a column. For masks and boxes in files of their own: --format."
        )
    if len(others) > 1:
        described = "\n".join(f"  --target {name:<{max(map(len, others))}}  {_values(table, name)}" for name in others)
        raise ConfigError(f"Name the target, one or several of:\n{described}")
    return (others[0],)


def _example_pattern(table: Table, image: str) -> str:
    """A pattern for names like the first one, where it has a number at its end."""
    value = table.value(0, image) if len(table) else None
    if not isinstance(value, str):
        return ""
    ending = re.escape(Path(value).suffix)
    pattern = rf"(?P<label>.+)_\d+{ending}"
    if re.fullmatch(pattern, Path(value).name) is None:
        pattern = rf"(?P<label>[^_]+)_.*{ending}"
    return f" '{pattern}' --target label, for {Path(value).name!r}"


def _values(table: Table, name: str) -> str:
    """What a column holds, in a few words: its type, how many values, the first."""
    cells = table.frame[name].drop_nulls()
    if cells.dtype.is_nested():
        return table.columns[name].kind
    shown = ", ".join(map(str, cells.unique(maintain_order=True).head(3).to_list()))
    return (
        f"{table.columns[name].kind}, {cells.n_unique():,} values: {shown:.60}{', ...' if cells.n_unique() > 3 else ''}"
    )


def _image_side(table: Table, image: str) -> tuple[int, bool]:
    """Longer side of the first image that opens, and whether images are files, whose sizes may differ."""
    import numpy as np

    from longspan.vision.image_io import open_image

    if isinstance(pixels := table.arrays.get(image), np.ndarray):
        return max(pixels.shape[1:3]), False
    for row in range(min(len(table), 100)):
        try:
            with open_image(table.value(row, image)) as opened:
                return max(opened.size), True
        except ValueError:
            continue  # refused by name when the rows are read
    return _SMALL_PX + 1, True


def _suited_to(options: TrainOptions, targets: Mapping[str, Column], side_px: int, files: bool) -> TrainOptions:
    """The options with all that depends on images and targets, where the user has not chosen."""
    small = side_px <= _SMALL_PX
    texts = all(column.kind == "text" for column in targets.values())
    located = next((column for column in targets.values() if column.context_kind), None)
    suited: dict[str, Any] = {
        "model": "line_cnn" if texts else "resnet20" if small else "resnet18",
        "size": None if small or not files or texts else "224",  # a square would cut lines off
        "weights": "none" if small else None,
        "batch_size": 64,
        "freeze_epochs": 5,
    }
    if located is not None:
        suited |= {"model": _DESIGN_FOR[located.kind], "resize": "pad", "batch_size": 8, "epochs": 20}
        suited["freeze_epochs"] = 1
    options = replace(options, **{name: value for name, value in suited.items() if getattr(options, name) is None})
    backbone_of(options.model or "", targets)
    return options


def _suited_to_sound(options: TrainOptions, targets: Mapping[str, Column]) -> TrainOptions:
    """The options with all that depends on the input being sound, where the user has not chosen.

    Raises:
        ConfigError: options for images.
    """
    for flag, value in (("--size", options.size), ("--resize", options.resize)):
        if value is not None:
            raise ConfigError(f"{flag} is for images; how long recordings are: --column NAME=audio:SECONDS.")
    if options.augment in ("photos", "digits"):
        raise ConfigError(f"--augment {options.augment} is for images; for recordings: --augment speech or sounds.")
    texts = all(column.kind == "text" for column in targets.values())
    suited: dict[str, Any] = {
        "model": "conv_gru" if texts else "bc_resnet3",
        "batch_size": 16 if texts else 32,
        "freeze_epochs": 5,
    }
    if options.model is None and options.weights is None:
        suited["weights"] = "none"
    options = replace(options, **{name: value for name, value in suited.items() if getattr(options, name) is None})
    backbone_of(options.model or "", targets)
    return options


def split_table(table: Table, options: TrainOptions) -> Split:
    """The rows by part, as --valid, --test and --split-by say.

    Raises:
        ConfigError: --split-by cannot be read.
    """
    named = split_columns(options.split_by)
    strata = "auto" if named.keys() & {"time", "group"} else _strata(table, options.target)
    # Folds by time choose their own validation rows; a gap before these here would leave rows out of all folds.
    valid = 0 if options.folds is not None and "time" in named else options.valid
    return table.split(
        valid=_rows(valid), test=_rows(options.test), seed=options.seed, gap=options.gap, stratify=strata, **named
    )


def _strata(table: Table, targets: Sequence[str]) -> Any:
    """Of a table with features the targets that are classes: a feature's labels need not be in every part."""
    if not any(column.sources for column in table.columns.values()):
        return "auto"
    classes = [name for name in targets if table.columns[name].kind == "category"]
    often = [name for name in classes if table.frame[name].value_counts()["count"].min() > 1]  # type: ignore[operator]
    return often or None


def make_task(split: Split, image: str, options: TrainOptions) -> Task:
    """The task, not yet read; leaks are mended where the split is drawn at random, unless --leaks says otherwise."""
    from longspan.data import Task
    from longspan.heads import check_extras

    check_extras({name: split.table.columns[name] for name in options.target})
    leaks = options.leaks or ("move" if options.split_by is None else "refuse")
    return Task(
        split, inputs=image, targets=options.target, size_px=options.size_px,
        on_error="skip" if options.on_error == "skip" else "raise",
        allow_leaks=leaks == "allow", move_leaks=leaks == "move", group=options.group, time=options.time,
    )  # fmt: skip


def augmentation(name: str) -> Augmentation:
    """What --augment names."""
    from longspan.audio import AudioAugment
    from longspan.text import TextAugment
    from longspan.vision import Augment

    made: dict[str, Callable[[], Any]] = {
        "none": Augment, "photos": Augment.photos, "digits": Augment.digits,
        "speech": AudioAugment.speech, "sounds": AudioAugment.sounds, "words": TextAugment.mild,
    }  # fmt: skip
    return made[name]()


def train_config(options: TrainOptions) -> TrainConfig:
    """Batch size, optimizer, augmentation and the like."""
    from longspan.train import TableRecipe, TrainConfig

    assert options.batch_size is not None
    augment = augmentation(options.augment)
    suited = TableRecipe().recipe(1).config if options.model == TABLE_MODEL else TrainConfig()
    weight_decay = suited.weight_decay if options.weight_decay is None else options.weight_decay
    return TrainConfig(
        batch_size=options.batch_size, optimizer=options.optimizer, weight_decay=weight_decay, beta2=suited.beta2,  # type: ignore[arg-type]
        clip_norm=options.clip_norm, accumulate=options.accumulate, mixup=options.mixup, augment=augment,
        precision=options.precision, sampling=options.sampling, row_weights=options.row_weights,  # type: ignore[arg-type]
        rows_per_class=options.rows_per_class, short_first=options.short_first, virtual_workers=options.virtual_workers,
    )  # fmt: skip


def describe_targets(table: Table, targets: Sequence[str]) -> str:
    """Lines about the targets: their classes with how many there are of each, and how many rows have no value."""
    lines = []
    for name in targets:
        kind, cells = table.columns[name].kind, table.frame[name].drop_nulls()
        missing = f", {len(table) - len(cells):,} without" if len(cells) < len(table) else ""
        if kind == "category":
            what = _counted(Counter(cells.to_list()))
        elif kind in ("boxes", "instances"):
            what = f"{kind} of {_objects(cells.to_list(), getattr(table.columns[name], 'vocab', ()))}"
        elif kind == "mask" and (vocab := getattr(table.columns[name], "vocab", ())):
            shown = ", ".join(map(str, vocab[:_SHOWN_CLASSES])) + (", ..." if len(vocab) > _SHOWN_CLASSES else "")
            what = f"mask of {len(vocab)} classes ({shown})"
        else:
            what = kind
        lines.append(f"\n{name}: {what}{missing}{_doubt(name, kind, cells)}")
    return "".join(lines)


def _doubt(name: str, kind: str, cells: pl.Series) -> str:
    """How to read a column differently, where its values could mean something else."""
    import polars as pl

    distinct = cells.unique() if kind in ("number", "category") else cells.clear()
    whole = kind == "number" and distinct.dtype.is_numeric() and 1 < len(distinct) <= _FEW_VALUES
    if whole and all(float(value).is_integer() for value in distinct):
        shown = ", ".join(f"{int(value)}" for value in distinct.sort().head(4)) + (", ..." if len(distinct) > 4 else "")
        return (
            f"\n  only {len(distinct)} whole numbers occur ({shown}); they are predicted as a quantity. "
            f"For classes: --target {name}:category"
        )
    if kind == "category" and distinct.dtype == pl.String:
        for separator in _SEPARATORS:
            lists = [[part for part in value.split(separator) if part] for value in distinct]
            labels = {label.strip() for each in lists for label in each}
            many = 1 if separator in "|;" else 2  # a space or a comma may well be part of a label
            if max(map(len, lists)) > 1 and many * len(labels) <= len(lists) and len(labels) > 1:
                quoted = f"'{name}:multi_label:{separator}'"
                return f"\n  its values look like lists of {len(labels)} labels. To predict each: --target {quoted}"
    return ""


def _counted(counts: Counter[Any]) -> str:
    """`2 classes (cat 7, dog 5)`, the most frequent first."""
    shown = ", ".join(f"{value} {count:,}" for value, count in counts.most_common(_SHOWN_CLASSES))
    more = ", ..." if len(counts) > _SHOWN_CLASSES else ""
    return f"{len(counts)} class{'es' if len(counts) != 1 else ''} ({shown}{more})"


def _objects(rows: Sequence[Sequence[Any]], vocab: Sequence[Any] = ()) -> str:
    """How many of each label lie in the images, in how many there is nothing, and which classes never occur."""
    from longspan.vision.annotation_values import label_of

    counts = Counter(label_of(each) if isinstance(each, dict) else "object" for row in rows for each in row)
    empty = sum(not row for row in rows)
    never = [str(label) for label in vocab if label not in counts]
    shown = ", ".join(never[:_SHOWN_CLASSES]) + (", ..." if len(never) > _SHOWN_CLASSES else "")
    without = f", {empty:,} image{'s' if empty > 1 else ''} with none" if empty else ""
    return _counted(counts) + without + (f"; no {shown}" if never else "")


def describe_split(split: Split) -> str:
    """Rows of each part, and how they were chosen."""
    return repr(split).removeprefix("Split(").removesuffix(")").replace(", 0 test in the vault", "")


def _rows(fraction: float) -> float | int:
    """On the command line 200 is 200.0; a number of rows is whole."""
    return int(fraction) if fraction >= 1 and fraction == int(fraction) else fraction
