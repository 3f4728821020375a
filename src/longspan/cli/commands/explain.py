"""`longspan explain`: what a saved model relies on, whether its probabilities hold, and where its errors are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_model
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, print_table, writing
from longspan.cli.sources import check_source
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from longspan.data import Table
    from longspan.explain.expected_cost import ExpectedCost
    from longspan.explain.explain_page import Explanation
    from longspan.portable import TrainedModel

__all__ = ["explain"]

_SHOWN = 10


def explain(
    model: flags.Model,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A table, or a folder of images, with rows the model was not trained on."
        ),
    ],
    target: Annotated[
        str | None, Opt(metavar="COLUMN", help="The target to explain, if the model has several.", show_default=False)
    ] = None,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
    rows: Annotated[int, Opt(metavar="N", help="Measure on at most this many rows, drawn at random.")] = 2000,
    seed: Annotated[int, Opt(metavar="N", help="Random seed of the draw.")] = 0,
    training: Annotated[
        str | None,
        Opt(
            metavar="SOURCE",
            help="The rows that trained a network: the page then names those behind its mistakes.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        bool,
        Opt(
            "--layers",
            help="Also show what each layer learned: patches of images, stretches of sounds, or phrases that excite "
            "its channels.",
        ),
    ] = False,
    max_minutes: Annotated[
        float, Opt(metavar="N", help="Go on if it is expected to take at most this long; say more to go on anyway.")
    ] = 60,
    out: Annotated[str, Opt(metavar="FILE", help="The page to write.")] = "explanation.html",
    as_json: Annotated[bool, Opt("--json", help="Print everything as one JSON object; write no page.")] = False,
) -> None:
    """Show what a model relies on, whether its probabilities are calibrated, and where its errors are larger.

    Measured on rows that the model was not trained on. Of tables it names the columns that matter; of images the page
    shows where the network looked, and whether those maps can be trusted.
    """
    if rows < 20:
        raise ConfigError(f"--rows must be at least 20, got {rows}.")
    if not max_minutes > 0:
        raise ConfigError(f"--max-minutes must be above 0, got {max_minutes:g}.")
    if layers and as_json:
        raise ConfigError("--layers is for the page; leave it or --json out.")
    check_model(model)
    check_source(source)
    if training is not None:
        check_source(training)
        if as_json:
            raise ConfigError("--training is for the page; leave it or --json out.")

    from longspan.cli.sources import rows_for
    from longspan.explain.explain_page import explain_target, write_explanation
    from longspan.systems.function_registry import load_with_functions

    with interruptible(lambda: "Nothing was written."):
        predictor = load_with_functions(model)
        if "explain" not in predictor.abilities:
            raise ConfigError(f"{model} holds {predictor.what}; only networks and boosted trees can be explained.")
        table = rows_for(predictor, source, heading=heading, encoding=encoding)
        table, left_out = _unseen(predictor, table, source)
        if as_json:
            found = explain_target(predictor, table, target, rows=rows, seed=seed, max_seconds=60 * max_minutes)
            print(json.dumps(_as_json(model, source, found), indent=2, ensure_ascii=False))
            return
        learned = None if training is None else rows_for(predictor, training, heading=heading, encoding=encoding)
        with writing(Path(out), "--out"):
            found = write_explanation(
                out, predictor, table, target, rows=rows, seed=seed, training=learned, layers=layers,
                max_seconds=60 * max_minutes, tell=_tell_costs,
            )  # fmt: skip
    if left_out:
        print(label("left out", f"{left_out:,} rows that trained this model or are its sealed test rows"))
    _tell(found, out)


def _unseen(predictor: TrainedModel, table: Table, source: str) -> tuple[Table, int]:
    """The rows that neither trained the model nor lie in its vault, and how many others there are.

    Raises:
        DataError: there are no such rows.
    """
    import numpy as np

    known = predictor.recognise(table)
    kept = np.sort(np.concatenate([known["valid"], known["new"]]))
    if not len(kept):
        raise DataError(f"All {len(table):,} rows of {source} trained this model or are its sealed test rows.")
    return table.take(kept), len(table) - len(kept)


def _tell_costs(costs: Sequence[ExpectedCost]) -> None:
    """Before it begins: what each part will take, the longest first."""
    from longspan.study.runs.progress import duration

    longest = sorted(costs, key=lambda each: -each.seconds)
    print(label("expected", f"about {duration(sum(each.seconds for each in costs))}: {'; '.join(map(str, longest))}"))


def _tell(found: Explanation, out: str) -> None:
    print(label("rows", f"{found.rows:,}, mean error {found.error:.4g}"))
    if found.importances:
        print_table(
            ["column", "increase", "from", "to"],
            [
                [each.column, f"{each.increase:.4g}", f"{each.interval[0]:.4g}", f"{each.interval[1]:.4g}"]
                for each in found.importances[:_SHOWN]
            ],
            right=(1, 2, 3),
        )
    _tell_layers(found)
    if found.calibration is not None:
        fit = found.calibration
        print(label("trust", f"expected calibration error {fit.error:.3f}, temperature {fit.temperature:.2f}"))
    worse = [each for each in found.slices if each.certain and each.difference > 0][:3]
    for each in worse:
        print(label("slice", f"{each.column} = {each.value}: error {each.error:.4g} in {each.rows:,} rows"))
    print(label("page", out))


def _tell_layers(found: Explanation) -> None:
    """How alike in meaning the strongest patches or phrases of each layer are."""
    from longspan.explain.learned_layers_page import sees

    rows = [
        [
            each.name or "backbone", sees(each), f"{each.purity.trained:.2f}",
            f"{each.purity.interval[0]:.2f} to {each.purity.interval[1]:.2f}", f"{each.purity.random:.2f}",
            f"{each.purity.chance:.2f}",
        ]
        for each in found.layers
        if each.purity is not None
    ]  # fmt: skip
    if rows:
        print_table(["layer", "sees", "purity", "95 %", "random weights", "by chance"], rows, right=(2, 4, 5))


def _as_json(model: str, source: str, found: Explanation) -> dict[str, object]:
    return {
        "model": model, "source": source, "target": found.target, "rows": found.rows, "error": found.error,
        "importance": [asdict(each) for each in found.importances],
        "slices": [asdict(each) for each in found.slices],
        "calibration": None if found.calibration is None else asdict(found.calibration),
    }  # fmt: skip
