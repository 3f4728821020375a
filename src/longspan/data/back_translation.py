"""Texts written again by models: more training rows from translations there and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longspan.columns import Category, Number
from longspan.data.table import Table
from longspan.errors import ConfigError, DataError

__all__ = ["back_translate"]


def back_translate(
    table: Table, column: str, models: Sequence[Any], *, source: str | None = None, keep_equal: bool = False
) -> Table:
    """Rows of a table with a text column written by models, as further training rows.

    With two models, such as English to French and French to English, each text comes back in other words, which
    augments the texts of a classifier. With one model and another `source`, a translator learns from texts that only
    one side has: the French text is kept, and its English side is what a French to English model writes for it.

    Give it training rows alone, and split by the group of `row` if you split afterwards: a text and its paraphrase
    belong on one side.

    Source: Sennrich, Haddow and Birch 2016, "Improving neural machine translation models with monolingual data",
    section 3.2. Differs: models search as they are set, not always by a beam.

    Args:
        table: Rows to write again.
        column: The text column whose cells the models write.
        models: Predictors from one text to one text, applied in turn.
        source: The column that the first model reads; by default `column` itself.
        keep_equal: Whether to keep rows whose text did not change.

    Returns:
        The rows with new texts, and two more columns: `row`, the place of the row in `table`, and `made_up`, which is
        "back-translation".

    Raises:
        ConfigError: no model is given, or one does not write exactly one text.
        DataError: a row has no text.
    """
    if not models:
        raise ConfigError("back_translate needs at least one model, such as [to_french, to_english].")
    texts = table.column_values(source or column)
    missing = [row for row, text in enumerate(texts) if not text]
    if missing:
        raise DataError(
            f"{len(missing)} rows have no text to translate, the first is {table.row_name(missing[0])}: leave them out "
            "with table.filter."
        )
    written = list(texts)
    for number, model in enumerate(models, 1):
        written = [_only_text(prediction, number) for prediction in model.predict(written)]
    before = table.column_values(column)
    kept = [row for row, text in enumerate(written) if text and (keep_equal or text != before[row])]
    if not kept:
        raise DataError("No text came back in other words: keep_equal=True keeps them as they are.")
    found = table.take(kept).with_column(column, table.column(column), [written[row] for row in kept])
    found = found.with_column("row", Number(), kept)
    return found.with_column("made_up", Category(), ["back-translation"] * len(kept))


def _only_text(prediction: Any, number: int) -> str:
    names = list(prediction.by_target)
    text = prediction[names[0]] if len(names) == 1 else None
    if not isinstance(text, str):
        raise ConfigError(f"Model {number} of back_translate predicts {', '.join(names)}; it has to write one text.")
    return text
