"""What is to be learned: inputs and targets of a split table, checked and encoded before the first step."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, final

import numpy as np

from longspan.columns import Column
from longspan.data.batches.context import compared_inputs, context_for
from longspan.data.batches.encoder import encode_value
from longspan.data.batches.row_hashes import hash_rows
from longspan.data.batches.samples import Samples, encode_rows
from longspan.data.batches.store import RowStore, StreamedStore
from longspan.data.leakage.column_leaks import group_rows
from longspan.data.leakage.leaks import Leaks, compared, find_leaks, parts_of
from longspan.data.sample_notes import notes_on_samples, single_samples
from longspan.data.splits.split import Split
from longspan.data.splits.vault import Vault
from longspan.data.table import Table
from longspan.errors import (
    ConfigError,
    DataError,
    Fault,
    LeakError,
    LongspanError,
    TrainingError,
    VaultError,
    data_error,
    unknown_name,
)
from longspan.lazy_torch import torch
from longspan.old_names import accepts_old_keywords

__all__ = ["Task"]

_STATISTICS_ROWS = 2048  # rows that statistics of inputs are taken from: their error is then below 1 % of the spread
_STATISTICS_BATCH = 256
_HASHED_ROWS = 2_000_000  # whose hashes take 11 MB of a model file


@accepts_old_keywords(memory_gb="cache_gb")
@final
class Task:
    """Inputs -> targets on a split table. One of each is the common case; several of either is normal.

    Making a Task checks names only. `prepare` reads the rows (each image once), learns vocabularies and statistics
    from the training rows, collects every fault, and looks for leaks; a Learner calls it before it trains.

    Example:
        >>> import numpy as np
        >>> rows = {"x": np.zeros((10, 8, 8), np.uint8), "digit": [0, 1] * 5}
        >>> table = ls.Table.from_arrays(rows, {"x": ls.Image(), "digit": ls.Category()})
        >>> ls.Task(table.split(valid=0.2), inputs="x", targets="digit")
        Task(x -> digit; 8 train, 2 valid)
    """

    def __init__(
        self,
        data: Split | Table,
        inputs: str | Sequence[str],
        targets: str | Sequence[str],
        *,
        size_px: int | tuple[int, int] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        allow_leaks: bool = False,
        move_leaks: bool = False,
        group: str | None = None,
        time: str | None = None,
        cache_gb: float = 4.0,
        disk_cache_gb: float = math.inf,
    ) -> None:
        """Name what is given and what is wanted.

        Args:
            data: A split table; a bare table is split at random with a fifth for validation (`table.split()`).
            inputs: Columns that the network reads.
            targets: Columns that it predicts; their values may be missing.
            size_px: Height and width, or one side of a square, that images get; needed where their sizes differ.
            on_error: "raise" refuses bad files and values, all at once and by name; "skip" leaves their rows out and
                keeps the list in `skipped`.
            allow_leaks: Train although something of the held-out rows is known in training, such as the same or nearly
                the same sample (see `longspan.data.leakage.leaks`); noted in the model file.
            move_leaks: Let held-out copies of training rows train too, so that no sample is on both sides; `moved`
                keeps their names. For splits drawn at random, where a row more or less in a part does not matter; of a
                split by group, the rest of the group follows. A split by time is not touched.
            group: A column that names persons, patients, scenes: none of them may stand in two parts, however the split
                was made.
            time: A column in whose order the parts must lie: what trains before what validates before what tests.
            cache_gb: Encoded values of a column up to this size stay in memory, larger ones in a file in the cache
                folder.
            disk_cache_gb: Larger ones than this, or than the disk has room for, are read again in every epoch, by
                threads, ahead of the training.
        """
        self.split = data.split() if isinstance(data, Table) else data
        self.table = self.split.table
        self.input_names = _names(inputs)
        self.target_names = _names(targets)
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
        for name in (*self.input_names, *self.target_names):
            if name not in self.table.columns:
                raise unknown_name("column", name, self.table.columns)
            if not self.table.columns[name].for_networks:
                raise ConfigError(
                    f"Column {name!r} holds {self.table.columns[name].kind} values, which no network reads or predicts;"
                    " give it another meaning with table.with_column."
                )
        both = set(self.input_names) & set(self.target_names)
        if both:
            raise ConfigError(f"{sorted(both)} are inputs and targets at once: the network would copy the answer.")
        self._check_kinds()
        self.size_px = (size_px, size_px) if isinstance(size_px, int) else size_px
        self.on_error: Literal["raise", "skip"] = on_error
        if allow_leaks and move_leaks:
            raise ConfigError("allow_leaks and move_leaks exclude each other: leaks are either allowed or moved.")
        self.allow_leaks = allow_leaks
        self.move_leaks = move_leaks
        self.group = group
        self.time = time
        for name in (group, time):
            if name is not None and name not in self.table.columns:
                raise unknown_name("column", name, self.table.columns)
        self.cache_gb = cache_gb
        self.disk_cache_gb = disk_cache_gb
        self.train = torch.from_numpy(self.split.train)
        self.valid = torch.from_numpy(self.split.valid)
        self.inputs: dict[str, Column] = {}
        self.targets: dict[str, Column] = {}
        self.skipped: list[Fault] = []
        self.leaks: Leaks | None = None
        self.moved: list[str] = []
        self._bad_rows = np.empty(0, np.int64)
        self._samples: Samples | None = None
        self._sealed: dict[str, torch.Tensor] = {}
        self._hashes: dict[str, np.ndarray] | None = None

    def __repr__(self) -> str:
        names = f"{', '.join(self.input_names)} -> {', '.join(self.target_names)}"
        return f"Task({names}; {len(self.train)} train, {len(self.valid)} valid)"

    @property
    def samples(self) -> Samples:
        """The encoded rows; targets of test rows read as missing until the vault is opened."""
        self.prepare()
        assert self._samples is not None
        return self._samples

    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        """Read, learn columns, collect faults, look for leaks; does nothing the second time.

        Args:
            progress: Called with the number of values read since the last call.

        Raises:
            DataError: Values that cannot be read or used, all of them by name.
            LeakError: Something of the held-out rows is known in training: the same or nearly the same sample stands
                on both sides, a group is split, time runs backwards, or an input gives the target away.
            TrainingError: A target, or an input, has no value in any training row.
        """
        if self._samples is not None:
            return
        held_out = len(self.split.valid) or len(self.split.vault)
        alone = single_samples(self.table, self.input_names, self.target_names, self._is_sealed) if held_out else {}
        train = self.split.train
        if self.on_error == "skip":  # a class that is left out is not in the vocabulary either
            train = np.setdiff1d(train, list(alone))
        inputs = {name: self._fit(name, train) for name in self.input_names}
        targets = {name: self._fit(name, train, inputs) for name in self.target_names}
        sealed = self.split.vault.rows_for_leak_check()
        rows = np.concatenate([self.split.train, self.split.valid, sealed])
        samples = encode_rows(
            self.table, rows, inputs, targets, cache_gb=self.cache_gb, disk_cache_gb=self.disk_cache_gb,
            progress=progress,
        )  # fmt: skip
        self._hide_sealed(samples, sealed)
        self._handle_faults(dict(sorted({**samples.faults(), **alone}.items())))
        for words in notes_on_samples(self.table, samples, inputs, targets, self.train, self.valid):
            warnings.warn(words, stacklevel=3)
        for name, column in inputs.items():
            if column.needs_encoded:
                inputs[name] = column.fit_encoded(_some_batches(samples.inputs[name], self.train))
        self.inputs, self.targets = inputs, targets
        self.leaks = self._find_leaks(samples)
        if self.move_leaks and self.leaks.pairs and (self.time is not None or self.split.how["kind"] == "time"):
            raise LeakError(
                f"{self.leaks.message()}\nIn a split by time nothing is moved, because training would then see the "
                "future: drop one row of each pair."
            )
        while self.move_leaks and len(rows := self._movable()):  # a moved row may have another copy where it was
            self.moved += [str(leak) for leak in self.leaks.pairs]
            self.split = self.split.moved_to_train(rows)
            self._take_parts()
            self.leaks = self._find_leaks(samples)
        if not self.allow_leaks:
            self.leaks.refuse()
        self._samples = samples
        self._seal(samples)

    def leave_out(self, faults: Mapping[int, Fault]) -> None:
        """Leave out rows that a network cannot learn from, though they can be read.

        Args:
            faults: What is wrong, by row.

        Raises:
            DataError: `on_error` is "raise" and there are faults; it names them all.
        """
        if not faults:
            return
        if self.on_error == "raise":
            raise self._row_errors(dict(faults))
        self.skipped = [*self.skipped, *faults.values()]
        self._bad_rows = np.union1d(self._bad_rows, np.asarray(list(faults), np.int64))
        self._hashes = None
        self._take_parts()

    def subset(self, train: Sequence[int] | np.ndarray | torch.Tensor) -> Task:
        """This task with only some of its training rows and nothing held out; columns and encoded rows are shared.

        Vocabularies and scales stay those of all training rows, so that figures of different subsets compare.

        Args:
            train: Row numbers, among this task's training rows.

        Raises:
            ConfigError: a row is not among them, or there are none.
        """
        self.prepare()
        rows = torch.as_tensor(np.asarray(train, np.int64))
        strangers = rows[~torch.isin(rows, self.train)]
        if len(strangers) or not len(rows):
            what = f"row {int(strangers[0])} is not one of them" if len(strangers) else "no row was given"
            raise ConfigError(f"A subset holds some of the {len(self.train)} training rows: {what}.")
        part, nothing = copy.copy(self), np.empty(0, np.int64)
        part.train = rows.unique()
        part.valid = torch.from_numpy(nothing)
        how = {**self.split.how, "rows": {"train": len(part.train), "valid": 0, "test": 0}, "subset": len(part.train)}
        part._hashes = None
        part.split = replace(self.split, train=part.train.numpy(), valid=nothing, vault=Vault(nothing), how=how)
        return part

    def reading(self, columns: Mapping[str, Column]) -> Task:
        """A task of the same rows, targets and parts, whose inputs are read as other columns.

        What these columns learn, such as a vocabulary, they learn from this task's training rows; from those of a
        subset alone.

        Args:
            columns: By input.

        Raises:
            UnknownNameError: an entry is not an input of the task.
        """
        self.prepare()
        table = self.table
        for name, column in columns.items():
            if name not in self.input_names:
                raise unknown_name("input", name, self.input_names)
            table = table.with_column(name, column)
        split = replace(self.split, table=table, train=self.train.numpy(), valid=self.valid.numpy())
        return Task(
            split, self.input_names, self.target_names, size_px=self.size_px, on_error=self.on_error,
            allow_leaks=self.allow_leaks, group=self.group, time=self.time, cache_gb=self.cache_gb,
            disk_cache_gb=self.disk_cache_gb,
        )  # fmt: skip

    def open_vault(self, reason: str) -> torch.Tensor:
        """Row numbers of the test rows; the opening is counted and dated (see `Vault`).

        Raises:
            VaultError: There are no test rows, or no reason is given.
        """
        self.prepare()
        rows = self.split.vault.open(reason)
        assert self._samples is not None
        for name, slots in self._sealed.items():
            self._samples.targets[name].slots[torch.from_numpy(rows)] = slots
        return torch.from_numpy(np.setdiff1d(rows, self._bad_rows))

    def check_not_sealed(self, table: Table) -> None:
        """See that what is measured on is not the table that was split, with all its parts and the sealed rows.

        Raises:
            VaultError: It is, and the vault is not open.
        """
        if table.frame is self.table.frame and len(self.split.vault) and not self.split.vault.openings:
            raise VaultError(
                f"This is the table that was split: it holds the {len(self.split.vault)} sealed test rows, and the "
                "training rows. Measure on a part: evaluate('valid'), or evaluate('test', reason=...)."
            )

    def row_hashes(self) -> dict[str, np.ndarray]:
        """Hashes of the inputs of the training, validation and sealed test rows, by which a model knows them again.

        Empty where inputs are read anew in every epoch, for that would take as long as one, and for millions of rows.
        """
        samples = self.samples
        if self._hashes is None:
            parts = {"train": self.train, "valid": self.valid}
            parts["test"] = torch.from_numpy(np.setdiff1d(self.split.vault.rows_for_leak_check(), self._bad_rows))
            few = sum(map(len, parts.values())) <= _HASHED_ROWS
            quick = few and not any(isinstance(store, StreamedStore) for store in samples.inputs.values())
            self._hashes = {part: hash_rows(samples, rows) for part, rows in parts.items()} if quick else {}
        return self._hashes

    def explain(self, row: int = 0) -> str:
        """What happens to one row on its way to the network, step by step; names the step that fails."""
        if not 0 <= row < len(self.table):
            raise ConfigError(f"explain(row={row}): the table has rows 0 to {len(self.table) - 1}.")
        lines = [f"{self!r}, row {row}:"]
        fitted: dict[str, Column] = {}
        for name in (*self.input_names, *self.target_names):
            lines.append(f"  {name}: {self.table.where(row, name)}")
            value = self.table.value(row, name)
            if value is None:
                lines.append("    missing")
                continue
            if name in self.target_names and self._is_sealed(row):
                lines.append("    sealed in the vault")
                continue
            lines.append(f"    raw: {_brief(value)}")
            try:
                column = self._fit(name, self.split.train, fitted)
                fitted[name] = column
                lines.append(f"    column: {_brief(column)}")
                encoded = encode_value(self.table, row, name, column, context_for(column, fitted))
                lines.append(f"    encoded: {encoded.dtype} {tuple(encoded.shape)} {_brief(encoded)}")
                if self._samples is not None:
                    ready = (self.inputs | self.targets)[name].prepare(torch.from_numpy(encoded.copy())[None]).numpy()
                    lines.append(f"    in a batch: {ready.dtype} {tuple(ready.shape)} {_brief(ready)}")
            except (ValueError, LongspanError) as error:
                lines.append(f"    FAILS: {error}")
        return "\n".join(lines)

    # --- helpers -------------------------------------------------------------------------------------------------

    def _is_sealed(self, row: int) -> bool:
        vault = self.split.vault
        return not vault.openings and row in vault.rows_for_leak_check()

    def _check_kinds(self) -> None:
        """Inputs must be readable; what lies in another column needs that column among the inputs."""
        kinds = {self.table.columns[name].kind for name in self.input_names}
        for name in self.input_names:
            if not self.table.columns[name].readable:
                raise ConfigError(
                    f"Input {name!r} is of kind {self.table.columns[name].kind}, which networks cannot read: make it "
                    "a target."
                )
        for name in self.target_names:
            context = self.table.columns[name].context_kind
            if context is not None and context not in kinds:
                raise ConfigError(
                    f"Target {name!r} is of kind {self.table.columns[name].kind} and needs an input of kind {context} "
                    f"that it lies in; the inputs are {', '.join(self.input_names)}."
                )

    def _fit(self, name: str, rows: np.ndarray, inputs: Mapping[str, Column] | None = None) -> Column:
        column = self.table.columns[name]
        if name in self.input_names:
            column = column.as_input() if self.size_px is None else column.as_input().with_size(self.size_px)
            if column.kind in {self.table.columns[target].context_kind for target in self.target_names}:
                column = column.with_located_targets()
        context = context_for(column, inputs or {})
        if context is not None:
            column = column.bind(context[1])
        present = rows[self.table.frame[name].gather(rows).is_not_null().to_numpy()]
        if not len(present):
            raise TrainingError(
                f"{'Input' if name in self.input_names else 'Target'} {name!r} has no value in any of the {len(rows)} "
                "training rows: there is nothing to learn from."
            )
        try:
            if column.in_files:
                return column.fit(v for row in rows if (v := self.table.value(int(row), name)) is not None)
            return column.fit_cells(self.table.cell_parts(name, present))
        except DataError as error:
            raise DataError(f"Column {name!r}: {error}", error.faults) from error

    def _seal(self, samples: Samples) -> None:
        """Take the targets of test rows out of `samples`, where they read as missing until the vault is opened."""
        if self.split.vault.openings:
            return
        rows = torch.from_numpy(self.split.vault.rows_for_leak_check())
        for name, store in samples.targets.items():
            self._sealed[name] = store.slots[rows].clone()
            store.slots[rows] = -1

    def _find_leaks(self, samples: Samples) -> Leaks:
        """In the rows that can be used: samples in two parts, and columns that say too much."""
        split = replace(self.split, train=self.train.numpy(), valid=self.valid.numpy())
        images = {name: compared(samples.inputs[name], self.inputs[name]) for name in compared_inputs(self.inputs)}
        return find_leaks(
            split, images, inputs=self.input_names, targets=self.target_names, group=self.group, time=self.time,
        )  # fmt: skip

    def _movable(self) -> np.ndarray:
        """Rows that train from now on: of copies, and of the groups that were parted by moving some of their rows."""
        assert self.leaks is not None
        rows = np.asarray([row for leak in self.leaks.pairs for row in (leak.row, leak.other_row)], np.int64)
        how = self.split.how
        if how["kind"] == "group" and any(leak.kind == "group" for leak in self.leaks.columns):
            rows = np.union1d(rows, group_rows(self.split, parts_of(self.split), str(how["column"])))
        return np.setdiff1d(rows, self.split.train)

    def _take_parts(self) -> None:
        """Training and validation rows of the split that can be used."""
        self.train = torch.from_numpy(np.setdiff1d(self.split.train, self._bad_rows))
        self.valid = torch.from_numpy(np.setdiff1d(self.split.valid, self._bad_rows))
        if not len(self.train) or (len(self.split.valid) and not len(self.valid)):
            raise data_error("One part of the split has no usable row:", self.skipped)

    def _hide_sealed(self, samples: Samples, sealed: np.ndarray) -> None:
        """Say of a test row's target that it cannot be used, but not what it is."""
        if self.split.vault.openings:
            return
        for name, store in samples.targets.items():
            for row in set(sealed.tolist()) & set(store.faults):
                store.faults[row] = Fault(
                    self.table.where(row, name),
                    "the target of this test row cannot be used, for example because its class does not occur in the "
                    "training rows; what it is stays sealed",
                )

    def _handle_faults(self, faults: dict[int, Fault]) -> None:
        if not faults:
            return
        if self.on_error == "raise":
            raise self._row_errors(faults)
        self.skipped = list(faults.values())
        self._bad_rows = np.asarray(list(faults), np.int64)
        self._take_parts()

    @staticmethod
    def _row_errors(faults: dict[int, Fault]) -> DataError:
        return data_error(
            f"{len(faults)} row{'s' if len(faults) > 1 else ''} cannot be used:",
            list(faults.values()),
            'Fix or remove them, or leave them out: on_error="skip" (--on-error skip). The report then lists them.',
        )


def _some_batches(store: RowStore, rows: torch.Tensor) -> Iterator[torch.Tensor]:
    """Evenly spaced training rows, a batch at a time: enough for mean and spread, however many rows there are."""
    chosen = rows[torch.linspace(0, len(rows) - 1, min(len(rows), _STATISTICS_ROWS)).long()]
    return (store.read(part) for part in chosen.split(_STATISTICS_BATCH))


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    several = (names,) if isinstance(names, str) else tuple(names)
    if not several or len(set(several)) < len(several):
        raise ConfigError(f"Inputs and targets are names of columns, each once and at least one, got {list(several)}.")
    return several


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"values {value.min()}..{value.max()}"
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
