"""`longspan train`: the options; `training.py` does what they say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from longspan.cli.train_options import TrainOptions, read_options
from longspan.errors import ConfigError

__all__ = ["train"]

_CHANGEABLE = ("device", "force", "out", "quiet", "report", "resume")
Opt = typer.Option
_defaults = TrainOptions(source="")


def train(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="Folder, .csv or .parquet file, or name of a data set.")
    ] = None,
    # what is learnt from what
    pattern: Annotated[
        str | None,
        Opt(
            metavar="REGEX",
            help="For a folder: what the files are called, as a regular expression for the whole path below it; named "
            r"groups become columns: '(?P<breed>.+)_\d+\.jpg', '(?P<digit>\d)/.*\.png'.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        Opt(metavar="COLUMN", help="For a table: the column with the pictures' files, seen from its folder."),
    ] = None,
    target: Annotated[
        list[str] | None,
        Opt(metavar="COLUMN", help="What to predict; repeat it for several. Needed where there is a choice."),
    ] = None,
    column: Annotated[
        list[str] | None,
        Opt(
            metavar="NAME=TYPE",
            help="Type of a column where its values mislead: category, number[:unit], categories[:separator], text, "
            "image. Repeatable.",
        ),
    ] = None,
    on_error: Annotated[
        str, Opt(metavar="raise|skip", help="Bad files and rows: refuse them, all by name, or leave them out.")
    ] = _defaults.on_error,
    # which rows are for what
    valid: Annotated[
        float, Opt(metavar="ROWS", help="Rows that validate: a share below 1, or a number.")
    ] = _defaults.valid,
    test: Annotated[
        float, Opt(metavar="ROWS", help="Rows that are sealed in the vault: a share or a number; none unless given.")
    ] = _defaults.test,
    split_by: Annotated[
        str | None,
        Opt(
            metavar="HOW:COLUMN",
            help="time:COLUMN (the last rows validate), group:COLUMN (a group is never parted), or column:COLUMN (it "
            "says train, valid or test). Default: at random, in equal shares of every class.",
        ),
    ] = None,
    open_vault: Annotated[
        str | None,
        Opt(metavar="REASON", help="Measure on the sealed test rows at the end; counted, and kept in the model file."),
    ] = None,
    leaks: Annotated[
        str | None,
        Opt(
            metavar="refuse|move|allow",
            help="Samples that stand on both sides of the split, nearly alike: refuse them, all by name; let the "
            "held-out copies train and measure on the rest; or train all the same, which the file then says.  "
            "[default: move where the split is drawn at random, else refuse]",
        ),
    ] = None,
    # the network
    model: Annotated[
        str | None,
        Opt(
            metavar="NAME",
            help="`longspan models` lists them.  [default: resnet18; resnet20 for pictures of at most 64 pixels; "
            "line_cnn for texts]",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        Opt(
            metavar="none|imagenet|FILE",
            help="What the network starts from.  [default: imagenet where the network has such weights, the pictures "
            "are larger than 64 pixels and the weights can be had; else none; the output says which]",
        ),
    ] = None,
    size: Annotated[
        int | None,
        Opt(metavar="PIXELS", help="Side that pictures get.  [default: 224; up to 64 pixels, that of the pictures]"),
    ] = None,
    dropout: Annotated[
        float, Opt(metavar="SHARE", help="Probability that a feature is dropped before the last layer.")
    ] = 0.0,
    # how it is trained
    mode: Annotated[
        str | None,
        Opt(
            metavar="fine-tune|one-cycle|fit",
            help="fine-tune: the new layers first, then all; one-cycle: all layers, the rate up and down; fit: all "
            "layers with --schedule.  [default: fine-tune with weights, else one-cycle]",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        Opt(help="Passes over the training rows.  [default: 3 for fine-tune, after those of the new layers; else 10]"),
    ] = None,
    freeze_epochs: Annotated[int, Opt(metavar="N", help="For fine-tune: passes for the new layers alone.")] = 5,
    lr: Annotated[
        float | None,
        Opt(metavar="RATE", help="Peak learning rate.  [default: 0.002 fine-tune, 0.003 one-cycle, 0.001 fit]"),
    ] = None,
    schedule: Annotated[
        str | None, Opt(metavar="NAME", help="For fit: linear, cosine, step, constant or one_cycle.  [default: linear]")
    ] = None,
    batch_size: Annotated[int, Opt(metavar="N", help="Rows in a step.")] = _defaults.batch_size,
    accumulate: Annotated[int, Opt(metavar="N", help="Batches whose gradients make one step.")] = _defaults.accumulate,
    optimizer: Annotated[str, Opt(metavar="adamw|sgd", help="How gradients become steps.")] = _defaults.optimizer,
    weight_decay: Annotated[float, Opt(metavar="X", help="Pull of the weights towards zero.")] = _defaults.weight_decay,
    clip_norm: Annotated[float | None, Opt(metavar="NORM", help="Longest gradient; longer ones are cut down.")] = None,
    augment: Annotated[
        str, Opt(metavar="none|photos|digits", help="Change training pictures a little in every epoch.")
    ] = _defaults.augment,
    mixup: Annotated[float, Opt(metavar="ALPHA", help="Blend pairs of pictures; 0 is off, 0.2 to 0.4 usual.")] = 0.0,
    label_smoothing: Annotated[float, Opt(metavar="SHARE", help="Share of certainty taken from the labels.")] = 0.0,
    average: Annotated[
        float | None, Opt(metavar="DECAY", help="Keep a running average of the weights, such as 0.99.")
    ] = None,
    early_stopping: Annotated[
        int | None,
        Opt(metavar="EPOCHS", help="Stop when the validation loss was no better for so long; keep the best weights."),
    ] = None,
    # the run
    seed: Annotated[int, Opt(metavar="N", help="Of everything random.")] = 0,
    device: Annotated[str, Opt(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, Opt(metavar="auto|float32|bfloat16", help="Of the arithmetic.")] = "auto",
    checkpoints: Annotated[
        str | None, Opt(metavar="DIR", help="Write down now and then where the training stands; see --resume.")
    ] = None,
    resume: Annotated[
        str | None,
        Opt(metavar="DIR", help="Go on with the training whose checkpoints are in DIR; it knows SOURCE and options."),
    ] = None,
    out: Annotated[str, Opt(metavar="FILE", help="Where the model goes.")] = _defaults.out,
    report: Annotated[
        str | None, Opt(metavar="FILE", help="Where the report goes.  [default: beside the model, as .html]")
    ] = None,
    force: Annotated[bool, Opt("--force", help="Replace an existing model or report.")] = False,
    quiet: Annotated[bool, Opt("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    r"""Train a network on pictures and save it as one file.

    longspan train pets/images --pattern '(?P<breed>.+)_\d+\.jpg' --target breed --out breeds.safetensors
    """
    # `ctx.params` holds every parameter above by its name; forty lines that copy them one by one would hide a slip.
    given = {name for name in ctx.params if ctx.get_parameter_source(name).name == "COMMANDLINE"}  # type: ignore[union-attr]
    if resume is not None:
        options = _resumed(Path(resume), given, ctx.params)
    elif source is None:
        raise ConfigError(
            "What shall be learnt from? longspan train SOURCE: a folder, a table or the name of a data set."
        )
    else:
        told: dict[str, Any] = {field.name: ctx.params[field.name] for field in fields(TrainOptions)}
        told |= {"target": tuple(target or ()), "column": tuple(column or ())}
        options = TrainOptions(**told)

    from longspan.cli.training import train_as_told

    train_as_told(options, resume=None if resume is None else Path(resume))


def _resumed(folder: Path, given: set[str], params: dict[str, object]) -> TrainOptions:
    """The options of the training in `folder`; those that say how it trains cannot be other ones now."""
    fixed = sorted(given - set(_CHANGEABLE))
    if fixed:
        names = ", ".join("SOURCE" if name == "source" else f"--{name.replace('_', '-')}" for name in fixed)
        raise ConfigError(
            f"--resume goes on with the options that the training was started with; leave out {names}. Only "
            f"{', '.join(f'--{name}' for name in _CHANGEABLE if name != 'resume')} may change."
        )
    changed = {name: params[name] for name in given & set(_CHANGEABLE) - {"resume"}}
    return read_options(folder, changed)
