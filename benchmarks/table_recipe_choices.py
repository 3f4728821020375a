"""How the settings of `ls.TableRecipe` were chosen: variants on a part of the training rows, one run each.

    python benchmarks/table_recipe_choices.py california-housing '{"steps": 4000, "batch_size": 128}'

The rows that `tables.py` holds out for its first seed are left out altogether. Of the others a fifth is measured on: at
random (by "seed"), of bike sharing the last in time. Options: seed, members, steps, batch_size, lr, weight_decay,
dropout, blocks, width, bins, left_out (more columns), trees (boosting instead). Adds to
`results/table_recipe_choices.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tables
import torch

import longspan as ls
from longspan.models.tabular import TabMLightConfig
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "table_recipe_choices.json"


def rmse(name: str, options: dict[str, Any]) -> float:
    """The error of one variant on rows that neither train nor stand in the held-out part."""
    chosen, table = tables.SETS[name], tables.load(name)
    table = table.take(np.setdiff1d(np.arange(len(table)), tables.test_rows(name, len(table), 0)))
    count, seed = len(table), options.get("seed", 0)
    drawn = np.random.default_rng(1000 + seed).permutation(count)[: count // 5]
    inner = np.arange(int(count * 0.8), count) if name == "bike-sharing" else np.sort(drawn)
    parts = np.full(count, "train", dtype=object)
    parts[inner] = "test"
    left_out = [chosen.target, *(each for each in chosen.left_out if each != "dteday"), *options.get("left_out", ())]
    table = table.with_column("part", ls.Category(), parts.tolist())
    table = table.with_features([*left_out, "part"], bins=options.get("bins", 48))
    task = ls.Task(table.split(column="part"), "features", chosen.target, allow_leaks=True)
    task.prepare()
    if options.get("trees"):
        trained: Any = ls.Boosting().train(task, seed=seed)
    else:
        recipe = ls.TableRecipe().recipe(len(task.train))
        (phase,) = recipe.phases
        settings = {key: options[key] for key in ("batch_size", "weight_decay") if key in options}
        config = replace(recipe.config, **settings)
        steps = options.get("steps", phase.epochs * len(task.train) / config.batch_size)
        phase = replace(
            phase, epochs=max(1, round(steps * config.batch_size / len(task.train))), lr=options.get("lr", 1e-2)
        )
        network = {key: options[key] for key in ("members", "dropout", "blocks", "width") if key in options}
        trained = ls.Recipe(TabMLightConfig(**network), phases=(phase,), config=config).train(task, seed=seed)
    held_out = table.take(inner)
    found = np.array([each.value for each in trained.predict(held_out)], np.float64)
    return float(np.sqrt(np.mean((found - np.array(held_out[chosen.target], np.float64)) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("california-housing", "bike-sharing"))
    parser.add_argument("options", nargs="+", help="one JSON object for each run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": []}
    for words in options.options:
        each = json.loads(words)
        known["runs"].append({"set": options.set, **each, "rmse": round(rmse(options.set, each), 5)})
        RESULTS.write_text(json.dumps(known | {"environment": describe_environment()}, indent=1) + "\n")
        print(known["runs"][-1], flush=True)


if __name__ == "__main__":
    main()
