"""The file of a study: one SQLite database that every finished run is written to at once, in one transaction.

Whatever kills a program, the file holds whole runs and nothing else: SQLite rolls a half-written transaction back when
the file is opened next. Errors are stored as 8-byte floats, bit for bit.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.errors import StudyError
from longspan.storage.plain_json import parse_json
from longspan.study.runs.packed_rows import pack_rows, unpack_rows
from longspan.study.runs.runs import Failure, Run, RunResult
from longspan.study.runs.store_check import ADDED, SCHEMA, guard, schema_fault, value_fault
from longspan.version import __version__

__all__ = ["FORMAT_VERSION", "StudyFile", "StudyLock"]

FORMAT_VERSION = 2
_READ = (1, 2)
_APPLICATION_ID = 0x6C735374  # "lsSt": marks a study among SQLite files


@final
class StudyFile:
    """An open study file. Use it as a context manager, or `close` it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Wrap a connection; `open_file` and `create` make them."""
        self.path = path
        self._connection = connection

    @classmethod
    def open_file(cls, path: Path) -> StudyFile:
        """A study file that exists.

        Raises:
            StudyError: there is none, or it is damaged, of another version, or something else.
        """
        if not path.is_file():
            raise StudyError(f"There is no study file {path}.")
        if not path.stat().st_size:
            raise StudyError(f"{path} is empty: a study was to be started there, and nothing was written yet.")
        with _translated(path), path.open("rb") as file:
            head = file.read(20)
        if head[:16] == b"SQLite format 3\0" and head[18:] != b"\1\1":  # else SQLite would make files beside it
            raise StudyError(_damaged(path, "it is kept with a write-ahead log, which studies never are"))
        connection = _connect(path)
        try:
            _check(path, connection)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection)

    @classmethod
    def create(cls, path: Path, facts: Mapping[str, Any]) -> StudyFile:
        """A new study file with these facts; an empty file, as a killed beginning may leave, counts as none.

        Raises:
            StudyError: there is a file already, or none can be written there.
        """
        if path.exists() and (not path.is_file() or path.stat().st_size):
            raise StudyError(f"{path} exists already and is never overwritten. Name another file: path= (--out).")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(
                f"{path.parent} cannot be made: {error.strerror}. Name another place: path= (--out)."
            ) from error
        connection = _connect(path, new=True)
        study = cls(path, connection)
        try:
            with study._writing():
                for statement in (SCHEMA + ADDED).split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                for name, value in {**facts, "created": _now(), "library": __version__}.items():
                    connection.execute("INSERT INTO facts VALUES (?, ?)", (name, json.dumps(value)))
        except BaseException:
            connection.close()
            raise
        return study

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> StudyFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- what is known of the study ------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """Everything kept beside the runs, by name.

        Raises:
            StudyError: one of them is not JSON.
        """
        found = {}
        for name, value in self._all("SELECT name, value FROM facts ORDER BY name"):
            try:
                found[name] = parse_json(value)
            except ValueError as error:
                raise StudyError(_damaged(self.path, f"what it says of {name!r:.60} is not JSON: {error}")) from error
        return found

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """Add or replace facts."""
        with self._writing():
            for name, value in facts.items():
                self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def strategies(self) -> dict[str, str]:
        """How each strategy is described, by name, in the order in which they came."""
        return dict(self._all("SELECT name, described FROM strategies ORDER BY rowid"))

    def add_strategies(self, described: Mapping[str, str]) -> None:
        """Put down strategies that are new to the file."""
        with self._writing():
            self._connection.executemany("INSERT OR IGNORE INTO strategies VALUES (?, ?)", list(described.items()))

    # --- runs ----------------------------------------------------------------------------------------------------

    def record(self, run: Run, outcome: RunResult | Failure) -> None:
        """Write down how a run ended; a later success takes the place of a failure."""
        key = (run.strategy, run.size, run.seed)
        with self._writing():
            self._connection.execute("DELETE FROM failures WHERE (strategy, size, seed) = (?, ?, ?)", key)
            if isinstance(outcome, Failure):
                row = (*key, outcome.kind, outcome.message, outcome.trace, _now())
                self._connection.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                return
            row = (*key, outcome.steps, outcome.seconds, outcome.model, _now())
            self._connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            for target, error in outcome.errors.items():
                self._connection.execute("INSERT INTO errors VALUES (?, ?, ?, ?, ?)", (*key, target, error))
            for target, errors in outcome.row_errors.items():
                packed = pack_rows(errors)
                self._connection.execute("INSERT INTO row_errors VALUES (?, ?, ?, ?, ?)", (*key, target, packed))
            for number, trial in enumerate(outcome.trials):
                row = (*key, number, json.dumps(trial.params), trial.score, trial.error, trial.seconds)
                self._connection.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def upgrade(self) -> None:
        """Give a file of version 1 the tables of version 2; its runs stay as they are."""
        (version,) = self._all("PRAGMA user_version")[0]
        if version == FORMAT_VERSION:
            return
        with self._writing():
            for statement in filter(str.strip, ADDED.split(";\n")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")

    def finished(self) -> set[Run]:
        """Every run that is done."""
        return {Run(*key) for key in self._all("SELECT strategy, size, seed FROM runs")}

    def seconds(self) -> dict[Run, float]:
        """How long every finished run took."""
        return {Run(*row[:3]): row[3] for row in self._all("SELECT strategy, size, seed, seconds FROM runs")}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each target of each finished run."""
        names = ("strategy", "size", "seed", "target", "error", "steps", "seconds", "model")
        query = (
            "SELECT r.strategy, r.size, r.seed, e.target, e.error, r.steps, r.seconds, r.model FROM runs r "
            "JOIN errors e USING (strategy, size, seed) JOIN strategies s ON s.name = r.strategy "
            "ORDER BY s.rowid, r.size, r.seed, e.rowid"
        )
        return [dict(zip(names, row, strict=True)) for row in self._all(query)]

    def row_errors(self, target: str, count: int) -> dict[Run, np.ndarray]:
        """The error of each held-out row, `(count,)`, NaN where it has no target, by run; empty in version 1.

        Raises:
            StudyError: what is kept there is not the errors of so many rows.
        """
        if not self._has("row_errors"):
            return {}
        with _translated(self.path):
            rows = self._connection.execute(
                "SELECT strategy, size, seed, errors FROM row_errors WHERE target = ?", (target,)
            ).fetchall()
        try:
            return {Run(*row[:3]): unpack_rows(row[3], count) for row in rows}
        except ValueError as error:
            raise StudyError(_damaged(self.path, str(error))) from error

    def trials(self) -> list[dict[str, Any]]:
        """Every trial of a tuned run, in order; empty without tuning."""
        if not self._has("trials"):
            return []
        names = ("strategy", "size", "seed", "trial", "params", "score", "error", "seconds")
        rows = self._all(f"SELECT {', '.join(names)} FROM trials ORDER BY strategy, size, seed, trial")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _has(self, table: str) -> bool:
        return bool(self._all(f"SELECT 1 FROM sqlite_schema WHERE name = '{table}'"))

    def failures(self) -> list[dict[str, Any]]:
        """Every run that has failed and not succeeded since."""
        names = ("strategy", "size", "seed", "error", "message", "trace", "at")
        query = (
            "SELECT f.strategy, size, seed, kind, message, trace, at FROM failures f "
            "JOIN strategies s ON s.name = f.strategy ORDER BY s.rowid, size, seed"
        )
        return [dict(zip(names, row, strict=True)) for row in self._all(query)]

    # --- helpers -------------------------------------------------------------------------------------------------

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        with _translated(self.path):
            return self._connection.execute(query).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@final
