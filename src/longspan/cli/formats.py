"""What is in the images of a folder, as the files of an annotation format say it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    from longspan.data import Table

__all__ = ["FORMATS", "AnnotationFormat", "annotation_format"]

FORMATS = ("coco", "coco-keypoints", "voc", "yolo", "masks", "instance-masks", "wider")
_MASKS = ("masks", "instance-masks")
_WHERE = {
    "coco": "the JSON file",
    "coco-keypoints": "the JSON file",
    "voc": "the folder of XML files",
    "yolo": "the folder of text files",
    "masks": "the folder of masks (PNG), which may be SOURCE itself",
    "instance-masks": "the folder of masks (PNG), which may be SOURCE itself",
    "wider": "the text file that lists images and faces",
}


def annotation_format(
    name: str | None,
    path: str | None,
    classes: str | None = None,
    mask_name: str | None = None,
    ignored: tuple[str, ...] = (),
) -> AnnotationFormat | None:
    """What --format and the options about it say together; None where there is no --format.

    Raises:
        ConfigError: an option is missing, or does not belong to this format.
        UnknownNameError: there is no such format.
    """
    if name is not None:
        return AnnotationFormat(name=name, path=path or "", classes=classes, mask_name=mask_name, ignored=ignored)
    about = {"--annotations": path, "--classes": classes, "--mask-name": mask_name, "--ignored": ignored}
    for option, value in about.items():
        if value:
            raise ConfigError(f"{option} says more about --format, which is not given: one of {', '.join(FORMATS)}.")
    return None


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotationFormat:
    """A format, where its files are, and what they do not say themselves."""

    name: str
    """One of `FORMATS`."""
    path: str
    """File or folder of the annotations."""
    classes: str | None = None
    """File with the names of the classes."""
    mask_name: str | None = None
    """How a mask is called, with {stem} for the image."""
    ignored: tuple[str, ...] = ()
    """Classes, or numbers, that do not count."""

    def __post_init__(self) -> None:
        """Check that nothing is missing, and nothing too much."""
        if self.name not in FORMATS:
            raise unknown_name("--format called", self.name, FORMATS)
        if not self.path:
            raise ConfigError(f"--format {self.name} needs --annotations PATH: {_WHERE[self.name]}.")
        for option, value, formats in (
            ("--classes", self.classes, ("yolo", "masks")),
            ("--mask-name", self.mask_name, _MASKS),
            ("--ignored", self.ignored, _MASKS),
        ):
            if value and self.name not in formats:
                raise ConfigError(f"{option} is for --format {' and '.join(formats)}; {self.name} knows without it.")
        words = [each for each in self.ignored if not each.isdigit()]
        if words and self.name == "instance-masks":
            raise ConfigError(
                f"--ignored {words[0]}: the objects in these masks have numbers, not names. Give numbers."
            )
        if words and self.classes is None:
            raise ConfigError(f"--ignored {words[0]} is a name: say with --classes FILE which number it has.")

    def read(
        self,
        folder: Path,
        *,
        pattern: str | None,
        image: str,
        on_error: str,
        tell: Callable[[str], None],
        targets: Sequence[str] = (),
        corners: str | None = None,
    ) -> Table:
        """The images of `folder` with what is in them.

        Args:
            folder: Of the images.
            pattern: For the two mask formats: which images, see `Table.from_files`.
            image: Name of the column of images.
            on_error: "raise" or "skip".
            tell: Called with a sentence about what was left out.
            targets: What will be predicted, if that is known: other faults than theirs do not matter.
            corners: For Pascal VOC; see `read_voc`.

        Raises:
            DataError: files that are not there, or faults in them, all by name.
            ConfigError: `pattern` with another format.
        """
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise DataError(f"{folder} {what}. With --format, SOURCE is the folder of images.")
        if pattern is not None and self.name not in _MASKS:
            raise ConfigError(f"--pattern does not go with --format {self.name}, whose files name the images.")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            said: dict[str, Any] = {"image": image, "on_error": on_error}
            if corners is not None and self.name == "voc":
                said["corners"] = corners
            if self.name in ("coco", "yolo") and targets and "instances" not in targets:
                said["instances"] = False
            table = self._read(folder, pattern, said)
        for warning in caught:
            tell(str(warning.message).removeprefix("Left out: "))
        return table

    def _read(self, folder: Path, pattern: str | None, said: dict[str, Any]) -> Table:
        from longspan.data import Table
        from longspan.data.annotations.class_lists import has_colours

        path = Path(self.path).expanduser()
        classes = None if self.classes is None else Path(self.classes).expanduser()
        if self.name == "coco":
            return Table.from_coco(path, folder, **said)
        if self.name == "coco-keypoints":
            return Table.from_coco_keypoints(path, folder, **said)
        if self.name == "voc":
            return Table.from_voc(path, folder, **said)
        if self.name == "yolo":
            return Table.from_yolo(path, folder, classes, **said)
        if self.name == "wider":
            return Table.from_wider(path, folder, **said)
        if self.mask_name is not None:
            said["mask_name"] = self.mask_name
        if pattern is not None:
            said["pattern"] = pattern
        if self.name == "instance-masks":
            return Table.from_instance_masks(folder, path, ignored=tuple(map(int, self.ignored)), **said)
        if self.ignored:
            said["ignored"] = [int(each) if each.isdigit() else each for each in self.ignored]
        colours = classes if classes is not None and has_colours(classes) else None
        return Table.from_masks(folder, path, codes=classes, colours=colours, **said)
