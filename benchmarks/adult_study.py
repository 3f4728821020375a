"""From how many rows on does a network keep up with boosted trees? The census table, 100 to 26,000 training rows.

    python benchmarks/adult_study.py --seeds 3

`ls.TableRecipe` and scikit-learn's boosting with its defaults, each trained anew at every size and seed; a fifth of the
32,561 people, 6,512 of them, are measured on and choose nothing: the network keeps its last epoch. Runs are kept in
`--study`, so that a study that was stopped goes on; writes `results/adult_study.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import longspan as ls
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "adult_study.json"
SIZES = (100, 320, 1000, 3200, 10_000, 26_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--study", type=Path, default=Path("adult-study.sqlite"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    table = ls.datasets.load("adult-small").with_features("salary")
    task = ls.Task(table.split(valid=0.2, seed=0), "features", "salary", allow_leaks=True)
    task.prepare()
    strategies = {"network": ls.TableRecipe(keep="last"), "boosted trees": ls.Boosting()}
    study = ls.Study(task, strategies, options.sizes, options.seeds, path=options.study, threads=options.threads)
    study.run(1, "inline")
    found = study.results
    written = {**found.to_json(), "environment": describe_environment()}
    options.out.write_text(json.dumps(written, indent=1) + "\n")
    for sentence in found.advice(target="salary"):
        print(sentence)


if __name__ == "__main__":
    main()
