"""Reads the tensors out of a published `.pth` file without running the pickle in it.

A `.pth` file describes its tensors by a pickle, which is a program. Here its instructions are listed with
`pickletools.genops`, which executes nothing, and only those that a state dict of plain tensors needs are understood.
Anything else is refused by name. Both layouts that PyTorch has published are read: the zip archive (since 1.6) and the
plain file before it.
"""

from __future__ import annotations

import io
import pickletools
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, final

import torch
from torch import Tensor

from longspan.errors import WeightsError

__all__ = ["read_pth"]

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_ORDERED_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_KNOWN = {*_DTYPES, _ORDERED_DICT, _TENSOR, _PARAMETER}
_MARK = object()
# What the standard library and torch raise over bytes that are not what they should be.
_DAMAGE = (
    *(OSError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError),
    *(RuntimeError, struct.error, zipfile.BadZipFile),
)


@final
@dataclass(frozen=True, slots=True)
class _Global:
    """A name that the pickle would import; here it stays a name."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: torch.dtype
    key: str
    numel: int


@final
@dataclass(frozen=True, slots=True)
class _View:
    """A tensor still without numbers: which places of which storage it shows."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_pth(path: Path) -> dict[str, Tensor]:
    """The state dict in the `.pth` file at `path`: names to tensors, each with memory of its own.

    Raises: WeightsError if the file is damaged, is not a state dict of tensors, or its pickle names anything but the
    parts of one; nothing in the file is executed either way.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged string may hold escapes that Python has a word to say about
            found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except _DAMAGE as error:
        raise WeightsError(f"{path} is damaged or not a PyTorch file: {error}. Download it again.") from error
    wrong = [f"{name!r} ({type(value).__name__})" for name, value in found.items() if not isinstance(value, Tensor)]
    if wrong:
        raise WeightsError(
            f"{path} is not a plain state dict: {', '.join(wrong[:5])} {'is' if len(wrong) == 1 else 'are'} not a "
            "tensor. Save model.state_dict() alone."
        )
    return found


def _read_zip(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"{path} is a zip archive but holds no PyTorch state dict (no data.pkl).")
        folder = pickles[0].removesuffix("data.pkl")
        if folder + "byteorder" in names and archive.read(folder + "byteorder") != sys.byteorder.encode():
            raise WeightsError(f"{path} was written on a machine of the other byte order. Convert it there.")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise WeightsError(f"{path} is compressed inside; PyTorch does not write such files. Download it again.")
        state = _Walk(path).run(io.BytesIO(archive.read(pickles[0])))
        return _fill(path, state, lambda storage: archive.read(f"{folder}data/{storage.key}"))


def _read_legacy(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        if _Walk(path).run(file) != _LEGACY_MAGIC or _Walk(path).run(file) != _LEGACY_PROTOCOL:
            raise WeightsError(
                f"{path} is not a PyTorch file. Give a .safetensors file or a state dict saved by PyTorch."
            )
        if _Walk(path).run(file).get("little_endian") is not (sys.byteorder == "little"):
            raise WeightsError(f"{path} was written on a machine of the other byte order. Convert it there.")
        walk = _Walk(path)
        state = walk.run(file)
        size = path.stat().st_size
        raw: dict[str, bytes] = {}
        for key in _Walk(path).run(file):  # the storages follow in this order, each behind its length
            storage = walk.storages[key]
            (numel,) = struct.unpack("<q", file.read(8))
            if numel != storage.numel:
                raise ValueError(f"storage {key} has {numel} values, its tensors were made for {storage.numel}")
            if numel * storage.dtype.itemsize > size - file.tell():
                raise ValueError(f"storage {key} is cut short")
            raw[key] = file.read(numel * storage.dtype.itemsize)
        return _fill(path, state, lambda storage: raw[storage.key])


def _fill(path: Path, state: object, read: Callable[[_Storage], bytes]) -> dict[str, Any]:
    """Put numbers into the views of `state`; what is not a view stays as it is, for `read_pth` to name."""
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise WeightsError(f"{path} holds no state dict (names to tensors). Save model.state_dict().")
    filled: dict[str, Any] = {}
    for name, view in state.items():
        if not isinstance(view, _View):
            filled[name] = view
            continue
        storage = view.storage
        raw = bytearray(read(storage))
        if len(raw) != storage.numel * storage.dtype.itemsize:
            raise ValueError(f"{name!r} is cut short: {len(raw)} bytes for {storage.numel} values")
        if len(view.size) != len(view.stride) or min((*view.size, *view.stride, view.offset), default=0) < 0:
            raise ValueError(f"{name!r} has size {view.size}, stride {view.stride} and offset {view.offset}")
        empty = 0 in view.size
        last = view.offset + sum((side - 1) * step for side, step in zip(view.size, view.stride, strict=True))
        if not empty and last >= storage.numel:
            raise ValueError(f"{name!r} reaches beyond its storage of {storage.numel} values")
        if empty:
            filled[name] = torch.empty(view.size, dtype=storage.dtype)
        else:
            flat = torch.frombuffer(raw, dtype=storage.dtype)
            filled[name] = flat.as_strided(view.size, view.stride, view.offset).clone().contiguous()
    return filled


@final
class _Walk:
    """Follows the instructions of one pickle as far as a state dict needs them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, _Storage] = {}

    def run(self, file: IO[bytes]) -> Any:
        """What the pickle at the current place of `file` describes; leaves `file` behind it."""
        listed: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]] = pickletools.genops(file)
        for opcode, argument, _ in listed:
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            if name in _PUSHED:
                self.stack.append(argument)
            elif name in _MADE:
                self.stack.append(_MADE[name]())
            elif name in _TUPLES:
                items = [self.stack.pop() for _ in range(_TUPLES[name])]
                self.stack.append(tuple(reversed(items)))
            elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
                self.memo[int(argument)] = self.stack[-1]
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                self.stack.append(self.memo[int(argument)])
            elif name not in ("PROTO", "FRAME"):
                self._act(name, argument)
        raise ValueError("its pickle has no end")

    def _act(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name == "GLOBAL":
            stack.append(self._named(".".join(argument.split(" "))))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(self._named(f"{module}.{attribute}"))
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name == "LIST":
            stack.append(self._since_mark())
        elif name == "DICT":
            items = self._since_mark()
            stack.append(dict(zip(items[::2], items[1::2], strict=True)))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._since_mark()
            self._top(list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._since_mark()
            self._top(dict).update(zip(items[::2], items[1::2], strict=True))
        elif name == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(self._called(function, arguments))
        elif name == "BUILD":
            stack.pop()  # attributes of the dict, such as the `_metadata` of a module's state: not needed
            self._top(dict)
        else:
            raise WeightsError(
                f"{self.path} is refused: its pickle uses the instruction {name}, which no state dict of tensors needs."
            )

    def _named(self, name: str) -> _Global:
        if name not in _KNOWN:
            raise WeightsError(
                f"{self.path} is refused: its pickle names {name}, which no state dict of tensors needs and which "
                "could run code. Nothing was run. Ask the author for a .safetensors file."
            )
        return _Global(name)

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"its pickle fills a {type(self.stack[-1]).__name__} as if it were a {kind.__name__}")
        return self.stack[-1]

    def _storage(self, described: Any) -> _Storage:
        if not isinstance(described, tuple) or len(described) not in (5, 6) or described[0] != "storage":
            raise ValueError("its pickle refers to something that is not a storage")
        if len(described) == 6 and described[5] is not None:
            raise WeightsError(
                f"{self.path} shares storages in the way of PyTorch before 0.4. Save it again with PyTorch."
            )
        kind, key, numel = described[1], described[2], described[4]
        if not (isinstance(kind, _Global) and kind.name in _DTYPES and isinstance(key, str) and isinstance(numel, int)):
            raise ValueError("its pickle describes a storage without type, name and length")
        return self.storages.setdefault(key, _Storage(_DTYPES[kind.name], key, numel))

    def _called(self, function: Any, arguments: Any) -> Any:
        name = function.name if isinstance(function, _Global) else ""
        if name == _ORDERED_DICT:
            return dict(*arguments)
        if name == _PARAMETER and isinstance(arguments[0], _View):
            return arguments[0]
        if name == _TENSOR and isinstance(arguments[0], _Storage):
            storage, offset, size, stride = arguments[:4]
            return _View(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))
        raise ValueError(f"its pickle calls {name or type(function).__name__} with what it does not take")


_PUSHED = frozenset(
    (
        "BININT",
        "BININT1",
        "BININT2",
        "INT",
        "LONG",
        "LONG1",
        "LONG4",
        "BINFLOAT",
        "FLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "UNICODE",
        "BINSTRING",
        "SHORT_BINSTRING",
        "STRING",
    )
)
_MADE: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
