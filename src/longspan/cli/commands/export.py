"""`longspan export`: a saved model as a file that predicts without PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_model
from longspan.cli.new_inputs import check_inputs
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, new_file, writing
from longspan.errors import ConfigError, unknown_name

__all__ = ["export"]

_FORMATS = ("onnx",)


def export(
    model: flags.Model,
    rows: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ROWS...]",
            help="Images, recordings, folders of them, or a table: what the exported model is compared on.  "
            "[default: 8 made-up rows]",
        ),
    ] = None,
    to: Annotated[str, Opt("--to", metavar="onnx", help="The format.")] = "onnx",
    out: Annotated[
        str | None, Opt(metavar="FILE", help="The file to write.  [default: the model's name with .onnx]")
    ] = None,
    most: Annotated[int, Opt("--rows", metavar="N", help="Compare on at most this many of ROWS.")] = 500,
    fixed_size: Annotated[
        bool, Opt("--fixed-size", help="Let the graph read images of the model's size only; some runtimes need it.")
    ] = False,
    opset: Annotated[
        int | None,
        Opt(metavar="N", help="Version of ONNX's operators, for a runtime that knows no later one.  [default: 20]"),
    ] = None,
    as_json: Annotated[bool, Opt("--json", help="Print what was written as a JSON object.")] = False,
    force: flags.Force = False,
) -> None:
    """Write a model as an ONNX file, with which `longspan predict` needs no PyTorch.

    The file holds preprocessing and labels, and runs with ONNX Runtime. Before it is kept, its predictions are compared
    with the model's: the largest difference of an output, relative to the largest output, and the fraction of rows
    with the same prediction.
    """
    if to not in _FORMATS:
        raise unknown_name("--to called", to, _FORMATS)
    if most < 1:
        raise ConfigError(f"--rows must be at least 1, got {most}.")
    check_model(model)
    check_inputs(model, rows or ())
    path = new_file(out or str(Path(model).with_suffix(".onnx")), "--out", force=force)

    from longspan.deploy import export as write_exported
    from longspan.systems.function_registry import load_with_functions

    with interruptible(lambda: "Nothing was written."):
        predictor = load_with_functions(model, device="cpu").single_network("be exported")
        data = None if not rows else _rows(predictor, rows, most)
        with writing(path, "--out"):
            found = write_exported(predictor, path, data, dynamic_size=not fixed_size, opset=opset)
    if as_json:
        print(json.dumps({**asdict(found), "path": str(found.path)}, indent=2))
        return
    compared = found.comparison
    on = f"{compared.rows:,} {'made-up rows' if found.made_up else 'rows'}"
    size = ", images of any size" if found.dynamic_size else ""
    print(label("file", f"{found.path}, {found.megabytes:.1f} MB, {found.nodes} operations, opset {found.opset}{size}"))
    print(label("compared", f"on {on}: largest difference {compared.largest_difference:.1e} of the largest output"))
    for target, agreement in compared.agreement.items():
        print(label("agreement", f"{target}: {agreement * 100:.4g} % of predictions are the same"))
    print(label("use", f"longspan predict {found.path} ..."))


def _rows(predictor: Any, given: Sequence[str], most: int) -> Any:
    """What the models are compared on: the first rows of a table, texts, or files."""
    from longspan.cli.new_inputs import files_of
    from longspan.cli.table_inputs import new_rows
    from longspan.cli.text_inputs import new_texts

    if predictor.reads == "rows":
        table = new_rows(given)
        return table.take(range(min(most, len(table))))
    if predictor.reads == "texts":
        name = next(iter(predictor.inputs))
        texts = [
            text
            for batch in new_texts(given)
            for text in (batch if isinstance(batch, list) else batch.column_values(name))
        ]
        return [text or "" for text in texts[:most]]
    return [path for each in given for path in files_of(each)][:most]
