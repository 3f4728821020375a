"""MNIST and the sets that were made to take its place: 70,000 images, 28 x 28 grey, in MNIST's own file format."""

from __future__ import annotations

import functools
from pathlib import Path

from longspan.columns import Category
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["FASHION_MNIST", "KMNIST", "MNIST"]

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def _load(root: Path, label: str, vocab: tuple[str, ...] | None = None) -> Table:
    """Columns `image`, `label` and `part`: "train" for the first 60,000 rows, "test" for the last 10,000.

    `table.split(column="part")` seals the official test rows in the vault and draws the valid rows from the others.
    """
    parts = []
    for part, stem in (("train", "train"), ("test", "t10k")):
        images, labels = (root / f"{stem}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
        table = Table.from_idx(images, labels, image="image", label=label)
        if vocab is not None:
            classes = [vocab[number] for number in table.column_values(label)]
            table = table.with_column(label, Category(), classes)
        parts.append(table.with_column("part", Category(), [part] * len(table)))
    return parts[0].concat(parts[1])


def _files(
    folder: str, urls: tuple[str, ...], records: tuple[tuple[int, str, str], ...], *, of_content: bool, stated_by: str
) -> tuple[RemoteFile, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(
        RemoteFile(
            path=f"{folder}/{name}-ubyte.gz",
            size=size,
            sha256=sha256,
            md5=md5 or None,
            of_content=of_content,
            urls=tuple(f"{url}{name}-ubyte.gz" for url in urls),
            stated_by=stated_by,
        )
        for name, (size, sha256, md5) in zip(names, records, strict=True)
    )


MNIST = NamedData(
    name="mnist",
    title="MNIST handwritten digits",
    rows=70_000,
    task="image -> digit",
    licence="CC BY-SA 3.0 (as commonly stated; LeCun, Cortes, Burges)",
    home="https://yann.lecun.com/exdb/mnist/",
    sources=(
        Source(
            files=_files(
                "mnist",
                (
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                ),
                (
                    (9_912_422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", ""),
                    (28_881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", ""),
                    (1_648_877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", ""),
                    (4_542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", ""),
                ),
                of_content=True,
                stated_by="addresses: torchvision, TensorFlow Datasets; checksums: the uncompressed files",
            ),
            load=functools.partial(_load, label="digit"),
        ),
    ),
    note="Checksums are those of the uncompressed files; gzip wrappers differ between mirrors.",
)

FASHION_MNIST = NamedData(
    name="fashion-mnist",
    title="Fashion-MNIST: clothes of ten kinds",
    rows=70_000,
    task="image -> label",
    licence="MIT (Zalando SE)",
    home="https://github.com/zalandoresearch/fashion-mnist",
    sources=(
        Source(
            files=_files(
                "fashion-mnist",
                ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
                (
                    (
                        26_421_880,
                        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    ),
                    (
                        29_515,
                        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                        "25c81989df183df01b3e8a0aad5dffbe",
                    ),
                    (
                        4_422_102,
                        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                        "bef4ecab320f06d8554ea6380940ec79",
                    ),
                    (
                        5_148,
                        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                        "bb300cfdad3c16e7a12a480ee83cd310",
                    ),
                ),
                of_content=False,
                stated_by="torchvision (address, MD5), TensorFlow Datasets (size, SHA-256)",
            ),
            load=functools.partial(_load, label="label", vocab=_FASHION),
        ),
    ),
)

KMNIST = NamedData(
    name="kmnist",
    title="Kuzushiji-MNIST: ten cursive Japanese characters",
    rows=70_000,
    task="image -> label",
    licence="CC BY-SA 4.0 (ROIS-DS Center for Open Data in the Humanities)",
    home="http://codh.rois.ac.jp/kmnist/",
    sources=(
        Source(
            files=_files(
                "kmnist",
                ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
                (
                    (
                        18_165_135,
                        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                        "bdb82020997e1d708af4cf47b453dcf7",
                    ),
                    (
                        29_497,
                        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                        "e144d726b3acfaa3e44228e80efcd344",
                    ),
                    (
                        3_041_136,
                        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                        "5c965bf0a639b31b8f53240b1b52f4d7",
                    ),
                    (
                        5_120,
                        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
                        "7320c461ea6c1c855c0b718fb2a4b134",
                    ),
                ),
                of_content=False,
                stated_by="torchvision (address, MD5), TensorFlow Datasets (size, SHA-256)",
            ),
            load=functools.partial(_load, label="label", vocab=_KANA),
        ),
    ),
)
