"""What is to be predicted, on a command line: files, folders, texts; checked before PyTorch is imported."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longspan.errors import ConfigError, DataError, nearest

__all__ = ["check_inputs", "files_of", "looks_like_a_file"]

_LONGEST_NAME, _LONGEST_PATH = 255, 4096
_TEXT_ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".parquet", ".pq")
_TEXT_FORMATS = ("longspan linear text", "longspan phrase translator")


def files_of(path: str) -> list[str]:
    """The file itself; of a folder the images and recordings in it and below, hidden ones left out."""
    from longspan.audio.audio_io import AUDIO_ENDINGS
    from longspan.data.annotations.files import IMAGE_ENDINGS, UNREAD_ENDINGS, is_hidden

    folder = Path(path)
    if len(path) > _LONGEST_NAME or not folder.is_dir():  # a text may be too long to ask the file system for
        return [path]
    found = [each for each in sorted(folder.rglob("*")) if each.suffix.lower() in (*IMAGE_ENDINGS, *AUDIO_ENDINGS)]
    found = [each for each in found if not any(is_hidden(part) for part in each.relative_to(folder).parts)]
    unread = [each for each in folder.rglob("*") if each.suffix.lower() in UNREAD_ENDINGS]
    if unread:
        warnings.warn(
            f"{path}: {len(unread):,} files such as {unread[0].name!r} are left out because longspan does not read "
            f"{unread[0].suffix}. Convert them to PNG or JPEG.",
            stacklevel=2,
        )
    if not found:
        raise ConfigError(f"There are no images or recordings in the folder {path}.")
    return [str(each) for each in found]


def check_inputs(model: str, given: Sequence[str]) -> None:
    """Refuse files that do not exist.

    A model of texts takes texts as well; of an exported model this is only known once it is loaded. There, what does
    not look like the name of a file passes.

    Args:
        model: The model file, which exists.
        given: FILES as they stand on the command line.

    Raises:
        DataError: some files do not exist; all of them are named, with the nearest name beside the first.
    """
    missing = [word for word in given if word != "-" and not _exists(word)]
    if missing and _may_read_texts(model):
        missing = [word for word in missing if looks_like_a_file(word)]
    if not missing:
        return
    first = Path(missing[0]).expanduser()
    beside = [each.name for each in first.parent.iterdir()] if first.parent.is_dir() else []
    near = nearest(first.name, beside)
    hint = f" Did you mean {first.parent / near}?" if near is not None else ""
    if not first.parent.is_dir():
        hint = f" The folder {first.parent} does not exist either."
    if looks_like_a_file(missing[0]) and missing[0].lower().endswith(_TEXT_ENDINGS) and _may_read_texts(model):
        hint += " A text that ends like a file's name goes through a pipe: ... -"
    if missing[1:]:
        hint = f" Nor is there {', '.join(missing[1:10])}{', ...' if len(missing) > 10 else ''}.{hint}"
    raise DataError(f"There is no file {missing[0]:.300}.{hint}")


def looks_like_a_file(word: str) -> bool:
    """Whether an argument that is no file ends as the name of one, and is one word."""
    from longspan.audio.audio_io import AUDIO_ENDINGS
    from longspan.data.annotations.files import IMAGE_ENDINGS

    return word.lower().endswith((*_TEXT_ENDINGS, *IMAGE_ENDINGS, *AUDIO_ENDINGS)) and " " not in word


def _exists(word: str) -> bool:
    try:
        path = word.partition("#t=")[0] if "#t=" in word else word  # a part of a recording
        return len(path) <= _LONGEST_PATH and Path(path).expanduser().exists()
    except OSError:  # longer than a name may be
        return False


def _may_read_texts(model: str) -> bool:
    """Whether what a model file says of its inputs leaves room for a text."""
    if model.lower().endswith(".onnx"):
        return True
    from longspan.storage.files import read_description  # brings numpy

    described = read_description(Path(model))
    if described.get("format") in _TEXT_FORMATS:
        return True
    members = described.get("members")
    first: Mapping[str, Any] = members[0] if isinstance(members, list) and members else described
    inputs = first.get("inputs")
    if not isinstance(inputs, dict) or not inputs:
        return True
    return all(isinstance(each, dict) and each.get("kind") == "text" for each in inputs.values())
