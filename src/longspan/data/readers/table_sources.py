"""Where tables come from: the class methods of `Table`; each format has a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from longspan.columns import Column

if TYPE_CHECKING:
    from longspan.data.annotations.faults import OnError
    from longspan.data.table import Table

__all__ = ["TableSources"]


class TableSources:
    """`Table.from_files`, `from_csv`, `from_coco` and so on; a reader is imported when it is first used."""

    @classmethod
    def from_files(cls, folder: str | Path, pattern: str, *, image: str = "image") -> Table:
        r"""Images below a folder whose path, seen from it, matches `pattern` as a whole; named groups become columns.

        Args:
            folder: Looked through with everything below it; hidden files are left out.
            pattern: A regular expression for the path with forward slashes: `r"(?P<breed>.+)_\d+\.jpg"`, or
                `r"(?P<digit>\d)/.*\.png"` where the folder says the class.
            image: Name of the image column.

        Raises:
            DataError: the folder does not exist, or nothing in it matches; the message shows what is there.
        """
        from longspan.data.readers.readers import read_files

        return read_files(folder, pattern, image=image)

    @classmethod
    def from_csv(
        cls, path: str | Path, columns: Mapping[str, Column] | None = None, *, root: str | Path | None = None
    ) -> Table:
        """Rows of a CSV file. Columns not named in `columns` are typed by their values: numbers, else categories.

        Texts have to be named (`{"plate": Text()}`): then "007" keeps its zeros. Cells of `Boxes` and `Instances` are
        JSON: `[{"box": [x0, y0, x1, y1], "label": "cat"}]`, or bare boxes.
        """
        from longspan.data.readers.readers import read_csv

        return read_csv(path, columns, root=root)

    @classmethod
    def from_parquet(
        cls, path: str | Path, columns: Mapping[str, Column] | None = None, *, root: str | Path | None = None
    ) -> Table:
        """Rows of a Parquet file; see `from_csv`."""
        from longspan.data.readers.readers import read_parquet

        return read_parquet(path, columns, root=root)

    @classmethod
    def from_frame(
        cls, frame: Any, columns: Mapping[str, Column] | None = None, *, root: str | Path | None = None
    ) -> Table:
        """Rows of any data frame that narwhals knows (polars, pandas, pyarrow, ...); see `from_csv`."""
        from longspan.data.readers.readers import read_frame

        return read_frame(frame, columns, root=root)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], columns: Mapping[str, Column]) -> Table:
        """Equally long arrays or lists; images as uint8 `(N, H, W)` or `(N, H, W, C)`."""
        from longspan.data.readers.readers import read_arrays

        return read_arrays(arrays, columns)

    @classmethod
    def from_idx(
        cls, images: str | Path, labels: str | Path | None = None, *, image: str = "image", label: str = "label"
    ) -> Table:
        """MNIST's own format, gzipped or not: images, and if given their labels."""
        from longspan.data.readers.readers import read_idx

        return read_idx(images, labels, image=image, label=label)

    @classmethod
    def from_coco(
        cls,
        annotations: str | Path,
        images: str | Path,
        *,
        labels: Sequence[str] | None = None,
        instances: bool | None = None,
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images of a COCO JSON file with boxes and instances; see `longspan.data.annotations.read_coco`."""
        from longspan.data.annotations import read_coco

        return read_coco(annotations, images, labels=labels, instances=instances, image=image, on_error=on_error)

    @classmethod
    def from_voc(
        cls,
        annotations: str | Path,
        images: str | Path,
        *,
        labels: Sequence[str] | None = None,
        only: str | Path | Iterable[str] | None = None,
        no_file: Literal["empty", "missing"] = "empty",
        corners: Literal["pixels", "edges"] = "pixels",
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with the boxes of Pascal VOC's XML files; see `longspan.data.annotations.read_voc`."""
        from longspan.data.annotations import read_voc

        return read_voc(
            annotations, images, labels=labels, only=only, no_file=no_file, corners=corners, image=image,
            on_error=on_error,
        )  # fmt: skip

    @classmethod
    def from_yolo(
        cls,
        annotations: str | Path,
        images: str | Path,
        names: str | Path | Sequence[str] | Mapping[int, str] | None = None,
        *,
        instances: bool | None = None,
        kpt_shape: tuple[int, int] | None = None,
        no_file: Literal["empty", "missing"] = "empty",
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with the boxes or polygons of YOLO's text files; see `longspan.data.annotations.read_yolo`."""
        from longspan.data.annotations import read_yolo

        return read_yolo(
            annotations, images, names, instances=instances, kpt_shape=kpt_shape, no_file=no_file, image=image,
            on_error=on_error,
        )  # fmt: skip

    @classmethod
    def from_masks(
        cls,
        images: str | Path,
        masks: str | Path,
        *,
        mask_name: str = "{stem}.png",
        pattern: str = r"(?P<stem>.+)\.[^./]+",
        codes: str | Path | Sequence[str] | Mapping[int, str] | None = None,
        colours: str | Path | Sequence[Sequence[int]] | None = None,
        ignored: Sequence[int | str] | None = None,
        image: str = "image",
        mask: str = "mask",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with a mask of classes for each; see `longspan.data.annotations.read_masks`."""
        from longspan.data.annotations import read_masks

        return read_masks(
            images, masks, mask_name=mask_name, pattern=pattern, codes=codes, colours=colours, ignored=ignored,
            image=image, mask=mask, on_error=on_error,
        )  # fmt: skip

    @classmethod
    def from_instance_masks(
        cls,
        images: str | Path,
        masks: str | Path,
        *,
        label: str = "object",
        mask_name: str = "{stem}.png",
        pattern: str = r"(?P<stem>.+)\.[^./]+",
        ignored: tuple[int, ...] = (),
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with a mask of numbered things for each; see `longspan.data.annotations.read_instance_masks`."""
        from longspan.data.annotations import read_instance_masks

        return read_instance_masks(
            images, masks, label=label, mask_name=mask_name, pattern=pattern, ignored=ignored, image=image,
            on_error=on_error,
        )  # fmt: skip

    @classmethod
    def from_wider(
        cls, annotations: str | Path, images: str | Path, *, image: str = "image", on_error: OnError = "raise"
    ) -> Table:
        """Images with the faces that a text file of WIDER FACE lists; see `longspan.data.annotations.read_wider`."""
        from longspan.data.annotations import read_wider

        return read_wider(annotations, images, image=image, on_error=on_error)
