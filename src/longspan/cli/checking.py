"""What is wrong with options, found before any data is read: reading may take minutes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from longspan.cli.first_checks import BOXES, check_files, check_first
from longspan.cli.parallel import names_parallel_files
from longspan.cli.sources import check_source, typed_targets
from longspan.cli.split_by import split_columns
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError
from longspan.valid_values import check_weights

if TYPE_CHECKING:
    from longspan.heads import Head

__all__ = ["check_early"]


def check_early(
    options: TrainOptions,
    strategies: Collection[tuple[str, str]] = (),
    check_paths: Callable[[], None] | None = None,
) -> TrainOptions:
    """The options with the weights that stand after the name of the network taken apart from it.

    Checked are: whether SOURCE exists; then types of columns, network and weights, numbers of the training, the device,
    and the libraries that the target needs, as far as that is known before the data has been read.

    Args:
        options: As they were given.
        strategies: Of a study, the network and weights of each; their names are known to be right.
        check_paths: Called once SOURCE exists and names are right, before PyTorch is imported: may what is written be
            written?

    Raises:
        LongspanError: the first of these that is wrong.
    """
    if not names_parallel_files(options):
        check_source(options.source)
    check_files(**{option: getattr(options, option) for option in ("annotations", "classes", "root", "relabel")})
    split_columns(options.split_by)
    check_first(options, [model for model, _ in strategies])
    if check_paths is not None:
        check_paths()
    from longspan.cli.learners import callbacks_of, planned  # these import PyTorch, which takes seconds
    from longspan.cli.tasks import train_config
    from longspan.inference.precision import pick_device

    targets, columns = typed_targets(options.target, options.column)
    if options.model is not None:
        options = with_model(options)
    for model, weights in ((options.model, options.weights), *strategies):
        _check_weights(model, weights)
    numbers = replace(
        options, batch_size=1 if options.batch_size is None else options.batch_size, mode=options.mode or "fit"
    )
    train_config(numbers)
    callbacks_of(options)
    planned(numbers)
    pick_device(options.device)
    _check_libraries(options, targets, columns, [options.model or "", *(model for model, _ in strategies)])
    return options


def with_model(options: TrainOptions) -> TrainOptions:
    """The options with network and weights apart: `--model resnet18:imagenet` is `--model resnet18 --weights imagenet`.

    Raises:
        UnknownNameError: no such network, design, backbone or file of weights.
        ConfigError: --weights says something else.
    """
    from longspan.train.designs import split_weights

    model, weights = split_weights(options.model or "")
    if weights is not None and options.weights not in (None, weights):
        raise ConfigError(
            f"--model {options.model} and --weights {options.weights} name different weights: give one of them."
        )
    return replace(options, model=model, weights=weights or options.weights)


def _check_weights(model: str | None, weights: str | None) -> None:
    """WeightsError or FetchError if the weights that were asked for cannot be had; ImageNet's are fetched here."""
    from longspan.train.designs import DESIGNS

    if weights is not None:
        check_weights(weights)
    if model is not None and weights == "imagenet":
        from longspan.models import create
        from longspan.models.vision.imagenet import imagenet_file
        from longspan.nn.without_memory import on_meta

        name, _, backbone = model.partition(":")
        with on_meta():  # the layers' names alone
            network = create(backbone or (DESIGNS[name].backbone if name in DESIGNS else name))
        imagenet_file(network)


def _check_libraries(
    options: TrainOptions, targets: tuple[str, ...], columns: tuple[str, ...], models: Iterable[str]
) -> None:
    """DependencyError if a library is missing that will be needed whatever the data holds."""
    from longspan.extras import require_extra
    from longspan.heads import HEADS
    from longspan.train.designs import DESIGNS

    kinds = {words.rpartition("=")[2].partition(":")[0] for words in columns}
    if not targets or {"boxes", "instances"} & set(targets):
        kinds |= {BOXES[options.format]} if options.format in BOXES else set()
    by_default: dict[str, type[Head]] = {}
    for head in HEADS.values():
        for kind in head.column_kinds:
            by_default.setdefault(kind, head)
    heads = [by_default[kind] for kind in kinds if kind in by_default]
    designs = [model.partition(":")[0] for model in models]
    heads += [HEADS[DESIGNS[design].head] for design in designs if design in DESIGNS]
    for head in heads:
        if head.extra is not None:
            require_extra(head.extra, f"Measuring {' and '.join(head.column_kinds)}")
    if "audio" in kinds:
        require_extra("audio", "Reading sound")
    if Path(options.source).suffix.lower() in (".yaml", ".yml"):
        require_extra("yaml", f"Reading {options.source}")
