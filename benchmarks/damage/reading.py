"""Each kind of input, read with longspan as a user would, and what was read compared with an independent reader.

A reader returns when what it read is right, raises `LongspanError` when longspan refused, and `Wrong` when longspan
read something that is not there.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
import stat
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps

import longspan as ls
from damage.corpus import WIDTH_HEIGHT, resumable
from damage.uses import use_batches, use_console, use_names, use_nested
from damage.wrong import Wrong
from longspan.data import Table
from longspan.datasets import unpack
from longspan.errors import LongspanError
from longspan.models.pth import read_pth

__all__ = ["READERS"]

_COMPARED_PIXELS = 4_000_000
_SHORT = Path("x")


def _image(folder: Path, name: str) -> None:
    """Through a task, as training reads it, and whole, as predicting reads it."""
    path = folder / name
    good = [folder / f"good{i}.png" for i in range(6)]
    for i, each in enumerate(good):
        PILImage.new("RGB", (8, 8), (i * 40, 255 - i * 30, 90)).save(each)
    cells = {"image": [str(each) for each in (path, *good)], "label": ["a", "b", "a", "b", "a", "b", "a"]}
    table = ls.Table.from_arrays(cells, {"image": ls.Image(), "label": ls.Category()})
    split = table.split(valid=2, seed=0, stratify=None)
    task = ls.Task(split, "image", "label", size_px=16, allow_leaks=True)
    task.prepare()
    reference = _pillow(path)
    if reference is None:
        raise Wrong("longspan reads an image that Pillow does not")
    if reference.width * reference.height > _COMPARED_PIXELS:
        return
    pixels = ls.Image(size_px=16, channels=3).pixels(str(path))
    if pixels.shape != (reference.height, reference.width, 3):
        raise Wrong(f"{pixels.shape}, Pillow {reference.size}")
    plain = reference.mode in ("RGB", "L", "1", "P", "CMYK", "YCbCr") and "transparency" not in reference.info
    if plain and not np.array_equal(pixels, np.asarray(reference.convert("RGB"))):
        raise Wrong("other pixels than Pillow's")


def _pillow(path: Path) -> PILImage.Image | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = PILImage.open(path)
            image.load()
            return ImageOps.exif_transpose(image)
    except Exception:
        return None


def _idx(folder: Path, name: str) -> None:
    table = ls.Table.from_idx(folder / "images", folder / "labels")
    for which, column in (("images", "image"), ("labels", "label")):
        content = (folder / which).read_bytes()
        sizes = struct.unpack_from(f">{content[3]}I", content, 4)
        if sizes[0] != len(table) or len(content) < 4 + 4 * len(sizes) + math.prod(sizes):
            raise Wrong(f"{len(table)} rows of {which}, its header says {sizes}")
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes))
        if content[2] == 8 and not np.array_equal(np.asarray(table.column_values(column)).ravel(), values):
            raise Wrong(f"other values of {which} than are there")


def _csv(folder: Path, name: str) -> None:
    table = ls.Table.from_csv(folder / name)
    text = (folder / name).read_bytes().decode("utf-8-sig")
    if re.search(r'["\r\0]', text):
        return  # quotes and line ends that mean different things to different readers
    rows = list(csv.reader(io.StringIO(text.lstrip("\n"), newline="")))
    if len(table) != len(rows) - 1 and len(table) != len([row for row in rows if row]) - 1:
        raise Wrong(f"{len(table)} rows, the csv module has {len(rows) - 1}")
    if list(table.columns) != rows[0] and "" not in rows[0] and len(set(rows[0])) == len(rows[0]):
        raise Wrong(f"columns {list(table.columns)[:5]}, the file has {rows[0][:5]}")
    for column in table.columns:
        cells = table.frame[column].to_list()
        strange = [cell for cell in cells if isinstance(cell, str) and cell not in text]
        if strange:
            raise Wrong(f"{strange[0]!r} is not in the file")


def _parquet(folder: Path, name: str) -> None:
    table = ls.Table.from_parquet(folder / name)
    try:
        import pyarrow.parquet as pq

        rows = pq.read_table(folder / name).num_rows
    except Exception:
        return
    if rows != len(table):
        raise Wrong(f"{len(table)} rows, pyarrow reads {rows}")


def _prepared(table: Any, target: str) -> None:
    """A task on what was read, so that values are read too and not only listed."""
    split = table.split(valid=1, seed=0, stratify=None)
    ls.Task(split, "image", target, size_px=16, allow_leaks=True).prepare()


def _boxes_of(table: Any) -> int:
    width, height = WIDTH_HEIGHT
    count = 0
    for cell in table.frame["boxes"].to_list():
        for thing in cell or ():
            x0, y0, x1, y1 = thing["box"]
            if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
                raise Wrong(f"the box {thing['box']} is not in an image of {WIDTH_HEIGHT}")
            count += 1
    return count


def _coco(folder: Path, name: str) -> None:
    _skipping(lambda mode: Table.from_coco(folder / name, folder / "images", on_error=mode))
    table = ls.Table.from_coco(folder / name, folder / "images")
    import json

    there = len(json.loads((folder / name).read_text("utf-8-sig"))["annotations"])
    if _boxes_of(table) != there:
        raise Wrong(f"{_boxes_of(table)} boxes of {there} annotations")
    _prepared(table, "instances" if "instances" in table.columns else "boxes")


def _voc(folder: Path, name: str) -> None:
    _skipping(lambda mode: Table.from_voc(folder / "voc", folder / "images", on_error=mode))
    table = ls.Table.from_voc(folder / "voc", folder / "images")
    there = sum(len(ElementTree.parse(each).getroot().findall("object")) for each in folder.glob("voc/**/*.xml"))
    if _boxes_of(table) != there:
        raise Wrong(f"{_boxes_of(table)} boxes of {there} objects")
    _prepared(table, "boxes")


def _yolo(folder: Path, name: str) -> None:
    names = None if name.endswith("1.txt") else ["cat", "dog"]
    _skipping(lambda mode: Table.from_yolo(folder / "yolo", folder / "images", names, on_error=mode))
    table = ls.Table.from_yolo(folder / "yolo", folder / "images", names)
    texts = [each.read_text("utf-8-sig") for each in folder.glob("yolo/**/*.txt") if each.name != "classes.txt"]
    there = sum(bool(line.strip()) for text in texts for line in text.splitlines())
    if _boxes_of(table) != there:
        raise Wrong(f"{_boxes_of(table)} boxes of {there} lines")
    _prepared(table, "boxes")


def _wider(folder: Path, name: str) -> None:
    _skipping(lambda mode: Table.from_wider(folder / name, folder / "images", on_error=mode))
    table = ls.Table.from_wider(folder / name, folder / "images")
    _boxes_of(table)
    if len(table) > 2:
        _prepared(table, "boxes")


def _masks(folder: Path, name: str) -> None:
    """As classes, and as numbered things."""
    refusal: LongspanError | None = None
    try:
        table = ls.Table.from_masks(folder / "images", folder / "masks", codes=["none", "one", "two"])
        _prepared(table, "mask")
        _compare_mask(folder / name)
    except LongspanError as error:
        refusal = error
    _skipping(lambda mode: Table.from_instance_masks(folder / "images", folder / "masks", on_error=mode))
    things = ls.Table.from_instance_masks(folder / "images", folder / "masks")
    reference = np.asarray(PILImage.open(folder / name))
    row = next(i for i, path in enumerate(things.frame["image"]) if Path(path).stem == Path(name).stem)
    if len(things.frame["boxes"][row]) != len(np.unique(reference[reference != 0])):
        raise Wrong("another number of things than the mask has")
    if refusal is not None:
        raise refusal


def _compare_mask(path: Path) -> None:
    from longspan.vision.mask_files import read_stored

    reference = _pillow(path)
    if reference is None:
        raise Wrong("longspan reads a mask that Pillow does not")
    if reference.mode in ("L", "P", "I;16") and not np.array_equal(read_stored(str(path)), np.asarray(reference)):
        raise Wrong("other numbers than Pillow's")


def _skipping(read: Callable[[Any], object]) -> None:
    """With `on_error="skip"` too the only way out is a table or a longspan error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _allowed(lambda: read("skip"))


