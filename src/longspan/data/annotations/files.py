"""Text files of bounded size, and the images of a folder by name: nothing outside the folder is ever opened."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import final

from longspan.errors import DataError
from longspan.storage.file_names import FileFinder, check_file_names, composed
from longspan.vision.image_io import look, turned_by_exif, turned_unseen

__all__ = [
    "IMAGE_ENDINGS",
    "UNREAD_ENDINGS",
    "ImageFiles",
    "existing_folder",
    "files_below",
    "inside",
    "is_hidden",
    "lines_of",
    "read_list",
    "read_text",
    "stem_of",
]

IMAGE_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jfif"))
UNREAD_ENDINGS = frozenset((".heic", ".heif", ".avif", ".jp2", ".dcm", ".nii", ".svg", ".raw", ".cr2", ".nef", ".dng",
                            ".tga", ".npy", ".psd"))  # fmt: skip
"""Of images that are not read: a folder says so where it has some."""
_NOBODYS = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "__pycache__"))


def read_text(path: Path, *, limit_bytes: int, encoding: str | None = None) -> str:
    """What a text file says, without a byte order mark.

    Args:
        path: The file.
        limit_bytes: Larger ones are refused.
        encoding: As Python names it. None: UTF-8, and the user cannot name another.

    Raises:
        ValueError: the file is missing, too large or in another encoding; the message is fit to stand behind the file's
            name.
    """
    try:
        if not path.is_file():
            raise ValueError("this is a folder, not a file" if path.is_dir() else "the file does not exist")
        size = path.stat().st_size
        if size > limit_bytes:
            raise ValueError(
                f"the file has {size:,} bytes; this cannot be an annotation file, which has at most {limit_bytes:,}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error})") from None
    try:
        return content.decode("utf-8-sig" if encoding in (None, "utf-8") else encoding)
    except LookupError:
        raise ValueError(f"there is no encoding {encoding!r}; Python knows utf-8, latin-1, cp1252 and others") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        named = "UTF-8" if encoding in (None, "utf-8") else encoding
        cure = "" if encoding is None else ", or name its encoding: --encoding NAME (encoding= in Python)"
        raise ValueError(
            f"line {line}: byte {content[error.start]:#04x} is not {named}; save the file as UTF-8{cure}"
        ) from None


def lines_of(text: str) -> list[str]:
    r"""The lines of a file as an editor counts them: only \n, \r\n and \r end a line.

    `str.splitlines` also breaks at form feeds and at U+2028, which may stand in a name.
    """
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if lines[-1] == "" else lines


def read_list(only: str | Path | Iterable[str], *, limit_bytes: int = 1 << 28) -> list[str]:
    """Names from a file with one per line, without blank lines and comments (#); or the names themselves.

    Raises:
        DataError: the file cannot be read, or lists nothing.
    """
    if not isinstance(only, str | Path):
        return [str(name) for name in only]
    path = Path(only)
    try:
        lines = lines_of(read_text(path, limit_bytes=limit_bytes))
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise DataError(f"{path} lists no image. Write one name per line.")
    return names


def existing_folder(folder: str | Path, holds: str) -> Path:
    """The folder as a path.

    Raises:
        DataError: there is no such folder; `holds` says what it should hold.
    """
    path = Path(folder)
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; pass the folder that holds the {holds}.")
    return path


def inside(name: object) -> PurePosixPath:
    """A relative path as an annotation file gives it, with slashes.

    Raises:
        ValueError: it is not a path, is absolute, or leads out of the folder with "..".
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise ValueError(f"{name!r} is not a file name")
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or re.match("[A-Za-z]:", name) or ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the images' folder; paths must be relative to it, without '..'")
    return path


def files_below(folder: Path, endings: Iterable[str]) -> list[str]:
    """Paths of the files with these endings (in small or capital letters) below a folder, relative to it, sorted.

    Hidden files are left out, and the folders that operating systems and archives leave behind. Links to folders are
    followed, but not those to a folder above.

    Raises:
        DataError: file names that are not UTF-8.
    """
    wanted = frozenset(ending.lower() for ending in endings)
    names: list[str] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        here = os.path.realpath(place) + os.sep
        folders[:] = [
            each
            for each in folders
            if not is_hidden(each) and not here.startswith(os.path.realpath(os.path.join(place, each)) + os.sep)
        ]
        # A link to a missing file is kept: it is reported as a file that cannot be read, instead of silently dropped.
        found = (each for each in files if not is_hidden(each) and os.path.splitext(each)[1].lower() in wanted)
        names += (Path(place, each).relative_to(folder).as_posix() for each in found)
    names.sort()
    check_file_names(folder / name for name in names)
    return names


def is_hidden(part: str) -> bool:
    """Whether a file or folder of this name is nobody's data: `.git`, `._cat.jpg`, `__MACOSX`, `@eaDir`."""
    return part.startswith(".") or part in _NOBODYS


@final
class ImageFiles:
    """The images below a folder, by their paths relative to it. Sizes come from headers; no pixels are decoded."""

    def __init__(self, folder: str | Path) -> None:
        """Keep the folder; it is searched when first needed.

        Raises:
            DataError: there is no such folder.
        """
        self.folder = existing_folder(folder, "images")
        self._finder = FileFinder(self.folder)
        self._warned = self._respelled = False

    @cached_property
    def paths(self) -> list[str]:
        """All of them, sorted.

        Raises:
            DataError: there are none.
        """
        found = files_below(self.folder, IMAGE_ENDINGS)
        if not found:
            raise DataError(f"The folder {self.folder} holds no images ({', '.join(sorted(IMAGE_ENDINGS))}).")
        return found

    @cached_property
    def known(self) -> frozenset[str]:
        """All of them, for fast membership tests."""
        return frozenset(self.paths)

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Paths by their stem: several where a.jpg lies beside a.png."""
        stems: dict[str, list[str]] = {}
        for path in self.paths:
            stems.setdefault(stem_of(path), []).append(path)
        return stems

    def find(self, name: object) -> str:
        """The relative path of the image that an annotation file names.

        Raises:
            ValueError: the name leads out of the folder, or no such image is there.
        """
        path = inside(name)
        found = self._finder.find(path.as_posix())
        if found is None or not (self.folder / found).is_file():
            raise ValueError(f"the image {path.as_posix()!r} is not in {self.folder}")
        self._tell_spelling(path.as_posix(), found)
        return found

    def spelled(self, name: str) -> str | None:
        """The image of this name as its file spells it, None if there is none; see `FileFinder`.

        Raises:
            ValueError: several images may be meant.
        """
        found = self._finder.find(name)
        if found not in self.known:
            return None
        self._tell_spelling(name, found)
        return found

    def only(self, names: str | Path | Iterable[str] | None) -> list[str]:
        """The images on a list (see `read_list`), in its order, named with or without ending; None means all.

        Raises:
            DataError: names for which there is no image, or several.
        """
        if names is None:
            return self.paths
        known, chosen, unknown = self.known, [], []
        for name in read_list(names):
            forms = (name, composed(name), name.split()[0], composed(name.split()[0]))
            found = next((each for each in forms if each in known or each in self.by_stem), None)
            if found is None or (found not in known and len(self.by_stem[found]) > 1):
                unknown.append(name)
            else:
                chosen.append(found if found in known else self.by_stem[found][0])
        if unknown:
            listed = ", ".join(map(repr, unknown[:5])) + (" ..." if len(unknown) > 5 else "")
            raise DataError(
                f"{len(unknown)} names on the list do not match exactly one image below {self.folder}, such as "
                f"{listed}. The folder holds {self.paths[0]!r}, for example."
            )
        return list(dict.fromkeys(chosen))

    def _tell_spelling(self, name: str, found: str) -> None:
        if found != name and not self._respelled:
            self._respelled = True
            warnings.warn(
                f"{self.folder}: files are spelled in another way than annotations name them, such as {found!a} "
                f"for {name!a}; they are taken as the same.",
                stacklevel=4,
            )

    def size_px(self, path: str) -> tuple[int, int]:
        """Height and width, upright. Where the size cannot show whether annotations are upright too, a warning says so.

        Raises:
            ValueError: the image cannot be opened, with the reason.
        """
        size = look(self.folder / path)[1]
        if not self._warned and turned_unseen(self.folder / path):
            self._warned = True
            warnings.warn(
                f"{self.folder}: an EXIF note turns or mirrors images, such as {path!r}, without changing their size. "
                "Boxes and masks are taken as drawn on the image as viewers show it; check one with task.show().",
                stacklevel=4,
            )
        return size

    def turned(self, path: str) -> bool:
        """Whether an EXIF orientation turns the stored image by 90 degrees."""
        return turned_by_exif(self.folder / path)

    def full(self, path: str) -> str:
        """The path that goes into the table."""
        return str(self.folder / path)


def stem_of(path: str) -> str:
    """A relative path without its ending, with composed letters, so that two such paths can be compared."""
    return composed(PurePosixPath(path).with_suffix("").as_posix())
