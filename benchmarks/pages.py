"""The tables of measurements on the pages of `docs/systems/`, made from the files in `benchmarks/results/`.

python benchmarks/pages.py                    # write the tables into the pages
python benchmarks/pages.py --check            # exit with 1 if a page does not show what its files hold
python benchmarks/pages.py --record runs/lanes "longspan run lanes --out runs/lanes"   # add a run of a system

A page marks each table with `<!-- measured: NAME -->` and `<!-- end -->`; what stands between is replaced. NAME is one
of `TABLES`, or `system NAME` for the recorded runs of a system (`results/systems/NAME.json`).
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from longspan.study.statistics.t_distribution import t_quantile
from longspan.systems.claims.claim import Claim, Quantity

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "docs" / "systems"
CLAIMS = ROOT / "docs" / "claims.md"
_DETECTORS = {"mtcnn": "MTCNN", "ultra-light": "Ultra-Light"}
_BLOCK = re.compile(r"(<!-- measured: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


_TREES_ON = ("adult", "bike-sharing", "ames-housing", "california-housing")


def read(name: str) -> Any:
    """A results file."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def mnist_presets() -> str:
    """Accuracy of both presets over five seeds, and time and memory beside fastai."""
    presets, beside = read("mnist_presets.json")["presets"], read("beside_fastai.json")
    fastai = beside["mnist_fastai"]
    seconds = fastai["seconds"][0]
    rows = []
    for name in ("book", "fast"):
        accuracy, run = presets[name]["test_accuracy"], beside[f"mnist_{name}"]
        rows.append(
            [
                f"`{name}`, {len(accuracy['values'])} seeds",
                f"{accuracy['mean']:.2%} ± {100 * accuracy['sd']:.2f}",
                f"{run['seconds']['mean']:.0f} ({run['seconds']['mean'] / seconds:.2f} of fastai's)",
                f"{run['peak_memory_mib']:,}",
            ]
        )
    accuracy = f"{fastai['test_accuracy_mean']:.2f}%"
    name = f"fastai 2.8, {fastai['settings']['epochs']} epochs of the network of `book`, 1 seed"
    rows.append([name, accuracy, f"{seconds:.0f}", f"{fastai['peak_memory_mib']:,}"])
    return _table(["2 CPU cores, float32", "test accuracy", "seconds of training", "peak memory, MiB"], rows)


def mnist_gains() -> str:
    """What each ingredient adds to the accuracy."""
    summary = read("mnist_gains.json")["summary"]
    sizes = sorted({each["images"] for each in summary})
    rows = []
    for variant in dict.fromkeys(each["variant"] for each in summary):
        row = [variant]
        for size in sizes:
            [found] = [each for each in summary if each["variant"] == variant and each["images"] == size]
            row.append(f"{found['accuracy']:.2%}" + _spread(found["accuracy_sd"]))
            baseline = found["gain"] == 0 and found["gain_sd"] == 0
            row.append("" if baseline else f"{100 * found['gain']:+.2f}" + _spread(found["gain_sd"]))
        rows.append(row)
    return _table(["", *(head for size in sizes for head in (f"{size:,} images", "gain"))], rows)


def pets() -> str:
    """Error and time beside fastai's."""
    beside = read("beside_fastai.json")
    ours, fastai = beside["pets"], beside["pets_fastai"]
    setup = fastai["seconds_with_setup"]
    rows = [
        [
            f"`longspan run cats-or-dogs`, {len(ours['error']['values'])} seeds",
            f"{ours['error']['mean']:.3f} ± {ours['error']['sd']:.3f}",
            f"{ours['seconds']['mean']:.1f} ± {ours['seconds']['sd']:.1f}",
            f"{ours['peak_memory_mib']:,}",
        ],
        [
            f"fastai 2.8, `fine_tune(1)`, {len(setup)} seeds",
            f"{fastai['error_rate_mean']:.3f} ± {fastai['error_rate_sd']:.3f}",
            f"{statistics.mean(setup):.1f} ± {statistics.stdev(setup):.1f}",
            f"{fastai['peak_memory_mib']:,}",
        ],
    ]
    return _table(["2 CPU cores, float32", "error on 205 photos", "seconds, with reading", "peak memory, MiB"], rows)


