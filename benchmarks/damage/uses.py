"""Cases of `damage.settings`, each used from data to predictions, and what comes out compared with what went in."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image as PILImage

import longspan as ls
from damage.wrong import Wrong
from longspan.errors import ConfigError

__all__ = ["use_batches", "use_console", "use_names", "use_nested"]

_ROWS = 16


def _pixels(rows: int, side: int = 8) -> np.ndarray:
    """Noise, brighter in every second image."""
    pixels = np.random.default_rng(0).integers(0, 120, (rows, side, side), np.uint8)
    pixels[1::2] += 100
    return pixels


def _small(task: Any, batch_size: Any = 6, model: Any = None, **options: Any) -> Any:
    config = ls.TrainConfig(batch_size=batch_size, precision="float32")
    model = model or ls.SmallResNetConfig(blocks=1, width=4)
    return ls.Learner(task, model, config=config, device="cpu", progress=False, **options)


def use_names(folder: Path, name: str) -> None:
    """Train, save, load, predict and report with these class names: they come back as they went in."""
    case = json.loads((folder / name).read_text())
    names: list[str] = case["names"]
    labels: list[str | None] = [names[row % len(names)] for row in range(_ROWS)]
    if case["missing"]:
        labels[3] = None
    columns: dict[str, Any] = {"image": ls.Image(), "label": ls.Category()}
    table = ls.Table.from_arrays({"image": _pixels(_ROWS), "label": labels}, columns)
    learner = _small(ls.Task(table.split(valid=4, seed=0, stratify=None), "image", "label", allow_leaks=True))
    learner.fit(1)
    learner.save(folder / "target" / "model.safetensors")
    model = ls.load(folder / "target" / "model.safetensors", device="cpu")
    vocab = model.heads["label"].column.vocab
    if not set(vocab) <= set(names):
        raise Wrong(f"classes {vocab!r} of {names!r}")
    prediction = model.predict(_pixels(1)[0])
    if prediction["label"] not in names:
        raise Wrong(f"{prediction['label']!r} was never a label")
    json.dumps(prediction.to_json())
    learner.report(folder / "target" / "report.html")
    page = (folder / "target" / "report.html").read_text("utf-8")
    if any(markup in page for markup in ("<b>x</b>", "</script><script>1<")):
        raise Wrong("markup of a label is part of the report")


class _Kept(io.BytesIO):
    """What is written stays there when the console is closed."""

    def close(self) -> None:
        pass


class _Full(io.RawIOBase):
    """A disk without room."""

    def writable(self) -> bool:
        return True

    def write(self, _: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@contextlib.contextmanager
def _console(kind: str) -> Iterator[io.BytesIO]:
    """Standard output and error of this kind."""
    written, said = _Kept(), _Kept()
    before = sys.stdout, sys.stderr
    encoding = "utf-8" if kind in ("none", "full") else kind
    sys.stdout, sys.stderr = (io.TextIOWrapper(each, encoding=encoding) for each in (written, said))
    if kind == "none":  # a program without a window, such as pythonw
        sys.stdout = sys.stderr = None
    elif kind == "full":
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Full()), encoding=encoding)
    streams = sys.stdout, sys.stderr
    try:
        yield said
    finally:
        sys.stdout, sys.stderr = before
        for stream in streams:
            with contextlib.suppress(Exception):
                stream.flush()


def use_console(folder: Path, name: str) -> None:
    """A command whose output goes to such a console: exit code 0, or 2 with words, and no other exception."""
    from longspan.cli import main

    case = json.loads((folder / name).read_text())
    names = case["names"]
    columns: dict[str, Any] = {"image": ls.Image(), "label": ls.Category()}
    table = ls.Table.from_arrays({"image": _pixels(_ROWS), "label": [names[row % 2] for row in range(_ROWS)]}, columns)
    learner = _small(ls.Task(table.split(valid=4, seed=0, stratify=None), "image", "label", allow_leaks=True))
    model, image = folder / "target" / "model.safetensors", folder / "target" / "é.png"
    learner.save(model)
    PILImage.fromarray(_pixels(1)[0]).save(image)
    for label in (0, 1):
        (folder / "target" / "photos" / str(label)).mkdir(parents=True)
        image_too = folder / "target" / "photos" / str(label) / "猫.png"
        PILImage.fromarray(_pixels(2)[label]).save(image_too)
    words = {
        "predict": ["predict", model, image],
        "json": ["predict", model, image, "--json"],
        "csv": ["predict", model, folder / "target" / "photos", "--out", folder / "target" / "answers.csv"],
        "models": ["models"],
        "evaluate": ["evaluate", model, folder / "target" / "photos"],
        "missing": ["predict", folder / "猫.safetensors", image],
        "usage": ["predict", "--no-such-öption"],
        "doctor": ["doctor", "--no-speed"],
        "datasets": ["datasets", "digits"],
    }[case["command"]]
    argv, sys.argv = sys.argv, ["longspan", *map(str, words)]
    try:
        with _console(case["console"]) as said:
            try:
                main()
            except SystemExit as end:
                code = end.code
            else:
                raise Wrong("main returned instead of exiting")
    finally:
        sys.argv = argv
    told = said.getvalue()
    if code == 2 and case["console"] != "none" and b"error" not in told.replace(b"\0", b""):
        raise Wrong(f"exit code 2 without words: {told[:80]!r}")
    if code not in (0, 2):
        raise Wrong(f"exit code {code!r}")
    if code:
        raise ConfigError(f"exit code {code}")


def _cells(kind: str, rows: int) -> pl.Series:
    """Values of a type that tables of other programs have."""
    start = datetime(2024, 1, 1)
    days = [start + timedelta(days=row) for row in range(rows)]
    made: dict[str, Callable[[], pl.Series]] = {
        "list": lambda: pl.Series([[row, row + 1][: row % 3] for row in range(rows)]),
        "struct": lambda: pl.Series([{"a": row, "b": str(row % 2)} for row in range(rows)]),
        "array": lambda: pl.Series([[row, 2.0] for row in range(rows)], dtype=pl.Array(pl.Float64, 2)),
        "list of struct": lambda: pl.Series([[{"a": row}] for row in range(rows)]),
        "list of list": lambda: pl.Series([[[row], []] for row in range(rows)]),
        "binary": lambda: pl.Series([bytes([row]) for row in range(rows)]),
        "duration": lambda: pl.Series([timedelta(hours=row) for row in range(rows)]),
        "decimal": lambda: pl.Series([Decimal(row) / 7 for row in range(rows)], dtype=pl.Decimal(20, 6)),
        "categorical": lambda: pl.Series(["ab"[row % 2] for row in range(rows)], dtype=pl.Categorical),
        "enum": lambda: pl.Series(["ab"[row % 2] for row in range(rows)], dtype=pl.Enum(["a", "b", "never"])),
        "null": lambda: pl.Series([None] * rows),
        "time": lambda: pl.Series([time(row % 24) for row in range(rows)]),
        "datetime zone": lambda: pl.Series([day.replace(tzinfo=UTC) for day in days]),
        "bool": lambda: pl.Series([row % 2 == 0 for row in range(rows)]),
        "i128": lambda: pl.Series([10**25 + row for row in range(rows)], dtype=pl.Int128),
        "u64": lambda: pl.Series([2**64 - 1 - row for row in range(rows)], dtype=pl.UInt64),
        "empty list": lambda: pl.Series([[]] * rows, dtype=pl.List(pl.Int64)),
        "object": lambda: pl.Series([date(2024, 1, 1 + row % 9) for row in range(rows)], dtype=pl.Object),
        "nan": lambda: pl.Series([float("nan") if row % 3 else row / 2 for row in range(rows)]),
        "infinite": lambda: pl.Series([float("inf") if row % 5 == 0 else row / 2 for row in range(rows)]),
        "long text": lambda: pl.Series([f"{row} " * 3000 for row in range(rows)]),
    }
    return made[kind]()


def use_nested(folder: Path, name: str) -> None:
    """A table with such columns as features or with one as target, group, time or stratum: trained on, or refused."""
    case = json.loads((folder / name).read_text())
    rows = 24
    frame = pl.DataFrame(
        {
            "x": [float(row % 7) for row in range(rows)],
            "y": ["ab"[row % 7 > 3] for row in range(rows)],
            **{f"odd{number}": _cells(kind, rows) for number, kind in enumerate(case["columns"])},
        }
    )
    if case["missing"] and "object" not in case["columns"]:
        frame = frame.with_columns(pl.when(pl.int_range(rows) % 4 > 0).then(pl.col("odd0")).alias("odd0"))
    table = ls.Table.from_frame(frame)
    role, odd = case["role"], "odd0"
    if role == "input":
        split = table.split(valid=6, seed=0)
        ls.Task(split, odd, "y", allow_leaks=True).prepare()
        return
    target = odd if role == "target" else "y"
    splits: dict[str, Any] = {"group": {"group": odd}, "time": {"time": odd}, "stratify": {"stratify": odd}}
    split = table.with_features(target).split(valid=6, seed=0, **splits.get(role, {}))
    if len(split.train) + len(split.valid) > rows:
        raise Wrong(f"{len(split.train)} and {len(split.valid)} of {rows} rows")
    task = ls.Task(split, "features", target, allow_leaks=True)
    learner = _small(task, model="mlp").fit(1)
    found = learner.predict(table.take(range(4)))
    if len(found) != 4:
        raise Wrong(f"{len(found)} predictions for 4 rows")
    learner.save(folder / "target" / "model.safetensors")
    again = ls.load(folder / "target" / "model.safetensors", device="cpu").predict(table.take(range(4)))
    if [each.value for each in again] != [each.value for each in found]:
        raise Wrong("the saved model predicts something else")


def _task_for(network: str, rows: int) -> Any:
    labels = ["ab"[row % 2] for row in range(rows)]
    columns: dict[str, Any] = {"label": ls.Category()}
    if network == "mlp":
        cells: dict[str, Any] = {"x": np.arange(rows, dtype=float).tolist(), "label": labels}
        table = ls.Table.from_arrays(cells, {"x": ls.Number(), **columns}).with_features("label")
        return ls.Task(table.split(valid=1, seed=0, stratify=None), "features", "label", allow_leaks=True)
    if network == "text_cnn":
        texts = [f"{'good' if row % 2 else 'bad'} film {row}" for row in range(rows)]
        table = ls.Table.from_arrays({"in": texts, "label": labels}, {"in": ls.Text(), **columns})
    elif network == "conv_gru":
        sounds = [np.sin(np.arange(1200 + 100 * row) / (3 + row % 2)).astype(np.float32) for row in range(rows)]
        columns = {"in": ls.Audio(rate_hz=8000, layout="sequence"), "label": ls.Text()}
        table = ls.Table.from_arrays({"in": sounds, "label": labels}, columns)
    elif ":" in network:
        scenes = ls.datasets.make_scenes(rows, seed=0)
        target = "mask" if "unet" in network else "boxes"
        return ls.Task(scenes.split(valid=1, seed=0, stratify=None), "image", target, size_px=64, allow_leaks=True)
    else:
        table = ls.Table.from_arrays({"in": _pixels(rows, 32), "label": labels}, {"in": ls.Image(), **columns})
    return ls.Task(table.split(valid=1, seed=0, stratify=None), "in", "label", allow_leaks=True)


def use_batches(folder: Path, name: str) -> None:
    """An epoch and predictions with such batch sizes: finite losses, and predictions that do not depend on them."""
    case = json.loads((folder / name).read_text())
    task = _task_for(case["network"], case["rows"])
    learner = _small(task, case["batch_size"], case["network"]).fit(1)
    losses: Sequence[float] = learner.history[-1]["step_losses"]
    if not np.isfinite(losses).all():
        raise Wrong(f"losses {losses}")
    rows = task.table.take(range(case["rows"]))
    model = learner.predictor()
    found = model.predict(rows, batch_size=case["predict"])
    alone = model.predict(rows, batch_size=1)
    if len(found) != case["rows"]:
        raise Wrong(f"{len(found)} predictions for {case['rows']} rows")
    if ":" in case["network"]:
        return
    for one, other in zip(found, alone, strict=True):
        if abs((one.probability or 0) - (other.probability or 0)) > 1e-4:
            raise Wrong(f"{one} in a batch, {other} by itself")
