"""fastai's own example on the census table: nine columns, `TabularDataLoaders`, `tabular_learner`, three epochs.

    python benchmarks/peers/fastai_adult.py --seeds 3

The course's six lines: `procs=[Categorify, FillMissing, Normalize]`, batches of 64, `fit_one_cycle(3)`, a fifth of the
rows held out at random. Prints one line of JSON: accuracy, and seconds of making the loaders and of training.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
import time

import fastai
import packs
import pandas as pd
import torch
from fastai.tabular.all import (
    Categorify,
    FillMissing,
    Normalize,
    RandomSplitter,
    TabularDataLoaders,
    accuracy,
    range_of,
    set_seed,
    tabular_learner,
)

_LABELS = ["workclass", "education", "marital-status", "occupation", "relationship", "race"]
_NUMBERS = ["age", "fnlwgt", "education-num"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(packs.data_folder() / "adult_sample.tgz") as archive:
            archive.extractall(folder, filter="data")
        frame = pd.read_csv(f"{folder}/adult_sample/adult.csv")
        accuracies, seconds = [], []
        for seed in range(options.seeds):
            set_seed(seed, reproducible=True)
            started = time.perf_counter()
            loaders = TabularDataLoaders.from_df(
                frame, path=folder, y_names="salary", cat_names=_LABELS, cont_names=_NUMBERS,
                procs=[Categorify, FillMissing, Normalize], bs=64,
                valid_idx=RandomSplitter(0.2, seed=seed)(range_of(frame))[1], device=torch.device("cpu"),
            )  # fmt: skip
            learner = tabular_learner(loaders, metrics=accuracy)
            with learner.no_bar(), learner.no_logging():
                learner.fit_one_cycle(3)
            seconds.append(round(time.perf_counter() - started, 2))
            accuracies.append(float(learner.validate()[1]))
    versions = {"fastai": fastai.__version__, "torch": torch.__version__}
    print(json.dumps({"versions": versions, "accuracy": accuracies, "seconds": seconds, "settings": vars(options)}))


if __name__ == "__main__":
    main()
