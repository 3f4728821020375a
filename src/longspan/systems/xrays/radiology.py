"""Pneumonia on chest X-rays of children: when a network that learned something else first is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

import longspan as ls
from longspan.systems.function_registry import load_with_functions
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.strategy_study import mean_errors, parse_sizes, parse_strategies, run_study, train_seconds
from longspan.systems.system import System
from longspan.systems.xrays.sources import CONDITIONS, SOURCES, source_tasks

if TYPE_CHECKING:
    from longspan.report import Document
    from longspan.study import StudyResults

__all__ = ["RADIOLOGY", "RadiologyOptions", "area_under_curve", "diagnosed", "intervals"]

_ILL = {"pneumonia": "pneumonia", "breast-ultrasound": "malignant"}
_SCRATCH, _IMAGENET = "from scratch", "ImageNet"
_DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SPECIFICITY = 0.95
_DRAWS = 2000
_SHOWN = 6


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RadiologyOptions:
    """Options of radiology."""

    compare: Literal["data", "depth", "conditions"] = "data"
    """data: from scratch, from ImageNet and from other X-rays over growing data. depth: ImageNet with none to all of
    its layers frozen. conditions: sources that each break one condition under which transfer is said to help."""
    data: Literal["pneumonia", "breast-ultrasound"] = "pneumonia"
    """What is to be told ill from healthy."""
    starts: str = "all"
    """Which of these to train, by name, separated by semicolons: "from scratch;ImageNet"."""
    sizes: str = "100,400,1600,4708"
    """Numbers of training images."""
    seeds: int = 3
    """Trainings of each strategy at each size."""
    backbone: str = "squeezenet1_1"
    """The network; see `longspan models`."""
    weights: str = "imagenet"
    """Weights of the start that is called ImageNet: imagenet, none, or a file."""
    epochs: int = 6
    """Passes over the training images; where these are few, as many as take 200 steps."""
    steps: int = 200
    """The least steps of a training."""
    source: int = 4000
    """Images of each source task."""
    source_epochs: int = 4
    """Passes over them."""
    lr: float = 8e-4
    """Peak learning rate of pretrained networks; fresh ones learn at three times as much."""
    size_px: int = 64
    """Height and width that the images are enlarged to."""
    limit: int | None = None
    """Use only this many images of each part, for a quick look."""
    jobs: int | None = None
    """Trainings at a time; default: one per core."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.backbone, self.weights)
        check_at_least(
            seeds=(self.seeds, 1), epochs=(self.epochs, 1), steps=(self.steps, 1), source=(self.source, 20),
            source_epochs=(self.source_epochs, 1), size_px=(self.size_px, 28), limit=(self.limit, 20),
            jobs=(self.jobs, 1),
        )  # fmt: skip
        check_above_zero(lr=self.lr)
        parse_sizes(self.sizes)


def area_under_curve(ill: Sequence[bool] | np.ndarray, scores: Sequence[float] | np.ndarray) -> float:
    """Area under the ROC curve: how often somebody ill has a higher score than somebody healthy; ties count half.

    Source: Hanley and McNeil 1982, by ranks (Mann and Whitney).
    """
    from scipy.stats import rankdata

    sick, ranks = np.asarray(ill, bool), rankdata(scores)
    positive, negative = int(sick.sum()), int((~sick).sum())
    return float((ranks[sick].sum() - positive * (positive + 1) / 2) / (positive * negative))


def diagnosed(ill: np.ndarray, scores: np.ndarray, valid_ill: np.ndarray, valid_scores: np.ndarray) -> dict[str, float]:
    """AUC, accuracy at 0.5, and sensitivity and specificity at the threshold that validation images give.

    The threshold is the lowest at which at least 95 % of the healthy validation images are called healthy; what the
    specificity then is on test images is told beside it.

    Args:
        ill: `(N,)` bool, of test images.
        scores: `(N,)` predicted probabilities of being ill.
        valid_ill: `(M,)` bool.
        valid_scores: `(M,)`.
    """
    healthy = np.sort(valid_scores[~valid_ill])
    at = healthy[min(len(healthy) - 1, int(np.ceil(_SPECIFICITY * len(healthy))) - 1)]
    called = scores > at
    return {
        "auc": area_under_curve(ill, scores),
        "accuracy": float(((scores >= 0.5) == ill).mean()),
        "sensitivity": float(called[ill].mean()),
        "specificity": float((~called[~ill]).mean()),
    }


