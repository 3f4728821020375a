"""The file of a gallery: one SQLite database with people, their vectors and a log; encrypted with a key if wanted."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError, DataError
from longspan.extras import require_extra

__all__ = ["GalleryFile", "make_key", "read_key"]

_FORMAT, _VERSION = "longspan gallery", 1
_KEY_WORDS = b"the key of this gallery"
_WAIT_S = 30
_SCHEMA = """
create table settings (name text primary key, value text not null) without rowid;
create table people (id text primary key, name blob not null, mean blob not null, added text not null,
                     changed text not null) without rowid;
create table entries (id integer primary key, person text not null references people (id), vector blob not null,
                      quality blob not null, added text not null);
create index entries_of_person on entries (person);
create table log (id integer primary key, at text not null, action text not null, person text not null,
                  details text not null, digest text not null);
"""


def make_key(path: str | Path) -> Path:
    """Write a new key to a file that only its owner can read, and that must not exist yet.

    Who loses the key loses the gallery.

    Raises:
        ConfigError: the file is there, or cannot be written.
        DependencyError: the extra is missing.
    """
    require_extra("encryption", "Encrypting a gallery")
    from cryptography.fernet import Fernet

    path = Path(path).expanduser()
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
    except FileExistsError:
        raise ConfigError(f"The key file {path} exists already, and a gallery may need it. Name another.") from None
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be written: {error.strerror or error}.") from error
    return path


def read_key(path: str | Path) -> bytes:
    """The key in a file that `make_key` wrote.

    Raises:
        ConfigError: there is no such file, or no key in it.
    """
    try:
        key = Path(path).expanduser().read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"The key file {path} cannot be read: {error.strerror or error}.") from error
    try:
        if len(base64.urlsafe_b64decode(key)) != 32:
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"The key file {path} holds no key of a gallery: 32 bytes in base64; `longspan turnstile key` writes one."
        ) from None
    return key


@final
class GalleryFile:
    """People, vectors and log in one file. Every change is one transaction; a killed process leaves the state before.

    Deleted content is overwritten with zeros (SQLite's `secure_delete`), and a journal lives as long as its change, so
    that what is removed is in neither; copies of the file, snapshots and freed blocks of the disk are out of reach. Log
    entries name people by random numbers, and each holds a digest of the one before: a changed old entry shows.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, key: bytes | None) -> None:
        """Use `create` or `open`."""
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._cipher: Any = None
        if key is not None:
            require_extra("encryption", "An encrypted gallery")
            from cryptography.fernet import Fernet

            self._cipher = Fernet(key)

    # --- opening -------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], key: bytes | None) -> GalleryFile:
        """A new, empty file.

        Raises:
            ConfigError: it exists, or its folder cannot be written to.
        """
        if path.exists():
            raise ConfigError(f"{path} exists already. Open it, or name another file.")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # faces are nobody else's business
            file = cls(path, _connect(path), key)
            with file.change() as cursor:
                for statement in _SCHEMA.strip().split(";\n"):
                    cursor.execute(statement.rstrip(";"))
                written = {"format": _FORMAT, "version": _VERSION, **settings}
                written["key check"] = None if key is None else file._hide(_KEY_WORDS).decode()
                cursor.executemany(
                    "insert into settings values (?, ?)", [(name, json.dumps(value)) for name, value in written.items()]
                )
                file.note(cursor, "created", "", {})
        except OSError as error:
            raise ConfigError(f"The gallery {path} cannot be made: {error.strerror or error}.") from error
        return file

    @classmethod
    def open(cls, path: Path, key: bytes | None) -> GalleryFile:
        """A file that is there.

        Raises:
            DataError: it does not exist, is damaged, not a gallery, or of a newer version.
            ConfigError: it is encrypted and there is no key, or another one; or the other way round.
        """
        if not path.is_file():
            raise DataError(f"There is no gallery {path}. `longspan turnstile enrol` makes one.")
        file = cls(path, _connect(path), key)
        try:
            settings = file.settings()
        except DataError:
            file.close()
            raise
        try:
            if settings.get("format") != _FORMAT:
                raise DataError(f"{path} is a database, but not a gallery of longspan.")
            if not isinstance(settings.get("version"), int) or settings["version"] > _VERSION:
                raise DataError(
                    f"{path} is of version {settings.get('version')!r}, newer than this longspan. Update it."
                )
            check = settings.get("key check")
            if check is None and key is not None:
                raise ConfigError(f"{path} is not encrypted; leave the key out.")
            if check is not None and key is None:
                raise ConfigError(f"{path} is encrypted: give the file of its key.")
            if check is not None:
                file._show(check.encode())
        except (ConfigError, DataError):
            file.close()
            raise
        return file

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    # --- reading -------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """What the gallery is of: model, length of vectors, threshold."""
        return {name: json.loads(value) for name, value in self._rows("select name, value from settings")}

    def state(self) -> int:
        """A number that changes when another process changes the file."""
        return int(self._rows("pragma data_version")[0][0])

    def people(self) -> list[tuple[str, str, npt.NDArray[np.float32], str, str, int]]:
        """Number, name, mean vector, dates of the first and last change, and entries of each person, oldest first."""
        rows = self._rows(
            "select id, name, mean, added, changed, (select count(*) from entries where person = people.id) "
            "from people order by added, id"
        )
        return [
            (person, self._show(name).decode(), self._vector(mean), added, changed, count)
            for person, name, mean, added, changed, count in rows
        ]

    def entries(self, person: str) -> list[tuple[int, npt.NDArray[np.float32], dict[str, Any], str]]:
        """Number, vector, quality and date of each entry of a person, oldest first."""
        rows = self._rows("select id, vector, quality, added from entries where person = ? order by id", person)
        return [
            (number, self._vector(vector), json.loads(self._show(quality)), added)
            for number, vector, quality, added in rows
        ]

    def log(self) -> list[dict[str, Any]]:
        """All entries of the log, oldest first.

        Raises:
            DataError: an entry is not what it was when it was written.
        """
        before, found = "", []
        rows = self._rows("select id, at, action, person, details, digest from log order by id")
        for expected, (number, at, action, person, details, digest) in enumerate(rows, 1):
            if number != expected or digest != _digest(before, at, action, person, details):
                raise DataError(f"{self.path}: entry {number} of the log was changed, or one before it is gone.")
            found.append({"at": at, "action": action, "person": person, **json.loads(details)})
            before = digest
        return found

    def check(self) -> None:
        """Read everything once.

        Raises:
            DataError: SQLite finds damage, an entry belongs to nobody, somebody has none, or the log was changed.
        """
        found = self._rows("pragma integrity_check")[0][0]
        if found != "ok":
            raise DataError(f"{self.path} is damaged: {found}. Take the last copy of it.")
        lost = self._rows("select count(*) from entries where person not in (select id from people)")[0][0]
        empty = self._rows("select count(*) from people where id not in (select person from entries)")[0][0]
        if lost or empty:
            raise DataError(f"{self.path}: {lost} entries belong to nobody, {empty} people have none.")
        for person, *_ in self.people():
            self.entries(person)
        self.log()

    # --- changing ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Cursor]:
        """All that is done inside, or nothing.

        Raises:
            DataError: the file is damaged, cannot be written, or another process holds it for more than half a minute.
        """
        with self._lock:
            try:
                cursor = self._connection.cursor()
                cursor.execute("begin immediate")
                try:
                    yield cursor
                except BaseException:
                    cursor.execute("rollback")
                    raise
                cursor.execute("commit")
            except sqlite3.Error as error:
                raise _damaged(self.path, error) from error

    def add_person(self, cursor: sqlite3.Cursor, person: str, name: str, mean: np.ndarray) -> None:
        """A new person, without entries yet."""
        now = _now()
        values = (person, self._hide(name.encode()), self._bytes(mean), now, now)
        cursor.execute("insert into people values (?, ?, ?, ?, ?)", values)

    def set_mean(self, cursor: sqlite3.Cursor, person: str, mean: np.ndarray) -> None:
        """The mean vector of a person whose entries have changed."""
        cursor.execute("update people set mean = ?, changed = ? where id = ?", (self._bytes(mean), _now(), person))

    def add_entries(
        self, cursor: sqlite3.Cursor, person: str, vectors: np.ndarray, qualities: list[dict[str, Any]]
    ) -> None:
        """Vectors of a person with what was measured of their photos."""
        now = _now()
        rows = [
            (person, self._bytes(vector), self._hide(json.dumps(quality).encode()), now)
            for vector, quality in zip(vectors, qualities, strict=True)
        ]
        cursor.executemany("insert into entries (person, vector, quality, added) values (?, ?, ?, ?)", rows)

    def remove_person(self, cursor: sqlite3.Cursor, person: str) -> list[bytes]:
        """Take a person and all entries away; gives what stood in the file, to be searched for."""
        stored = [row[0] for row in cursor.execute("select vector from entries where person = ?", (person,))]
        stored += [
            part for row in cursor.execute("select mean, name from people where id = ?", (person,)) for part in row
        ]
        cursor.execute("delete from entries where person = ?", (person,))
        cursor.execute("delete from people where id = ?", (person,))
        return stored

    def note(self, cursor: sqlite3.Cursor, action: str, person: str, details: dict[str, Any]) -> None:
        """One more entry of the log; `person` is a number, never a name."""
        last = cursor.execute("select id, digest from log order by id desc limit 1").fetchone()
        at, words = _now(), json.dumps(details)
        number, before = (0, "") if last is None else last
        values = (number + 1, at, action, person, words, _digest(before, at, action, person, words))
        cursor.execute("insert into log values (?, ?, ?, ?, ?, ?)", values)

    def set(self, cursor: sqlite3.Cursor, name: str, value: Any) -> None:
        """Change a setting."""
        cursor.execute("insert or replace into settings values (?, ?)", (name, json.dumps(value)))

    def shrink(self) -> None:
        """Write the file anew without what was deleted."""
        with self._lock:
            try:
                self._connection.execute("vacuum")
            except sqlite3.Error as error:
                raise _damaged(self.path, error) from error

    def holds(self, parts: list[bytes]) -> int:
        """How many of these byte strings are in the file or beside it, in journals."""
        beside = [self.path.with_name(self.path.name + ending) for ending in ("", "-journal", "-wal", "-shm")]
        contents = [path.read_bytes() for path in beside if path.is_file()]
        return sum(any(part in content for content in contents) for part in parts)

    def digest(self) -> str:
        """sha256 of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    # --- bytes ---------------------------------------------------------------------------------------------------

    def _hide(self, content: bytes) -> bytes:
        return content if self._cipher is None else self._cipher.encrypt(content)

    def _show(self, content: bytes) -> bytes:
        if self._cipher is None:
            return content
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher.decrypt(content)
        except InvalidToken:
            raise ConfigError(f"{self.path} was encrypted with another key, or is damaged.") from None

    def _bytes(self, vector: np.ndarray) -> bytes:
        return self._hide(np.asarray(vector, "<f4").tobytes())

    def _vector(self, content: bytes) -> npt.NDArray[np.float32]:
        return np.frombuffer(self._show(content), "<f4")

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise _damaged(self.path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        # A journal that is deleted with each change, not a write-ahead log, where old pages would stay.
        for statement in ("foreign_keys = on", "secure_delete = on", "journal_mode = delete", "synchronous = full"):
            connection.execute(f"pragma {statement}")
        connection.execute("pragma temp_store = memory")
    except sqlite3.Error as error:
        connection.close()
        raise _damaged(path, error) from error
    return connection


def _damaged(path: Path, error: sqlite3.Error) -> DataError:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return DataError(f"{path} is being changed by another process. Try again.")
    return DataError(f"{path} is not a gallery, is damaged, or cannot be written: {error}. Take the last copy of it.")


def _digest(before: str, *parts: str) -> str:
    return hashlib.sha256(json.dumps([before, *parts]).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
