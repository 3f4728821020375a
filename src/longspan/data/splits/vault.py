"""The vault: sealed test rows, opened on purpose; every opening is counted, dated and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import final

import numpy as np

from longspan.errors import VaultError

__all__ = ["Vault"]


@final
class Vault:
    """Test rows that nothing reads by accident: `open(reason)` gives them and leaves a record.

    A test metric is honest only while no decision was based on the test rows. So a split has no attribute for them, no
    loop reads them, and whoever opens them gives a reason. The record goes into the model file and the report.

    A second look after more training is another thing than the first: what was seen may have steered what came after.
    Training says so (`note_training`), and the record of the next opening bears the mark `after_training`.

    Example:
        >>> vault = Vault([7, 3])
        >>> vault
        Vault(2 rows, never opened)
        >>> vault.open("final figure for the paper")
        array([3, 7])
        >>> vault
        Vault(2 rows, opened once)
    """

    def __init__(self, rows: Iterable[int] | np.ndarray, openings: Iterable[Mapping[str, object]] = ()) -> None:
        """Seal row numbers; `openings` are earlier records of the same vault, when a run goes on."""
        numbers = rows if isinstance(rows, np.ndarray) else list(rows)
        self._rows = np.sort(np.asarray(numbers, dtype=np.int64).reshape(-1))
        self._openings = [dict(opening) for opening in openings]
        self._trained_since = False

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        times = len(self._openings)
        opened = "never opened" if not times else "opened once" if times == 1 else f"opened {times} times"
        return f"Vault({len(self)} {'row' if len(self) == 1 else 'rows'}, {opened})"

    @property
    def openings(self) -> list[dict[str, object]]:
        """Copies of the records, oldest first.

        Each has `reason`, `at` (UTC, ISO 8601), `count` (1 = first opening), `rows`, and `after_training`: whether
        something was trained on this split between the first opening and this one.
        """
        return [dict(opening) for opening in self._openings]

    def open(self, reason: str) -> np.ndarray:
        """Test row numbers, int64 (N,), ascending; the opening is recorded with its `reason`.

        Raises:
            VaultError: There are no test rows, or no reason is given.
        """
        if not len(self):
            raise VaultError(
                "The vault is empty: this split has no test rows. Make some with split(test=0.2), "
                "or with a column whose values name them: split(column='part') with 'train', 'valid' and 'test'."
            )
        if not isinstance(reason, str) or not reason.strip():
            raise VaultError(
                f"Opening the vault needs a reason, got {reason!r}. Say what the {len(self)} test rows are for, for "
                "example open('final metrics'); it is recorded in the model file."
            )
        record = {
            "reason": reason.strip(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "count": len(self._openings) + 1,
            "rows": len(self),
            "after_training": self._trained_since,
        }
        self._openings.append(record)
        return self._rows.copy()

    def note_training(self) -> None:
        """Training on this split begins; of interest only once the vault was opened."""
        self._trained_since = self._trained_since or bool(self._openings)

    def opened_rows(self) -> np.ndarray:
        """Test row numbers, int64 (N,), ascending, of a vault that was opened before: to look again at what was seen.

        Raises:
            VaultError: It was not opened yet.
        """
        if not self._openings:
            raise VaultError(f"The vault is sealed: open('why') gives its {len(self)} rows and records the opening.")
        return self._rows.copy()

    def without(self, rows: np.ndarray) -> Vault:
        """A vault of fewer rows, for a split that is not yet looked at.

        Raises:
            VaultError: This one was opened: what was seen can no longer train.
        """
        if self._openings:
            raise VaultError("This vault was opened: its rows can no longer move. Make a new split.")
        return Vault(np.setdiff1d(self._rows, rows))

    def continued(self, openings: Iterable[Mapping[str, object]]) -> Vault:
        """The same rows with the record of an earlier run, when that goes on."""
        return Vault(self._rows, openings)

    def rows_for_leak_check(self) -> np.ndarray:
        """Test row numbers for the leak search, which compares inputs, sees no target and trains nothing.

        No opening is recorded: a leak must be found before training, and refusing one steers no model.
        """
        return self._rows.copy()

    def to_json(self) -> dict[str, object]:
        """`{"rows": count, "openings": [...]}`: what model files and reports keep. Row numbers are not in it."""
        return {"rows": len(self), "openings": self.openings}
