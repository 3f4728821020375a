"""`longspan train`: the options; `training.py` does what they say."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from longspan.cli import options as flags
from longspan.cli.launching import check_launch, is_launched, launch, restarts_so_far
from longspan.cli.options import Opt
from longspan.cli.sources import check_source
from longspan.cli.train_options import TrainOptions, read_options
from longspan.errors import ConfigError

__all__ = ["train"]

_CHANGEABLE = (
    "checkpoint_every", "device", "force", "out", "processes", "quiet", "report", "restarts", "resume",
)  # fmt: skip
_LISTS = ("target", "column", "ignored")
_defaults = TrainOptions(source="")


def train(
    ctx: typer.Context,
    source: flags.Source = None,
    # what is learned from what
    pattern: flags.Pattern = None,
    image: flags.ImageColumn = None,
    root: flags.Root = None,
    suffix: flags.Suffix = None,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
    stream: Annotated[
        bool | None,
        Opt(
            "--stream/--no-stream",
            help="Read the features of a Parquet file a part at a time while it trains, so that it may be larger than "
            "memory. By itself where the file would fill a quarter of the memory.",
        ),
    ] = None,
    transcripts: flags.Transcripts = None,
    reads: flags.Reads = None,
    corners: flags.Corners = None,
    holidays: flags.Holidays = None,
    target: flags.Targets = None,
    column: flags.Columns = None,
    format: flags.Format = None,
    annotations: flags.Annotations = None,
    classes: flags.Classes = None,
    mask_name: flags.MaskName = None,
    ignored: flags.Ignored = None,
    on_error: flags.OnError = _defaults.on_error,
    # which rows are for what
    valid: flags.ValidRows = _defaults.valid,
    test: flags.TestRows = _defaults.test,
    split_by: flags.SplitBy = None,
    gap: flags.Gap = None,
    folds: Annotated[
        int | None,
        Opt(
            metavar="K",
            help="Cross-validation: K models, each measured on rows that it was not trained on; groups and classes are "
            "kept as in a split. --out names a folder for models, out-of-fold predictions and report.",
        ),
    ] = None,
    relabel: Annotated[
        str | None,
        Opt(
            metavar="FILE",
            help="A CSV file of corrected labels, as the page with probably wrong labels writes it: rows are "
            "relabelled or dropped for this training. Rows keep their part of the split, and your files stay as "
            "they are.",
        ),
    ] = None,
    open_vault: Annotated[
        str | None,
        Opt(metavar="REASON", help="Measure on the sealed test rows at the end; counted, and kept in the model file."),
    ] = None,
    group: flags.Group = None,
    time: flags.Time = None,
    leaks: flags.Leaks = None,
    # the network
    model: Annotated[
        str | None,
        Opt(
            metavar="NAME",
            help="A network of `longspan models`, or a design on top of one: unet:squeezenet1_1.  "
            "[default: resnet18; resnet20 for images of at most 64 pixels; line_cnn for texts; unet:resnet18 for "
            "masks, faster_rcnn:resnet18 for boxes, mask_rcnn:resnet18 for instances]",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        Opt(
            metavar="none|imagenet|FILE",
            help="Initial weights.  [default: imagenet where the network has such weights, the images are larger than "
            "64 pixels and the weights are available; else none; the output says which]",
        ),
    ] = None,
    size: flags.Size = None,
    resize: flags.Resize = None,
    dropout: Annotated[float, Opt(metavar="P", help="Dropout probability before the last layer.")] = 0.0,
    # how it is trained
    mode: Annotated[
        str | None,
        Opt(
            metavar="fine-tune|one-cycle|fit",
            help="fine-tune: the new layers first, then all; one-cycle: all layers, the learning rate rises and "
            "falls; fit: all "
            "layers with --schedule.  [default: fine-tune with weights, else one-cycle]",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Passes over the training rows.  [default: 3 for fine-tune, after those of the new layers; else 10; "
            "20 for masks, boxes and instances]",
        ),
    ] = None,
    freeze_epochs: flags.FreezeEpochs = None,
    lr: Annotated[
        float | None,
        Opt(metavar="RATE", help="Peak learning rate.  [default: 0.002 fine-tune, 0.003 one-cycle, 0.001 fit]"),
    ] = None,
    schedule: Annotated[
        str | None,
        Opt(metavar="NAME", help="For fit: linear, cosine, step, constant, coslog4 or one_cycle.  [default: linear]"),
    ] = None,
    batch_size: flags.BatchSize = None,
    accumulate: Annotated[
        int, Opt(metavar="N", help="Accumulate gradients over this many batches before each step.")
    ] = _defaults.accumulate,
    optimizer: Annotated[str, Opt(metavar="adamw|sgd", help="Optimizer.")] = _defaults.optimizer,
    weight_decay: Annotated[
        float | None, Opt(metavar="X", help="Weight decay.  [default: 0.01; 0.03 for tabm_light]")
    ] = None,
    clip_norm: Annotated[float | None, Opt(metavar="NORM", help="Clip the gradient norm to this value.")] = None,
    augment: flags.Augmented = _defaults.augment,
    mixup: Annotated[
        float, Opt(metavar="ALPHA", help="MixUp: blend pairs of images. 0 turns it off; 0.2 to 0.4 is usual.")
    ] = 0.0,
    label_smoothing: Annotated[
        float, Opt(metavar="X", help="Label smoothing: the fraction of each target that is spread over all classes.")
    ] = 0.0,
    class_weights: Annotated[
        str | None,
        Opt(
            metavar="balanced|CLASS=WEIGHT,...",
            help="Weight of each class in the loss: balanced weights classes by their inverse frequency; or give "
            "numbers for some classes, and the others get 1.",
        ),
    ] = None,
    sampling: Annotated[
        str,
        Opt(
            metavar="shuffled|balanced|by_class",
            help="Rows of an epoch: every row once, or as many rows drawn so that all classes are equally frequent; "
            "by_class: every row once, rows of a class together, as the designs triplet, arcface and cosface like it.",
        ),
    ] = _defaults.sampling,
    rows_per_class: Annotated[
        int, Opt(metavar="N", help="With --sampling by_class: rows of a class that come together.")
    ] = _defaults.rows_per_class,
    short_first: Annotated[
        int,
        Opt(
            metavar="N",
            help="In the first N epochs texts or recordings come in the order of their lengths, the shortest first.",
        ),
    ] = _defaults.short_first,
    row_weights: Annotated[
        str | None,
        Opt(
            metavar="COLUMN",
            help="A column with the weight of each row in the training loss; it is not read as a feature.",
        ),
    ] = None,
    virtual_workers: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Cut every batch into N equal parts, compute the gradient of each apart and add them in a fixed "
            "order: the same weights, bit for bit, with any number of processes that divides N.",
        ),
    ] = None,
    average: Annotated[
        float | None, Opt(metavar="DECAY", help="Keep a running average of the weights, such as 0.99.")
    ] = None,
    early_stopping: Annotated[
        int | None,
        Opt(metavar="EPOCHS", help="Stop when the validation loss has not improved for this many epochs."),
    ] = None,
    # an environment in place of data
    env: Annotated[
        str | None,
        Opt(metavar="NAME", help="Learn in an environment in place of SOURCE: MinAtar/Breakout-v1, CartPole-v1."),
    ] = None,
    algorithm: Annotated[str | None, Opt(metavar="dqn", help="With --env: how it learns.  [default: dqn]")] = None,
    frames: Annotated[int, Opt(metavar="N", help="With --env: decisions of the agent in training.")] = 1_000_000,
    setting: Annotated[
        list[str] | None,
        Opt(
            "--set",
            metavar="NAME=VALUE",
            help="With --env a setting of DQN, with --task generate one of the training; may be repeated.",
        ),
    ] = None,
    # images that never were, in place of predictions
    task: Annotated[
        str | None,
        Opt(metavar="generate", help="Learn to make images like those of SOURCE, in place of predicting a target."),
    ] = None,
    # the run
    seed: Annotated[int, Opt(metavar="N", help="Random seed.")] = 0,
    device: flags.Device = "auto",
    precision: Annotated[str, Opt(metavar="auto|float32|bfloat16", help="Floating-point precision.")] = "auto",
    out: Annotated[
        str,
        Opt(
            metavar="FILE|RUN",
            help="Where to save: a file that ends in .safetensors; or a folder for the whole run, with the model, the "
            "report, result.json and the checkpoints that --resume continues from.",
        ),
    ] = _defaults.out,
    resume: Annotated[
        str | None,
        Opt(metavar="RUN", help="Continue the training in this folder, with its own SOURCE and options."),
    ] = None,
    checkpoint_every: Annotated[
        str | None,
        Opt(
            metavar="N|Nmin",
            help="Steps, or minutes, between checkpoints; with --env frames.  "
            "[default: 5min, and after an epoch while checkpoints take at most 1 % of the time]",
        ),
    ] = None,
    checkpoints: Annotated[
        str | None, Opt(metavar="DIR", help="Where --out is a file: a folder for checkpoints alone, for --resume DIR.")
    ] = None,
    report: Annotated[
        str | None, Opt(metavar="FILE", help="Where the report goes.  [default: beside the model, as .html]")
    ] = None,
    tensorboard: Annotated[
        str | None,
        Opt(metavar="DIR", help="Write losses, rates and metrics as TensorBoard events: tensorboard --logdir DIR."),
    ] = None,
    step_log: Annotated[
        str | None, Opt(metavar="FILE", help="Write every step as a line of JSON: step, epoch, time, rate, losses.")
    ] = None,
    mlflow: Annotated[
        str | None,
        Opt(metavar="URI", help="Track on an MLflow server, such as http://localhost:5000, as a run of longspan."),
    ] = None,
    processes: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Train in N processes on this machine, each with its part of every batch and with a GPU of its own "
            "where there are GPUs. On several machines: torchrun ... -m longspan train.",
        ),
    ] = None,
    restarts: Annotated[
        int,
        Opt(
            metavar="N",
            help="With --processes: when a process dies, start all of them again, at most N times; with --out RUN "
            "from the last checkpoint.",
        ),
    ] = 0,
    force: flags.Force = False,
    quiet: flags.Quiet = False,
) -> None:
    r"""Train a network and save it as one file.

    longspan train photos    (one folder per class)

    longspan train prices.csv --target price

    longspan train data.yaml    (boxes or masks, as YOLO and Roboflow write them)

    longspan train photos --task generate --out faces.safetensors    (a network that makes images)

    longspan train --env MinAtar/Breakout-v1 --algorithm dqn --out breakout    (an agent, from what it sees)

    longspan train pets/images --pattern '(?P<breed>.+)_\d+\.jpg' --target breed --out breeds.safetensors
    """
    # `ctx.params` holds every parameter above by its name; forty lines that copy them one by one would hide a slip.
    check_launch(processes, restarts)
    given = {name for name in ctx.params if ctx.get_parameter_source(name).name == "COMMANDLINE"}  # type: ignore[union-attr]
    if task is not None:
        from longspan.cli.generating import train_generator

        train_generator(ctx.params, given)
        return
    if env is None and resume is None and given & {"algorithm", "frames", "setting"}:
        raise ConfigError("--algorithm, --frames and --set need an environment: --env MinAtar/Breakout-v1.")
    if env is not None or (resume is not None and _is_agent_training(resume)):
        from longspan.cli.playing import train_agent

        train_agent(ctx.params, given)
        return
    if resume is not None:
        options = _resumed(Path(resume), given, ctx.params)
    elif source is None:
        raise ConfigError("Name the data: longspan train SOURCE, a folder, a table or the name of a data set.")
    else:
        values: dict[str, Any] = {field.name: ctx.params[field.name] for field in fields(TrainOptions)}
        values.update({name: tuple(values[name] or ()) for name in _LISTS})
        options = TrainOptions(**values)

    folder = None if resume is None else Path(resume).expanduser()
    if processes is not None and processes > 1 and not is_launched():
        from longspan.cli.output_paths import check_places

        if resume is None:
            check_source(options.source)
            check_places(options, None)
        if code := launch(processes, restarts, sys.argv[1:]):
            raise SystemExit(code)
        return
    if folder is None and restarts_so_far():
        folder = _begun(options)
        options = options if folder is None else read_options(folder, {})

    from longspan.cli.training import train_as_told

    train_as_told(options, resume=folder)


def _begun(options: TrainOptions) -> Path | None:
    """The folder that these processes were training in when one of them died; None where nothing is kept."""
    home = options.out if options.is_run else options.checkpoints
    folder = None if home is None else Path(home).expanduser()
    return folder if folder is not None and (folder / "run.json").is_file() else None


def _is_agent_training(folder: str) -> bool:
    """Whether a folder holds the checkpoint of an agent that learns in an environment."""
    return (Path(folder).expanduser() / "checkpoint" / "state.safetensors").is_file()


def _resumed(folder: Path, given: set[str], params: dict[str, object]) -> TrainOptions:
    """The options of the training in `folder`; those that say how it trains cannot be other ones now."""
    folder = folder.expanduser()
    fixed = sorted(given - set(_CHANGEABLE))
    if fixed:
        names = ", ".join("SOURCE" if name == "source" else _flag(name) for name in fixed)
        raise ConfigError(
            f"--resume continues with the options that the training was started with; leave out {names}. Only "
            f"{', '.join(_flag(name) for name in _CHANGEABLE if name != 'resume')} may change."
        )
    changed = {name: params[name] for name in given & set(_CHANGEABLE) - {"resume", "processes", "restarts"}}
    return read_options(folder, changed)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
