"""fastai's own example on the census table: nine columns, `TabularDataLoaders`, `tabular_learner`, three epochs.

    python benchmarks/peers/fastai_adult.py --seed 0

The course's six lines: `procs=[Categorify, FillMissing, Normalize]`, batches of 64, `fit_one_cycle(3)`, a fifth of the
rows held out at random; then once more with ten validation rows, for rows a second of the quicker of the last two
epochs. Prints one line of JSON: accuracy, seconds of making the loaders and of training, rows a second.
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
    Callback,
    Categorify,
    FillMissing,
    Learner,
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


class _Clock(Callback):
    """Seconds of each epoch, training and validation."""

    def before_fit(self) -> None:
        self.epochs: list[float] = []

    def before_epoch(self) -> None:
        self.started = time.perf_counter()

    def after_epoch(self) -> None:
        self.epochs.append(time.perf_counter() - self.started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(packs.data_folder() / "adult_sample.tgz") as archive:
            archive.extractall(folder, filter="data")
        frame = pd.read_csv(f"{folder}/adult_sample/adult.csv")
        held_out = RandomSplitter(0.2, seed=options.seed)(range_of(frame))[1]

        def learner_for(rows: pd.DataFrame, valid: list[int]) -> Learner:
            loaders = TabularDataLoaders.from_df(
                rows, path=folder, y_names="salary", cat_names=_LABELS, cont_names=_NUMBERS,
                procs=[Categorify, FillMissing, Normalize], bs=64, valid_idx=valid, device=torch.device("cpu"),
            )  # fmt: skip
            return tabular_learner(loaders, metrics=accuracy)

        set_seed(options.seed, reproducible=True)
        started = time.perf_counter()
        learner = learner_for(frame, held_out)
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(3)
        seconds = time.perf_counter() - started
        found = {"accuracy": round(float(learner.validate()[1]), 5), "seconds": round(seconds, 3)}
        clock = _Clock()
        alone = learner_for(frame.drop(index=held_out[10:]).reset_index(drop=True), list(range(10)))
        alone.add_cb(clock)
        with alone.no_bar(), alone.no_logging():
            alone.fit_one_cycle(3)
        found["rows_per_second"] = round(len(alone.dls.train_ds) / min(clock.epochs[1:]))
    versions = {"fastai": fastai.__version__, "torch": torch.__version__}
    print(json.dumps({**found, "versions": versions, "settings": vars(options)}))


if __name__ == "__main__":
    main()
