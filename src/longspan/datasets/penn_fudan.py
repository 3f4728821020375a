"""Penn-Fudan: 170 street photos with 423 people, each with box and mask."""

from __future__ import annotations

from pathlib import Path

from longspan.data.annotations import read_penn_fudan
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["PENN_FUDAN"]


def _load(root: Path) -> Table:
    """Columns `image`, `boxes` and `instances`; everybody is a "person". There is no official split."""
    return Table.of(read_penn_fudan(root / "PennFudanPed"))


_LAYOUT = (
    ("PennFudanPed/PNGImages/*.*", 170),
    ("PennFudanPed/PedMasks/*.png", 170),
    ("PennFudanPed/Annotation/*.txt", 170),
)

PENN_FUDAN = NamedData(
    name="penn-fudan",
    title="Penn-Fudan pedestrians",
    rows=170,
    task="image -> boxes, image -> instances",
    licence="research use (Wang, Shi, Song, Shen)",
    home="https://www.cis.upenn.edu/~jshi/ped_html/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="PennFudanPed.zip",
                    size=53_723_336,
                    urls=("https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip",),
                    md5="5aaa3dee905cef73325923716e38fc6d",
                    stated_by="PyTorch's detection tutorial (address); Avalanche (MD5); logs of downloads (size). The "
                    "digest of images and masks is that of two copies on GitHub (gmguarino/PennFudan, "
                    "ell-hosse/TinyDETR-PennFudan)",
                ),
            ),
            load=_load,
            layout=_LAYOUT,
            contents=(("PennFudanPed/P*/*.png", "3507660336a6fc7d966ccc481c93e638a9d1305dddb383948753fd3c605713fd"),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="PennFudanPed.tar.gz",
                    size=8_951_377,
                    sha256="382df075466b9bacd53d2d2a5edcdbe9cfa70c6a680ef5e14d51c2cfb9a122ec",
                ),
            ),
            load=_load,
            layout=_LAYOUT,
            differs="Images were stored as JPEG (quality 90); masks and boxes are the published ones.",
        ),
    ),
)
