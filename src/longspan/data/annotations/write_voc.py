"""Pascal VOC's XML from boxes: one file for each image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import escape

from longspan.data.annotations.writing import beside, check_overwrite, names_below, objects_of, write_bytes
from longspan.errors import ConfigError, Fault, data_error
from longspan.vision.image_io import look

__all__ = ["write_voc"]

_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


def write_voc(
    folder: str | Path,
    image_paths: Sequence[str | Path],
    values: Sequence[Sequence[Any] | None],
    *,
    images: str | Path | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write boxes of images as VOC files, which `Table.from_voc` reads again.

    As VOC has it, the four numbers are the first and last pixel, counted from 1; edges between pixels keep their
    fractions. An ignored box is `difficult`; a score stands in <score>, which other programs pass over.

    Args:
        folder: Where the files go: `sub/a.xml` for the image `sub/a.jpg`.
        image_paths: Their paths; the sizes come from the headers.
        values: For each image the raw value of a `Boxes` column; None writes no file.
        images: The folder that images' names are to start from; None takes bare file names.
        overwrite: Whether files that are there may be replaced.

    Returns:
        The files written.

    Raises:
        ConfigError: numbers of images and values differ, or two images get one name.
        DataError: an image cannot be opened, a label cannot be written, or files are there or cannot be written.
    """
    if len(image_paths) != len(values):
        raise ConfigError(
            f"write_voc got {len(image_paths)} images and {len(values)} values; give one value for each image."
        )
    names = names_below(image_paths, images)
    wanted = [(Path(p), n, v) for p, n, v in zip(image_paths, names, values, strict=True) if v is not None]
    files = [beside(Path(folder), name, ".xml") for _, name, _ in wanted]
    if len(set(files)) < len(files):
        raise ConfigError("Two images differ in their ending only; their XML files would have one name.")
    check_overwrite(files, overwrite)
    faults: list[Fault] = []
    texts: list[str] = []
    for image, name, value in wanted:
        try:
            texts.append(_text(name, look(image), value))
        except (ValueError, KeyError) as error:
            what = f"an object has no {error}" if isinstance(error, KeyError) else str(error)
            faults.append(Fault(str(image), what))
    if faults:
        raise data_error(f"Nothing was written to {folder}:", faults)
    for file, text in zip(files, texts, strict=True):
        write_bytes(file, text.encode())
    return files


def _text(name: str, looked: tuple[str, tuple[int, int]], value: Sequence[Any]) -> str:
    mode, (height, width) = looked
    path, depth = PurePosixPath(name), 1 if mode in ("1", "L") else 3
    lines = [
        "<annotation>",
        f"  <folder>{_escaped(path.parent.as_posix())}</folder>",
        f"  <filename>{_escaped(path.name)}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>{depth}</depth></size>",
        "  <segmented>0</segmented>",
    ]
    for entry in objects_of(value):
        x0, y0, x1, y1 = (float(each) for each in entry["box"])
        corners = {"xmin": x0 + 1, "ymin": y0 + 1, "xmax": x1, "ymax": y1}
        score = f"    <score>{float(entry['score']):.6g}</score>\n" if "score" in entry else ""
        lines.append(
            f"  <object>\n    <name>{_escaped(str(entry['label']))}</name>\n"
            f"    <difficult>{int(bool(entry.get('ignore')))}</difficult>\n{score}"
            f"    <bndbox>{''.join(f'<{key}>{_number(each)}</{key}>' for key, each in corners.items())}</bndbox>\n"
            "  </object>"
        )
    return "\n".join([*lines, "</annotation>\n"])


def _escaped(text: str) -> str:
    if _UNWRITABLE.search(text) or text != text.strip():
        raise ValueError(f"{text!r} cannot be written as XML: control characters, or blanks around it")
    return escape(text)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:.4f}"
