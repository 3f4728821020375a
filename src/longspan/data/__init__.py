"""Tables, splits, batches: from raw values to encoded rows, each read once."""

from __future__ import annotations

from longspan.data.augment import Augment
from longspan.data.leaks import Leaks
from longspan.data.samples import Batch, Samples, encode_rows
from longspan.data.splits import Split
from longspan.data.store import Store
from longspan.data.table import Table
from longspan.data.task import Task
from longspan.data.vault import Vault

__all__ = ["Augment", "Batch", "Leaks", "Samples", "Split", "Store", "Table", "Task", "Vault", "encode_rows"]
