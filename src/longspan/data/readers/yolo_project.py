"""A data set as Ultralytics and Roboflow write it: a YAML file with the folders of train, val and test, and the names.

Source: https://docs.ultralytics.com/datasets/detect/. Differs: what a `download` key says is not run.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from longspan.columns import Boxes, Category, Instances
from longspan.data.annotations.annotation_series import instances_cells
from longspan.data.annotations.class_lists import class_names, warn_of_shift
from longspan.data.annotations.faults import OnError
from longspan.data.annotations.files import lines_of, read_text
from longspan.data.annotations.yolo.read import read_yolo
from longspan.data.annotations.yolo.yaml_file import YamlValue, read_yaml
from longspan.data.table_parts import TableParts
from longspan.errors import DataError

__all__ = ["read_yolo_project"]

_PARTS = {"train": "train", "val": "valid", "valid": "valid", "test": "test"}


def read_yolo_project(
    path: str | Path,
    *,
    instances: bool | None = None,
    image: str = "image",
    split: str = "split",
    on_error: OnError = "raise",
) -> TableParts:
    """The images of all parts with the boxes, and where there are polygons the instances, of their text files.

    A part is a folder of images, beside which a folder of text files lies: `images/train` and `labels/train`, or
    `train/images` and `train/labels`. It is looked for from `path` in the file, from the file's own folder, and, as
    Roboflow writes `../train/images` beside the folder `train`, without the leading `..`.

    Args:
        path: The YAML file, usually data.yaml.
        instances: As in `read_yolo`.
        image: Name of the column of images.
        split: Name of the column that says which part an image is in: train, valid or test.
        on_error: "raise" or "skip", as in `read_yolo`.

    Raises:
        DataError: the file names no part, a folder does not exist, or there are faults in the files.
        DependencyError: PyYAML is not installed.
    """
    path = Path(path)
    content = read_yaml(path)
    parts = {key: content.get(key) for key in _PARTS}
    given = {key: value for key, value in parts.items() if value is not None and (value.text is None or value.text)}
    if not given:
        raise DataError(
            f"{path} names no images. It should have lines such as 'train: images/train' and 'val: images/val', as "
            "Ultralytics and Roboflow write them."
        )
    found: list[TableParts] = []
    taken: dict[Path, str] = {}
    for key, value in given.items():
        for entry in _entries(path, key, value):
            images = _found(path, content, key, entry)
            if (other := taken.setdefault(images.resolve(), key)) != key:
                warnings.warn(
                    f"{path}: {key!r} names the folder that {other!r} names; its images are in {other!r} alone.",
                    stacklevel=3,
                )
                continue
            labels = _labels_of(path, key, images)
            part = read_yolo(labels, images, path, instances=instances, image=image, on_error=on_error, is_whole=False)
            frame = part.frame.with_columns(pl.lit(_PARTS[key]).alias(split))
            found.append(replace(part, frame=frame, columns={**part.columns, split: Category()}))
    if any("instances" in part.columns for part in found):
        found = [_with_instances(part) for part in found]
    _warn_of_shift(path, found)
    frame = pl.concat([part.frame for part in found], how="diagonal_relaxed")
    return TableParts(frame=frame, columns=found[0].columns, source=str(path))


def _warn_of_shift(path: Path, parts: Sequence[TableParts]) -> None:
    """Say that of all classes only the first never occurs in any part."""
    name_of = class_names(path)
    number_of = {name: number for number, name in name_of.items()}
    labels = {each["label"] for part in parts for row in part.frame["boxes"].to_list() for each in row or ()}
    warn_of_shift(name_of, {number_of[label] for label in labels if label in number_of}, str(path))


def _entries(path: Path, key: str, value: YamlValue) -> list[str]:
    """One folder, or several."""
    each_value = {"text": [value], "list": list(value.items())}.get(value.kind, [])
    texts = [each.text for each in each_value]
    if not texts or not all(texts):
        raise DataError(f"{path}, line {value.line}: {key} should be a folder of images, or a list of folders.")
    return [text for text in texts if text]


def _found(path: Path, content: YamlValue, key: str, entry: str) -> Path:
    """The folder of images that an entry names."""
    base = content.get("path")
    named = Path(base.text) if base is not None and base.text else Path()
    inner = Path(entry)
    while inner.parts[:1] == ("..",):
        inner = Path(*inner.parts[1:])
    tried = list(dict.fromkeys([path.parent / named / entry, path.parent / entry, path.parent / inner]))
    for folder in tried:
        if folder.is_file() and folder.suffix.lower() == ".txt":
            return _folder_of_list(folder)
        if folder.is_dir():
            return folder
    raise DataError(
        f"{path}: the images of {key!r} are not there: looked for {' and '.join(str(each) for each in tried)}. Correct "
        f"the line, or remove it if there are none."
    )


def _folder_of_list(path: Path) -> Path:
    """The folder that holds all images of a text file, one path in a line."""
    try:
        names = [line.strip() for line in lines_of(read_text(path, limit_bytes=1 << 28)) if line.strip()]
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    folders = {(path.parent / name).parent for name in names}
    if len(folders) != 1 or not (folder := folders.pop()).is_dir():
        raise DataError(f"{path} should list the images of one folder, and does not. Name the folder itself instead.")
    on_disk = {each.name for each in folder.iterdir()}
    if set(map(lambda name: Path(name).name, names)) != {n for n in on_disk if not n.startswith(".")}:
        raise DataError(
            f"{path} lists {len(names):,} of the {len(on_disk):,} files in {folder}. Move the images of each part into "
            "a folder of its own, and name the folders."
        )
    return folder


def _labels_of(path: Path, key: str, images: Path) -> Path:
    """The folder of text files of a folder of images: its last part called "images" replaced by "labels"."""
    parts = images.parts
    places = [index for index, part in enumerate(parts) if part.lower() == "images"]
    candidates = [Path(*parts[: places[-1]], "labels", *parts[places[-1] + 1 :])] if places else []
    candidates += [images.parent / "labels", images]
    found = next((each for each in candidates if each.is_dir() and any(each.rglob("*.txt"))), None)
    if found is None:
        raise DataError(
            f"{path}: there are no text files with the objects of {key!r}; looked in "
            f"{' and '.join(dict.fromkeys(map(str, candidates)))}."
        )
    return found


def _with_instances(part: TableParts) -> TableParts:
    """A part in which no image has objects, with an empty list of instances in every row."""
    if "instances" in part.columns:
        return part
    boxes = part.columns["boxes"]
    assert isinstance(boxes, Boxes)
    if any(part.frame["boxes"].to_list()):
        raise DataError(
            f"{part.source} holds boxes, and another part of the data set holds polygons. Read the boxes of all: "
            "--target boxes (instances=False)."
        )
    none = instances_cells("instances", [[] for _ in range(part.frame.height)])
    columns = {**part.columns, "instances": Instances(vocab=boxes.vocab)}
    return replace(part, frame=part.frame.with_columns(none), columns=columns)
