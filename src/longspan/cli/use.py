"""`longspan predict` and `longspan evaluate`: a saved model, used and measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longspan.cli.shell import interruptible, new_file, writing
from longspan.errors import ConfigError, DataError, Fault, data_error

if TYPE_CHECKING:
    from longspan.pipeline import Pipeline
    from longspan.train import Ensemble, Prediction, Predictor

__all__ = ["evaluate", "predict"]

_AT_A_TIME = 256  # files whose pixels are in memory together
Opt = typer.Option


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `longspan train` or `save` wrote.")],
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Pictures.")],
    as_json: Annotated[
        bool, Opt("--json", help="Print JSON: an object for one file, a list of objects for several.")
    ] = False,
    out: Annotated[str | None, Opt(metavar="CSV", help="Write a table, one row per file, instead of printing.")] = None,
    views: Annotated[
        int, Opt(metavar="N", help="Average over N augmented views; for models trained with augmentation.")
    ] = 1,
    device: Annotated[str, Opt(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    force: Annotated[bool, Opt("--force", help="Replace an existing CSV file.")] = False,
) -> None:
    """Say what a model thinks of pictures.

    One line per file: its name, each target with its answer, and how probable the model holds it. If any file cannot be
    read, all such files are named and nothing is predicted.
    """
    target = None if out is None else new_file(out, "--out", force=force)
    if views < 1:
        raise ConfigError(f"--views must be at least 1, got {views}.")
    folders = [file for file in files if Path(file).is_dir()]
    if folders:
        raise ConfigError(
            f"{folders[0]} is a folder; name the files in it, for example {folders[0].rstrip('/')}/*.jpg."
        )

    from longspan.systems.given import load_with_given

    with interruptible(lambda: "Nothing was written."):
        predictions = _predict_all(load_with_given(model, device=device), files, views)
    if target is not None:
        from longspan.train import predictions_to_frame
        from longspan.train.files import write_whole

        with writing(target, "--out"):
            frame = predictions_to_frame(predictions)
            write_whole(target, lambda part: _flat(frame).write_csv(part))
        print(f"{len(predictions)} predictions in {target}")
    if as_json:
        answers = [prediction.to_json() for prediction in predictions]
        print(json.dumps(answers[0] if len(answers) == 1 else answers, indent=2, ensure_ascii=False))
    elif target is None:
        width = max(len(file) for file in files)
        for file, prediction in zip(files, predictions, strict=True):
            print(f"{file:<{width}}  {_words(prediction)}")


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `longspan train` or `save` wrote.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Folder, .csv or .parquet file, or name of a data set.")
    ],
    pattern: Annotated[
        str | None, Opt(metavar="REGEX", help="For a folder: what the files are called; see `longspan train --help`.")
    ] = None,
    image: Annotated[
        str | None,
        Opt(metavar="COLUMN", help="For a table: the column with the pictures' files.  [default: as in training]"),
    ] = None,
    where: Annotated[str | None, Opt(metavar="COLUMN=VALUE", help="Only these rows, for example part=test.")] = None,
    as_json: Annotated[bool, Opt("--json", help="Print the figures as one JSON object.")] = False,
    views: Annotated[
        int, Opt(metavar="N", help="Average over N augmented views; for models trained with augmentation.")
    ] = 1,
    device: Annotated[str, Opt(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Measure a model on rows whose answers are known.

    Figures on rows that the model was trained on, or chosen by, say nothing about new ones.
    """
    if views < 1:
        raise ConfigError(f"--views must be at least 1, got {views}.")

    from longspan.cli.sources import image_column, read_source
    from longspan.columns import Image
    from longspan.pipeline import Pipeline
    from longspan.systems.given import load_with_given

    with interruptible(lambda: "Nothing was written."):
        predictor = load_with_given(model, device=device)
        if isinstance(predictor, Pipeline):
            raise ConfigError(f"{model} is a pipeline; measure it from Python: longspan.load(...).evaluate(table).")
        pictures = image or _picture_input(predictor, source)
        table = read_source(source, pattern=pattern, image=pictures, columns=_texts(predictor))
        if where is not None:
            table = _only(table, where)
        wanted = _picture_input(predictor, "")
        if wanted is not None and wanted not in table.columns:
            table = table.with_column(wanted, Image(), table.column_values(image_column(table)))
        figures = predictor.evaluate(table, views=views)
    if as_json:
        print(json.dumps({"model": model, "source": source, "rows": len(table), **figures}, indent=2))
    else:
        width = max(len(name) for name in figures)
        print(f"{len(table):,} rows of {source}")
        for name, figure in figures.items():
            print(f"{name:<{width}}  {figure:.4f}")


def _predict_all(model: Predictor | Ensemble | Pipeline, files: Sequence[str], views: int) -> list[Prediction]:
    """Predictions in order, some files at a time; DataError with every file that cannot be read."""
    from longspan.pipeline import Pipeline

    if isinstance(model, Pipeline):
        if views > 1:
            raise ConfigError("--views is for single networks; this model is a pipeline.")
        return model.predict(list(files))
    predictions: list[Prediction] = []
    faults: list[Fault] = []
    for first in range(0, len(files), _AT_A_TIME):
        try:
            predictions += model.predict(list(files[first : first + _AT_A_TIME]), views=views)
        except DataError as error:
            faults += error.faults
            if not error.faults:
                raise
    if faults:
        raise data_error("Nothing was predicted, because some files cannot be used:", faults, shown=1000)
    return predictions


def _words(prediction: Prediction) -> str:
    parts = []
    for target, answer in prediction.answers.items():
        value = f"{answer.value:.4g}" if isinstance(answer.value, float) else _listed(answer.value)
        sure = "" if answer.probability is None else f"  {answer.probability:.2f}"
        parts.append(f"{target}={value}{sure}")
    return "  ".join(parts)


def _listed(value: Any) -> str:
    return ",".join(str(each) for each in value) or "none" if isinstance(value, list) else str(value)


def _flat(frame: Any) -> Any:
    """The frame with lists of labels as text: CSV has no lists."""
    import polars as pl

    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)


def _picture_input(model: Predictor | Ensemble, source: str) -> str | None:
    """The model's only picture input; None for a source that brings its own column of pictures, or several inputs."""
    from longspan import datasets
    from longspan.columns import Image
    from longspan.train import Ensemble

    member = model.members[0] if isinstance(model, Ensemble) else model
    pictures = [name for name, column in member.inputs.items() if isinstance(column, Image)]
    if len(pictures) != 1 or (source in datasets.names() and not Path(source).exists()):
        return None
    return pictures[0]


def _texts(model: Predictor | Ensemble) -> list[str]:
    """The targets that are texts, as `--column` has it: their cells are read as they are written."""
    from longspan.train import Ensemble

    member = model.members[0] if isinstance(model, Ensemble) else model
    return [f"{name}=text" for name, head in member.heads.items() if "text" in head.column_kinds]


def _only(table: Any, where: str) -> Any:
    """The rows whose column has the value, both as they are written."""
    name, equals, value = where.partition("=")
    if not equals:
        raise ConfigError(f"--where {where}: write COLUMN=VALUE, for example part=test.")
    table.column(name)
    cells = table.frame[name].to_list()
    rows = [row for row, cell in enumerate(cells) if str(cell) == value]
    if not rows:
        some = ", ".join(dict.fromkeys(str(cell) for cell in cells[:10_000]))
        raise DataError(f"--where {where}: no row has this value. Column {name!r} holds {some[:200]}.")
    return table.take(rows)
