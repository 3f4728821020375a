"""Where predictions go beside the screen: a table, a file that other programs read, images with objects drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.cli.shell import new_file, new_files, writing
from longspan.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    import polars as pl

    from longspan.columns import Column
    from longspan.portable import Prediction

__all__ = ["FORMATS", "AnswerFiles", "format_of", "write_frame", "write_frames", "write_json"]

FORMATS = ("csv", "json", "coco", "voc", "yolo", "masks")
_TABLES = {".csv": ",", ".tsv": "\t"}
_ENDINGS = {"voc": ".xml", "yolo": ".txt", "masks": ".png"}
_KINDS = {format: ("boxes", "instances") for format in ("voc", "yolo")} | {
    "coco": ("boxes", "instances", "keypoints"), "masks": ("mask",)
}  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerFiles:
    """What --out, --format, --target, --draw and --force say; making one checks that nothing will be lost."""

    images: tuple[str, ...]
    """The files that are predicted."""
    out: str | None = None
    """A file for csv, json and coco, else a folder."""
    format: str = "csv"
    """One of `FORMATS`."""
    target: str | None = None
    """Whose predictions are written, where several would fit the format."""
    draw: str | None = None
    """Folder for drawn images."""
    force: bool = False
    """Whether files that exist may be replaced."""
    probabilities: bool = False
    """Whether a table has the probability of every class."""

    def __post_init__(self) -> None:
        """Check names before the work begins."""
        if self.format not in FORMATS:
            raise unknown_name("--format called", self.format, FORMATS)
        if self.format != "csv" and self.out is None:
            what = "FILE.json" if self.format in ("json", "coco") else "DIR"
            raise ConfigError(f"--format {self.format} writes files: say where with --out {what}.")
        if self.target is not None and self.format in ("csv", "json"):
            raise ConfigError(
                f"--target chooses what --format coco, voc, yolo or masks writes; {self.format} holds everything."
            )
        if self.probabilities and self.format not in ("csv", "json"):
            raise ConfigError(f"--format {self.format} has no place for probabilities; leave --probabilities out.")
        if self.draw is not None:
            new_files(self.draw, self.images, ".png", "--draw", force=self.force)
        if self.out is None:
            return
        if self.format in _ENDINGS:
            beside = ("classes.txt",) if self.format == "yolo" else ()
            new_files(self.out, self.images, _ENDINGS[self.format], "--out", force=self.force, beside=beside)
            return
        new_file(self.out, "--out", force=self.force)
        ending = Path(self.out).suffix.lower()
        if self.format == "csv" and ending not in _TABLES:
            raise ConfigError(
                f"--out {self.out}: predictions are written as .csv, .tsv or .json, or with --format coco, voc, yolo "
                f"or masks. Name a file that ends so, such as {Path(self.out).stem}.csv."
            )
        names = [Path(image).name for image in self.images]
        if self.format == "coco" and (twice := next((name for name in names if names.count(name) > 1), None)):
            raise ConfigError(
                f"--format coco identifies images by their names, and several are called {twice}. Write them with "
                "several calls, each to its own file."
            )

    def check(self, located: Mapping[str, Column]) -> None:
        """Refuse formats that cannot hold these predictions.

        Args:
            located: Targets whose predictions lie in the image, with their columns.

        Raises:
            ConfigError: nothing to draw, or no target, or several, for the format.
        """
        if self.draw is not None and not located:
            raise ConfigError("--draw: nothing that this model predicts lies in the image. Leave it out.")
        if self.format not in ("csv", "json"):
            self._chosen(located)

    def write(self, predictions: Sequence[Prediction], located: Mapping[str, Column]) -> list[str]:
        """Write everything; gives a sentence about each place.

        Raises:
            LongspanError: a file cannot be written; those that are there are whole.
        """
        lines = []
        if self.draw is not None:
            self._draw(Path(self.draw).expanduser(), predictions)
            lines.append(f"{len(predictions)} images drawn in {self.draw}")
        if self.out is not None:
            path = Path(self.out).expanduser()
            if self.format == "csv":
                _write_csv(path, predictions, probabilities=self.probabilities)
            elif self.format == "json":
                write_json(path, predictions)
            else:
                self._write(path, predictions, self._chosen(located), located)
            lines.append(f"{len(predictions)} predictions in {self.out}")
        return lines

    def _chosen(self, located: Mapping[str, Column]) -> str:
        """The target that the format can hold."""
        kinds = _KINDS[self.format]
        fitting = [name for name, column in located.items() if column.kind in kinds]
        if self.target is not None:
            if self.target not in fitting:
                raise unknown_name(f"target that --format {self.format} could write, called", self.target, fitting)
            return self.target
        if not fitting:
            said = ", ".join(f"{name} ({column.kind})" for name, column in located.items()) or "nothing in the image"
            raise ConfigError(f"--format {self.format} writes {' or '.join(kinds)}; this model predicts {said}.")
        if len(fitting) > 1:
            raise ConfigError(f"--format {self.format}: which target? --target with one of {', '.join(fitting)}.")
        return fitting[0]

    def _draw(self, folder: Path, predictions: Sequence[Prediction]) -> None:
        from PIL import Image

        from longspan.storage.files import write_whole

        files = new_files(folder, self.images, ".png", "--draw", force=self.force)
        for file, prediction in zip(files, predictions, strict=True):
            drawn = Image.fromarray(prediction.draw())
            with writing(file, "--draw"):
                write_whole(file, lambda part, drawn=drawn: drawn.save(part, "PNG"))

    def _write(self, path: Path, predictions: Sequence[Prediction], target: str, located: Mapping[str, Column]) -> None:
        from longspan.columns import Mask
        from longspan.data.annotations import write_coco, write_coco_keypoints, write_masks, write_voc, write_yolo

        column = located[target]
        values = [prediction.by_target[target].value for prediction in predictions]
        if isinstance(column, Mask):
            write_masks(path, self.images, values, column=column, overwrite=self.force)
            return
        if column.kind == "keypoints":
            names = getattr(column, "names", ())
            write_coco_keypoints(path, self.images, values, names=names, overwrite=self.force)
            return
        labels = getattr(column, "vocab", ())
        if self.format == "coco":
            write_coco(path, self.images, values, labels=labels, overwrite=self.force)
        elif self.format == "voc":
            write_voc(path, self.images, [_boxes(value) for value in values], overwrite=self.force)
        else:
            boxes = [_boxes(value) for value in values]
            write_yolo(path, self.images, boxes, labels=labels, overwrite=self.force)


def _boxes(value: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The objects without their masks, which VOC's and YOLO's files have no room for."""
    return [{key: part for key, part in entry.items() if key not in ("rle", "polygons")} for entry in value]


