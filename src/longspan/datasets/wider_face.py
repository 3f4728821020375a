"""WIDER FACE: photos of 61 kinds of events with every face in a box."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

from longspan.columns import Category
from longspan.data.annotations.faults import OnError
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["WIDER_FACE", "WIDER_FACE_SMALL"]

_LICENCE = "CC BY-NC-ND 4.0 as stated by the authors (Yang, Luo, Loy, Tang); research use"
_HOME = "http://shuoyang1213.me/WIDERFACE/"
_HUB = "https://huggingface.co/datasets/CUHK-CSE/wider_face/resolve/main/data/"
_BAIDU = "https://dataset.bj.bcebos.com/wider_face/"


def _load(root: Path, *, on_error: OnError) -> Table:
    """Columns `image`, `boxes` (all "face"; faces marked invalid are ignored) and `part`: "train" or "valid".

    The published files hold a few faces of width or height 0, which are left out.
    """
    parts = []
    for part, name in (("train", "train"), ("valid", "val")):
        lines = root / "wider_face_split" / f"wider_face_{name}_bbx_gt.txt"
        with warnings.catch_warnings():
            # Those faces are known and on record; a warning at every load would only worry.
            warnings.filterwarnings("ignore", "Left out:", UserWarning)
            table = Table.from_wider(lines, root / f"WIDER_{name}" / "images", on_error=on_error)
        parts.append(table.with_column("part", Category(), [part] * len(table)))
    return parts[0].concat(parts[1])


def _zip(name: str, size: int, sha256: str, md5: str) -> RemoteFile:
    return RemoteFile(
        path=name,
        size=size,
        sha256=sha256,
        md5=md5,
        urls=(_HUB + name, _BAIDU + name),
        stated_by="Hugging Face datasets (address, size, SHA-256), PaddleDetection (address, MD5), torchvision (MD5)",
    )


WIDER_FACE = NamedData(
    name="wider-face",
    title="WIDER FACE: faces of all sizes",
    rows=16_106,
    task="image -> boxes",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                _zip(
                    "WIDER_train.zip",
                    1_465_602_149,
                    "e23b76129c825cafae8be944f65310b2e1ba1c76885afe732f179c41e5ed6d59",
                    "3fedf70df600953d25982bcd13d91ba2",
                ),
                _zip(
                    "WIDER_val.zip",
                    362_752_168,
                    "f9efbd09f28c5d2d884be8c0eaef3967158c866a593fc36ab0413e4b2a58a17a",
                    "dfa7d7e790efa35df3788964cf0bbaea",
                ),
                RemoteFile(
                    path="wider_face_split.zip",
                    size=3_591_642,
                    sha256="c7561e4f5e7a118c249e0a5c5c902b0de90bbf120d7da9fa28d99041f68a8a5c",
                    urls=(
                        _HUB + "wider_face_split.zip",
                        "http://mmlab.ie.cuhk.edu.hk/projects/WIDERFace/support/bbx_annotation/wider_face_split.zip",
                    ),
                    stated_by="Hugging Face datasets, TensorFlow Datasets (address, size, SHA-256)",
                ),
            ),
            load=functools.partial(_load, on_error="skip"),
            layout=(("WIDER_train/images/*/*.jpg", 12_880), ("WIDER_val/images/*/*.jpg", 3_226)),
        ),
    ),
    small="wider-face-small",
    note="12,880 training and 3,226 validation photos; the boxes of the test part are not published. The few faces of "
    "width or height 0 are left out.",
)

WIDER_FACE_SMALL = NamedData(
    name="wider-face-small",
    title="WIDER FACE, 270 of 16,106 photos",
    rows=270,
    task="image -> boxes",
    licence=_LICENCE,
    home=_HOME,
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="wider_face_subset.tar.gz",
                    size=13_025_941,
                    sha256="3acacdf9a22512b7c5c22237d0ed30028736fb8f7f5260c82a8dc39e1e840785",
                ),
            ),
            load=functools.partial(_load, on_error="raise"),
            differs="Photos were reduced to a longer side of 640 px, boxes scaled and rounded with them.",
        ),
    ),
    note="210 training photos of two events with 671 faces, 60 validation photos of four with 287, one of them marked "
    "invalid and ignored. Only photos with 1 to 25 faces.",
)
