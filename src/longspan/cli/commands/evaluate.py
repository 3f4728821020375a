"""`longspan evaluate`: a saved model, measured on rows whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from longspan.cli import options as told
from longspan.cli.formats import annotation_format
from longspan.cli.options import Opt
from longspan.cli.prediction_format import batch_size_for
from longspan.cli.shell import interruptible
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from longspan.inference import Ensemble, Predictor
    from longspan.pipeline import Pipeline

__all__ = ["evaluate"]


def evaluate(
    model: told.Model,
    source: told.EvaluatedRows,
    pattern: told.Pattern = None,
    image: Annotated[
        str | None,
        Opt(metavar="COLUMN", help="For a table: the column with the images' files.  [default: as in training]"),
    ] = None,
    format: told.Format = None,
    annotations: told.Annotations = None,
    classes: told.Classes = None,
    mask_name: told.MaskName = None,
    ignored: told.Ignored = None,
    where: Annotated[str | None, Opt(metavar="COLUMN=VALUE", help="Only these rows, for example part=test.")] = None,
    as_json: Annotated[bool, Opt("--json", help="Print the figures as one JSON object.")] = False,
    views: told.Views = 1,
    device: told.Device = "auto",
) -> None:
    """Measure a model on rows whose answers are known.

    Figures on rows that the model was trained on, or chosen by, say nothing about new ones.
    """
    if views < 1:
        raise ConfigError(f"--views must be at least 1, got {views}.")
    annotated = annotation_format(format, annotations, classes, mask_name, tuple(ignored or ()))

    from longspan.cli.sources import image_column, read_source
    from longspan.pipeline import Pipeline
    from longspan.systems.function_registry import load_with_functions

    with interruptible(lambda: "Nothing was written."):
        predictor = load_with_functions(model, device=device)
        if isinstance(predictor, Pipeline) and views > 1:
            raise ConfigError("--views is for single networks; this model is a pipeline.")
        images = image or _image_input(predictor, source)
        table = read_source(
            source, pattern=pattern, image=images, columns=_kinds(predictor, source), annotated=annotated,
            targets=predictor.answers if isinstance(predictor, Pipeline) else tuple(_member(predictor).heads),
        )  # fmt: skip
        if where is not None:
            table = _only(table, where)
        wanted = _image_input(predictor, "")
        if wanted is not None and wanted not in table.columns:
            given = image_column(table)
            table = table.with_column(wanted, table.columns[given], table.column_values(given))
        if isinstance(predictor, Pipeline):
            figures = predictor.evaluate(table)
        else:
            figures = predictor.evaluate(table, views=views, batch_size=batch_size_for(predictor))
    if as_json:
        print(json.dumps({"model": model, "source": source, "rows": len(table), **figures}, indent=2))
    else:
        width = max(len(name) for name in figures)
        print(f"{len(table):,} rows of {source}")
        for name, figure in figures.items():
            print(f"{name:<{width}}  {figure:.4f}")


def _member(model: Predictor | Ensemble) -> Predictor:
    """The network, or one of several that read and answer the same."""
    from longspan.inference import Ensemble

    return model.members[0] if isinstance(model, Ensemble) else model


def _image_input(model: Predictor | Ensemble | Pipeline, source: str) -> str | None:
    """The model's only image input; None for a source that brings its own column of images, or several inputs."""
    from longspan import datasets
    from longspan.pipeline import Pipeline

    if isinstance(model, Pipeline):
        images = list(model.inputs)
    else:
        images = [name for name, column in _member(model).inputs.items() if column.encodes_pixels]
    if len(images) != 1 or (source in datasets.names() and not Path(source).exists()):
        return None
    return images[0]


def _kinds(model: Predictor | Ensemble | Pipeline, source: str) -> list[str]:
    """The targets whose cells do not say what they are, as `--column` has it: texts; in a file also masks and boxes."""
    from longspan.pipeline import Pipeline

    if isinstance(model, Pipeline):
        columns = {name: column for stage in model.stages for name, column in stage.columns.items()}
        kinds = {name: columns[name].kind for name in model.answers if name in columns}
    else:
        kinds = {name: head.column_kinds[0] for name, head in _member(model).heads.items()}
    silent = ("text", "mask", "boxes", "instances") if Path(source).expanduser().is_file() else ("text",)
    return [f"{name}={kind}" for name, kind in kinds.items() if kind in silent]


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