def intervals(
    ill: np.ndarray, scores: np.ndarray, patients: Sequence[Any] | None = None, *, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the AUC over patients drawn anew, or over images where patients are not known.

    Args:
        ill: `(N,)` bool.
        scores: `(N,)`.
        patients: Of each image; all images of a patient are drawn together.
        seed: Of the draws.
    """
    random = np.random.default_rng([seed, 5])
    whose = np.arange(len(ill)) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]
    rows = [np.flatnonzero(whose == each) for each in range(int(whose.max()) + 1)]
    found = []
    for _ in range(_DRAWS):
        drawn = np.concatenate([rows[each] for each in random.integers(0, len(rows), len(rows))])
        if 0 < ill[drawn].sum() < len(drawn):
            found.append(area_under_curve(ill[drawn], scores[drawn]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _auc_alone(trained: Any, rows: ls.Table) -> list[float]:
    """For the study: one value, of all held-out images together."""
    finding = rows.column_values("finding")
    ill = next(each for each in _ILL.values() if each in finding)
    return [area_under_curve([each == ill for each in finding], scores_of(trained, rows, ill))]


def scores_of(trained: Any, rows: ls.Table, ill: str) -> np.ndarray:
    """`(N,)` predicted probabilities of being ill."""
    return np.array([(each.probabilities or {})[ill] for each in trained.predict(rows.select("image"))])


def _run(options: RadiologyOptions, run: SystemRun) -> None:
    from longspan.study import Evaluator

    table = ls.datasets.load(options.data, tell=run.say)
    if options.limit is not None:
        parts = np.asarray(table.column_values("part"))
        kept = [np.flatnonzero(parts == part)[: options.limit] for part in ("train", "valid", "test")]
        table = table.take(np.concatenate(kept))
    table = table.with_column("image", ls.Image(channels=1, resize="stretch"))
    size = (options.size_px, options.size_px)
    task = ls.Task(table.split(column="part"), inputs="image", targets="finding", size_px=size, allow_leaks=True)
    known = _strategies(options, run)
    strategies = {name: known[name] for name in parse_strategies(options.starts, known, ";")}
    sizes = [each for each in parse_sizes(options.sizes) if each <= len(task.train)] or [len(task.train)]
    run.say(f"{len(strategies)} strategies x {len(sizes)} sizes x {options.seeds} seeds.")
    error = Evaluator(of=_auc_alone, name="AUC", direction="higher", best=1.0, episodes=1)
    results = run_study(
        run, task, strategies, sizes=sizes, seeds=options.seeds, budget=None, jobs=options.jobs,
        cost={"finding": 1.0}, needs={name: ("finding",) for name in strategies}, error=error,
    )  # fmt: skip
    for sentence in results.advice():
        run.say(sentence)
    _finish(run, results, task, options)


def _strategies(options: RadiologyOptions, run: SystemRun) -> dict[str, ls.Strategy]:
    weights = None if options.weights == "none" else options.weights
    scratch, pretrained = _recipe(options, None, 0.0), _recipe(options, weights, 0.0)
    if options.compare == "depth":
        return {f"{_IMAGENET}, {frozen:.0%} frozen": _recipe(options, weights, frozen) for frozen in _DEPTHS}
    found: dict[str, ls.Strategy] = {_SCRATCH: scratch}
    if weights is not None:
        found[_IMAGENET] = pretrained
    tasks = source_tasks(options.source, options.size_px, seed=run.seed)
    first = replace(_recipe(options, None, 0.0, epochs=options.source_epochs), min_steps=0)
    tuned = _recipe(options, None, 0.0, backbone_lr_mult=0.3, lr=options.lr)
    for name in SOURCES if options.compare == "conditions" else SOURCES[:1]:
        transfer = ls.Transfer(
            tuned, tasks[name], source_recipe=first, source_seed=run.seed, keep_in=run.folder / "sources"
        )
        found[f"from {name}"] = transfer
    return found


def _recipe(
    options: RadiologyOptions,
    weights: str | None,
    frozen: float,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    backbone_lr_mult: float | None = None,
) -> ls.Recipe:
    fresh = weights is None
    augment = ls.Augment(rotate_deg=8, scale=0.1, shift=0.05, brightness=0.1, contrast=0.2, fill="border")
    mult = backbone_lr_mult or (1.0 if fresh else 0.3)
    rate = lr or (3 * options.lr if fresh else options.lr)
    return ls.Recipe(
        options.backbone,
        weights=weights,
        phases=(ls.Phase(epochs=epochs or options.epochs, lr=rate, frozen=frozen, backbone_lr_mult=mult),),
        heads={"finding": ls.Classify(dropout=0.2)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.02, clip_norm=5.0, augment=augment, keep="last"),
        average=0.98,
        min_steps=options.steps,
    )


def _finish(run: SystemRun, results: StudyResults, task: ls.Task, options: RadiologyOptions) -> None:
    from longspan.study.reports.study_report import compose_report

    errors = mean_errors(results)
    metrics = {f"AUC, {name}, {size} images": 1 - error for (name, size), error in errors.items()}
    test = task.table.take(task.open_vault("AUC, sensitivity, heat maps").numpy())
    valid = task.table.take(task.valid.numpy())
    ill = _ILL[options.data]
    sick, checked = (np.array([each == ill for each in rows.column_values("finding")]) for rows in (test, valid))
    largest, rows = results.plan.sizes[-1], []
    missing = {(each.strategy, each.seed) for each in results.missing() if each.size == largest}
    for name in results.plan.strategies:
        for seed in results.plan.seeds:
            if (name, seed) in missing:
                continue
            model = load_with_functions(results.model(name, largest, seed))
            scores = scores_of(model, test, ill)
            low, high = intervals(sick, scores, seed=run.seed)
            figures = diagnosed(sick, scores, checked, scores_of(model, valid, ill))
            rows.append({"strategy": name, "seed": seed, **figures, "auc low": low, "auc high": high})
    means = _means(rows)
    for name, figures in means.items():
        metrics |= {f"{what}, {name}": figures[what] for what in ("accuracy", "sensitivity", "specificity")}
        every = [row["auc"] for row in rows if row["strategy"] == name]
        if len(every) > 1:
            metrics[f"AUC, {name}: standard deviation over seeds"] = float(np.std(every, ddof=1))
    tests = _conditions(errors, largest) if options.compare == "conditions" else []
    best = load_with_functions(results.best())

    def add_sections(page: Document) -> None:
        from longspan.explain.attribution_page import add_attributions

        page.section("On test images").text(
            f"Trained on {largest:,} images. The threshold is that at which 95 % of the healthy validation images "
            "are called healthy; specificity is what then came out on test images. Patients are not published, so "
            "intervals draw images: if a child has several, they are too narrow."
        )
        page.table([{name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()} for row in rows])
        if tests:
            page.section("Conditions of transfer, tested").text(
                "The AUC from the source that meets a condition, from one in which it is broken, and from scratch."
            )
            page.table(tests)
        add_attributions(page, best, test.take(np.arange(min(len(test), _SHOWN))), "finding", seed=run.seed)

    run.finish(
        results.best(), metrics, train_seconds=train_seconds(results), options=asdict(options),
        report=lambda: compose_report(results, add_sections),
        details={"study": results.to_json(), "test": rows, "conditions": tests},
    )  # fmt: skip


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The mean over seeds of each figure, by strategy."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(row["strategy"] for row in rows):
        own = [row for row in rows if row["strategy"] == name]
        whats = ("auc", "accuracy", "sensitivity", "specificity")
        found[name] = {what: float(np.mean([row[what] for row in own])) for what in whats}
    return found


def _conditions(errors: Mapping[tuple[str, int], float], size: int) -> list[dict[str, Any]]:
    """A row for each condition of which both sources were trained."""
    scratch = errors.get((_SCRATCH, size))
    rows = []
    for name, (met, broken) in CONDITIONS.items():
        one, other = errors.get((f"from {met}", size)), errors.get((f"from {broken}", size))
        if one is not None and other is not None and scratch is not None:
            rows.append(
                {
                    "condition": name, "met by": met, "AUC": round(1 - one, 4), "broken by": broken,
                    "AUC when broken": round(1 - other, 4), "from scratch": round(1 - scratch, 4),
                }
            )  # fmt: skip
    return rows


RADIOLOGY = System(
    name="radiology",
    summary="Tells pneumonia on chest X-rays from scratch, from ImageNet and from other X-rays: when transfer pays.",
    needs="the data sets pneumonia (4 MB) and bone-age-100 (10 MB), ImageNet weights of the network, and about two "
    "hours on two cores",
    options=RadiologyOptions,
    run=_run,
)
