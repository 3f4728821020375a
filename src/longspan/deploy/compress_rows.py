"""Which rows calibrate, train and measure the variants of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from longspan.data import Table
from longspan.errors import ConfigError
from longspan.inference import Predictor
from longspan.inference.new_inputs import encode_targets
from longspan.portable.new_values import EncodedValues, encode_table, with_inputs

__all__ = ["Rows"]


@final
@dataclass(slots=True)
class Rows:
    """Which rows are for what."""

    train: Table
    held_out: Table
    calibration: EncodedValues
    encoded_held_out: EncodedValues
    samples: Any

    @classmethod
    def of(
        cls, predictor: Predictor, table: Table, calibration: Table | None, most: int, *, needed: Sequence[str]
    ) -> Rows:
        """Part the rows of a table by what they were when the model was trained.

        Args:
            predictor: The original.
            table: With inputs and targets.
            calibration: Training rows, where the model does not know them.
            most: Rows that calibrate.
            needed: Variants that need training rows.

        Raises:
            ConfigError: no rows for one of these uses, or rows that may not be used for it.
        """
        table = with_inputs(table, predictor.inputs)
        for name in predictor.heads:
            table.column(name)
        parts = predictor.recognise(table)
        held = np.sort(np.concatenate([parts["valid"], parts["new"]]))
        train = table.take(parts["train"])
        if calibration is not None:
            train = with_inputs(calibration, predictor.inputs)
            _check_calibration(predictor, train)
        if needed and not len(train):
            raise ConfigError(
                f"The calibration set is empty: {' and '.join(needed)} need{'s' * (len(needed) == 1)} training rows, "
                f"and none of the {len(table):,} rows of {table.source} trained this model. Give the table that it was "
                "trained on, or its training rows with calibration= (--calibration)."
            )
        if not len(held):
            raise ConfigError(
                f"None of the {len(table):,} rows of {table.source} can measure: "
                f"{len(parts['train']):,} trained this model and {len(parts['test']):,} are its sealed test rows. Give "
                "validation rows or new rows too."
            )
        held_out = table.take(held)
        if calibration is not None and not any(map(len, (parts["train"], parts["valid"], parts["test"]))):
            _check_apart(predictor, train, held_out)
        random = np.random.default_rng(0)
        some = np.sort(random.permutation(len(train))[:most])
        return cls(
            train,
            held_out,
            encode_table(train.take(some), predictor.inputs) if len(train) else EncodedValues(),
            encode_table(held_out, predictor.inputs),
            encode_targets(held_out, predictor.inputs, predictor.heads),
        )


def _check_calibration(predictor: Predictor, calibration: Table) -> None:
    """ConfigError for rows to calibrate on that are not training rows, where the model file knows them."""
    if not len(calibration):
        raise ConfigError(f"The calibration set {calibration.source} is empty: it has no row.")
    parts = predictor.recognise(calibration)
    wrong = {
        "sealed test rows": len(parts["test"]),
        "validation rows": len(parts["valid"]),
        "rows that did not train it": len(parts["new"]) if predictor.info.get("row_hashes", {}).get("train") else 0,
    }
    if any(wrong.values()):
        found = " and ".join(f"{count:,} {what}" for what, count in wrong.items() if count)
        raise ConfigError(
            f"The calibration set {calibration.source} holds {found} of this model: only training rows may calibrate, "
            "or measurements on held-out rows would be too good."
        )


def _check_apart(predictor: Predictor, calibration: Table, held_out: Table) -> None:
    """ConfigError where rows calibrate and measure, of a model that does not know its rows."""
    from longspan.data import encode_rows
    from longspan.data.batches.row_hashes import hash_rows

    hashes = [
        hash_rows(encode_rows(table, np.arange(len(table)), predictor.inputs, {}), torch.arange(len(table)))
        for table in (calibration, held_out)
    ]
    if both := int(np.isin(hashes[1], hashes[0]).sum()):
        raise ConfigError(
            f"{both:,} rows are in the calibration set and in the rows to measure on: give rows that did not train."
        )
