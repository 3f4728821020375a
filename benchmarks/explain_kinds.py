"""How long do the seven kinds of explanation take for a trained `cats-or-dogs` model?

    longspan run cats-or-dogs --out runs/pets
    OMP_NUM_THREADS=2 python benchmarks/explain_kinds.py runs/pets/model.safetensors

What each layer learned; where it looked (Grad-CAM and occlusion of twelve photos, each with its sanity check);
slices; calibration; which training rows are behind its mistakes, and training rows by self-influence; seconds per
layer; receptive fields. On the rows of `pets-small` that the model was not trained on; beside the seconds that were
measured, those that were expected beforehand. Writes `benchmarks/results/explain_kinds.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import longspan as ls
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "explain_kinds.json"
PHOTOS, CHECKED, MISTAKES = 12, 4, 12


def calls(model: Any, held_out: ls.Table, training: ls.Table) -> dict[str, list[partial[Any]]]:
    """Of each kind what is run."""
    explain = ls.explain
    shown, checked = held_out.take(np.arange(PHOTOS)), held_out.take(np.arange(CHECKED))
    found = model.predict(held_out)
    wrong = [row for row, each in enumerate(found) if each["cat"] != held_out.value(row, "cat")][:MISTAKES]
    mistakes = held_out.take(np.array(wrong or [0]))
    backbone, size = model.network.get_submodule("backbone"), model.inputs["image"].size_px
    batch = torch.randn(8, 3, *size)
    patch = {"patch_px": min(size) // 4}
    return {
        "what each layer learned": [partial(explain.learned_layers, model, held_out)],
        "where it looked": [
            partial(explain.attribute, model, shown, method="grad_cam"),
            partial(explain.sanity_check, model, checked, method="grad_cam", stages=2),
            partial(explain.attribute, model, shown, method="occlusion", **patch),
            partial(explain.sanity_check, model, checked, method="occlusion", stages=2, **patch),
        ],
        "slices": [partial(explain.slices, model, held_out)],
        "calibration": [partial(explain.calibration, model, held_out)],
        "training rows behind mistakes": [
            partial(explain.influence, model, training, mistakes),
            partial(explain.self_influence, model, training),
        ],
        "seconds per layer": [partial(explain.layer_costs, model.network, [batch], fields=False)],
        "receptive fields": [partial(explain.receptive_fields, backbone, batch[:2])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model.safetensors of cats-or-dogs")
    parser.add_argument("--limit", type=int, help="only so many photos, for a quick look; writes nothing")
    options = parser.parse_args()
    model, table = ls.load(options.model), ls.datasets.load("pets-small")
    known = model.recognise(table)
    rows = {name: np.sort(each)[: options.limit] for name, each in known.items()}
    held_out, training = (table.take(np.sort(np.concatenate(each))) for each in (
        (rows["valid"], rows["new"]), (rows["train"],)
    ))  # fmt: skip
    results: dict[str, dict[str, float]] = {}
    for kind, parts in calls(model, held_out, training).items():
        expected = sum(ls.explain.expected_cost(part.func, *part.args, **part.keywords).seconds for part in parts)
        started = time.perf_counter()
        for part in parts:
            part()
        results[kind] = {
            "seconds": round(time.perf_counter() - started, 2), "expected_seconds": round(expected, 2),
        }  # fmt: skip
        print(kind, results[kind], flush=True)
    total = sum(each["seconds"] for each in results.values())
    print(f"in all {total:.1f} s")
    if options.limit is None:
        RESULTS.write_text(
            json.dumps(
                {
                    "command": "OMP_NUM_THREADS=2 python benchmarks/explain_kinds.py runs/pets/model.safetensors",
                    "environment": describe_environment(device="cpu", precision="float32"),
                    "held_out_rows": len(held_out), "training_rows": len(training), "kinds": results,
                    "seconds_in_all": round(total, 1),
                },
                indent=1,
            )
            + "\n"
        )  # fmt: skip


if __name__ == "__main__":
    main()