def _model(folder: Path, name: str) -> None:
    model = ls.load(folder / name, device="cpu")
    repr(model)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8)).astype(np.uint8)
    answers = model.predict([pixels[0], pixels[1]])
    for answer in answers:
        answer.to_json()
    model.save(folder / "again.safetensors")


def _checkpoint(folder: Path, name: str) -> None:
    learner = resumable()
    learner.resume(folder / "run")
    changed_on_purpose = b"longspan_crc32" not in (folder / name).read_bytes()
    if not changed_on_purpose and (learner.epochs_done != 2 or len(learner.history) != 2):
        raise Wrong(f"{learner.epochs_done} epochs done, history of {len(learner.history)}")
    learner.save(folder / "model.safetensors")


def _study(folder: Path, name: str) -> None:
    import json

    results = ls.Study.open(folder / name)
    repr(results)
    results.frame()
    results.failures()
    results.missing()
    json.dumps(results.to_json())
    for strategy in results.plan.strategies[:2]:
        for size in results.plan.sizes[:2]:
            _allowed(lambda strategy=strategy, size=size: results.model(strategy, size, 0))
    _allowed(results.best)


def _allowed(call: Callable[[], object]) -> None:
    """A refusal is fine here."""
    with contextlib.suppress(LongspanError):
        call()


def _archive(folder: Path, name: str) -> None:
    target = folder / "target" / "inner"
    try:
        unpack(folder / name, target)
    except LongspanError:
        if target.exists() or any((folder / "target").glob("*")) or any((folder / "target").glob(".*")):
            raise Wrong("a refused archive left something behind") from None
        raise
    for path in target.rglob("*"):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise Wrong(f"{path.name} is neither file nor folder")
        if kind & 0o7000:
            raise Wrong(f"{path.name} has the mode {kind:o}")


def _pth(folder: Path, name: str) -> None:
    try:
        ls.load(folder / name)
    except LongspanError as error:
        if "pickle" not in str(error):
            raise Wrong(f"refused without the reason: {error}") from None
    else:
        raise Wrong("a pickle was loaded as a model")
    renamed = folder / "renamed.safetensors"
    renamed.write_bytes((folder / name).read_bytes())
    _allowed(lambda: ls.load(renamed))
    for value in read_pth(folder / name).values():
        if not isinstance(value, torch.Tensor):
            raise Wrong(f"{type(value).__name__} in a state dict")


READERS: dict[str, Callable[[Path, str], None]] = {
    **dict.fromkeys(("jpeg", "png", "webp", "bmp", "gif", "tiff"), _image),
    "idx": _idx,
    "csv": _csv,
    "parquet": _parquet,
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "wider": _wider,
    "masks": _masks,
    "model": _model,
    "checkpoint": _checkpoint,
    "study": _study,
    "zip": _archive,
    "tar": _archive,
    "pth": _pth,
    "names": use_names,
    "console": use_console,
    "nested": use_nested,
    "batches": use_batches,
}
"""By kind: reads the damaged file `name` in `folder`."""
