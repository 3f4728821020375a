"""`longspan study`: the options; `studying.py` does what they say."""

from __future__ import annotations

from typing import Annotated

import typer

from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError

__all__ = ["study"]

Opt = typer.Option
_defaults = TrainOptions(source="")


def study(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="Folder, .csv or .parquet file, or name of a data set.")
    ] = None,
    # what is learnt from what
    pattern: Annotated[
        str | None, Opt(metavar="REGEX", help="For a folder: what the files are called; see `longspan train --help`.")
    ] = None,
    image: Annotated[
        str | None, Opt(metavar="COLUMN", help="For a table: the column with the pictures' files.")
    ] = None,
    target: Annotated[list[str] | None, Opt(metavar="COLUMN", help="What to predict; repeat it for several.")] = None,
    column: Annotated[
        list[str] | None,
        Opt(metavar="NAME=TYPE", help="Type of a column where its values mislead; see `longspan train --help`."),
    ] = None,
    on_error: Annotated[
        str, Opt(metavar="raise|skip", help="Bad files and rows: refuse them, or leave them out.")
    ] = _defaults.on_error,
    size: Annotated[
        int | None,
        Opt(metavar="PIXELS", help="Side that pictures get.  [default: 224; up to 64 pixels, that of the pictures]"),
    ] = None,
    # which rows are for what
    valid: Annotated[
        float, Opt(metavar="ROWS", help="Rows that strategies are measured on: a share below 1, or a number.")
    ] = _defaults.valid,
    test: Annotated[
        float, Opt(metavar="ROWS", help="Rows that are sealed in the vault: a share or a number; none unless given.")
    ] = _defaults.test,
    split_by: Annotated[
        str | None, Opt(metavar="HOW:COLUMN", help="time:COLUMN, group:COLUMN or column:COLUMN.")
    ] = None,
    leaks: Annotated[
        str | None, Opt(metavar="refuse|move|allow", help="Samples on both sides of the split; as in `longspan train`.")
    ] = None,
    evaluate_on: Annotated[
        str, Opt(metavar="valid|test", help="test opens the vault once, and the study file says when and why.")
    ] = "valid",
    # strategies x sizes x seeds
    model: Annotated[
        list[str] | None,
        Opt(
            metavar="MODEL[:WEIGHTS]",
            help="A strategy: a network from scratch, or fine-tuned from imagenet or a file. Repeat it for several.",
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None, Opt(metavar="NAME=MODEL[:WEIGHTS]", help="The same, with a name of its own.")
    ] = None,
    sizes: Annotated[
        str | None,
        Opt(
            metavar="N,N,...",
            help="Numbers of training rows.  [default: all, and halves of it down to 20, five in all]",
        ),
    ] = None,
    seeds: Annotated[int, Opt(metavar="N", help="Runs of each strategy at each size; 3 or more give intervals.")] = 5,
    steps: Annotated[int | None, Opt(metavar="N", help="The same budget for every run: batches.")] = None,
    seconds: Annotated[float | None, Opt(metavar="S", help="The same budget for every run: time.")] = None,
    # how networks are trained
    epochs: Annotated[
        int | None, Opt(help="Passes over the training rows, without a budget.  [default: 10; 3 from weights]")
    ] = None,
    freeze_epochs: Annotated[
        int, Opt(metavar="N", help="From weights: passes for the new layers alone, before the others.")
    ] = _defaults.freeze_epochs,
    lr: Annotated[
        float | None, Opt(metavar="RATE", help="Peak learning rate.  [default: 0.003; 0.002 from weights]")
    ] = None,
    batch_size: Annotated[int, Opt(metavar="N", help="Rows in a step.")] = _defaults.batch_size,
    augment: Annotated[
        str, Opt(metavar="none|photos|digits", help="Change training pictures a little in every epoch.")
    ] = _defaults.augment,
    # the run
    seed: Annotated[int, Opt(metavar="N", help="Of the split.")] = 0,
    jobs: Annotated[int, Opt(metavar="N", help="Runs at a time.")] = 1,
    backend: Annotated[str, Opt(metavar="processes|ray|inline", help="Where runs are computed.")] = "processes",
    threads: Annotated[
        int | None, Opt(metavar="N", help="That each run computes with.  [default: the cores divided by the jobs]")
    ] = None,
    keep: Annotated[
        str, Opt(metavar="none|largest|all", help="Models to save: none, those of the largest size, or all.")
    ] = "none",
    out: Annotated[
        str, Opt("--out", metavar="DIR", help="Folder for study.sqlite, report.html, study.json and kept models.")
    ] = "study",
    quiet: Annotated[bool, Opt("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    r"""Train networks on growing amounts of data, and say which wins, and from which amount on.

    longspan study pets/images --pattern '(?P<breed>.+)_\d+\.jpg' --model resnet18 --model resnet18:imagenet --out pets

    Stop it and give the same command again: it goes on. Without SOURCE it reports on the study in DIR.
    """
    from longspan.cli.studying import StudyOptions, report_on, study_as_told

    if source is None:
        if any((model, strategy, sizes, steps, seconds)):
            raise ConfigError("What shall be learnt from? longspan study SOURCE; without it DIR is only reported on.")
        report_on(out, quiet=quiet)
        return
    options = TrainOptions(
        source=source, pattern=pattern, image=image, target=tuple(target or ()), column=tuple(column or ()),
        on_error=on_error, leaks=leaks, valid=valid, test=test, split_by=split_by, size=size, epochs=epochs,
        freeze_epochs=freeze_epochs, lr=lr, batch_size=batch_size, augment=augment, seed=seed, quiet=quiet,
    )  # fmt: skip
    study_as_told(
        options,
        StudyOptions(
            models=tuple(model or ()), strategies=tuple(strategy or ()), sizes=sizes, seeds=seeds, steps=steps,
            seconds=seconds, evaluate_on=evaluate_on, jobs=jobs, backend=backend, threads=threads, keep=keep, out=out,
        ),
    )  # fmt: skip
