"""What the name and the first bytes of a file say, before a parser sees it: pickles, archives, headers without end."""

from __future__ import annotations

from pathlib import Path

from longspan.errors import ModelFileError

__all__ = [
    "MAX_HEADER_BYTES",
    "PICKLE_ENDINGS",
    "check_file_header",
    "check_file_name",
    "check_model_file",
    "other_content",
]

PICKLE_ENDINGS = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib")
MAX_HEADER_BYTES = 64 << 20
"""Of a safetensors file; vocabularies and the history of a training take a few at most. safetensors reads up to 100."""

_LENGTH_BYTES = 8  # little-endian, before the header
_WAY_OUT = (
    "reading a pickle can run code of whoever made it, so longspan never does. A state dict in it can still serve: "
    'weights="FILE.pth" of a Learner takes its tensors out without running it. Of a whole model: load it where it was '
    "made, and save its state dict with safetensors.torch.save_file."
)
_HEADS = {
    b"PK\x03\x04": f"a zip archive, which is how PyTorch packs pickles, and {_WAY_OUT}",
    b"\x1f\x8b": f"gzip, as packed pickles are, and {_WAY_OUT}",
    b"\x89HDF": "an HDF5 file, as Keras writes them. Save the weights as safetensors where the model was made.",
    b"GGUF": "a GGUF file, which longspan does not read. Save the weights as safetensors.",
}


_OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself; fetch that with `git lfs pull`",
    b"<!doctype html": "a web page, perhaps of a login or an error; download the file again",
    b"<html": "a web page, perhaps of a login or an error; download the file again",
    b"pk\x03\x04": "a zip archive, as Excel's workbooks are too; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of an old Excel; save the sheet as CSV",
}
"""What is often there in place of data, by its first bytes in small letters."""


def other_content(head: bytes) -> str | None:
    """What a file is that should hold data, and what to do, by its first bytes; None for one that may be data.

    Example:
        >>> other_content(b"<html><body>Sign in")
        'a web page, perhaps of a login or an error; download the file again'
    """
    small = head[:256].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    return next((what for begin, what in _OTHERS.items() if small.startswith(begin)), None)


def check_file_name(path: Path) -> None:
    """ModelFileError for what is a pickle by its name, whether it is there or not."""
    if path.suffix.lower() in PICKLE_ENDINGS:
        raise ModelFileError(f"{path} is a pickle by its name, and {_WAY_OUT}")


def check_model_file(path: Path) -> None:
    """Whether a model file is there and looks like one; needs no PyTorch.

    Raises:
        ModelFileError: no such file, a folder, or another kind of file.
        OSError: the file cannot be read.
    """
    check_file_name(path)
    if path.is_dir():
        inside = next(iter(sorted(path.glob("*.safetensors"))), None)
        hint = "" if inside is None else f" Did you mean {inside}?"
        raise ModelFileError(f"{path} is a folder; a model is one .safetensors file.{hint}")
    if not path.is_file():
        raise ModelFileError(f"The model file {path} does not exist.")
    check_file_header(path)


def check_file_header(path: Path) -> None:
    """ModelFileError for a pickle by its content, for an archive, and for a damaged header.

    Raises:
        ModelFileError: one of these; the message says what would do instead.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_LENGTH_BYTES + 1)
    length, rest = int.from_bytes(head[:_LENGTH_BYTES], "little"), path.stat().st_size - _LENGTH_BYTES
    if head[_LENGTH_BYTES:] == b"{" and length <= min(rest, MAX_HEADER_BYTES):
        return
    for magic, what in _HEADS.items():
        if head.startswith(magic):
            raise ModelFileError(f"{path} is not a model file: by its content it is {what}")
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):  # PROTO, and the version of the protocol
        raise ModelFileError(f"{path} is a pickle by its content, whatever its name, and {_WAY_OUT}")
    if MAX_HEADER_BYTES < length <= rest:
        raise ModelFileError(
            f"{path} has a header of {length:,} bytes, more than the {MAX_HEADER_BYTES:,} that describe any "
            "model. Do not trust it."
        )
    raise ModelFileError(f"{path} is cut short, damaged or not a safetensors file. Copy or download it again.")
