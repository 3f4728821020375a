"""`longspan predict`: the predictions of a saved model for images, recordings or the rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_model
from longspan.cli.new_inputs import check_inputs, files_of
from longspan.cli.options import Opt
from longspan.cli.prediction_format import answer_words, batch_size_for, leave_out_below
from longspan.cli.prediction_writer import AnswerFiles, format_of, write_frame, write_frames, write_json
from longspan.cli.shell import interruptible, print_table
from longspan.cli.sources import check_source
from longspan.cli.table_inputs import PART_ROWS, calibrated_on, new_parts, new_rows, predicted_frame, range_columns
from longspan.cli.text_inputs import new_texts
from longspan.errors import ConfigError, DataError, Fault, data_error

if TYPE_CHECKING:
    import polars as pl

    from longspan.inference import Conformal
    from longspan.portable import Prediction, TrainedModel

__all__ = ["predict"]

_SHOWN_CHARACTERS = 70  # of a text, beside its prediction
_AT_A_TIME = 256  # files whose pixels are in memory together


def predict(
    model: flags.Model,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Images, recordings, folders of them, or one table with rows to predict. For a model of texts: a text "
            "in quotation marks, files with a text in each line, or - for the lines of a pipe.",
        ),
    ],
    as_json: Annotated[
        bool, Opt("--json", help="Print JSON: an object for one file, a list of objects for several.")
    ] = False,
    probabilities: Annotated[
        bool,
        Opt("--probabilities", help="The probability of every class, not only of the predicted one."),
    ] = False,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
    calibrate: Annotated[
        str | None,
        Opt(
            metavar="SOURCE",
            help="For tables: rows with known targets that did not train the model. Numbers get an interval and "
            "classes a set, which hold for --coverage of rows like these.",
        ),
    ] = None,
    coverage: Annotated[
        float, Opt(metavar="X", help="With --calibrate: the fraction of rows for which they are to hold.")
    ] = 0.9,
    out: Annotated[
        str | None,
        Opt(
            metavar="PATH",
            help="Write the predictions to a file (.csv, .tsv, .json) or, with --format voc, yolo or masks, a folder.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        Opt(
            metavar="csv|json|coco|voc|yolo|masks",
            help="The format of --out: a table or JSON with a row or an object for each file; boxes or instances as "
            "COCO's JSON, Pascal VOC's XML or YOLO's text; masks as PNG.  [default: as the name of the file ends]",
        ),
    ] = None,
    target: Annotated[
        str | None, Opt(metavar="COLUMN", help="The target that --format writes, where several fit.")
    ] = None,
    draw: Annotated[
        str | None, Opt(metavar="DIR", help="Draw masks, boxes and instances: each image becomes DIR/NAME.png.")
    ] = None,
    score: Annotated[
        float | None,
        Opt(metavar="X", help="Leave out boxes and instances below this score.  [default: as trained, usually 0.5]"),
    ] = None,
    tiles: Annotated[bool, Opt("--tiles", help="For masks: predict large images at full size, tile by tile.")] = False,
    views: flags.Views = 1,
    device: flags.Device = "auto",
    force: flags.Force = False,
) -> None:
    """Predict for images, recordings, folders of them, texts, or the rows of a table.

    One line per file: its name, the predicted value of each target and its probability; for boxes and instances how
    many there are, for masks the fraction of each class. If files cannot be read, all of them are named and nothing is
    predicted.
    """
    if views < 1:
        raise ConfigError(f"--views must be at least 1, got {views}.")
    exported = model.lower().endswith(".onnx")
    if exported:
        _check_exported(views=views, tiles=tiles, calibrate=calibrate, device=device)
    else:
        check_model(model, device)
    if calibrate is not None:
        check_source(calibrate)
        if not 0 < coverage < 1:
            raise ConfigError(f"--coverage must lie between 0 and 1, such as 0.9; got {coverage:g}.")
    if score is not None and not 0 <= score <= 1:
        raise ConfigError(f"--score must be at least 0 and at most 1, got {score}.")
    check_inputs(model, files)
    given = files
    files = [path for file in files for path in files_of(file)]
    places = AnswerFiles(
        images=tuple(files), out=out, format=format or format_of(out), target=target, draw=draw, force=force,
        probabilities=probabilities,
    )  # fmt: skip

    with interruptible(lambda: "No half-written file is left behind."):
        trained = _load(model, device)
        trained.check_abilities(views=views > 1, tiles=tiles)
        if score is not None:
            leave_out_below(trained, score)
        if calibrate is not None and trained.reads != "rows":
            raise ConfigError("--calibrate is for models that read tables.")
        if trained.reads == "rows":
            calibrated = [] if calibrate is None else calibrated_on(trained, calibrate, coverage)
            _predict_table(trained, files, places, calibrated, as_json=as_json, heading=heading, encoding=encoding)
            return
        if trained.reads == "texts":
            _predict_texts(trained, given, places, as_json=as_json, heading=heading, encoding=encoding)
            return
        for option, words in (("--heading", heading), ("--encoding", encoding)):
            if words is not None:
                raise ConfigError(f"{option} is for models that read tables or texts; leave it out for this one.")
        located = trained.located
        places.check(located)
        wanted = {"batch_size": batch_size_for(trained), "views": views, "tiles": tiles}
        options = {name: value for name, value in wanted.items() if name in trained.abilities}
        predictions = _predict_all(trained, files, options)
        sentences = places.write(predictions, located)
    if as_json:
        found = [prediction.to_json() for prediction in predictions]
        print(json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False))
        return
    if out is None:
        width = max(len(file) for file in files)
        for file, prediction in zip(files, predictions, strict=True):
            print(f"{file:<{width}}  {answer_words(prediction, probabilities=probabilities)}")
    for sentence in sentences:
        print(sentence)


def _load(path: str, device: str) -> TrainedModel:
    """A saved or an exported model; nothing of the second imports PyTorch."""
    if path.lower().endswith(".onnx"):
        from longspan.portable import OnnxModel

        return OnnxModel.load(path)
    from longspan.systems.function_registry import load_with_functions

    return load_with_functions(path, device=device)


def _check_exported(*, views: int, tiles: bool, calibrate: str | None, device: str) -> None:
    """ConfigError for options that need PyTorch."""
    given = {"--views": views > 1, "--tiles": tiles, "--calibrate": calibrate is not None}
    given["--device"] = device not in ("auto", "cpu")
    if wrong := [option for option, there in given.items() if there]:
        raise ConfigError(f"{', '.join(wrong)}: not for exported models. Use the .safetensors file.")


def _predict_table(
    model: Any,
    files: Sequence[str],
    places: AnswerFiles,
    calibrated: Sequence[Conformal],
    *,
    as_json: bool,
    heading: str | None,
    encoding: str | None,
) -> None:
    """Predictions for every row of a table: printed, or written beside the row."""
    from longspan.portable import predictions_to_frame
    from longspan.portable.unfamiliar_rows import warn_of_unfamiliar

    if places.format not in ("csv", "json"):
        raise ConfigError(f"--format {places.format} is for images; the predictions of a table are csv or json.")
    columns = {name: column for name, column in model.input_columns.items() if column is not None}
    batches = {"batch_size": 1024} if "batch_size" in model.abilities else {}
    if places.out is not None and places.format == "csv" and not as_json:

        def answers() -> Iterator[pl.DataFrame]:
            told, first = False, 0
            for part in new_parts(files, heading=heading, encoding=encoding):
                more = first or len(part) == PART_ROWS
                named = f"rows {first:,} to {first + len(part) - 1:,}" if more else ""
                told = told or warn_of_unfamiliar(part, columns, part=named)
                first += len(part)
                found = model.predict(part, **batches)
                frame = predicted_frame(part, found, probabilities=places.probabilities)
                yield frame.with_columns(range_columns(calibrated, found))

        count = write_frames(Path(places.out).expanduser(), answers())
        print(f"{count:,} predictions in {places.out}")
        return
    table = new_rows(files, heading=heading, encoding=encoding)
    warn_of_unfamiliar(table, columns)
    predictions = model.predict(table, **batches)
    ranges = range_columns(calibrated, predictions)
    if as_json:
        found = [
            {**prediction.to_json(), **{each.name: each[row] for each in ranges}}
            for row, prediction in enumerate(predictions)
        ]
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if places.out is None:
        found = predictions_to_frame(predictions, probabilities=places.probabilities).with_columns(ranges)
        rows = [[str(number), *map(_cell, row)] for number, row in enumerate(found.iter_rows())]
        print_table(["row", *found.columns], rows, right=[0])
        return
    if calibrated:
        raise ConfigError("--calibrate writes CSV; print JSON with --json.")
    write_json(Path(places.out).expanduser(), predictions)
    print(f"{len(predictions):,} predictions in {places.out}")


def _predict_texts(
    model: Any, words: Sequence[str], places: AnswerFiles, *, as_json: bool, heading: str | None, encoding: str | None
) -> None:
    """Predictions for texts as they come: printed line by line, or written beside them."""
    import polars as pl

    from longspan.portable import predictions_to_frame

    if places.format not in ("csv", "json"):
        raise ConfigError(f"--format {places.format} is for images; the predictions of texts are csv or json.")
    name, column = next(iter(model.input_columns.items()))
    if len(words) == 1 and words[0].lower().endswith((".csv", ".tsv", ".jsonl", ".parquet", ".pq")):
        table = new_rows(words, {name: column}, heading=heading, encoding=encoding)
        batches = iter([table])
    else:
        batches = new_texts(words, encoding)
    texts: list[str] = []
    predictions: list[Prediction] = []
    for batch in batches:
        found = model.predict(batch)
        some = batch if isinstance(batch, list) else [text or "" for text in batch.column_values(name)]
        if places.out is None and not as_json:
            for text, prediction in zip(some, found, strict=True):
                print(f"{answer_words(prediction)}  {text[:_SHOWN_CHARACTERS]}", flush=True)
            continue
        texts += some
        predictions += found
    if as_json:
        found = [prediction.to_json() for prediction in predictions]
        print(json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False))
    elif places.out is not None:
        path = Path(places.out).expanduser()
        if places.format == "json":
            write_json(path, predictions)
        else:
            found = predictions_to_frame(predictions, probabilities=places.probabilities)
            write_frame(path, pl.concat([pl.DataFrame({name: texts}), found], how="horizontal"))
        print(f"{len(predictions):,} predictions in {places.out}")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _predict_all(model: Any, files: Sequence[str], options: Mapping[str, Any]) -> list[Prediction]:
    """Predictions in order, some files at a time; DataError with every file that cannot be read."""
    predictions: list[Prediction] = []
    faults: list[Fault] = []
    for first in range(0, len(files), _AT_A_TIME):
        try:
            some = list(files[first : first + _AT_A_TIME])
            predictions += model.predict(some, **options)
        except DataError as error:
            faults += error.faults
            if not error.faults:
                raise
    if faults:
        raise data_error("Nothing was predicted, because some files cannot be used:", faults, shown=1000)
    return predictions
