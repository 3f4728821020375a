"""What a study file may be, checked before anything in it is used: its tables as they were made, and their values.

A SQLite file can bring programs along: triggers, views in place of tables, indexes and defaults over expressions. A
file whose schema is not word for word that of a study is refused, so none of them is ever reached; until that is known,
the connection trusts no schema and holds nothing large.
"""

from __future__ import annotations

import sqlite3

__all__ = ["ADDED", "SCHEMA", "guard", "schema_fault", "value_fault"]

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE strategies (name TEXT PRIMARY KEY, described TEXT NOT NULL);
CREATE TABLE runs (
    strategy TEXT NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
    seconds REAL NOT NULL, model TEXT, at TEXT NOT NULL, PRIMARY KEY (strategy, size, seed)
);
CREATE TABLE errors (
    strategy TEXT NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL, target TEXT NOT NULL, error REAL NOT NULL,
    PRIMARY KEY (strategy, size, seed, target)
);
CREATE TABLE failures (
    strategy TEXT NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL,
    trace TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (strategy, size, seed)
);
"""
"""Each table of version 1 as the file itself records it."""

ADDED = """
CREATE TABLE row_errors (
    strategy TEXT NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL, target TEXT NOT NULL, errors BLOB NOT NULL,
    PRIMARY KEY (strategy, size, seed, target)
);
CREATE TABLE trials (
    strategy TEXT NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL, trial INTEGER NOT NULL, params TEXT NOT NULL,
    score REAL, error REAL NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (strategy, size, seed, trial)
);
"""
"""What version 2 has besides: errors of rows, and the trials of tuning."""

_LONGEST = 16 << 20  # bytes of one value; the facts of a large study have some thousands
_TYPES = {"TEXT": "text", "INTEGER": "integer", "REAL": "real", "BLOB": "blob"}


def guard(connection: sqlite3.Connection) -> None:
    """Let a file's schema run nothing of its own, and bound what one value may take."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def schema_fault(connection: sqlite3.Connection, version: int) -> str | None:
    """What is in the schema that does not belong there, or is not there; None where it is that of this version."""
    expected = _EXPECTED[version]
    found = {
        name: (kind, _words(sql)) for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_schema")
    }
    for name, (kind, sql) in found.items():
        own = kind == "index" and name.startswith("sqlite_autoindex_") and not sql
        if not own and sql != expected.get(name):
            return f"its {kind} {name!r:.60} is not one of a study"
    lacking = [name for name in expected if name not in found]
    return f"it has no table {lacking[0]!r}" if lacking else None


def value_fault(connection: sqlite3.Connection, version: int) -> str | None:
    """A column whose values are not all of the type that it was made for; SQLite itself does not mind."""
    for name in _EXPECTED[version]:
        for _, column, kind, needed, _, key in connection.execute(f"PRAGMA table_info({name})").fetchall():
            allowed = f"'{_TYPES[kind]}'" if needed or key else f"'{_TYPES[kind]}', 'null'"
            query = f"SELECT typeof({column}) FROM {name} WHERE typeof({column}) NOT IN ({allowed}) LIMIT 1"
            wrong = connection.execute(query).fetchone()
            if wrong is not None:
                return f"{column!r} of {name!r} holds {wrong[0]}, not {_TYPES[kind]}"
    return None


def _words(sql: str | None) -> str:
    """A statement with single spaces."""
    return " ".join((sql or "").split())


def _statements(schema: str) -> dict[str, str]:
    return {_words(each).split()[2]: _words(each) for each in schema.split(";") if each.strip()}


_EXPECTED = {1: _statements(SCHEMA), 2: _statements(SCHEMA + ADDED)}
"""The statement that made each table, by its name, for each version of the format."""
