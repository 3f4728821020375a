"""What is refused before PyTorch is imported: names that nothing has, numbers out of range, missing libraries.

The same is checked again by the classes that hold these options, which know plug-ins too. Here a stored table of names
is asked, so that a slip is reported in a fraction of a second.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from longspan import old_names
from longspan.cli.known_names import names_are_known, stored_names
from longspan.cli.split_by import split_columns
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, UnknownNameError, nearest, unknown_name
from longspan.extras import require_extra
from longspan.option_words import OptionKind, flag_of, parse_words
from longspan.valid_values import (
    check_average,
    check_imagenet,
    check_patience,
    check_phase,
    check_probability,
    check_train_config,
    check_weights,
    checked_fraction,
    gap_parts,
    split_model,
    stored_networks,
)

__all__ = [
    "BOXES",
    "OTHER_STRATEGIES",
    "check_device",
    "check_files",
    "check_first",
    "check_model",
    "check_system_words",
    "check_types",
    "known_sources",
]

BOXES = {
    "coco": "boxes", "voc": "boxes", "yolo": "boxes", "wider": "boxes", "instance-masks": "instances",
    "coco-keypoints": "keypoints",
}  # fmt: skip
"""What the annotations of a format become, unless --target says otherwise."""

OTHER_STRATEGIES = ("boosting", "xgboost", "lightgbm", "catboost", "tfidf", "nbsvm")
"""What a study takes in place of a network's name: gradient-boosted trees and counted words."""

_DERIVED = ("boxes", "instances", "keypoints")
"""Targets that are made of several columns of a table; one without a heading is called column_0 or the like."""

_DEVICES = ("cpu", "cuda", "mps")
_DRIVERS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")
"""What is there on Linux where a GPU may be: NVIDIA's drivers, those of its boards, Windows' and AMD's."""


def check_first(options: TrainOptions, models: Sequence[str] = ()) -> None:
    """Refuse options of `longspan train` and `longspan study` that cannot be right whatever the data holds.

    Args:
        options: As they were given.
        models: Of a study, the model of each strategy.

    Raises:
        LongspanError: the first that is wrong; what `check_early` would raise for it.
    """
    check_numbers(options)
    check_device(options.device)
    if not names_are_known():
        return
    kinds = check_types(options.target, options.column)
    _check_targets(options)
    chosen = [model for model in (options.model, *models) if model]
    given = None
    for words in chosen:
        if words in OTHER_STRATEGIES or words.partition(":")[0] in old_names.MODELS:
            continue
        model, weights = _split(words, others=words != options.model)
        if words == options.model:
            if weights is not None and options.weights not in (None, weights):
                raise ConfigError(
                    f"--model {words} and --weights {options.weights} name different weights: give one of them."
                )
            given = weights
        _check_imagenet(model, weights or (options.weights if words == options.model else None))
    if (weights := given or options.weights) is not None:
        check_weights(weights)
    _check_libraries(options, kinds, chosen)


