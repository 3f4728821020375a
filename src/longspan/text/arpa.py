"""Language models as ARPA files, the format that Kaldi, KenLM, SRILM and CMU Sphinx share."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

from longspan.errors import DataError
from longspan.storage.files import write_whole
from longspan.text.ngrams import NGramModel

__all__ = ["read_arpa", "write_arpa"]

_COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")
_SECTION = re.compile(r"\\(\d+)-grams:")
_GZIP = b"\x1f\x8b"
_MOST_ORDER = 10


def write_arpa(path: str | Path, model: NGramModel) -> Path:
    """Write a model as an ARPA file."""
    path = Path(path)
    by_order: list[list[tuple[str, ...]]] = [[] for _ in range(model.order)]
    for gram in sorted(model.probabilities):
        by_order[len(gram) - 1].append(gram)
    lines = ["\\data\\", *(f"ngram {size}={len(grams)}" for size, grams in enumerate(by_order, start=1))]
    for size, grams in enumerate(by_order, start=1):
        lines += ["", f"\\{size}-grams:"]
        for gram in grams:
            backoff = f"\t{model.backoffs[gram]:.7g}" if size < model.order and gram in model.backoffs else ""
            lines.append(f"{model.probabilities[gram]:.7g}\t{' '.join(gram)}{backoff}")
    lines += ["", "\\end\\", ""]

    def write(part: Path) -> None:
        part.write_text("\n".join(lines), encoding="utf-8")

    write_whole(path, write)
    return path


def read_arpa(path: str | Path) -> NGramModel:
    """The model in an ARPA file, packed with gzip or not.

    Raises:
        DataError: the file does not exist, is not an ARPA file, or its header counts other n-grams.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the ARPA file in it.")
    if not path.is_file():
        raise DataError(f"There is no language model {path}.")
    stated: dict[int, int] = {}
    found: dict[int, int] = {}
    probabilities: dict[tuple[str, ...], float] = {}
    backoffs: dict[tuple[str, ...], float] = {}
    size, ended = 0, False
    with contextlib.closing(_lines(path)) as lines:
        for number, line in enumerate(lines, start=1):
            line = line.strip()
            if not line or line == "\\data\\":
                continue
            if line == "\\end\\":
                ended = True
                break
            section = _SECTION.fullmatch(line)
            if section:
                size = int(section[1])
                if size not in stated:
                    raise DataError(f"{path}, line {number}: the header does not speak of {size}-grams.")
                continue
            if not size:
                count = _COUNT.fullmatch(line)
                if count and 1 <= int(count[1]) <= _MOST_ORDER:
                    stated[int(count[1])] = int(count[2])
                elif stated or number > 1000:
                    raise DataError(
                        f"{path}, line {number}: {line[:60]!r} does not belong into the header of an ARPA file."
                    )
                continue
            fields = line.split()
            try:
                if len(fields) not in (size + 1, size + 2):
                    raise ValueError
                gram = tuple(fields[1 : size + 1])
                probabilities[gram] = float(fields[0])
                if len(fields) == size + 2:
                    backoffs[gram] = float(fields[-1])
            except ValueError:
                raise DataError(
                    f"{path}, line {number}: {line[:60]!r} is not a {size}-gram: a logarithm, {size} words, and "
                    "perhaps a backoff weight."
                ) from None
            found[size] = found.get(size, 0) + 1
    if not stated:
        raise DataError(f"{path} is not an ARPA file: it has no header with lines such as 'ngram 1=1000'.")
    wrong = [
        f"{found.get(n, 0):,} {n}-grams instead of {count:,}" for n, count in stated.items() if found.get(n, 0) != count
    ]
    if wrong or not ended:
        what = ", ".join(wrong) or "no line \\end\\"
        raise DataError(f"{path} is cut short or damaged: it has {what}. Copy or write it again.")
    return NGramModel(max(stated), probabilities, backoffs)


def _lines(path: Path) -> Generator[str]:
    """The lines of the file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
        file: Any = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115 - closed with its wrapper
        with io.TextIOWrapper(file, encoding="utf-8") as text:
            yield from text
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
