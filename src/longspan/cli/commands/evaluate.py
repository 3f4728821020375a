"""`longspan evaluate`: a saved model, measured on labelled rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from longspan.cli import options as flags
from longspan.cli.first_checks import check_files, check_model
from longspan.cli.formats import annotation_format
from longspan.cli.options import Opt
from longspan.cli.prediction_format import batch_size_for
from longspan.cli.shell import interruptible, print_table, writing
from longspan.cli.sources import check_source
from longspan.errors import ConfigError, DataError, VaultError

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.inference import BoostedTrees, Ensemble, LinearText, PhraseTranslator, Predictor
    from longspan.inference.known_rows import PartMetrics
    from longspan.metrics.per_class import ClassMetrics
    from longspan.pipeline import Pipeline

__all__ = ["evaluate"]


def evaluate(
    model: flags.Model,
    source: flags.EvaluatedRows,
    pattern: flags.Pattern = None,
    image: Annotated[
        str | None,
        Opt(metavar="COLUMN", help="For a table: the column with the images' files.  [default: as in training]"),
    ] = None,
    root: flags.Root = None,
    suffix: flags.Suffix = None,
    corners: flags.Corners = None,
    format: flags.Format = None,
    annotations: flags.Annotations = None,
    classes: flags.Classes = None,
    mask_name: flags.MaskName = None,
    ignored: flags.Ignored = None,
    where: Annotated[str | None, Opt(metavar="COLUMN=VALUE", help="Only these rows, for example part=test.")] = None,
    open_vault: Annotated[
        str | None,
        Opt(
            metavar="REASON",
            help="Measure on the test rows that were sealed when the model was trained, and only on them; counted, "
            "and kept in the model file.",
        ),
    ] = None,
    per_class: Annotated[
        bool, Opt("--per-class", help="Also precision, recall, F1, average precision and ROC AUC of each class.")
    ] = False,
    as_json: Annotated[bool, Opt("--json", help="Print the metrics as one JSON object.")] = False,
    views: flags.Views = 1,
    device: flags.Device = "auto",
) -> None:
    """Measure a model on rows whose targets are known.

    Rows that the model was trained on, or that chose its epoch, are recognised and measured apart: metrics on them say
    nothing about new rows. Its sealed test rows are left out unless --open-vault gives a reason.
    """
    if open_vault is not None and not open_vault.strip():
        raise ConfigError("--open-vault: say what the test rows are for, such as --open-vault 'final metrics'.")
    if views < 1:
        raise ConfigError(f"--views must be at least 1, got {views}.")
    annotated = annotation_format(format, annotations, classes, mask_name, tuple(ignored or ()))
    if where is not None and "=" not in where:
        raise ConfigError(f"--where {where}: write COLUMN=VALUE, for example part=test.")
    check_model(model, device)
    check_source(source)
    check_files(root=root, annotations=annotations, classes=classes)

    import numpy as np

    from longspan.cli.sources import image_column, read_source
    from longspan.inference import BoostedTrees, LinearText, PhraseTranslator, Predictor
    from longspan.inference.known_rows import PartMetrics
    from longspan.pipeline import Pipeline
    from longspan.portable.unfamiliar_rows import warn_of_unfamiliar
    from longspan.systems.function_registry import load_with_functions

    with interruptible(lambda: "Nothing was written."):
        predictor = load_with_functions(model, device=device)
        if isinstance(predictor, BoostedTrees | LinearText | PhraseTranslator):
            _evaluate_rows(predictor, model, source, where, as_json=as_json)
            return
        if isinstance(predictor, Pipeline) and views > 1:
            raise ConfigError("--views is for single networks; this model is a pipeline.")
        wanted = _image_input(predictor, source)
        images = image or (wanted if Path(source).is_dir() or (pattern is not None) else _if_there(wanted, source))
        table = read_source(
            source, pattern=pattern, image=images, columns=(), kinds=_kinds(predictor), root=root, suffix=suffix,
            corners=corners, annotated=annotated,
            targets=predictor.outputs if isinstance(predictor, Pipeline) else tuple(_member(predictor).heads),
        )  # fmt: skip
        if where is not None:
            table = _only(table, where)
        wanted = _image_input(predictor, "")
        if wanted is not None and wanted not in table.columns:
            given = image_column(table)
            table = table.with_column(wanted, table.columns[given], table.column_values(given))
        if not isinstance(predictor, Pipeline):
            warn_of_unfamiliar(table, _member(predictor).inputs)
        if isinstance(predictor, Pipeline):
            if per_class:
                raise ConfigError("--per-class is for single networks; this model is a pipeline.")
            if open_vault is not None:
                raise ConfigError("--open-vault is for single networks; this model is a pipeline.")
            measured = {"new": PartMetrics(np.arange(len(table)), predictor.evaluate(table))}
        else:
            parts = ("test",) if open_vault is not None else ("train", "valid", "new")
            measured = predictor.evaluate_parts(table, parts=parts, views=views, batch_size=batch_size_for(predictor))
            if open_vault is not None:
                _open_vault(predictor, Path(model), measured, open_vault)
        by_class: dict[str, list[ClassMetrics]] = {}
        if per_class and isinstance(predictor, Predictor):
            used = np.concatenate([each.rows for each in measured.values() if each.metrics])
            by_class = predictor.per_class(table.take(np.sort(used)), batch_size=batch_size_for(predictor))
        if per_class and not by_class:
            raise ConfigError("--per-class needs a single network that predicts classes of whole images.")
    if as_json:
        values = {"model": model, "source": source, "rows": len(table), **_as_json(measured)}
        if by_class:
            values["classes"] = {name: [asdict(each) for each in found] for name, found in by_class.items()}
        print(json.dumps(values, indent=2))
    else:
        print(f"{len(table):,} rows of {source}")
        _print(measured)
        for name, found in by_class.items():
            print(f"\nclasses of {name}")
            _print_classes(found)


def _evaluate_rows(
    trained: BoostedTrees | LinearText | PhraseTranslator, model: str, source: str, where: str | None, *, as_json: bool
) -> None:
    """The metrics of a model that does not know which rows it was trained on: trees, counted words, phrases."""
    from longspan.cli.sources import read_source

    table = read_source(source, pattern=None, image=None, columns=(), targets=tuple(trained.heads))
    table = table if where is None else _only(table, where)
    metrics = trained.evaluate(table)
    if as_json:
        print(json.dumps({"model": model, "source": source, "rows": len(table), **metrics}, indent=2))
        return
    print(f"{len(table):,} rows of {source}")
    for name, value in metrics.items():
        print(f"{name:<20}{value:.4f}")


def _as_json(measured: Mapping[str, PartMetrics]) -> dict[str, Any]:
    """The metrics; where rows are of several parts, those of each."""
    known = {part: each for part, each in measured.items() if each.metrics}
    flat = next(iter(known.values())).metrics if len(known) == 1 else {}
    if set(measured) <= {"new"}:
        return flat
    return {**flat, "parts": {part: {"rows": len(each.rows), **each.metrics} for part, each in measured.items()}}


def _print(measured: Mapping[str, PartMetrics]) -> None:
    """One metric a line; where the model knows some of the rows, a table by part."""
    if set(measured) <= {"new"}:
        metrics = {name: value for each in measured.values() for name, value in each.metrics.items()}
        width = max((len(name) for name in metrics), default=0)
        for name, value in metrics.items():
            print(f"{name:<{width}}  {value:.4f}")
        return
    from longspan.inference.known_rows import worth_of_part

    names = list(dict.fromkeys(name for each in measured.values() for name in each.metrics))
    rows = [
        [part, f"{len(each.rows):,}", *(f"{each.metrics[name]:.4f}" if name in each.metrics else "-" for name in names)]
        for part, each in measured.items()
    ]
    print_table(["part", "rows", *names], rows, right=range(1, len(names) + 2))
    for part, each in measured.items():
        left_out = part == "test" and not each.metrics
        print(f"{part}: {worth_of_part(part)}{'; --open-vault REASON measures on them' if left_out else ''}")


def _print_classes(classes: Sequence[ClassMetrics]) -> None:
    names = ("rows", "precision", "recall", "f1", "average_precision", "roc_auc")
    rows = []
    for each in classes:
        values = [getattr(each, name) for name in names]
        rows.append(
            [str(each.label), *("-" if v is None else f"{v:,}" if isinstance(v, int) else f"{v:.4f}" for v in values)]
        )
    print_table(["class", *names], rows, right=range(1, len(names) + 1))


def _open_vault(predictor: Predictor | Ensemble, path: Path, measured: Mapping[str, PartMetrics], reason: str) -> None:
    """Keep in the model file that its test rows were looked at, when and why.

    Raises:
        VaultError: no reason, or none of the rows is a sealed test row of this model.
        ConfigError: an ensemble, whose members may have vaults of their own.
    """
    from longspan.data.splits.vault import Vault
    from longspan.inference import Predictor

    if not isinstance(predictor, Predictor):
        raise ConfigError("--open-vault is for single networks: the members of an ensemble have vaults of their own.")
    if "test" not in measured:
        raise VaultError(
            "None of these rows is a sealed test row of this model: it was trained without --test, or on other rows. "
            "Leave --open-vault out."
        )
    vault = Vault(measured["test"].rows, predictor.info.get("vault", {}).get("openings", ()))
    vault.open(reason)
    predictor.info["vault"] = vault.to_json()
    predictor.info["metrics"] = {**predictor.info.get("metrics", {}), "test": measured["test"].metrics}
    with writing(path, "MODEL"):
        predictor.save(path)


def _member(model: Predictor | Ensemble) -> Predictor:
    """The network, or one of several with the same inputs and targets."""
    from longspan.inference import Ensemble

    return model.members[0] if isinstance(model, Ensemble) else model


def _image_input(model: Predictor | Ensemble | Pipeline, source: str) -> str | None:
    """The model's only image input; None for a source that brings its own column of images, or several inputs."""
    from longspan import datasets
    from longspan.pipeline import Pipeline

    if isinstance(model, Pipeline):
        images = list(model.inputs)
    else:
        images = [
            name for name, column in _member(model).inputs.items() if column.encodes_pixels or column.has_fingerprints
        ]
    if len(images) != 1 or (source in datasets.names() and not Path(source).exists()):
        return None
    return images[0]