class StudyLock:
    """One process at a time runs a study. The system itself lets go of the lock when the process ends, however.

    An exclusive SQLite transaction on an empty file beside the study's own, so that the study can be read meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock for the study at `path`.

        Raises:
            StudyError: another process, or another study in this one, has it.
        """
        beside = path.with_name(f".{path.name}.lock")
        with _translated(beside):
            beside.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(beside, timeout=0.0, isolation_level=None)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise StudyError(
                    f"{path} is being run already, by another process or another Study. Wait for it, or look at what "
                    "is finished meanwhile: Study.open(path)."
                ) from error
            raise StudyError(f"{beside} cannot be locked: {error}. Name another place: path= (--out).") from error

    def __enter__(self) -> StudyLock:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()


def _connect(path: Path, *, new: bool = False) -> sqlite3.Connection:
    """A connection whose transactions are begun by hand; waits for a writer for as long as a write may take."""
    with _translated(path):
        address = f"{path.absolute().as_uri()}?mode={'rwc' if new else 'rw'}"
        connection = sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None)
        try:
            guard(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what is not a whole study file of this version."""
    with _translated(path):
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            raise StudyError(f"{path} is a SQLite file, but not one of a study. Name another file: path= (--out).")
        if version not in _READ:
            raise StudyError(
                f"{path} is a study of format {version}; this longspan ({__version__}) reads formats 1 and 2. "
                "Use the version that made it, or start a new file: path= (--out)."
            )
        fault = schema_fault(connection, version)  # first: an index over an expression is computed when it is checked
        if fault is not None:
            raise StudyError(_damaged(path, fault))
        faults = [line for (line,) in connection.execute("PRAGMA integrity_check(3)").fetchall() if line != "ok"]
        if faults:
            raise StudyError(_damaged(path, "; ".join(faults)))
        fault = value_fault(connection, version)
        if fault is not None:
            raise StudyError(_damaged(path, fault))


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's and the system's complaints as errors that name the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StudyError(
            f"{path} cannot be read or written: {error}. Free some space, or see which process uses it."
        ) from error
    except (
        sqlite3.Error,
        MemoryError,
        UnicodeError,
    ) as error:  # the last two: of damaged lengths, and of damaged words
        raise StudyError(_damaged(path, str(error))) from error
    except OSError as error:
        raise StudyError(f"{path} cannot be read or written: {error.strerror or error}.") from error


def _damaged(path: Path, why: str) -> str:
    return (
        f"{path} is not a study file, or is damaged ({why}). It is left as it is: put a copy in its place, or start "
        "a new file: path= (--out)."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