def format_of(out: str | None) -> str:
    """The format that the name of a file asks for: JSON if it ends in .json, else a table."""
    return "json" if out is not None and Path(out).suffix.lower() == ".json" else "csv"


def write_json(path: Path, predictions: Sequence[Prediction]) -> None:
    """A list with an object for each prediction: value, probability, and probabilities of all classes."""
    from longspan.storage.files import write_whole

    text = json.dumps([prediction.to_json() for prediction in predictions], indent=1, ensure_ascii=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    with writing(path, "--out"):
        write_whole(path, write)


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """A table with commas, or with tabs in a .tsv file."""
    write_frames(path, [frame])


def write_frames(path: Path, frames: Iterable[pl.DataFrame]) -> int:
    """Rows of several frames of the same columns, one below the other, as `write_frame` does; gives their number.

    A frame is written before the next one is asked for. If that fails, no file is left behind.
    """
    from longspan.storage.files import write_whole

    separator, rows = _TABLES.get(path.suffix.lower(), ","), 0

    def write(part: Path) -> None:
        nonlocal rows
        with part.open("wb") as file:
            for number, frame in enumerate(frames):
                frame.write_csv(file, separator=separator, include_header=number == 0)
                rows += frame.height

    with writing(path, "--out"):
        write_whole(path, write)
    return rows


def _write_csv(path: Path, predictions: Sequence[Prediction], *, probabilities: bool) -> None:
    """One row per file; lists of labels as text, since CSV has no lists."""
    import polars as pl

    from longspan.portable import predictions_to_frame

    frame = predictions_to_frame(predictions, probabilities=probabilities)
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    write_frame(path, frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists))
