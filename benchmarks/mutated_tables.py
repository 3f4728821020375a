"""Five hundred damaged tables at prediction time: each is predicted, or refused in words; none may crash.

    python benchmarks/mutated_tables.py --out benchmarks/results/mutated_tables.json

A network and boosted trees are trained on a table of numbers, labels and dates. New rows are then written as CSV files
with one to three mutations each (unknown labels, missing columns, other delimiters, units, ...) and given to
`longspan predict`. Counted: predictions, refusals with exit code 2, crashes (anything else); whether tables in which
labels alone are unknown are predicted, and whether a missing column is refused by its name; a file that is not UTF-8
is refused whatever it holds, and the refusal counts as kept if it says that.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

import longspan as ls
from longspan.cli.app import main as longspan
from longspan.report import describe_environment

Rows = list[list[str]]
"""The heading and the rows, as cells of text."""
NEEDED = ("age", "pay", "job", "town", "joined", "member")


def people(count: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    age, job = rng.integers(18, 90, count), rng.choice(["baker", "smith", "clerk", "judge"], count)
    days = [f"20{10 + d % 10}-{1 + d % 12:02d}-{1 + d % 28:02d}" for d in rng.integers(0, 5000, count)]
    return pl.DataFrame(
        {
            "age": age,
            "pay": [None if rng.random() < 0.1 else round(float(p), 2) for p in rng.lognormal(8, 1, count)],
            "job": job,
            "town": rng.choice([f"town {k}" for k in range(30)], count),
            "joined": days,
            "member": rng.choice([True, False], count),
            "rich": np.where((age > 50) ^ (job == "smith") ^ (rng.random(count) < 0.1), "yes", "no"),
        }
    )


def _cells(name: str, change: Callable[[str, random.Random], str], fraction: float = 0.5) -> Callable[..., None]:
    def mutate(rows: Rows, rng: random.Random) -> None:
        if name in rows[0]:
            place = rows[0].index(name)
            for row in rows[1:]:
                if len(row) > place and rng.random() < fraction:
                    row[place] = change(row[place], rng)

    return mutate


def _without(rows: Rows, rng: random.Random) -> None:
    place = rows[0].index(rng.choice([name for name in rows[0] if name in NEEDED] or rows[0]))
    for row in rows:
        del row[place : place + 1]


def _shuffled(rows: Rows, rng: random.Random) -> None:
    order = list(range(len(rows[0])))
    rng.shuffle(order)
    rows[:] = [[row[place] for place in order if place < len(row)] for row in rows]


def _twice(rows: Rows, rng: random.Random) -> None:
    place = rng.randrange(len(rows[0]))
    for row in rows:
        row.append(row[place] if place < len(row) else "")


def _new_column(name: str, cell: str) -> Callable[..., None]:
    def mutate(rows: Rows, rng: random.Random) -> None:
        rows[0].append(name)
        for row in rows[1:]:
            row.append(cell)

    return mutate


def _ragged(rows: Rows, rng: random.Random) -> None:
    for row in rows[1:]:
        if rng.random() < 0.1:
            row[:] = row[:-1] if rng.random() < 0.5 else [*row, "more"]


def _fewer(count: int) -> Callable[..., None]:
    def mutate(rows: Rows, rng: random.Random) -> None:
        del rows[1 + count :]

    return mutate


def _renamed(rows: Rows, rng: random.Random) -> None:
    place = rng.randrange(len(rows[0]))
    rows[0][place] = rng.choice([rows[0][place].upper(), f" {rows[0][place]}", f"{rows[0][place]}_1", ""])


def _index(rows: Rows, rng: random.Random) -> None:
    for number, row in enumerate(rows):
        row.insert(0, "" if number == 0 else str(number - 1))


def _wide(rows: Rows, rng: random.Random) -> None:
    for number, row in enumerate(rows):
        row += [f"extra {k}" if number == 0 else "1" for k in range(2000)]


MUTATIONS: dict[str, Callable[[Rows, random.Random], None]] = {
    "unknown labels": _cells("job", lambda cell, rng: f"new {rng.randrange(1000)}"),
    "unknown labels of another alphabet": _cells("town", lambda cell, rng: "\u4eac\u90fd\u200b\U0001f6b2"),
    "labels in capitals": _cells("job", lambda cell, rng: cell.upper()),
    "numbers as labels": _cells("job", lambda cell, rng: str(rng.randrange(100))),
    "empty labels": _cells("town", lambda cell, rng: ""),
    "empty numbers": _cells("age", lambda cell, rng: ""),
    "a whole column empty": _cells("pay", lambda cell, rng: "", 1.0),
    "all labels unknown": _cells("town", lambda cell, rng: "elsewhere", 1.0),
    "numbers with units": _cells("age", lambda cell, rng: f"{cell} years"),
    "numbers with commas": _cells("pay", lambda cell, rng: cell.replace(".", ",")),
    "thousands": _cells("pay", lambda cell, rng: "1,234,567.8"),
    "infinities": _cells("pay", lambda cell, rng: rng.choice(["inf", "-inf", "Infinity", "1e999"]), 0.1),
    "not a number": _cells("pay", lambda cell, rng: rng.choice(["nan", "NaN", "NA", "null", "None", "?", "-"])),
    "huge numbers": _cells("age", lambda cell, rng: str(2**53 + rng.randrange(2**60)), 0.2),
    "negative numbers": _cells("age", lambda cell, rng: f"-{cell}"),
    "very small numbers": _cells("pay", lambda cell, rng: "1e-310"),
    "words for numbers": _cells("age", lambda cell, rng: "old", 0.05),
    "dates in another order": _cells("joined", lambda cell, rng: "/".join(reversed(cell.split("-"))), 1.0),
    "two forms of dates": _cells("joined", lambda cell, rng: cell.replace("-", "/")),
    "dates with a time zone": _cells("joined", lambda cell, rng: f"{cell}T12:30:00+02:00"),
    "dates that do not exist": _cells("joined", lambda cell, rng: "2021-02-30", 0.1),
    "empty dates": _cells("joined", lambda cell, rng: ""),
    "yes and no for true and false": _cells("member", lambda cell, rng: rng.choice(["yes", "no", "1", "T"])),
    "quotation marks": _cells("town", lambda cell, rng: 'the "old" town, north'),
    "line ends in cells": _cells("town", lambda cell, rng: "a\nb\r\nc", 0.1),
    "control characters": _cells("town", lambda cell, rng: "\x00\x07\x1b[31m", 0.1),
    "very long cells": _cells("town", lambda cell, rng: "x" * 100_000, 0.02),
    "formulas": _cells("town", lambda cell, rng: "=cmd|' /C calc'!A0"),
    "a column missing": _without,
    "columns in another order": _shuffled,
    "a column twice": _twice,
    "one more column": _new_column("colour", "red"),
    "one more column without a name": _new_column("", "1"),
    "the target": _new_column("rich", "perhaps"),
    "ragged rows": _ragged,
    "no rows": _fewer(0),
    "one row": _fewer(1),
    "another heading": _renamed,
    "an index column": _index,
    "two thousand more columns": _wide,
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252")


def write(rows: Rows, path: Path, rng: random.Random) -> str:
    """Write the rows; sometimes with another delimiter, line end or encoding, whose name is given back."""
    import csv

    delimiter = rng.choice([",", ",", ",", ";", "\t", "|"])
    encoding = rng.choice(["utf-8", "utf-8", "utf-8", *ENCODINGS])
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=rng.choice(["\n", "\r\n", "\r"])).writerows(rows)
    path.write_bytes(stream.getvalue().encode(encoding, errors="replace"))
    return f"{delimiter!r} {encoding}"


def predict(model: Path, table: Path, out: Path) -> tuple[int | None, str]:
    """Exit code and message of `longspan predict`; None if it raised, with the traceback."""
    told = io.StringIO()
    sys.argv = ["longspan", "predict", str(model), str(table), "--out", str(out), "--force"]
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            longspan()
        except SystemExit as end:
            return int(end.code or 0), told.getvalue()
        except BaseException:
            return None, traceback.format_exc()
    return 0, told.getvalue()


def measure(count: int, seed: int, folder: Path) -> dict[str, object]:
    table = ls.Table.from_frame(people(1500, seed)).with_features("rich")
    task = ls.Task(table.split(seed=0), "features", "rich", allow_leaks=True)
    learner = ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=128), progress=False)
    models = [learner.fit_one_cycle(2).save(folder / "network.safetensors")]
    models.append(ls.Boosting(trees=20).train(task).save(folder / "trees.safetensors"))
    fresh = people(60, seed + 1).drop("rich")
    outcomes, by_mutation, crashes, wrong = Counter[str](), dict[str, Counter[str]](), [], []
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        rows = [list(fresh.columns), *([("" if c is None else str(c)) for c in row] for row in fresh.rows())]
        named = [rng.choice(list(MUTATIONS))] if number % 2 else rng.sample(list(MUTATIONS), rng.randint(2, 3))
        for name in named:
            MUTATIONS[name](rows, rng)
        path, out = folder / "new.csv", folder / "predictions.csv"
        out.unlink(missing_ok=True)
        form = write(rows, path, rng) if number % 4 else write(rows, path, random.Random(4))
        code, told = predict(models[number % 2], path, out)
        outcome = {0: "predicted", 2: "refused"}.get(code if code is not None else -1, "crashed")
        outcomes[outcome] += 1
        for name in named:
            by_mutation.setdefault(name, Counter())[outcome] += 1
        case = {"table": number, "mutations": named, "form": form, "told": told[-800:]}
        if outcome == "crashed":
            crashes.append(case)
        missing = [name for name in NEEDED if name not in rows[0]]
        if outcome == "refused" and "is not UTF-8" in told:
            continue  # nothing of such a file is read, and it says so
        if named in (["unknown labels"], ["all labels unknown"]) and outcome != "predicted":
            wrong.append(case)
        if named == ["a column missing"] and not (outcome == "refused" and repr(missing[0]) in told):
            wrong.append(case)
    return {
        "tables": count,
        "outcomes": dict(outcomes),
        "crashes": crashes,
        "not as promised": wrong,
        "by mutation": {name: dict(by_mutation[name]) for name in sorted(by_mutation)},
        "environment": describe_environment(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        result = measure(options.tables, options.seed, Path(folder))
    print(json.dumps({key: result[key] for key in ("tables", "outcomes", "crashes", "not as promised")}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if result["crashes"] or result["not as promised"] else 0)


if __name__ == "__main__":
    main()
