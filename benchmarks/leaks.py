"""Leaks planted in real data: how many are found, how many are missed, and how many rows are accused wrongly.

python benchmarks/leaks.py --out benchmarks/results/leaks.json            (--parts pets,cifar10,mnist,adult,million)

Images: copies of training images are planted among the held-out ones, exact, re-encoded as JPEG of quality 50, at
half the size, mirrored and brightened. A planted row is found if it is told as a copy of the row it was made from, or
of one that is told as a copy of that. Every other held-out row that is told is listed: pets and CIFAR-10 hold real
copies, so each such pair has to be looked at (`--sheet '{}.png'` draws them side by side).

Rows: exact copies in adult; a column of families parted by the split; a date in the wrong order; columns that give the
answer away. Each has a control in which nothing is planted. A million rows are looked through in a program of its own,
whose time and peak memory are those of the whole program, reading the table included.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image as PILImage
from PIL import ImageEnhance, ImageOps

import longspan as ls
from longspan.data.leakage.leaks import Leaks
from longspan.report import describe_environment

KINDS = ("exact", "jpeg 50", "half size", "mirrored", "brightened")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="pets,cifar10,mnist,adult,million")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", type=Path, help="draw the pairs that were not planted, as PNG; {} is the data set")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(look_through(options.child)))
        return
    measure = {"pets": pets, "cifar10": cifar10, "mnist": mnist, "adult": adult, "million": million}
    result: dict[str, Any] = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    for part in options.parts.split(","):
        result[part] = measure[part](options.sheet)
        print(part, json.dumps({k: v for k, v in result[part].items() if k != "told_but_not_planted"}, indent=2))
        result["environment"] = describe_environment()
        if options.out:
            options.out.write_text(json.dumps(result, indent=2) + "\n")


# --- images --------------------------------------------------------------------------------------------------------


def changed(image: PILImage.Image, kind: str) -> PILImage.Image:
    """A copy as people and programs make them; the size of the image stays, as in an array it has to."""
    if kind == "exact":
        return image
    if kind == "jpeg 50":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=50)
        return PILImage.open(io.BytesIO(buffer.getvalue())).convert(image.mode)
    if kind == "half size":
        half = image.resize((max(1, image.width // 2), max(1, image.height // 2)), PILImage.Resampling.BILINEAR)
        return half.resize(image.size, PILImage.Resampling.BILINEAR)
    if kind == "mirrored":
        return ImageOps.mirror(image)
    return ImageEnhance.Brightness(image).enhance(1.2)


def planted_count(found: Leaks, source_of: dict[int, int], kind_of: dict[int, str]) -> dict[str, Any]:
    """Found and missed by kind; held-out rows that were told without being planted."""
    told: dict[int, set[int]] = {}
    for leak in found.pairs:
        told.setdefault(leak.other_row, set()).add(leak.row)
        told.setdefault(leak.row, set()).add(leak.other_row)
    counts: dict[str, dict[str, int]] = {}
    for row, source in source_of.items():
        near = told.get(row, set())
        hit = source in near or any(source in told.get(other, set()) for other in near)
        entry = counts.setdefault(kind_of[row], {"planted": 0, "found": 0})
        entry["planted"] += 1
        entry["found"] += hit
    for entry in counts.values():
        entry["share"] = round(entry["found"] / entry["planted"], 4)  # type: ignore[assignment]
    return counts


def plant(
    name: str, images: list[PILImage.Image], held_out: np.ndarray, each: int, sheet: Path | None, seed: int = 0
) -> dict[str, Any]:
    """Plant `each` copies of every kind of rows that train among those that test, and look."""
    train = np.setdiff1d(np.arange(len(images)), held_out)
    drawn = np.random.default_rng(seed).choice(train, each * len(KINDS), replace=each * len(KINDS) > len(train))
    copies, source_of, kind_of = [], {}, {}
    for k, kind in enumerate(KINDS):
        for source in drawn[k * each : (k + 1) * each].tolist():
            row = len(images) + len(copies)
            copies.append(changed(images[source], kind))
            source_of[row], kind_of[row] = source, kind
    part = np.full(len(images) + len(copies), "test", dtype=object)
    part[train] = "train"
    with tempfile.TemporaryDirectory() as folder:
        if len({image.size for image in images}) == 1:
            stack: Any = np.stack([np.asarray(image) for image in (*images, *copies)])
        else:
            stack = []
            for row, image in enumerate((*images, *copies)):
                stack.append(f"{folder}/{row}.{'png' if kind_of.get(row) in (None, 'exact') else 'jpg'}")
                image.save(stack[-1], quality=90) if stack[-1].endswith("jpg") else image.save(stack[-1])
        table = ls.Table.from_arrays(
            {"image": stack, "part": part.tolist()}, {"image": ls.Image(), "part": ls.Category()}
        )
        started = time.perf_counter()
        found = table.split(column="part", valid=0).leaks("image")
        seconds = time.perf_counter() - started
    counts = planted_count(found, source_of, kind_of)
    strangers = [leak for leak in found.pairs if leak.other_row not in source_of]
    accused = {leak.other_row for leak in strangers}
    if sheet is not None and strangers:
        draw(Path(str(sheet).replace("{}", name)), [(images[leak.row], images[leak.other_row]) for leak in strangers])
    return {
        "rows": {"train": len(train), "held out": len(held_out), "planted": len(copies)},
        "found": counts,
        "seconds": round(seconds, 1),
        "held_out_rows_told_but_not_planted": len(accused),
        "share_of_held_out": round(len(accused) / len(held_out), 5),
        "by_kind": {kind: sum(leak.kind == kind for leak in strangers) for kind in sorted({s.kind for s in strangers})},
        "told_but_not_planted": [[leak.row, leak.other_row, leak.kind] for leak in strangers],
    }


def draw(path: Path, pairs: list[tuple[PILImage.Image, PILImage.Image]], side: int = 96) -> None:
    """Pairs side by side, eight to a line, the first 96."""
    pairs = pairs[:96]
    canvas = PILImage.new("RGB", (8 * (2 * side + 8), -(-len(pairs) // 8) * (side + 4)), "white")
    for i, pair in enumerate(pairs):
        for k, image in enumerate(pair):
            canvas.paste(
                image.convert("RGB").resize((side, side)), (i % 8 * (2 * side + 8) + k * side, i // 8 * (side + 4))
            )
    canvas.save(path)


def pets(sheet: Path | None) -> dict[str, Any]:
    table = ls.datasets.load("pets-small")
    split = table.split(valid=0.2, seed=0)
    images = [PILImage.open(table.value(row, "image")).convert("RGB") for row in range(len(table))]
    return plant("pets", images, split.valid, 160, sheet)


def cifar10(sheet: Path | None) -> dict[str, Any]:
    table = ls.datasets.load("cifar10")
    held_out = np.flatnonzero([part != "train" for part in table.column_values("part")])
    images = [PILImage.open(table.value(row, "image")).convert("RGB") for row in range(len(table))]
    return plant("cifar10", images, held_out, 1000, sheet)


def mnist(sheet: Path | None) -> dict[str, Any]:
    """Nothing can be told apart here but by its strokes: the control for false alarms among small images."""
    table = ls.datasets.load("mnist")
    held_out = np.flatnonzero([part != "train" for part in table.column_values("part")])
    images = [PILImage.fromarray(pixels) for pixels in table.column_values("image")]
    return plant("mnist", images, held_out, 200, sheet)


# --- rows ------------------------------------------------------------------------------------------------------------


def read_adult() -> pl.DataFrame:
    """The census, unpacked as every archive is."""
    import os

    from longspan.datasets import unpack

    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(os.environ["LONGSPAN_DATA"]) / "adult_sample.tgz", Path(folder) / "adult")
        return pl.read_csv(Path(folder) / "adult" / "adult_sample" / "adult.csv")


def look(frame: pl.DataFrame, parts: np.ndarray, columns: dict[str, Any] | None = None, **options: Any) -> Leaks:
    """Leaks of a frame in these parts; inputs are the features of the census, unless said otherwise."""
    table = ls.Table.from_frame(frame.with_columns(part=pl.Series(parts.tolist())), columns)
    inputs = options.pop("inputs", [name for name in FEATURES if name in frame.columns])
    return table.split(column="part", valid=0).leaks(inputs, "salary", **options)


FEATURES = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country",
)  # fmt: skip


def adult(sheet: Path | None) -> dict[str, Any]:
    """Exact rows, families, dates and columns that know the answer, in random splits with a fifth held out."""
    del sheet
    frame, rng = read_adult(), np.random.default_rng(0)
    n = len(frame)
    parts = np.where(rng.random(n) < 0.2, "test", "train")
    plain = look(frame, parts)
    twins = {leak.other_row for leak in plain.pairs}
    sources = rng.choice(np.flatnonzero(parts == "train"), 1000, replace=False)
    both = pl.concat([frame, frame[sources]])
    found = look(both, np.concatenate([parts, np.repeat("test", 1000)]))
    hit = {leak.other_row for leak in found.pairs} & set(range(n, n + 1000))
    result: dict[str, Any] = {
        "rows": {"train": int((parts == "train").sum()), "held out": int((parts == "test").sum())},
        "exact": {"planted": 1000, "found": len(hit), "share": len(hit) / 1000},
        "held_out_rows_told_but_not_planted": len(twins),
        "of_them_equal_in_all_14_features": len(twins),
        "share_of_held_out": round(len(twins) / int((parts == "test").sum()), 5),
    }
    # Without the sampling weight, a tenth of all people have a twin by chance: each one told is a false alarm.
    coarse = look(frame.drop("fnlwgt"), parts)
    alarms = {leak.other_row for leak in coarse.pairs} - twins
    result["chance_twins_told_without_fnlwgt"] = len(alarms)
    result["their_share"] = round(len(alarms) / int((parts == "test").sum()), 5)

    family = rng.permutation(np.arange(n) // 4).astype(str)
    families = frame.with_columns(family=pl.Series(family))
    by_family = np.where(rng.random(n // 4 + 1) < 0.2, "test", "train")[family.astype(int)]
    day = np.sort(rng.integers(0, 3650, n))
    days = frame.with_columns(day=pl.Series(day))
    in_order = np.where(day < np.quantile(day, 0.8), "train", "test")
    salary = frame["salary"].to_numpy()
    flip = {"<=50K": ">50K", ">50K": "<=50K"}

    def telling(fraction_wrong: float) -> pl.DataFrame:
        wrong = rng.random(n) < fraction_wrong
        return frame.with_columns(band=pl.Series([flip[s] if w else s for s, w in zip(salary, wrong, strict=True)]))

    tax = np.where(salary == ">50K", rng.uniform(51, 200, n), rng.uniform(5, 50, n))
    cases: list[tuple[str, str, bool, Leaks]] = [
        ("group", "families parted, column named", True, look(families, parts, group="family")),
        ("group", "families parted, column not named: told as a note", True, look(families, parts)),
        ("group", "families kept together, column named", False, look(families, by_family, group="family")),
        ("group", "families kept together, column not named", False, look(families, by_family)),
        ("group", "no such column", False, plain),
        ("time", "days parted at random", True, look(days, parts, time="day")),
        ("time", "the last fifth of the days tests", False, look(days, in_order, time="day")),
        ("target", "renamed target", True, look(telling(0), parts, inputs=[*FEATURES, "band"])),
        ("target", "renamed target, 1 % wrong: told as a note", True,
         look(telling(0.01), parts, inputs=[*FEATURES, "band"])),
        ("target", "renamed target, 10 % wrong", False, look(telling(0.1), parts, inputs=[*FEATURES, "band"])),
        ("target", "a number computed from it", True,
         look(frame.with_columns(band=pl.Series(tax)), parts, inputs=[*FEATURES, "band"])),
        ("target", "honest columns", False, plain),
    ]  # fmt: skip
    result["columns"] = [
        {
            "kind": kind,
            "case": case,
            "planted": planted,
            "refused": any(leak.kind == kind for leak in leaks.columns),
            "noted": any(leak.kind == kind for leak in leaks.notes),
            "score": next((leak.score for leak in (*leaks.columns, *leaks.notes) if leak.kind == kind), None),
        }
        for kind, case, planted, leaks in cases
    ]
    result["columns_right"] = sum(c["planted"] == (c["refused"] or c["noted"]) for c in result["columns"])
    return result


def million(sheet: Path | None, rows: int = 1_000_000, copies: int = 1000) -> dict[str, Any]:
    """Census rows drawn anew, column by column, a weight of their own in each; exact copies of some of them test."""
    del sheet
    frame, rng = read_adult(), np.random.default_rng(0)
    drawn = {name: frame[name][rng.integers(0, len(frame), rows)] for name in frame.columns if name != "fnlwgt"}
    made = pl.DataFrame({**drawn, "fnlwgt": pl.Series(rng.integers(10_000, 1_500_000, rows))})
    part = np.where(rng.random(rows) < 0.2, "test", "train")
    sources = rng.choice(np.flatnonzero(part == "train"), copies, replace=False)
    made = pl.concat([made[: rows - copies], made[sources[sources < rows - copies]]])
    part = np.concatenate([part[: rows - copies], np.repeat("test", len(made) - (rows - copies))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.parquet"
        made.with_columns(part=pl.Series(part.tolist())).write_parquet(path)
        del made, drawn
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(path)], capture_output=True, text=True, check=True
        )
    told = json.loads(done.stdout)
    planted = len(part) - (rows - copies)
    hit = sum(row >= rows - copies for row in told.pop("told"))
    strangers = told["held_out_rows_told"] - hit
    return {"rows": len(part), "planted": planted, "found": hit, "told_but_not_planted": strangers, **told}


def look_through(path: Path) -> dict[str, Any]:
    """In the program of its own."""
    table = ls.Table.from_parquet(path)
    split = table.split(column="part", valid=0)
    before, started = peak_gb(), time.perf_counter()
    found = split.leaks([*FEATURES], "salary")
    seconds = time.perf_counter() - started
    peak = peak_gb()
    rows = sorted({leak.other_row for leak in found.pairs})
    return {
        "told": rows, "held_out_rows_told": len(rows), "seconds": round(seconds, 1),
        "peak_gb": peak, "peak_gb_before_looking": before,
    }  # fmt: skip


def peak_gb() -> float:
    """Largest resident memory of this program; getrusage would count that of the program which started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 2**20, 2)


if __name__ == "__main__":
    main()
