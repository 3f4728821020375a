"""The sound files that damage starts from: photographs that come with scikit-learn, and what longspan itself writes."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl
import torch
from PIL import Image as PILImage

import longspan as ls
from damage.settings import SOUND_SETTINGS
from longspan.data.annotations import write_coco, write_voc, write_yolo
from longspan.study.runs.runs import Failure, Run, RunResult
from longspan.study.runs.store import StudyFile
from longspan.vision.rle import encode_runs

__all__ = ["WIDTH_HEIGHT", "Seed", "make_corpus", "resumable"]

WIDTH_HEIGHT = (48, 36)
_SIDE = 8


@final
@dataclass(frozen=True)
class Seed:
    """Files that belong together by their paths, and which of them is to be damaged."""

    files: dict[str, bytes]
    damaged: str

    @property
    def content(self) -> bytes:
        """What is to be damaged."""
        return self.files[self.damaged]


def make_corpus() -> dict[str, list[Seed]]:
    """Sound inputs by kind; the same in every run."""
    photos = _photos()
    return {
        **{
            kind: [Seed({f"a.{kind}": each}, f"a.{kind}") for each in encoded]
            for kind, encoded in _encoded(photos).items()
        },
        "idx": _idx(),
        "csv": _csv(),
        "parquet": _parquet(),
        **_annotations(photos),
        **_models(),
        "study": [_study()],
        **_archives(photos),
        **{
            kind: [Seed({"case.json": json.dumps(case).encode()}, "case.json") for case in cases]
            for kind, cases in SOUND_SETTINGS.items()
        },
    }


def _photos() -> list[PILImage.Image]:
    from sklearn.datasets import load_sample_image

    photos = [PILImage.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    return [each.resize(WIDTH_HEIGHT, box=box) for each in photos for box in ((0, 0, 640, 427), (100, 80, 420, 320))]


def _encoded(photos: list[PILImage.Image]) -> dict[str, list[bytes]]:
    photo, other = photos[0], photos[2]
    alpha = photo.convert("RGBA")
    alpha.putalpha(other.convert("L"))
    deep = PILImage.fromarray(np.asarray(other.convert("L"), np.uint16) * 257)
    turned = PILImage.Exif()
    turned[0x0112] = 6
    frames: dict[str, Any] = {"save_all": True, "append_images": photos[1:3]}
    return {
        "jpeg": [
            _saved(photo, "JPEG"),
            _saved(other, "JPEG", progressive=True),
            _saved(photo.convert("L"), "JPEG"),
            _saved(photo.convert("CMYK"), "JPEG"),
            _saved(other, "JPEG", exif=turned, subsampling=0),
        ],
        "png": [
            _saved(photo, "PNG"),
            _saved(alpha, "PNG"),
            _saved(photo.quantize(16), "PNG", transparency=3),
            _saved(deep, "PNG"),
            _saved(other.convert("1"), "PNG"),
            _saved(other.convert("LA"), "PNG"),
            _saved(other, "PNG", **frames),
        ],
        "webp": [_saved(photo, "WEBP"), _saved(alpha, "WEBP", lossless=True), _saved(other, "WEBP", **frames)],
        "bmp": [_saved(photo, "BMP"), _saved(photo.quantize(16), "BMP"), _saved(other.convert("1"), "BMP")],
        "gif": [_saved(photo, "GIF"), _saved(photo, "GIF", **frames)],
        "tiff": [_saved(photo, "TIFF"), _saved(deep, "TIFF"), _saved(alpha, "TIFF", compression="tiff_lzw")],
    }


def _saved(image: PILImage.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _idx() -> list[Seed]:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 6, 5)).astype(np.uint8)
    images = struct.pack(">BBBBIII", 0, 0, 8, 3, *pictures.shape) + pictures.tobytes()
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 20) + bytes(i % 10 for i in range(20))
    files = {"images": images, "labels": labels}
    return [Seed(files, "images"), Seed(files, "labels")]


def _csv() -> list[Seed]:
    generator = np.random.default_rng(0)
    rows = [f"p{i}.jpg,{generator.normal():.4f},{'cat' if i % 2 else 'dog'},{i},2024-01-{i + 1:02d}" for i in range(25)]
    plain = "\n".join(["image,weight,kind,count,day", *rows]) + "\n"
    quoted = 'text,label\n"a, b",x\n"say ""no""",y\n"two\nlines",x\nplain,\n'
    return [Seed({"a.csv": text.encode()}, "a.csv") for text in (plain, plain, quoted)]


