"""Tables, splits, batches: from raw values to encoded rows, each read once."""

from __future__ import annotations

from longspan.data.back_translation import back_translate
from longspan.data.batches.samples import Batch, Samples, encode_rows
from longspan.data.batches.store import Store
from longspan.data.leakage.future_leaks import future_leaks
from longspan.data.leakage.leaks import Leaks
from longspan.data.splits.split import Split
from longspan.data.splits.vault import Vault
from longspan.data.table import Table
from longspan.data.task import Task

__all__ = [
    "Batch", "Leaks", "Samples", "Split", "Store", "Table", "Task", "Vault", "back_translate", "encode_rows",
    "future_leaks",
]  # fmt: skip
