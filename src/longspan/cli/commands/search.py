"""`longspan search`: the options; `searching.py` does what they say."""

from __future__ import annotations

from typing import Annotated

from longspan.cli import options as flags
from longspan.cli.options import Opt
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError

__all__ = ["search"]

_defaults = TrainOptions(source="")


def search(
    source: flags.Source = None,
    # what is learned from what
    pattern: flags.Pattern = None,
    image: flags.ImageColumn = None,
    root: flags.Root = None,
    suffix: flags.Suffix = None,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
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
    size: flags.Size = None,
    resize: flags.Resize = None,
    # which rows are for what
    valid: flags.ValidRows = _defaults.valid,
    test: flags.TestRows = _defaults.test,
    split_by: flags.SplitBy = None,
    gap: flags.Gap = None,
    group: flags.Group = None,
    time: flags.Time = None,
    leaks: flags.Leaks = None,
    # the budget and the space
    trials: Annotated[int | None, Opt(metavar="N", help="Trainings at most, over all calls into this folder.")] = None,
    minutes: Annotated[
        float | None,
        Opt(
            metavar="M",
            help="Minutes at most, over all calls; no trial begins when less is left than the quickest has taken.",
        ),
    ] = None,
    space: Annotated[
        list[str] | None,
        Opt(
            metavar="NAME=VALUES",
            help="What is searched: an option of `longspan train` with a range (lr=1e-4..1e-1) or with values "
            "(model=resnet18,squeezenet1_1). A range of a factor of ten or more is drawn over its logarithm. Repeat it "
            "for several.  [default: lr, weight_decay, and whether to use --augment]",
        ),
    ] = None,
    decide_on: Annotated[
        str | None, Opt(metavar="NAME", help="Target whose error chooses, if there are several.")
    ] = None,
    # how networks are trained, where it is not searched
    model: Annotated[
        str | None, Opt(metavar="NAME", help="Network or design of every trial, where --space does not list them.")
    ] = None,
    weights: Annotated[
        str | None, Opt(metavar="none|imagenet|FILE", help="Initial weights, as for `longspan train`.")
    ] = None,
    mode: Annotated[str | None, Opt(metavar="fine-tune|one-cycle|fit", help="As for `longspan train`.")] = None,
    epochs: Annotated[int | None, Opt(metavar="N", help="Passes over the training rows in every trial.")] = None,
    freeze_epochs: flags.FreezeEpochs = None,
    lr: Annotated[float | None, Opt(metavar="RATE", help="Peak learning rate of the first trial.")] = None,
    weight_decay: Annotated[float | None, Opt(metavar="X", help="Weight decay of the first trial.")] = None,
    batch_size: flags.BatchSize = None,
    augment: flags.Augmented = _defaults.augment,
    early_stopping: Annotated[
        int | None,
        Opt(metavar="EPOCHS", help="Stop a trial when the validation loss has not improved for this many epochs."),
    ] = None,
    # the run
    seed: Annotated[int, Opt(metavar="N", help="Random seed of the split, the trainings and what is drawn.")] = 0,
    device: flags.Device = "auto",
    out: Annotated[
        str, Opt("--out", metavar="DIR", help="Folder for search.jsonl, best.safetensors and report.html.")
    ] = "search",
    quiet: flags.Quiet = False,
) -> None:
    r"""Search for settings with Optuna: each trial trains, the validation rows choose, test rows stay sealed.

    longspan search photos --trials 30 --minutes 60 --space lr=1e-4..1e-1 --space model=resnet18,squeezenet1_1

    To resume a search that was stopped, give the same command again; the budget may grow. The first trial has the
    settings that `longspan train` would have.
    """
    from longspan.cli.searching import SearchOptions, run_search

    if source is None:
        raise ConfigError("Name the data: longspan search SOURCE, a folder, a table or the name of a data set.")
    options = TrainOptions(
        source=source, pattern=pattern, image=image, root=root, suffix=suffix, heading=heading, encoding=encoding,
        corners=corners,
        holidays=holidays, target=tuple(target or ()), column=tuple(column or ()),
        format=format, annotations=annotations, classes=classes, mask_name=mask_name, ignored=tuple(ignored or ()),
        on_error=on_error, leaks=leaks, group=group, time=time, valid=valid, test=test, split_by=split_by, gap=gap,
        size=size, resize=resize,
        model=model, weights=weights, mode=mode, epochs=epochs, freeze_epochs=freeze_epochs, lr=lr,
        weight_decay=weight_decay, batch_size=batch_size, augment=augment, early_stopping=early_stopping, seed=seed,
        device=device, quiet=quiet,
    )  # fmt: skip
    run_search(
        options,
        SearchOptions(space=tuple(space or ()), trials=trials, minutes=minutes, decide_on=decide_on, out=out),
    )