def _parquet() -> list[Seed]:
    frame = pl.DataFrame(
        {
            "image": [f"p{i}.jpg" for i in range(30)],
            "weight": [i / 7 if i % 4 else None for i in range(30)],
            "kind": ["cat", "dog", "cow"] * 10,
            "tags": [["a", "b"][: i % 3] for i in range(30)],
        }
    )
    frame = frame.with_columns(
        day=pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 30)), cat=pl.col("kind").cast(pl.Categorical)
    )
    contents = []
    for compression in ("uncompressed", "snappy", "zstd"):
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression=compression)  # type: ignore[arg-type]
        contents.append(buffer.getvalue())
    return [Seed({"a.parquet": content}, "a.parquet") for content in contents]


def _annotations(photos: list[PILImage.Image]) -> dict[str, list[Seed]]:
    """Every format that longspan writes, and WIDER FACE's text, about the same four images."""
    names = [f"images/{i}.jpg" for i in range(len(photos))]
    pictures = {name: _saved(photo, "JPEG") for name, photo in zip(names, photos, strict=True)}
    boxes = [
        [{"box": [2.0, 3.0, 20.0 + i, 30.0], "label": "cat"}, {"box": [5.0, 5.0, 9.0, 11.0], "label": "dog"}]
        for i in range(4)
    ]
    mask = np.zeros(WIDTH_HEIGHT[::-1], np.uint8)
    mask[4:20, 6:30] = 1
    mask[22:30, 8:40] = 2
    runs = {"size": list(mask.shape), "counts": encode_runs(mask == 1)}
    things = [
        [{"label": "cat", "rle": runs}, {"label": "dog", "polygons": [[3.0, 4.0, 20.0, 5.0, 12.0, 25.0]]}]
        for _ in range(4)
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root, pictures)
        paths = [root / name for name in names]
        write_voc(root / "voc", paths, boxes)
        write_yolo(root / "yolo", paths, boxes, labels=["cat", "dog"])
        write_coco(root / "boxes.json", paths, boxes)
        write_coco(root / "things.json", paths, things)
        written = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    string = written["things.json"].replace(
        str(runs["counts"]).encode(), b'"' + _run_string(runs["counts"]).encode() + b'"'
    )
    colours = PILImage.fromarray(mask)
    colours.putpalette([0, 0, 0, 200, 30, 30, 30, 200, 30])
    masks = {f"masks/{i}.png": _saved(PILImage.fromarray(mask) if i % 2 else colours, "PNG") for i in range(4)}
    deep = {**masks, "masks/1.png": _saved(PILImage.fromarray(mask.astype(np.uint16)), "PNG")}
    face = "1.jpg\n2\n2 3 20 25 0 0 0 0 0 0\n5 5 10 9 1 0 0 0 1 0\n"
    face += "2.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n3.jpg\n1\n4 4 9 9 0 0 0 1 0 0\n"
    polygons = b"0 0.1 0.1 0.5 0.1 0.4 0.7\n1 0.3 0.3 0.9 0.4 0.7 0.9 0.2 0.8\n"
    voc, yolo = (
        {name: content for name, content in written.items() if name.startswith(start)} for start in ("voc/", "yolo/")
    )
    return {
        "coco": [
            Seed({**pictures, "coco.json": content}, "coco.json")
            for content in (written["boxes.json"], written["things.json"], string)
        ],
        "voc": [Seed({**pictures, **voc}, "voc/1.xml")],
        "yolo": [
            Seed({**pictures, **yolo}, "yolo/1.txt"),
            Seed({**pictures, **dict.fromkeys((f"yolo/{i}.txt" for i in range(4)), polygons)}, "yolo/2.txt"),
        ],
        "wider": [Seed({**pictures, "faces.txt": face.encode()}, "faces.txt")],
        "masks": [Seed({**pictures, **masks}, f"masks/{i}.png") for i in (0, 1)]
        + [Seed({**pictures, **deep}, "masks/1.png")],
    }