def _kinds(model: Predictor | Ensemble | Pipeline) -> dict[str, Column]:
    """The columns as the model knows them: what a table's cells mean is not guessed a second time."""
    from longspan.pipeline import Pipeline

    if isinstance(model, Pipeline):
        columns = {name: column for stage in model.stages for name, column in stage.columns.items()}
        return {name: columns[name] for name in model.outputs if name in columns}
    member = _member(model)
    heads = {name: head.column for name, head in member.heads.items() if head.column is not None}
    return {**member.inputs, **heads}


def _if_there(name: str | None, source: str) -> str | None:
    """The name, if the file has a column of that name; else its column of images is sought."""
    path = Path(source).expanduser()
    if name is None or not path.is_file():
        return None
    from longspan.data.readers.readers import head_of_table

    return name if name in head_of_table(path).columns else None


def _only(table: Any, where: str) -> Any:
    """The rows whose column has the value, both as they are written."""
    name, _, value = where.partition("=")
    table.column(name)
    cells = table.frame[name].to_list()
    rows = [row for row, cell in enumerate(cells) if str(cell) == value]
    if not rows:
        some = ", ".join(dict.fromkeys(str(cell) for cell in cells[:10_000]))
        raise DataError(f"--where {where}: no row has this value. Column {name!r} holds {some[:200]}.")
    return table.take(rows)
