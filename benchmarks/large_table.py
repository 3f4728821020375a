"""Training on a Parquet file of millions of rows: rows a second, and the most memory that is used.

    python benchmarks/large_table.py --rows 10000000 --out benchmarks/results/large_table.json

Makes a file of 12 numbers, 7 categories of 5 to 5,000 labels and a target, in row groups, and trains one epoch of a
perceptron on it in batches of 8,192; beside it the rows a second of the same network on one batch in memory. Reading,
encoding and training are timed apart; memory is that of the process at its highest (Linux), which counts mapped pages
of files too. The features stay in the file (`Table.scan`); `--whole` reads the table at once. Encoded values stay in
memory up to `--cache-gb`, else in a file of the cache folder up to `--disk-cache-gb`, else they are encoded anew
whenever they are read. Copies across the parts are looked for.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from longspan.report import describe_environment

_GROUP = 250_000
_CATEGORIES = (5, 10, 20, 50, 200, 1000, 5000)


def write(path: Path, rows: int) -> None:
    """The file, a group of rows at a time."""
    writer = None
    for start in range(0, rows, _GROUP):
        count, rng = min(_GROUP, rows - start), np.random.default_rng(start)
        numbers = {f"x{k}": rng.normal(size=count).astype(np.float32) for k in range(12)}
        labels = {f"c{k}": rng.integers(0, many, count).astype(np.int32) for k, many in enumerate(_CATEGORIES)}
        signal = numbers["x0"] * numbers["x1"] + np.sin(3 * numbers["x2"]) + (labels["c1"] % 3)
        chunk = pl.DataFrame({**numbers, **labels, "y": (signal + rng.normal(size=count)).astype(np.float32)})
        texts = [pl.format("v{}", pl.col(name)).alias(name) for name in labels]
        table = chunk.with_columns(texts).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def highest_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def rows_a_second_without_reading(learner: Any, batch_size: int) -> float:
    """The limit: the same network learns from one batch in memory over and over, in a loop of PyTorch alone."""
    import torch

    batch = next(learner.task.samples.batches(learner.task.train[:batch_size], batch_size))
    (features,), targets = batch.inputs.values(), batch.targets["y"]
    network = learner.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.0, fused=True)
    fastest = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        loss = torch.nn.functional.mse_loss(network(features)["y"].flatten(), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        fastest = min(fastest, time.perf_counter() - started)
    return batch_size / fastest


def measure(path: Path, rows: int, options: argparse.Namespace) -> dict[str, object]:
    import torch

    import longspan as ls

    torch.set_num_threads(options.threads)
    bare, started = highest_gb(), time.perf_counter()
    table = ls.Table.read(path).with_features("y") if options.whole else ls.Table.scan(path, "y")
    read = time.perf_counter() - started
    cache = {"cache_gb": options.cache_gb, "disk_cache_gb": options.disk_cache_gb}
    task = ls.Task(table.split(valid=0.01), "features", "y", **cache)
    task.prepare()
    encoded = time.perf_counter() - started - read
    learner = ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=8192), progress=False)
    begun = time.perf_counter()
    learner.fit_one_cycle(1, 1e-2)
    trained = time.perf_counter() - begun
    limit = rows_a_second_without_reading(learner, 8192)
    return {
        "rows": rows,
        "how": "whole" if options.whole else "scanned",
        "values": type(task.samples.inputs["features"]).__name__,
        "cache_gb": options.cache_gb,
        "threads": options.threads,
        "file_gb": round(path.stat().st_size / 1e9, 3),
        "seconds_reading": round(read, 1),
        "seconds_encoding": round(encoded, 1),
        "seconds_training": round(trained, 1),
        "rows_a_second": round(len(task.train) / trained),
        "without_reading": round(limit),
        "highest_gb": round(highest_gb(), 2),
        "of_it_before_reading_gb": round(bare, 2),
        "valid_r2": learner.history[-1]["r2"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="read the table at once")
    parser.add_argument("--cache-gb", type=float, default=4.0)
    parser.add_argument("--disk-cache-gb", type=float, default=100.0)
    parser.add_argument("--file", type=Path, help="keep the made-up table here, and take it if it is there")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="large-") as folder:
        path = options.file or Path(folder) / "rows.parquet"
        if not path.exists():
            write(path, options.rows)
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        result = measure(path, rows, options)
    print(json.dumps(result, indent=1))
    if options.out:
        known = json.loads(options.out.read_text())["runs"] if options.out.exists() else []
        runs = [*known, result]
        options.out.write_text(json.dumps({"runs": runs, "environment": describe_environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
