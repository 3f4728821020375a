"""`longspan study`: the options; `studying.py` does what they say."""

from __future__ import annotations

import math
from typing import Annotated

from longspan.cli import options as flags
from longspan.cli.options import Opt
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError

__all__ = ["study"]

_defaults = TrainOptions(source="")


def study(
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
    evaluate_on: Annotated[
        str, Opt(metavar="valid|test", help="test opens the vault once; the study file records when and why.")
    ] = "valid",
    # strategies x sizes x seeds
    model: Annotated[
        list[str] | None,
        Opt(
            metavar="MODEL[:WEIGHTS]",
            help="A strategy: a network or a design (unet:resnet18) from scratch, or fine-tuned from imagenet or a "
            "file. Repeat it for several.",
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None, Opt(metavar="NAME=MODEL[:WEIGHTS]", help="As --model, with a name for the report.")
    ] = None,
    sizes: Annotated[
        str | None,
        Opt(
            metavar="N,N,...",
            help="Training set sizes.  [default: all, and halves of it down to 20, five in all]",
        ),
    ] = None,
    seeds: Annotated[int, Opt(metavar="N", help="Runs of each strategy at each size; 3 or more give intervals.")] = 5,
    steps: Annotated[int | None, Opt(metavar="N", help="Budget of every run, in batches.")] = None,
    seconds: Annotated[float | None, Opt(metavar="S", help="Budget of every run, in seconds of training.")] = None,
    tune: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Tuning trials inside every run, equally many for every strategy: the first with the strategy's own "
            "learning rate, the others with a tenth to ten times that rate. They share the run's budget.",
        ),
    ] = None,
    space: Annotated[
        list[str] | None,
        Opt(
            metavar="NAME=LOW..HIGH",
            help="What --tune draws from instead: an option of every strategy (lr, config.batch_size) with a range or "
            "with NAME=VALUE,VALUE. A range of a factor of ten or more is drawn over its logarithm. Repeat it for "
            "several.",
        ),
    ] = None,
    search: Annotated[
        str, Opt(metavar="random|optuna", help="How --tune chooses its trials; optuna learns from earlier ones.")
    ] = "random",
    # how networks are trained
    epochs: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Passes over the training rows, without a budget.  [default: 10; 3 from weights; 20 for masks, boxes "
            "and instances]",
        ),
    ] = None,
    freeze_epochs: flags.FreezeEpochs = None,
    lr: Annotated[
        float | None, Opt(metavar="RATE", help="Peak learning rate.  [default: 0.003; 0.002 from weights]")
    ] = None,
    batch_size: flags.BatchSize = None,
    augment: flags.Augmented = _defaults.augment,
    # the run
    seed: Annotated[int, Opt(metavar="N", help="Random seed of the split.")] = 0,
    jobs: Annotated[int, Opt(metavar="N", help="Runs in parallel.")] = 1,
    backend: Annotated[str, Opt(metavar="processes|ray|inline", help="How runs are executed.")] = "processes",
    threads: Annotated[
        int | None, Opt(metavar="N", help="Threads of each run.  [default: the cores divided by the jobs]")
    ] = None,
    until: Annotated[
        str,
        Opt(
            metavar="finished|decided",
            help="finished runs everything; decided chooses each run by the results so far, and stops as soon as it "
            "is clear which strategy is better.",
        ),
    ] = "finished",
    decide_at: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Number of training rows to decide for, with --until decided.  [default: the largest size]",
        ),
    ] = None,
    decide_on: Annotated[
        str | None,
        Opt(
            metavar="NAME",
            help="Target whose error decides with --until decided, and chooses among the trials of --tune, if there "
            "are several.",
        ),
    ] = None,
    worth: Annotated[
        float,
        Opt(
            metavar="D",
            help="Differences in error below this do not matter (0.01 is one point): for the advice, and for --until "
            "decided.",
        ),
    ] = 0.0,
    level: Annotated[
        float,
        Opt(
            metavar="P",
            help="How sure a decision must be, with --until decided: of two equal strategies one is called better in "
            "at most 1 - P of studies.",
        ),
    ] = 0.95,
    budget_seconds: Annotated[
        float | None,
        Opt(
            metavar="S",
            help="Limit for the training time of all runs together, with --until decided.  [default: no limit]",
        ),
    ] = None,
    forecast: Annotated[
        int | None,
        Opt(
            metavar="N",
            help="Also forecast each strategy's error with N training rows, up to four times the largest size.",
        ),
    ] = None,
    beyond: Annotated[
        bool,
        Opt("--beyond", help="Forecast further than four times the largest size, where no interval was ever checked."),
    ] = False,
    keep: Annotated[
        str, Opt(metavar="none|largest|all", help="Models to save: none, those of the largest size, or all.")
    ] = "none",
    out: Annotated[
        str, Opt("--out", metavar="DIR", help="Folder for study.sqlite, report.html, study.json and kept models.")
    ] = "study",
    quiet: flags.Quiet = False,
) -> None:
    r"""Train networks on growing amounts of data, and show which one wins at which amount.

    longspan study pets/images --pattern '(?P<breed>.+)_\d+\.jpg' --model resnet18 --model resnet18:imagenet --out pets

    To resume a study that was stopped, give the same command again. Without SOURCE: report on the study in DIR.
    """
    from longspan.cli.studying import StudyOptions, report_on, run_study

    if source is None:
        if any((model, strategy, sizes, steps, seconds)):
            raise ConfigError("Name the data: longspan study SOURCE. Without SOURCE, DIR is only reported on.")
        if not 0 <= worth < math.inf:
            raise ConfigError(f"--worth must be at least 0, got {worth}.")
        report_on(out, quiet=quiet, worth=worth, forecast=forecast, beyond=beyond)
        return
    options = TrainOptions(
        source=source, pattern=pattern, image=image, root=root, suffix=suffix, heading=heading, encoding=encoding,
        corners=corners,
        holidays=holidays, target=tuple(target or ()), column=tuple(column or ()),
        format=format, annotations=annotations, classes=classes, mask_name=mask_name, ignored=tuple(ignored or ()),
        on_error=on_error, leaks=leaks, group=group, time=time, valid=valid, test=test, split_by=split_by, gap=gap,
        size=size, resize=resize,
        epochs=epochs, freeze_epochs=freeze_epochs, lr=lr, batch_size=batch_size, augment=augment, seed=seed,
        quiet=quiet,
    )  # fmt: skip
    run_study(
        options,
        StudyOptions(
            models=tuple(model or ()), strategies=tuple(strategy or ()), sizes=sizes, seeds=seeds, steps=steps,
            seconds=seconds, evaluate_on=evaluate_on, jobs=jobs, backend=backend, threads=threads, keep=keep, out=out,
            tune=tune, space=tuple(space or ()), search=search, until=until, decide_at=decide_at, decide_on=decide_on,
            worth=worth, level=level, budget_seconds=budget_seconds, forecast=forecast, beyond=beyond,
        ),
    )  # fmt: skip
