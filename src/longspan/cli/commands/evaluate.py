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
    from longspan.inference import Predictor
    from longspan.metrics.per_class import ClassMetrics
    from longspan.portable.known_rows import PartMetrics

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
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
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

    Rows that the model was trained on, or that chose its epoch, are recognised and measured separately: metrics on them
    say nothing about new rows. Its sealed test rows are left out unless --open-vault gives a reason.
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

    from longspan.cli.sources import rows_for
    from longspan.portable.unfamiliar_rows import warn_of_unfamiliar
    from longspan.systems.function_registry import load_with_functions

    with interruptible(lambda: "Nothing was written."):
        trained: Any = load_with_functions(model, device=device)  # the abilities are checked before they are used
        trained.check_abilities(views=views > 1, per_class=per_class, open_vault=open_vault is not None)
        table = rows_for(
            trained, source, pattern=pattern, image=image, root=root, suffix=suffix, corners=corners,
            annotated=annotated, heading=heading, encoding=encoding,
        )  # fmt: skip
        if where is not None:
            table = _only(table, where)
        warn_of_unfamiliar(table, {name: each for name, each in trained.input_columns.items() if each})
        parts = ("test",) if open_vault is not None else ("train", "valid", "new")
        options = {"views": views, "batch_size": batch_size_for(trained)} if "views" in trained.abilities else {}
        measured = trained.evaluate_parts(table, parts=parts, **options)
        if open_vault is not None:
            _open_vault(trained, Path(model), measured, open_vault)
        by_class: dict[str, list[ClassMetrics]] = {}
        if per_class:
            used = np.concatenate([each.rows for each in measured.values() if each.metrics])
            by_class = trained.per_class(table.take(np.sort(used)), batch_size=batch_size_for(trained))
            if not by_class:
                raise ConfigError("--per-class needs a model that predicts classes of whole images.")
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
    from longspan.portable.known_rows import worth_of_part

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


def _open_vault(predictor: Predictor, path: Path, measured: Mapping[str, PartMetrics], reason: str) -> None:
    """Keep in the model file that its test rows were looked at, when and why.

    Raises:
        VaultError: no reason, or none of the rows is a sealed test row of this model.
    """
    from longspan.data.splits.vault import Vault

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
