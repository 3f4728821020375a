"""`Gallery`: who is enrolled, and who is it? Vectors of people in one file: enrol, update, remove, search."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError, DataError, UnknownNameError, nearest
from longspan.people.gallery_answers import Answer, Enrolment, Match, Person, Removal
from longspan.people.gallery_file import GalleryFile, read_key
from longspan.people.robust import normalised, outliers, robust_mean

__all__ = ["Gallery"]

_BLOCK = 1 << 17  # people whose similarities to all probes are in memory at a time


@final
class Gallery:
    """People and their vectors in one SQLite file; photos are not kept.

    A person has a vector for each photo and is compared by their geometric median: one bad photo does not move it far.
    Vectors of another network do not compare, so a gallery belongs to one and refuses others. All changes are atomic,
    by threads and processes alike. Search is exact, a product with a matrix in memory. `unknown` is an answer: below
    the threshold nobody is named, nor where two people are about equally similar (`margin`).

    It is a function, too, for a stage of a pipeline: vector to answer, `Stage("who", gallery, reads="vector",
    adds="person")`.

    There is no liveness detection: a photo held up to the camera has the vector of the person it shows.
    """

    def __init__(self, file: GalleryFile) -> None:
        """Use `create` or `open`."""
        self._file = file
        self._lock = threading.RLock()
        settings = file.settings()
        try:
            self.model = str(settings["model"])
            self.dim = int(settings["dim"])
            self.threshold = float(settings["threshold"])
            self.margin = float(settings["margin"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file.path} lacks a setting of a gallery: {error}. Take the last copy of it.") from error
        self._seen = -1
        self._people: list[Person] = []
        self._means = np.zeros((0, self.dim), np.float32)
        self._index: Any = None
        self._load()

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        model: str,
        dim: int,
        threshold: float,
        margin: float = 0.0,
        key_file: str | Path | None = None,
    ) -> Gallery:
        """A new, empty gallery.

        Args:
            path: Of the file, which must not exist.
            model: Identifies the network that makes the vectors: its name and a digest of its weights.
            dim: Length of a vector.
            threshold: Least similarity at which a person is named; chosen on other people, see `choose_threshold`.
            margin: By how much the most similar person must be ahead of the next.
            key_file: Encrypts names, vectors and what was measured of photos, with the key that `make_key` wrote.

        Raises:
            ConfigError: the file exists, or a number is out of range.
            DependencyError: encryption without the extra `encryption`.
        """
        if not isinstance(dim, int) or dim < 2:
            raise ConfigError(f"dim must be a whole number of at least 2, got {dim!r}.")
        if not model:
            raise ConfigError("model must name the network that makes the vectors.")
        _check_threshold(threshold, margin)
        settings = {"model": model, "dim": dim, "threshold": threshold, "margin": margin}
        key = None if key_file is None else read_key(key_file)
        return cls(GalleryFile.create(Path(path).expanduser(), settings, key))

    @classmethod
    def open(cls, path: str | Path, *, model: str | None = None, key_file: str | Path | None = None) -> Gallery:
        """A gallery that is there.

        Args:
            path: Of the file.
            model: The network whose vectors will be compared; None does not check.
            key_file: Where it is encrypted.

        Raises:
            DataError: no such file, a damaged one, or one of another network.
            ConfigError: a key is missing, too much, or another one.
        """
        gallery = cls(GalleryFile.open(Path(path).expanduser(), None if key_file is None else read_key(key_file)))
        if model is not None and model != gallery.model:
            gallery.close()
            raise DataError(
                f"{path} holds vectors of {gallery.model}, and these are of {model}: they do not compare. Enrol "
                "everybody anew, or use that network."
            )
        return gallery

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many people are enrolled."""
        self._load()
        return len(self._people)

    @property
    def people(self) -> list[Person]:
        """Everybody, in the order in which they were enrolled."""
        self._load()
        return list(self._people)

    def log(self) -> list[dict[str, Any]]:
        """What was done when, oldest first: action, and the random number of the person.

        Raises:
            DataError: an entry was changed after it was written.
        """
        return self._file.log()

    def check(self) -> None:
        """Read the whole file; DataError where it is damaged."""
        self._file.check()

    def set_threshold(self, threshold: float, margin: float | None = None) -> None:
        """Another threshold from now on."""
        margin = self.margin if margin is None else margin
        _check_threshold(threshold, margin)
        with self._lock, self._file.change() as cursor:
            self._file.set(cursor, "threshold", threshold)
            self._file.set(cursor, "margin", margin)
            self._file.note(cursor, "threshold", "", {"threshold": threshold, "margin": margin})
        self.threshold, self.margin = threshold, margin

    # --- changing ------------------------------------------------------------------------------------------------

    def enrol(
        self,
        name: str,
        vectors: npt.ArrayLike,
        *,
        qualities: Sequence[Mapping[str, Any]] | None = None,
        allow_conflict: bool = False,
    ) -> Enrolment:
        """A new person from one vector or several, all at once or not at all.

        With three vectors or more, those that are not of the person that the others show are left out, and told.

        Args:
            name: Whom to call them; not yet enrolled.
            vectors: `(N, D)`, one for each photo.
            qualities: What was measured of each photo, JSON values.
            allow_conflict: Enrol also where somebody else is so similar that the two may be confused: twins.

        Raises:
            DataError: the name is taken, vectors do not fit or are not of one person, or somebody else is as similar
                (the same person under two names, unless they are twins).
        """
        with self._lock:
            name, rows = _checked_name(name), self._checked(vectors)
            measured = _checked_qualities(qualities, len(rows))
            with self._file.change() as cursor:  # so that no other process enrols the same name meanwhile
                self._load()
                if self._find(name) is not None:
                    raise DataError(
                        f"{name!r} is enrolled already. Update them with more photos, or choose another name."
                    )
                apart = outliers(rows, self.threshold)
                if apart.any() and (len(rows) == 2 or apart.sum() * 2 >= len(rows)):
                    raise DataError(f"The {len(rows)} photos of {name!r} do not show one person: nothing was enrolled.")
                mean = robust_mean(rows[~apart])
                conflicts = self._conflicts(mean, None)
                if conflicts and not allow_conflict:
                    raise DataError(_conflict_words(name, conflicts[0]))
                person = secrets.token_hex(8)
                self._file.add_person(cursor, person, name, mean)
                kept = [each for each, bad in zip(measured, apart, strict=True) if not bad]
                self._file.add_entries(cursor, person, rows[~apart], kept)
                self._file.note(cursor, "enrolled", person, {"entries": len(kept), "refused": int(apart.sum())})
            self._changed()
            refused = tuple(f"photo {i + 1} does not show the person of the others" for i in np.flatnonzero(apart))
            return Enrolment(self._person(name), len(kept), refused, conflicts)

    def update(
        self,
        name: str,
        vectors: npt.ArrayLike,
        *,
        qualities: Sequence[Mapping[str, Any]] | None = None,
        allow_conflict: bool = False,
    ) -> Enrolment:
        """More photos of somebody who is enrolled; those that do not show them are refused.

        Raises:
            UnknownNameError: nobody of this name.
            DataError: no vector is like the person, or somebody else becomes as similar.
        """
        with self._lock:
            rows = self._checked(vectors)
            measured = _checked_qualities(qualities, len(rows))
            with self._file.change() as cursor:
                self._load()
                person = self._person(name)
                mean = self._means[self._people.index(person)]
                fits = rows @ mean >= self.threshold
                if not fits.any():
                    raise DataError(
                        f"None of the {len(rows)} photos is like {name!r} (most similar: "
                        f"{float((rows @ mean).max()):.2f}, needed: {self.threshold:.2f}): nothing was changed. If "
                        "they have changed that much, remove them and enrol them anew."
                    )
                old = np.stack([vector for _, vector, *_ in self._file.entries(person.id)])
                mean = robust_mean(np.concatenate([old, rows[fits]]))
                conflicts = self._conflicts(mean, person.id)
                if conflicts and not allow_conflict:
                    raise DataError(_conflict_words(name, conflicts[0]))
                kept = [each for each, good in zip(measured, fits, strict=True) if good]
                self._file.add_entries(cursor, person.id, rows[fits], kept)
                self._file.set_mean(cursor, person.id, mean)
                self._file.note(cursor, "updated", person.id, {"entries": len(kept), "refused": int((~fits).sum())})
            self._changed()
            refused = tuple(f"photo {i + 1} is not like {name}" for i in np.flatnonzero(~fits))
            return Enrolment(self._person(name), len(kept), refused, conflicts)

    def remove(self, name: str) -> Removal:
        """Take a person out, shrink the file, and look for every one of their vectors in its bytes.

        Raises:
            UnknownNameError: nobody of this name.
            DataError: something of them was found, so that they are not gone.
        """
        with self._lock:
            with self._file.change() as cursor:
                self._load()
                person = self._person(name)
                stored = self._file.remove_person(cursor, person.id)
                self._file.note(cursor, "removed", person.id, {"entries": person.entries})
            self._changed()
            self._file.shrink()
            # A short name may be a part of another word in the file; it is gone with the row that held it.
            sought = [part for part in stored if len(part) >= 4 * self.dim]
            left = self._file.holds(sought)
            if left:
                raise DataError(f"{left} vectors of {name!r} are still in {self._file.path}. Remove them again.")
            size = self._file.path.stat().st_size
            return Removal(person.id, person.entries, size, len(self._people), self._file.digest())

    # --- searching -----------------------------------------------------------------------------------------------

    def similarities(self, vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Of each vector to each person, `(N, people)`, in the order of `people`."""
        with self._lock:
            self._load()
            return self._checked(vectors) @ self._means.T

    def search(self, vectors: npt.ArrayLike, k: int = 1) -> list[list[Match]]:
        """The k most similar people of each vector, whatever the threshold; fewer in a smaller gallery.

        Raises:
            ConfigError: k is not a whole number of at least 1.
            DataError: vectors do not fit.
        """
        if not isinstance(k, int) or k < 1:
            raise ConfigError(f"k must be a whole number of at least 1, got {k!r}.")
        with self._lock:
            self._load()
            rows = self._checked(vectors)
            if not self._people:
                return [[] for _ in rows]
            scores, numbers = self._nearest(rows, min(k, len(self._people)))
            return [
                [Match(self._people[i].name, float(score)) for i, score in zip(which, best, strict=True)]
                for which, best in zip(numbers.tolist(), scores.tolist(), strict=True)
            ]

    def identify(self, vector: npt.ArrayLike) -> Answer:
        """Who a single vector `(D,)` is of, or unknown, with the reason."""
        found = self.search(np.asarray(vector)[None], 2)[0]
        if not found:
            return Answer(None, -1.0, "nobody is enrolled")
        best = found[0]
        if best.similarity < self.threshold:
            words = f"nobody enrolled is similar enough ({best.similarity:.2f}, needed: {self.threshold:.2f})"
            return Answer(None, best.similarity, words)
        if len(found) > 1 and best.similarity - found[1].similarity < self.margin:
            return Answer(None, best.similarity, "two people are about equally similar")
        return Answer(best.name, best.similarity, f"similarity {best.similarity:.2f}, needed: {self.threshold:.2f}")

    def __call__(self, vector: npt.ArrayLike) -> dict[str, Any]:
        """As a stage: vector to `{"name": ..., "similarity": ..., "reason": ...}`; name None is unknown."""
        return self.identify(vector).to_json()

    def use_index(self, index: Any) -> None:
        """Search by an approximate index from now on (see `gallery_index`), None: exactly.

        It is built now, and anew after every change.
        """
        with self._lock:
            self._load()
            self._index = index
            if index is not None:
                index.build(self._means)

    @property
    def means(self) -> npt.NDArray[np.float32]:
        """The vector of each person, `(people, D)`."""
        self._load()
        return self._means.copy()

    # --- inside --------------------------------------------------------------------------------------------------

    def _nearest(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Similarities and places of the k nearest, most similar first: `(N, k)` each."""
        if self._index is not None:
            return self._index.search(rows, k)
        best_scores = np.full((len(rows), 0), -np.inf, np.float32)
        best_places = np.zeros((len(rows), 0), np.int64)
        for start in range(0, len(self._means), _BLOCK):
            scores = rows @ self._means[start : start + _BLOCK].T
            count = min(k, scores.shape[1])
            places = np.argpartition(-scores, count - 1, axis=1)[:, :count]
            best_scores = np.concatenate([best_scores, np.take_along_axis(scores, places, 1)], axis=1)
            best_places = np.concatenate([best_places, places + start], axis=1)
        order = np.argsort(-best_scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(best_scores, order, 1), np.take_along_axis(best_places, order, 1)

    def _load(self) -> None:
        """Read people and their vectors, if another process has changed them or nothing was read yet."""
        with self._lock:
            state = self._file.state()
            if state == self._seen:
                return
            rows = self._file.people()
            bad = [name for _, name, mean, *_ in rows if len(mean) != self.dim]
            if bad:
                raise DataError(f"{self._file.path}: the vector of {bad[0]!r} has another length than {self.dim}.")
            self._people = [
                Person(person, name, count, added, changed) for person, name, _, added, changed, count in rows
            ]
            means = [mean for _, _, mean, *_ in rows]
            self._means = np.stack(means) if means else np.zeros((0, self.dim), np.float32)
            self._seen = state
            if self._index is not None:
                self._index.build(self._means)

    def _changed(self) -> None:
        """The file was changed by this connection, which `state` does not show."""
        self._seen = -1
        self._load()

    def _find(self, name: str) -> Person | None:
        folded = name.casefold()
        return next((person for person in self._people if person.name.casefold() == folded), None)

    def _person(self, name: str) -> Person:
        found = self._find(name)
        if found is None:
            near = nearest(name, [person.name for person in self._people])
            hint = f" Did you mean {near!r}?" if near else ""
            raise UnknownNameError(f"Nobody called {name!r} is enrolled.{hint}")
        return found

    def _conflicts(self, mean: np.ndarray, own: str | None) -> tuple[Match, ...]:
        scores = self._means @ mean
        found = [
            Match(person.name, float(score))
            for person, score in zip(self._people, scores, strict=True)
            if score >= self.threshold and person.id != own
        ]
        return tuple(sorted(found, key=lambda match: -match.similarity))

    def _checked(self, vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
        try:
            rows = normalised(vectors)
        except ValueError as error:
            raise DataError(f"Vectors of people are expected: {error}.") from None
        if rows.shape[1] != self.dim or not len(rows):
            raise DataError(
                f"This gallery holds vectors of {self.dim} numbers, got {rows.shape[0]} of {rows.shape[1]}."
            )
        return rows


def _check_threshold(threshold: float, margin: float) -> None:
    if not (isinstance(threshold, int | float) and -1 < threshold < 1):
        raise ConfigError(f"threshold is a cosine between -1 and 1, got {threshold!r}.")
    if not (isinstance(margin, int | float) and 0 <= margin < 1 and math.isfinite(margin)):
        raise ConfigError(f"margin must be at least 0 and below 1, got {margin!r}.")


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or not name.isprintable():
        raise DataError(f"A name is a word of up to 200 letters, got {name!r:.80}.")
    return name.strip()


def _checked_qualities(qualities: Sequence[Mapping[str, Any]] | None, count: int) -> list[dict[str, Any]]:
    if qualities is None:
        return [{} for _ in range(count)]
    if len(qualities) != count:
        raise DataError(f"There are {count} vectors and {len(qualities)} qualities; give one for each.")
    return [dict(each) for each in qualities]


def _conflict_words(name: str, match: Match) -> str:
    return (
        f"{name!r} is too similar to {match.name!r}, who is enrolled already (similarity {match.similarity:.2f}): the "
        "same person under two names? If they are two, allow the conflict, and the door may take one for the other."
    )