def detection_step() -> str:
    """A training step beside torchvision's."""
    rows = [
        [
            each["network"],
            each["trunk"],
            f"{each['seconds_a_picture']['longspan']:.2f}",
            f"{each['seconds_a_picture']['torchvision']:.2f}",
            f"{each['ratio']:.2f}",
        ]
        for each in read("detection_step.json")["measured"]
    ]
    head = ["one core, float32", "backbone", "longspan, seconds per image", "torchvision, seconds per image", "ratio"]
    return _table(head, rows)


def read_numbers() -> str:
    """Error of four strategies by training images."""
    runs = read("read_numbers.json")["runs"]
    sizes = sorted({run["size"] for run in runs})
    rows = [
        [name, *(_interval([r["error"] for r in runs if (r["strategy"], r["size"]) == (name, size)]) for size in sizes)]
        for name in dict.fromkeys(run["strategy"] for run in runs)
    ]
    return _table(["", *(f"{size:,} images" for size in sizes)], rows)


def read_numbers_mnist() -> str:
    """Error of five strategies on MNIST's digits."""
    rows = []
    for study in read("read_numbers_mnist.json")["studies"]:
        for name in dict.fromkeys(run["strategy"] for run in study["runs"]):
            errors = [run["error"] for run in study["runs"] if run["strategy"] == name]
            epochs = "" if name != "all stages learned" else f", {4 if 'with 4' in study['note'] else 8} source epochs"
            rows.append([name + epochs, _interval(errors), ", ".join(f"{100 * error:.1f}" for error in errors)])
    return _table(["", "3,000 images", "by seed"], rows)


def read_numbers_sources() -> str:
    """All stages learned, by seed of the source training; empty until it was measured."""
    path = RESULTS / "read_numbers_source_seeds.json"
    if not path.is_file():
        return "Not measured in this version: `python benchmarks/read_numbers_source_seeds.py`.\n"
    by_seed = read(path.name)["by_source_seed"]
    rows = [[str(each["source_seed"]), ", ".join(f"{100 * e:.1f}" for e in each["errors"])] for each in by_seed]
    every = [statistics.mean(each["errors"]) for each in by_seed]
    return _table(["seed of the source training", "error by seed, %"], [*rows, ["mean", _interval(every)]])


def spoken_numbers() -> str:
    """Digit errors of the trainings that were finished, by strategy and size."""
    runs = read("spoken_numbers.json")["runs"]
    sizes = sorted({run["size"] for run in runs})
    rows = [
        [name, *(", ".join(f"{100 * r['error']:.1f} %" for r in runs if (r["strategy"], r["size"]) == (name, size))
                 for size in sizes)]
        for name in dict.fromkeys(run["strategy"] for run in runs)
    ]  # fmt: skip
    return _table(["digit errors by seed", *(f"{size:,} recordings" for size in sizes)], rows)


def beside_trees(name: str) -> str:
    """The recipe of tables beside boosted trees on the same held-out rows of one table."""
    found = read("table_recipe.json")
    models = {"default": "light TabM, `TableRecipe`", "boosting": "boosted trees, scikit-learn's defaults"}
    by_model = {each["model"]: each for each in found["summary"] if each["set"] == name}
    metrics = [key for key in ("rmse", "accuracy", "auc", "log_loss") if f"{key}_mean" in by_model["default"]]
    rows = []
    for model, words in models.items():
        each, runs = by_model[model], sum((r["set"], r["model"]) == (name, model) for r in found["runs"])
        cells = [f"{each[f'{key}_mean']:#.4g} ± {each[f'{key}_std']:.2g}" for key in metrics]
        rows.append([f"{words}, {runs} trainings", *cells])
    [gap] = [each for each in found["beside boosting"] if (each["set"], each["model"]) == (name, "default")]
    low, high = (f"{end:.4g}" for end in gap["interval"])
    difference = ["" for _ in metrics]
    difference[metrics.index(gap["metric"])] = f"{gap['difference']:.4g} (95 %: {low} to {high})"
    rows.append(["difference, paired", *difference])
    return _table(["", *(key.replace("_", " ") for key in metrics)], rows)


