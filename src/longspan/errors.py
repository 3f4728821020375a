"""Every exception longspan raises. A message says what was wrong, where (file, row, column) and how to mend it.

All of them end a command line program with exit code 2 and without a traceback; see `longspan.cli`.
"""

from __future__ import annotations

import difflib
import heapq
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import final

__all__ = [
    "ArchiveError",
    "CheckpointError",
    "ChecksumError",
    "ConfigError",
    "DataError",
    "DependencyError",
    "Fault",
    "FetchError",
    "LeakError",
    "LongspanError",
    "ModelFileError",
    "NearestNames",
    "PipelineError",
    "ShapeError",
    "SplitError",
    "StudyError",
    "TrainingError",
    "UnknownNameError",
    "VaultError",
    "WeightsError",
    "check_names",
    "data_error",
    "nearest",
    "unknown_name",
]


class LongspanError(Exception):
    """Base of every error longspan raises on purpose."""


@final
class ConfigError(LongspanError):
    """An option has a value that cannot be, or two options contradict each other."""


@final
class UnknownNameError(LongspanError):
    """A name (column, model, option, data set, system) that does not exist; the message gives the nearest that does."""


@final
class DataError(LongspanError):
    """Files, rows or values that cannot be read or used. `faults` lists all of them, not only the first."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        """Keep `faults` beside the message, so that a program can act on each."""
        super().__init__(message)
        self.faults = tuple(faults)


@final
class SplitError(LongspanError):
    """Rows cannot be split as asked."""


@final
class LeakError(LongspanError):
    """The same, or nearly the same, sample stands on both sides of a split."""


@final
class VaultError(LongspanError):
    """Test rows were asked for without opening the vault, or there are none."""


@final
class ShapeError(LongspanError):
    """A tensor, or a network's input or output, has a shape that does not fit; the message names one that would."""


@final
class WeightsError(LongspanError):
    """Weights that were asked for do not exist or do not fit the network."""


@final
class TrainingError(LongspanError):
    """Training cannot go on: the loss is not a number, or a target has nothing to learn from."""


@final
class ModelFileError(LongspanError):
    """A model file that is cut short, damaged, from a newer version, or not one of ours."""


@final
class PipelineError(LongspanError):
    """Stages that do not fit together, or a stage that fails; the message names stage, column and row."""


@final
class StudyError(LongspanError):
    """A study that cannot be run, compared or continued: strategies, sizes, or a study file that do not fit."""


@final
class CheckpointError(LongspanError):
    """A checkpoint folder that cannot be written, read or continued from."""


@final
class ArchiveError(LongspanError):
    """An archive that is damaged, or would write outside its folder, or is unreasonably large."""


@final
class ChecksumError(LongspanError):
    """A file whose sha256 is not the one on record."""


@final
class FetchError(LongspanError):
    """Named data or weights that are not in the cache, on no mirror, and could not be downloaded."""


@final
class DependencyError(LongspanError):
    """An optional library is missing; the message is the command that installs it."""


@final
class Fault:
    """One thing wrong with one value: where it is, what it is, what to do about it."""

    __slots__ = ("cure", "what", "where")

    def __init__(self, where: str, what: str, cure: str = "") -> None:
        """`where` names file, row or column; `what` the fault; `cure` is optional when many faults share one."""
        self.where = where
        self.what = what
        self.cure = cure

    def __repr__(self) -> str:
        """One line, as shown in messages."""
        said = f"{self.where}: {self.what}"
        if not self.cure:
            return said
        return f"{said}{'' if said[-1] in '.?!:;' else '.'} {self.cure}"


def data_error(headline: str, faults: Sequence[Fault], cure: str = "", *, shown: int = 10) -> DataError:
    """A `DataError` that names the first `shown` faults line by line, counts the rest, and ends with the cure."""
    lines = [headline, *(f"  {fault!r}" for fault in faults[:shown])]
    if len(faults) > shown:
        lines.append(f"  ... and {len(faults) - shown} more")
    if cure:
        lines.append(cure)
    return DataError("\n".join(lines), faults)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None if nothing is near."""
    by_lower = {each.lower(): each for each in valid}
    # Of the word itself only its beginning: what a file gives may be of any length, or no word at all.
    found = difflib.get_close_matches(str(name)[:100].lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


_ENOUGH = 4000  # names with a pair of letters, counted once for each pair


@final
class NearestNames:
    """`nearest` for many words and one list of names, in a time that does not grow with the words.

    Pairs of neighbouring letters point to the few names worth a comparison. After `most` different words only those
    that are a name but for capitals and spaces have one: nobody reads the hints of thousands of rows.
    """

    def __init__(self, names: Iterable[str], *, most: int = 100, candidates: int = 12) -> None:
        """Index the names.

        Args:
            names: All that are valid.
            most: How many different words are compared with names.
            candidates: How many names a word is compared with.
        """
        self._by_lower = {name.strip().lower(): name for name in names}
        self._by_pair: dict[str, list[str]] = {}
        for lower in self._by_lower:
            for pair in _pairs(lower):
                self._by_pair.setdefault(pair, []).append(lower)
        self._found: dict[str, str | None] = {}
        self._most, self._candidates = most, candidates

    def find(self, word: str) -> str | None:
        """The name most like `word`, None if nothing is near."""
        lower = str(word)[:100].strip().lower()
        if lower in self._by_lower:
            return self._by_lower[lower]
        if lower not in self._found and len(self._found) < self._most:
            named = sorted((self._by_pair[pair] for pair in _pairs(lower) if pair in self._by_pair), key=len)
            # The rarest pairs first: those that most names have say little and cost most.
            sums = list(itertools.accumulate(map(len, named)))
            few = [names for names, upto in zip(named, sums, strict=True) if upto <= _ENOUGH]
            shared = Counter(itertools.chain.from_iterable(few or named[:1]))
            alike = heapq.nlargest(self._candidates, shared, key=lambda name: shared[name] / (len(name) + len(lower)))
            found = difflib.get_close_matches(lower, alike, n=1, cutoff=0.5)
            self._found[lower] = self._by_lower[found[0]] if found else None
        return self._found.get(lower)


def _pairs(word: str) -> set[str]:
    """Neighbouring letters, and the first and the last one with the edge of the word."""
    framed = f"\0{word}\0"
    return {framed[at : at + 2] for at in range(len(framed) - 1)}


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> UnknownNameError:
    """The error for a `kind` ("model", "column" ...) called `name` that is not among `valid`."""
    names = sorted(valid)
    near = nearest(name, names)
    hint = f" Did you mean {near!r}?" if near else ""
    between = "; " if any("," in each for each in names) else ", "
    listed = between.join(names[:20]) + (f"{between}... ({len(names)} in all)" if len(names) > 20 else "")
    return UnknownNameError(f"There is no {kind} {name!r:.200}.{hint} Valid: {listed}.")


def check_names(kind: str, names: Iterable[str], valid: Collection[str]) -> None:
    """Raise UnknownNameError for the first of `names`, each a `kind` ("setting", "column" ...), not among `valid`."""
    for name in names:
        if name not in valid:
            raise unknown_name(kind, name, valid)