def check_types(targets: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The types that --target and --column name; UnknownNameError or ConfigError for one that does not exist."""
    if not names_are_known():
        return []
    known = stored_names()["columns"]
    behind = [_kind_behind(words, known) for words in targets]
    return [_column_kind(words, known) for words in columns] + [kind for kind in behind if kind is not None]


def check_numbers(options: TrainOptions) -> None:
    """Numbers of a training that no network takes."""
    names = (
        "batch_size", "optimizer", "weight_decay", "clip_norm", "accumulate", "mixup", "precision", "sampling",
        "rows_per_class", "short_first",
    )  # fmt: skip
    given = {name: getattr(options, name) for name in names}
    check_train_config({name: value for name, value in given.items() if value is not None})
    phase = {name: getattr(options, name) for name in ("epochs", "lr", "schedule")}
    check_phase({name: value for name, value in phase.items() if value is not None})
    if options.average is not None:
        check_average(options.average)
    if options.early_stopping is not None:
        check_patience(options.early_stopping)
    for part in ("valid", "test"):
        fraction = getattr(options, part)  # on a command line 1 is 1.0
        checked_fraction(f"--{part}", int(fraction) if fraction >= 1 and fraction % 1 == 0 else fraction)
    if options.gap is not None:
        gap_parts(options.gap)
    check_probability("--dropout", options.dropout)
    check_probability("--label-smoothing", options.label_smoothing)


def check_device(device: str) -> None:
    """Refuse a device that this machine cannot have; what PyTorch alone knows is left to it."""
    if device == "auto":
        return
    kind, _, number = device.partition(":")
    if kind not in _DEVICES or (number and not number.isdigit()):
        raise ConfigError(f"There is no device {device!r}. Valid: auto, cpu, cuda, cuda:0, mps.")
    possible = {
        "cpu": number in ("", "0"),
        "cuda": not sys.platform.startswith("linux") or any(Path(path).exists() for path in _DRIVERS),
        "mps": sys.platform == "darwin",
    }
    if not possible[kind]:
        raise ConfigError(f"This machine has no device {device!r}. It has cpu; or use 'auto'.")


def check_model(model: str, device: str = "auto") -> None:
    """Refuse MODEL where there is no model file, and --device where this machine cannot have it."""
    from longspan.storage.file_signatures import check_model_file

    check_model_file(Path(model))
    check_device(device)


def check_files(**paths: str | None) -> None:
    """Refuse options that name a file or folder which does not exist; the names are those of the options."""
    for option, value in paths.items():
        if value is not None and not Path(value).expanduser().exists():
            raise ConfigError(f"{flag_of(option)} {value}: there is no such file or folder.")


def known_sources() -> Sequence[str]:
    """Every data set that has a name."""
    if names_are_known():
        return stored_names()["data sets"]
    from longspan import datasets

    return datasets.names()


def check_system_words(name: str, words: Sequence[str]) -> None:
    """Refuse a system that does not exist, an option that it does not have, and values that it does not take.

    The class of its options checks them; importing its module does not import PyTorch.

    Raises:
        UnknownNameError, ConfigError, WeightsError: what the system itself would raise.
        DependencyError: it needs an extra that is not installed.
    """
    if not names_are_known():
        return
    systems = stored_names()["systems"]
    if name not in systems:
        raise unknown_name("system", name, systems)
    options = systems[name]["options"]
    kinds = {key: OptionKind(kind["kind"], tuple(kind.get("choices", ()))) for key, kind in options.items()}
    values = parse_words(kinds, words)
    for extra in systems[name]["extras"]:
        require_extra(extra, f"The system {name}")
    module, _, options_class = systems[name]["class"].partition(":")
    getattr(importlib.import_module(module), options_class)(**values)


def _column_kind(words: str, columns: Mapping[str, Any]) -> str:
    """The type in NAME=TYPE."""
    name, equals, kind = words.rpartition("=")
    kind, _, detail = kind.partition(":")
    if not equals or not name:
        raise ConfigError(f"--column {words}: write NAME=TYPE, for example --column age=number.")
    if kind not in columns and kind not in old_names.COLUMN_KINDS:
        raise UnknownNameError(f"--column {words}: {unknown_name('column kind', kind, columns)}")
    details = columns.get(kind, {}).get("details")
    if detail and details == []:
        raise ConfigError(f"--column {words}: The type {kind} takes nothing after a colon.")
    if detail and details is not None and detail not in details:
        raise UnknownNameError(f"--column {words}: {unknown_name('tokenizer', detail, details)}")
    return kind


def _kind_behind(words: str, columns: Iterable[str]) -> str | None:
    """The type behind a target, `digit:category`; None where there is none."""
    found = (words[i + 1 :].partition(":")[0] for i, letter in enumerate(words) if letter == ":")
    return next((kind for kind in found if kind in columns), None)


def _check_targets(options: TrainOptions) -> None:
    """Refuse a target whose type is misspelt, and columns that the heading of a text table does not have.

    Other sources are asked when they have been read.
    """
    path, known = Path(options.source).expanduser(), stored_names()["columns"]
    heading = _heading(path) if options.heading in (None, "yes") else None
    for words in options.target:
        if _kind_behind(words, known) is None and (kind := words.rpartition(":")[2]) != words:
            near = nearest(kind, known)
            if near is not None and (path.is_dir() or (heading is not None and words not in heading)):
                raise UnknownNameError(f"--target {words}: {unknown_name('column kind', kind, known)}")
            continue
        if heading is not None and words not in _DERIVED and _kind_behind(words, known) is None:
            _check_column(words, heading, options)
    if heading is not None:
        named = [options.group, options.image, options.row_weights, *split_columns(options.split_by).values()]
        named += [words.rpartition("=")[0] for words in options.column]
        for name in filter(None, named):
            _check_column(name, heading, options)


def _check_column(name: str, heading: str, options: TrainOptions) -> None:
    """UnknownNameError for a column that a text table does not have."""
    made = name.startswith("column_") or '"' in name
    if made or name in heading or options.reads is not None or options.transcripts is not None:
        return
    parted = max(",;\t|", key=heading.count)
    raise unknown_name("column", name, [each.strip().strip('"') for each in heading.split(parted)])


def _heading(path: Path) -> str | None:
    """The first line of a text table; None where there is no such file or it has no line of text."""
    if path.suffix.lower() not in (".csv", ".tsv", ".tab") or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline(1 << 20).strip()
        return line if line and line.count('"') % 2 == 0 else None  # a name may hold a line break
    except (OSError, ValueError):
        return None


def _split(model: str, *, others: bool) -> tuple[str, str | None]:
    """The model and the weights after its name, from the stored names; `others`: a study takes more than networks."""
    designs = {each["name"]: each["any_backbone"] for each in stored_names()["designs"]}
    names = [each["name"] for each in stored_networks()]
    name = model.partition(":")[0]
    if others and name not in designs and name not in names:
        raise unknown_name("model", name, [*names, *designs, *OTHER_STRATEGIES])
    return split_model(model, names, designs)


def _check_imagenet(model: str, weights: str | None) -> None:
    """See `longspan.valid_values.check_imagenet`; of a design its backbone counts."""
    name, _, backbone = model.partition(":")
    designs: dict[str, Any] = {each["name"]: each["backbone"] for each in stored_names()["designs"]}
    network = backbone or designs.get(name, name)
    check_imagenet(network, weights, {each["name"]: each["imagenet"] for each in stored_networks()})


def _check_libraries(options: TrainOptions, kinds: Iterable[str], models: Sequence[str]) -> None:
    """DependencyError if a library is missing that will be needed whatever the data holds."""
    columns = stored_names()["columns"]
    designs = {each["name"]: each for each in stored_names()["designs"]}
    wanted = set(kinds)
    targets = {words.partition(":")[0] for words in options.target}
    if not targets or {"boxes", "instances"} & targets:
        wanted |= {BOXES[options.format]} if options.format in BOXES else set()
    for kind in sorted(wanted & set(columns)):
        extra = columns[kind]["extra"]
        if extra is not None:
            require_extra(extra, "Reading sound" if kind == "audio" else f"Measuring {kind}")
    for model in models:
        design = designs.get(model.partition(":")[0])
        if design is not None and design["extra"] is not None:
            require_extra(design["extra"], f"Measuring {design['predicts'].replace(', ', ' and ')}")
    if Path(options.source).suffix.lower() in (".yaml", ".yml"):
        require_extra("yaml", f"Reading {options.source}")