def adult_study() -> str:
    """Error of network and trees by training rows; empty until it was measured."""
    path = RESULTS / "adult_study.json"
    if not path.is_file():
        return "Not measured in this version: `python benchmarks/adult_study.py`.\n"
    runs = read(path.name)["runs"]
    sizes = sorted({run["size"] for run in runs})
    rows = [
        [name, *(_interval([r["error"] for r in runs if (r["strategy"], r["size"]) == (name, size)]) for size in sizes)]
        for name in dict.fromkeys(run["strategy"] for run in runs)
    ]
    return _table(["error by training rows", *(f"{size:,}" for size in sizes)], rows)


def translate_study() -> str:
    """BLEU of every strategy by training sentences, and which of two is ahead at each size; empty until measured."""
    path = RESULTS / "translate_study.json"
    if not path.is_file():
        return "Not measured in this version: `python benchmarks/translate_study.py`.\n"
    found = read(path.name)
    sizes = sorted({run["sentences"] for run in found["runs"]})
    shown = []
    for test in ("test2016", "test2017"):
        rows = []
        for name in dict.fromkeys(run["strategy"] for run in found["runs"]):
            row = [name]
            for size in sizes:
                runs = [run["metrics"] for run in found["runs"] if (run["strategy"], run["sentences"]) == (name, size)]
                if not runs:
                    row.append("")
                    continue
                mean, low, high = (
                    statistics.mean(run[f"bleu_{test}{end}"] for run in runs) for end in ("", "_low", "_high")
                )
                row.append(f"{mean:.1f} ({low:.1f} to {high:.1f})")
            rows.append(row)
        head = f"BLEU, {test} (95 % over sentences), by training sentences"
        shown.append(_table([head, *(f"{size:,}" for size in sizes)], rows))
    rows = []
    for pair in dict.fromkeys((each["first"], each["second"]) for each in found["differences"]):
        for test in ("test2016", "test2017"):
            of = {each["sentences"]: each for each in found["differences"]
                  if (each["first"], each["second"], each["test"]) == (*pair, test)}  # fmt: skip
            cells = [f"{of[size]['difference']:+.1f} ({of[size]['low']:+.1f} to {of[size]['high']:+.1f})"
                     if size in of else "" for size in sizes]  # fmt: skip
            rows.append([f"{pair[0]} - {pair[1]}, {test}", *cells])
    shown.append(_table(["difference of BLEU (95 %, paired)", *(f"{size:,}" for size in sizes)], rows))
    return "\n".join(shown)