def _run_string(counts: list[int]) -> str:
    """COCO's compressed string of runs; as maskApi's rleToString."""
    text = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            code, value = value & 31, value >> 5
            more = value != (-1 if code & 16 else 0)
            text.append(chr((code | 32 if more else code) + 48))
            if not more:
                break
    return "".join(text)


def resumable() -> ls.Learner:
    """A new learner of the training whose checkpoints are damaged."""
    generator = np.random.default_rng(3)
    pictures = generator.integers(0, 256, (24, _SIDE, _SIDE)).astype(np.uint8)
    cells = {"image": pictures, "side": ["left", "right"] * 12, "light": [float(i) for i in range(24)]}
    columns: dict[str, Any] = {"image": ls.Image(), "side": ls.Category(), "light": ls.Number(unit="lx")}
    table = ls.Table.from_arrays(cells, columns)
    task = ls.Task(table.split(valid=6, seed=1, stratify=None), "image", ["side", "light"], allow_leaks=True)
    config = ls.TrainConfig(batch_size=6, precision="float32")
    return ls.Learner(task, ls.SmallResNetConfig(blocks=1, width=4), config=config, device="cpu", progress=False)


def _models() -> dict[str, list[Seed]]:
    learner = resumable()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        learner.fit(2, checkpoints=root / "run")
        learner.save(root / "one.safetensors")
        member = ls.load(root / "one.safetensors", device="cpu")
        ls.Ensemble([member, member]).save(root / "two.safetensors")
        torch.save(learner.network.backbone.state_dict(), root / "a.pth")
        torch.save({"w": torch.arange(6.0).view(2, 3), "b": torch.ones(3, dtype=torch.float16)}, root / "b.pth")
        steps = {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted((root / "run").rglob("*"))
            if path.is_file()
        }
        last = max(steps)
        return {
            "model": [
                Seed({"a.safetensors": (root / name).read_bytes()}, "a.safetensors")
                for name in ("one.safetensors", "one.safetensors", "two.safetensors")
            ],
            "checkpoint": [Seed(steps, last), Seed({last: steps[last]}, last)],
            "pth": [Seed({"a.pth": (root / name).read_bytes()}, "a.pth") for name in ("a.pth", "b.pth")],
        }


def _study() -> Seed:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sqlite"
        column = {"kind": "category", "vocab": ["a", "b"]}
        facts = {
            "plan": {"strategies": ["x", "y"], "sizes": [10, 20], "seeds": [0, 1]},
            "task": {
                "targets": ["side"],
                "columns": {"side": column},
                "rows": {"train": 20, "valid": 5, "evaluated": 5},
            },
            "task_words": "Task(image -> side; 20 train, 5 valid)",
            "measures": {"side": "fraction of wrong"},
            "settings": {"budget": None, "evaluate_on": "valid", "error": None, "threads": 1, "torch": "2.11.0"},
            "prices": None,
            "vault": [],
            "environment": {"machine": "any"},
        }
        with StudyFile.create(path, facts) as file:
            file.add_strategies({"x": "{}", "y": "{}"})
            for name in ("x", "y"):
                for size in (10, 20):
                    for seed in (0, 1):
                        error = 0.5 / size + 0.01 * seed
                        file.record(
                            Run(name, size, seed),
                            RunResult(errors={"side": error}, steps=5, seconds=0.5, model="m.safetensors"),
                        )
            file.record(Run("y", 20, 2), Failure(kind="TrainingError", message="no", trace=""))
        return Seed({"study.sqlite": path.read_bytes()}, "study.sqlite")


def _archives(photos: list[PILImage.Image]) -> dict[str, list[Seed]]:
    files = {"set/a.jpg": _saved(photos[0], "JPEG"), "set/b/c.txt": b"hello\n" * 50, "set/d": bytes(3000)}
    pack: dict[str, Callable[[], bytes]] = {"a.zip": lambda: _zipped(files)}
    pack |= {
        f"a.tar{ending}": (lambda mode=mode: _tarred(files, mode))
        for ending, mode in (("", "w"), (".gz", "w:gz"), (".xz", "w:xz"))
    }
    return {
        "zip": [Seed({"a.zip": pack["a.zip"]()}, "a.zip")],
        "tar": [Seed({name: pack[name]()}, name) for name in ("a.tar", "a.tar.gz", "a.tar.xz")],
    }


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _tarred(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