def translate_speed() -> str:
    """Training of translation beside a plain loop, and its beam search; empty until measured."""
    path = RESULTS / "translate_speed.json"
    if not path.is_file():
        return "Not measured in this version: `python benchmarks/translate_speed.py`.\n"
    found = read(path.name)
    speeds = {name: sorted(each)[len(each) // 2] for name, each in found["tokens_per_second"].items()}
    rows = [
        ["training, tokens a second (median)", f"{speeds['longspan']:,}", f"{speeds['plain']:,}"],
        ["times the plain loop", f"{found['ratio']:.1f}", "1"],
        ["padding in batches of sentences of like length", f"{100 * found['padding']:.1f} %", ""],
        ["beam of 5, sentences a second", f"{found['beam_5_sentences_per_second']:.0f}", ""],
    ]
    machine = found["environment"]
    return _table(["", "longspan", "plain `nn.Transformer`"], rows) + (
        f"\n`{found['command']}`: {machine['processor']}, {machine['threads']} threads.\n"
    )


def captions() -> str:
    """Scores of each way to write captions, and of the two lines that need no writing."""
    runs = read("systems/captions.json")["runs"]
    ways = {run["options"]["strategy"]: run for run in runs}
    lines = {"nearest": "caption of the most similar training image", "frequent": "most frequent caption"}
    rows = []
    for name, run in {**ways, **dict.fromkeys(lines, runs[0])}.items():
        metrics = run["metrics"]
        scores = []
        for metric in ("bleu1", "bleu2", "bleu3", "bleu4", "cider"):
            value, low, high = (metrics[f"{metric}{end}, {name}"] for end in ("", " low", " high"))
            digits = 2 if metric == "cider" else 1
            scores.append(f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
        own = ["", "", ""]
        if name in ways:
            own = [f"{metrics['copied']:.2f}", f"{metrics['words']:.0f}", f"{run['seconds']['train'] / 60:.1f}"]
        rows.append([lines.get(name, f"`{run['command']}`, seed {run['seed']}"), *scores, *own])
    head = ["", "BLEU-1 (95 %)", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "copied", "words", "minutes of training"]
    return _table(head, rows) + f"\n{_machines(runs)}.\n"


def face_detectors() -> str:
    """Average precision and time of the detectors that others trained."""
    found = read("face_detectors.json")
    keys = ["map", "ap50", "ap50_small", "ap50_medium", "ap50_large", "seconds a photo, usual settings, one thread"]
    rows = [[title, *(f"{found[name][key]:.3f}" for key in keys)] for name, title in _DETECTORS.items()]
    head = ["detector", "AP", "AP50", "AP50, small faces", "medium", "large", "seconds a photo, one thread"]
    return _table(head, rows)


def movie_reviews() -> str:
    """Accuracy of each strategy on each set of reviews, the lowest of a set first; and studies."""
    every = read("systems/movie-reviews.json")["runs"]
    runs = [run for run in every if "accuracy" in run["metrics"]]
    parts = {"rt-polarity": "rt-polarity, {} folds", "imdb-sample": "imdb-sample, 200 rows", "sst2": "sst2, 1,821 rows"}
    rows = []
    for run in sorted(runs, key=lambda run: ([*parts].index(run["options"]["data"]), run["metrics"]["accuracy"])):
        metrics, options = run["metrics"], run["options"]
        folds = options["only"] or options["folds"]
        low, high = metrics["accuracy_low"], metrics["accuracy_high"]
        rows.append(
            [
                f"`{run['command']}`",
                parts[options["data"]].format(folds),
                f"{100 * metrics['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
                f"{100 * metrics['accuracy_sd']:.1f}" if "accuracy_sd" in metrics else "",
                f"{run['seconds']['train'] / 60:.1f}",
            ]
        )
    head = ["", "measured on", "accuracy (95 % over rows)", "spread over folds", "minutes of training"]
    studies = "".join(_study(run, each) for run in every for each in run.get("study", ()))
    return _table(head, rows) + f"\nSeed 0; {_machines(runs)}.\n{studies}"


def _machines(runs: list[dict[str, Any]]) -> str:
    """What the runs ran on; where that differs, how many ran on each."""
    found = Counter("{processor}, {threads} thread(s), {device}".format(**run["environment"]) for run in runs)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{count} runs on {machine}" for machine, count in found.items())


def exact() -> str:
    """How many trainings with virtual workers had the bits of one process."""
    found = read("exact.json")
    count = found["trainings"]
    killed = f"2 processes, one killed in {found['killed']} trainings"
    words = {"2": "2 processes", "4": "4 processes", "killed": killed}
    rows = [[what, f"{found['same'][part]} of {count}"] for part, what in words.items()]
    return _table([f"`{found['command']}`, against one process", "the same bits"], rows)


def dqn_gains() -> str:
    """Return with each option of DQN, and its gain over plain DQN with the same seeds."""
    found = read("dqn_gains.json")
    rows = []
    for change, each in found["changes"].items():
        low, high = each["95 %"]
        gain = each.get("gain over plain")
        paired = "" if gain is None else f"{gain['mean']:+.2f} ({gain['95 %'][0]:+.2f} to {gain['95 %'][1]:+.2f})"
        means = ", ".join(f"{mean:.2f}" for mean in each["mean of each seed"])
        rows.append([change, f"{each['interquartile mean']:.2f} ({low:.2f} to {high:.2f})", means, paired])
    return _table([f"`{found['command']}`", "return, interquartile mean (95 %)", "mean by seed", "gain (95 %)"], rows)


def lectures() -> str:
    """Every claim of the lectures that was measured, with its verdict by the rule of `Claim`."""
    rows = [*_own_claims(), *_stages(), *_multitask(), *_mnist(), *_splits(), *_policing()]
    return _table(["claim", "measured (95 %)", "the claim says", "verdict", "measured by"], rows)


def _judged(claim: Claim, command: str) -> list[str]:
    quantity = claim.quantity.to_json()
    return _row(claim.says, quantity, f"{claim.side} {_number(claim.bound)}", claim.verdict, command)


def _row(says: str, quantity: dict[str, Any], rule: str, verdict: str, command: str) -> list[str]:
    return [says, f"{quantity['name']}: {_mean(quantity)}", rule, f"**{verdict}**", command]


def _own_claims() -> list[list[str]]:
    """Those of the systems `claim-NAME`; of several runs of a system each stands here."""
    rows = []
    for path in sorted((RESULTS / "systems").glob("claim-*.json")):
        for run in json.loads(path.read_text(encoding="utf-8"))["runs"]:
            command = f"[`{run['command'].partition(' --out')[0]}`](systems/{path.stem}.md)"
            for each in run.get("claims", ()):
                rule = f"{each['side']} {_number(each['bound'])}"
                rows.append(_row(each["claim"], each["quantity"], rule, each["verdict"], command))
    return rows


def _paired(says: str, name: str, runs: Sequence[dict[str, Any]], worse: str, better: str, size: int) -> Claim:
    """The error of one strategy less that of another at a size, by seed."""
    errors = {(run["strategy"], run["seed"]): run["error"] for run in runs if run["size"] == size}
    seeds = sorted({seed for strategy, seed in errors if strategy == worse})
    gaps = tuple(errors[worse, seed] - errors[better, seed] for seed in seeds)
    return Claim(says=says, quantity=Quantity(name, gaps), side="above", bound=0.0)


def _stages() -> list[list[str]]:
    runs = read("read_numbers.json")["runs"]
    sizes = sorted({run["size"] for run in runs})
    whole, staged, moved = "end to end", "in stages", "from single digits"
    claims = (
        _paired("With little data a pipeline of stages beats one network",
                f"error end to end - in stages, {sizes[0]} images", runs, whole, staged, sizes[0]),
        _paired("With much data one network end to end beats the stages",
                f"error in stages - end to end, {sizes[-1]} images", runs, staged, whole, sizes[-1]),
        _paired("Transfer helps where data are few", f"error end to end - from single digits, {sizes[0]} images", runs,
                whole, moved, sizes[0]),
    )  # fmt: skip
    return [_judged(claim, "[`longspan run read-numbers`](systems/read-numbers.md)") for claim in claims]


def _multitask() -> list[list[str]]:
    """The differences were paired by seed when they were measured; here they are only read."""
    rows = []
    for size in ("small", "large"):
        for each in read("multitask.json")["together errs less"][f"digit, {size}"]:
            gap = {"name": "error apart - together", "mean": -each["difference"], "low": -each["high"],
                   "high": -each["low"]}  # fmt: skip
            verdict = "reproduced" if gap["low"] > 0 else "refuted" if gap["high"] < 0 else "open"
            says = f"Multi-task learning helps the task with few labels ({size} network, {each['size']:,} rows)"
            rows.append(_row(says, gap, "above 0.000", verdict, "[`benchmarks/multitask.py`](guides/studies.md)"))
    return rows


def _mnist() -> list[list[str]]:
    runs = read("mnist_gains.json")["runs"]
    rows = []
    plain = next(iter(dict.fromkeys(run["variant"] for run in runs if run["variant"].startswith("plain"))))
    for images in sorted({run["images"] for run in runs}):
        of = {(run["variant"], run["seed"]): run["accuracy"] for run in runs if run["images"] == images}
        for variant, says, sign in (
            ("+ rotation, shift and scale", "Augmentation lowers the error on digits", 1),
            ("- learning-rate decay (constant rate)", "Decay of the learning rate lowers the error on digits", -1),
            ("- dropout", "Dropout lowers the error on digits", -1),
            ("- He initialisation (normal, 0.01)", "Initialisation by the number of inputs lowers the error", -1),
        ):
            gains = tuple(sign * (of[variant, seed] - of[plain, seed]) for name, seed in of if name == variant)
            quantity = Quantity(f"gain in accuracy, {images:,} images", gains)
            claim = Claim(says=says, quantity=quantity, side="above", bound=0.0)
            rows.append(_judged(claim, "[`benchmarks/mnist_gains.py`](systems/mnist-deep-cnn.md)"))
    return rows


def _splits() -> list[list[str]]:
    [run] = read("systems/claim-random-splits.json")["runs"]
    rows = []
    for name in dict.fromkeys(key.partition(",")[0] for key in run["metrics"] if ", ratio" in key):
        mean, low, high = (run["metrics"][f"{name}, {what}"] for what in ("ratio", "low", "high"))
        ratio = {"name": "error on rows to come / at random", "mean": mean, "low": low, "high": high}
        verdict = "reproduced" if low > 1 else "refuted" if high < 1 else "open"
        command = f"[`{run['command']}`](systems/claim-random-splits.md)"
        rows.append(_row(f"A random split flatters a model: {name}", ratio, "above 1.000", verdict, command))
    return rows


def _policing() -> list[list[str]]:
    [run] = read("systems/claim-feedback.json")["runs"]
    held = run["metrics"]["theorems reproduced"]
    says = "Where arrests are the label, a model predicts arrests (five theorems)"
    verdict = "reproduced" if held == 5 else "refuted"
    command = "[`longspan run claim-feedback`](systems/claim-feedback.md)"
    return [[says, f"theorems inside the intervals of 1,000 runs: {held:.0f} of 5", "all", f"**{verdict}**", command]]


TABLES: dict[str, Callable[[], str]] = {
    "claims of the lectures": lectures,
    "mnist presets": mnist_presets,
    "mnist gains": mnist_gains,
    "pets": pets,
    "detection step": detection_step,
    "read-numbers": read_numbers,
    "read-numbers on mnist": read_numbers_mnist,
    "spoken-numbers": spoken_numbers,
    "read-numbers, source seeds": read_numbers_sources,
    "adult study": adult_study,
    "translate study": translate_study,
    "translate speed": translate_speed,
    "captions": captions,
    "face detectors": face_detectors,
    "movie reviews": movie_reviews,
    "exact": exact,
    "dqn gains": dqn_gains,
    **{f"{name} beside trees": partial(beside_trees, name) for name in _TREES_ON},
}


def system_runs(name: str) -> str:
    """The recorded runs of a system, a column for each command; or how to measure it."""
    path = RESULTS / "systems" / f"{name}.json"
    if not path.is_file():
        return (
            f"Not measured in this version. `longspan run {name} --out DIR` measures it and writes `DIR/result.json`; "
            "`python benchmarks/pages.py --record DIR COMMAND` puts the metrics here.\n"
        )
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    if all("claims" in run for run in runs):
        return "\n".join(map(claim_run, runs))
    by_command: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_command.setdefault(run["command"], []).append(run)
    groups = by_command.values()
    metrics = dict.fromkeys(
        metric for run in runs if "stages ahead of one network" not in run for metric in run["metrics"]
    )
    rows = [[metric, *(_over_seeds([run["metrics"].get(metric) for run in group]) for group in groups)]
            for metric in metrics]  # fmt: skip
    rows.append(
        ["minutes of training", *(_over_seeds([run["seconds"]["train"] / 60 for run in group], 1) for group in groups)]
    )
    for key in ("processor", "threads", "device"):
        rows.append([key, *("; ".join(dict.fromkeys(str(run["environment"][key]) for run in of)) for of in groups)])
    heads, first = _heads(name, by_command)
    return _table(
        [first, *(f"{head}, {_seeds(group)}" for head, group in zip(heads, groups, strict=True))], rows
    ) + "".join(
        [
            *(_study(run, each) for run in runs for each in run.get("study", ())),
            *(_ceilings(run) for run in runs),
            *(_kinds(run) for run in runs if "kinds" in run),
            *(_ahead(run) for run in runs if "stages ahead of one network" in run),
        ]
    )


def _heads(name: str, commands: Collection[str]) -> tuple[list[str], str]:
    """How commands stand above their columns, and what stands above the first: several leave out what they share."""
    plain = f"longspan run {name}"
    options = [re.sub(r" --out \S+", "", each).removeprefix(plain).strip() for each in commands]
    if len({*options}) < 2 or not all(each.startswith(plain) for each in commands):
        return [f"`{each}`" for each in commands], ""
    return [f"`{each}`" if each else "its defaults" for each in options], f"`{plain}` with"


def _seeds(runs: list[dict[str, Any]]) -> str:
    seeds = sorted(run["seed"] for run in runs)
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"mean of seeds {', '.join(map(str, seeds))} (lowest to highest)"


def _over_seeds(values: list[float | None], digits: int = 3) -> str:
    """The value of one run; the mean of several and how far they lie apart."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    shown = f"{statistics.mean(known):.{digits}f}"
    if len(known) == 1:
        return shown
    return f"{shown} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def _study(run: dict[str, Any], study: dict[str, Any]) -> str:
    """The curves of a study, with intervals, and what follows from them."""
    sizes = sorted({point["size"] for points in study["curves"].values() for point in points})
    rows = []
    for name, points in study["curves"].items():
        of = {point["size"]: point for point in points}
        rows.append([name, *(_point(of[size]) if size in of else "" for size in sizes)])
    head = f"{study['measure'].replace('_', ' ')} (95 %), by training rows"
    lines = "".join(f"- {sentence}\n" for sentence in study["finding"])
    return f"\n`{run['command']}`:\n\n{_table([head, *(f'{size:,}' for size in sizes)], rows)}\n{lines}"


def _ceilings(run: dict[str, Any]) -> str:
    """The ceiling analysis of each pipeline of a study."""
    ceilings = run.get("ceiling")
    if not isinstance(ceilings, dict):
        return ""
    found = ""
    for name, stages in ceilings.items():
        rows = [
            [
                each["stage"],
                _number(each["error"]),
                f"{each['gain']:.3f} ({each['gain_low']:.3f} to {each['gain_high']:.3f})",
            ]
            for each in stages
            if each["error"] is not None
        ]
        head = [f"`{run['command']}`: {name}, stage replaced by the ground truth", "error left", "gain (95 %)"]
        found += f"\n{_table(head, rows)}"
    return found


def _kinds(run: dict[str, Any]) -> str:
    """Word errors by kind."""
    rows = [
        [
            name,
            f"{100 * each['rate']:.1f} % ({100 * each['low']:.1f} to {100 * each['high']:.1f})",
            *(f"{100 * each[kind] / each['length']:.1f} %" for kind in ("substitutions", "deletions", "insertions")),
        ]
        for name, each in run["kinds"].items()
    ]
    head = [f"`{run['command']}`", "word errors (95 % over speakers)", "substituted", "left out", "inserted"]
    return f"\n{_table(head, rows)}"


def _ahead(run: dict[str, Any]) -> str:
    """What each way at a turnstile recognises, and by how much the stages are ahead."""
    counts = sorted({each["photos"] for each in run["rows"]})
    found = {(each["way"], each["photos"]): each for each in run["rows"]}
    figures = ("rank-1", "dir", "far")
    ways = [
        [way, *(" / ".join(f"{100 * found[way, count][figure]:.1f}" for figure in figures) for count in counts)]
        for way in dict.fromkeys(each["way"] for each in run["rows"])
    ]
    head = [f"`{run['command']}`: rank-1 / DIR / FAR in %, by photos of each person", *map(str, counts)]
    ahead = [
        [str(each["photos"]), f"{each['difference']:.3f} ({each['low']:.3f} to {each['high']:.3f})"]
        for each in run["stages ahead of one network"]
    ]
    names = ["photos of each person", "rank-1 in stages less that end to end (95 % over people)"]
    return f"\n{_table(head, ways)}\n{_table(names, ahead)}"


def _point(point: dict[str, Any]) -> str:
    """A mean with its interval; a single seed has none."""
    interval = "" if point["low"] is None else f" ({point['low']:.3g} to {point['high']:.3g})"
    return f"{point['mean']:.3g}{interval}"


def claim_run(run: dict[str, Any]) -> str:
    """A recorded run of a system of claims: the verdicts with what decided them, then everything measured."""
    environment, minutes = run["environment"], run["seconds"]["train"] / 60
    head = f"`{run['command']}`, seed {run['seed']}"
    verdicts = [
        [each["claim"], f"{each['quantity']['name']}: {_mean(each['quantity'])}",
         f"{each['side']} {_number(each['bound'])}", f"**{each['verdict']}**"]
        for each in run["claims"]
    ]  # fmt: skip
    measured = [[each["name"], _number(each["mean"]), _ends(each)] for each in run["quantities"]]
    count = len(run["claims"][0]["quantity"]["values"])
    return (
        _table([head, f"mean over {count} seeds (95 %)", "the claim says", "verdict"], verdicts)
        + f"\n{minutes:.1f} minutes with {environment['threads']} thread(s) of {environment['processor']} "
        + f"({environment['device']}).\n\n"
        + _table(["measured", "mean", "95 %"], measured)
    )


def rendered(text: str) -> str:
    """A page with every table as its files have it."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        system = name.removeprefix("system ")
        body = TABLES[name]() if name in TABLES else system_runs(system)
        return f"{match[1]}\n{body}\n{match[3]}"

    return _BLOCK.sub(block, text)


def record(folder: Path, command: str) -> Path:
    """Add the result in the folder of a run to the results of its system; a run of the same command is replaced."""
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    path = RESULTS / "systems" / f"{result['system']}.json"
    path.parent.mkdir(exist_ok=True)
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.is_file() else []
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    kept = ("seed", "metrics", "seconds", "options", "environment")
    more = ("claims", "quantities", "ceiling", "kinds", "rows", "stages ahead of one network")
    kept += tuple(key for key in more if key in result)
    new = {"command": command, "commit": commit.stdout.strip(), **{key: result[key] for key in kept}}
    if "study" in result:
        new["study"] = [
            {
                "target": target, "measure": result["study"]["measures"][target], "finding": each["advice"],
                "curves": {name: curve["points"] for name, curve in each["curves"].items()},
            }
            for target, each in result["study"]["targets"].items()
        ]  # fmt: skip
    runs = [run for run in runs if (run["command"], run["seed"]) != (command, result["seed"])]
    path.write_text(json.dumps({"system": result["system"], "runs": [*runs, new]}, indent=1) + "\n", encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--record", nargs=2, metavar=("DIR", "COMMAND"), help="add the result of a run of a system")
    options = parser.parse_args()
    if options.record:
        print(record(Path(options.record[0]), options.record[1]))
    stale = []
    for path in (*sorted(PAGES.glob("*.md")), CLAIMS):
        text = path.read_text(encoding="utf-8")
        if rendered(text) != text:
            stale.append(path.name)
            if not options.check:
                path.write_text(rendered(text), encoding="utf-8")
    print("\n".join(stale) or "every page is up to date")
    sys.exit(1 if stale and options.check else 0)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = zip(*(row[1:] for row in rows), strict=True)
    # Figures to the right, words to the left.
    sides = ["---:" if any(cell.lstrip("-")[:1].isdigit() for cell in cells) else "---" for cells in columns] or [
        "---"
    ] * (len(head) - 1)
    lines = [head, ["---", *sides], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def _ends(quantity: dict[str, Any]) -> str:
    return f"{_number(quantity['low'])} to {_number(quantity['high'])}"


def _mean(quantity: dict[str, Any]) -> str:
    return f"{_number(quantity['mean'])} ({_ends(quantity)})"


def _spread(sd: float | None) -> str:
    return "" if sd is None else f" ± {100 * sd:.2f}"


def _interval(errors: Sequence[float]) -> str:
    """Mean and 95 % interval of the mean over seeds, as a study has them."""
    mean = statistics.mean(errors)
    half = t_quantile(0.975, len(errors) - 1) * statistics.stdev(errors) / len(errors) ** 0.5
    return f"{100 * mean:.1f} % ({100 * max(0.0, mean - half):.1f} to {100 * min(1.0, mean + half):.1f})"


if __name__ == "__main__":
    main()
