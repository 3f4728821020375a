"""Features made by hand of mathematics against features that a network learned, over growing data."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError, check_names
from longspan.systems.claims.claim import Claims, Quantity, check_seeds, curves_figure, finish_claims, seeds_of
from longspan.systems.claims.images import load_parts, pixels_of
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.strategy_study import parse_sizes, train_seconds
from longspan.systems.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.study import StudyResults

__all__ = ["FEATURES", "FeaturesOptions", "fixed_features", "numbers_in"]

_TARGETS = {"mnist": "digit", "cifar10": "label"}
_GREY = ("mnist",)
"""Data sets of one channel."""
_LEARNED = "learned"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesOptions:
    """Options of claim-features."""

    data: str = "mnist,cifar10"
    """Data sets, separated by commas."""
    sizes: str = "100,300,1000"
    """Numbers of training images, separated by commas; at least 40 each."""
    tested: int = 500
    """Test images."""
    model: str = "space_to_depth_cnn"
    """The network that learns its features; see `longspan models`."""
    steps: int = 200
    """Training steps of the network, at every size."""
    lr: float = 5e-3
    """Its peak learning rate."""
    seeds: int = 3
    """Repetitions with other training images and first weights, for intervals."""

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        check_names("data set", self.data.split(","), _TARGETS)
        sizes = parse_sizes(self.sizes)
        if len(sizes) < 2 or sizes[0] < 40:
            raise ConfigError(f"--sizes must be at least two numbers of at least 40, got {self.sizes!r}.")
        check_network(self.model)
        check_at_least(tested=(self.tested, 10), steps=(self.steps, 1))
        check_above_zero(lr=self.lr)
        check_seeds(self.seeds)


def fixed_features() -> dict[str, Any]:
    """Unfitted scikit-learn pipelines from pixels to classes, by the kind of their features; nothing in them is tuned.

    All but the kernel machine end in the same linear classifier, whose ridge is chosen by leave-one-out error.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomTreesEmbedding
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Binarizer, MaxAbsScaler, PolynomialFeatures, StandardScaler
    from sklearn.random_projection import GaussianRandomProjection
    from sklearn.svm import SVC

    def linear() -> RidgeClassifierCV:
        return RidgeClassifierCV(alphas=(0.1, 1.0, 10.0, 100.0, 1000.0))

    def projection() -> Any:
        project: Any = GaussianRandomProjection  # its stubs know "auto" alone
        return project(n_components=700)

    def waves() -> Any:
        sampler: Any = RBFSampler  # its stubs do not know "scale"
        return sampler(gamma="scale", n_components=1000)

    return {
        "pixels": make_pipeline(MaxAbsScaler(), linear()),
        # Cells of 50 random partitions of the space into 64: one indicator for each.
        "space tiling": make_pipeline(RandomTreesEmbedding(50, max_depth=6, sparse_output=False), linear()),
        "random projections": make_pipeline(StandardScaler(), projection(), Binarizer(), linear()),
        "cross-products": make_pipeline(
            PCA(30), StandardScaler(), PolynomialFeatures(2, include_bias=False), linear()
        ),
        "radial basis functions": make_pipeline(MaxAbsScaler(), waves(), linear()),
        "kernel SVM": make_pipeline(MaxAbsScaler(), SVC(C=10.0)),
    }  # fmt: skip


def numbers_in(model: Any) -> int:
    """How many numbers a fitted estimator keeps in the arrays that it learned, with those of estimators inside."""
    if isinstance(model, np.ndarray):
        return model.size if model.dtype.kind in "fiu" else sum(map(numbers_in, model.ravel()))
    if isinstance(model, list | tuple):
        return sum(map(numbers_in, model))
    if hasattr(model, "tree_"):
        return 4 * model.tree_.node_count  # feature, threshold and two children of a node
    if not hasattr(model, "get_params"):
        return 0
    return sum(numbers_in(each) for name, each in vars(model).items() if name.endswith("_") and name[0] != "_")


def _strategies(target: str, options: FeaturesOptions) -> dict[str, ls.Strategy]:
    found: dict[str, ls.Strategy] = {
        name: ls.Pipeline([ls.Stage("classify", estimator, reads="image", adds={target: ls.Category()})])
        for name, estimator in fixed_features().items()
    }
    config = ls.TrainConfig(batch_size=32, weight_decay=0.02)
    found[_LEARNED] = ls.Recipe(options.model, lr=options.lr, config=config)
    return found


def _studied(data: str, options: FeaturesOptions, run: SystemRun) -> tuple[StudyResults, dict[str, int]]:
    """The study of one data set, and the numbers that each strategy's model keeps at the largest size."""
    sizes = parse_sizes(options.sizes)
    train, test = load_parts(data, rows=2 * sizes[-1], tested=options.tested, seed=run.seed)
    target = _TARGETS[data]
    split = train.concat(test).split(column="part", valid=0)
    task = ls.Task(split, inputs="image", targets=target, allow_leaks=True)
    strategies = _strategies(target, options)
    path = run.folder / f"study-{data}.sqlite"
    if run.force:
        for old in run.folder.glob(f"{path.name}*"):
            old.unlink()
    study = ls.Study(
        task, strategies, sizes, seeds_of(run, options.seeds), budget=ls.Budget(steps=options.steps), path=path,
        evaluate_on="test", threads=1,
    )  # fmt: skip
    run.when_stopped = f"Finished trainings are kept in {path}; the same command continues from there."
    study.run(jobs=1, backend="inline", progress=False)
    few = task.subset(task.train[: sizes[-1]])
    kept = {}
    for name, strategy in strategies.items():
        if name == _LEARNED:
            trained: Any = strategy.train(few, seed=0, budget=ls.Budget(steps=1))
            kept[name] = sum(each.numel() for each in trained.network.parameters())
        else:
            table = task.table.take(few.train.numpy())
            pixels = 255 * pixels_of(table, grey=data in _GREY).flatten(1).numpy()
            estimator = fixed_features()[name].fit(pixels, table[target])
            kept[name] = numbers_in([step for _, step in estimator.steps])
    return study.results, kept


def _run(options: FeaturesOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    sizes = parse_sizes(options.sizes)
    claims = Claims()
    trained_seconds = 0.0
    curves: dict[str, dict[str, dict[int, Quantity]]] = {}
    crossings: dict[str, str] = {}
    for data in options.data.split(","):
        results, kept = _studied(data, options, run)
        frame = results.frame().sort("seed")
        trained_seconds += train_seconds(results)
        failed = results.failures()
        if len(failed):
            raise ConfigError(f"A training of the study on {data} failed: {failed['message'][0]}")
        errors: dict[str, dict[int, list[float]]] = {name: {} for name in kept}
        for (name, size), rows in frame.group_by(["strategy", "size"]):
            errors[str(name)][int(size)] = rows.sort("seed")["error"].to_list()  # type: ignore[call-overload]
        best = _judge(claims, data, errors, sizes)
        crossings[data] = str(results.crossover(_LEARNED, best))
        run.say(f"{data}: {_LEARNED} against {best}: {crossings[data]}")
        curves[data] = {
            name: {size: claims.measured(f"{data}, {name}, {size} images: error", by_size[size]) for size in sizes}
            for name, by_size in errors.items()
        }
        for name, count in kept.items():
            seconds = frame.filter((frame["strategy"] == name) & (frame["size"] == sizes[-1]))["seconds"].to_list()
            claims.measured(f"{data}, {name}, {sizes[-1]} images: seconds", seconds)
            claims.measured(f"{data}, {name}, {sizes[-1]} images: numbers kept", [count] * options.seeds)

    def figures() -> dict[str, Figure]:
        shown: Any = curves
        return {
            f"{data}: {crossings[data]}": curves_figure(each, label="error", size_label="training images")
            for data, each in shown.items()
        }

    # Trainings that an earlier call finished count, too.
    started = min(started, time.perf_counter() - trained_seconds)
    finish_claims(
        run, claims, started=started, options=asdict(options), figures=figures, details={"crossovers": crossings},
        subtitle="Are learned features better than fixed ones, and how much data does it take?",
    )  # fmt: skip


def _judge(claims: Claims, data: str, errors: dict[str, dict[int, list[float]]], sizes: list[int]) -> str:
    """Two claims of a data set, each against the fixed features that are best at its size; gives those at the largest.

    The best ones are picked by the very errors that they are compared by, which favours them.
    """
    best = {
        size: min((name for name in errors if name != _LEARNED), key=lambda name: np.mean(errors[name][size]))
        for size in (sizes[0], sizes[-1])
    }

    def gaps(size: int) -> list[float]:
        return [a - b for a, b in zip(errors[best[size]][size], errors[_LEARNED][size], strict=True)]

    most, least = sizes[-1], sizes[0]
    claims.above(
        f"Learned features beat every fixed kind on {data} with {most:,} images",
        f"{data}, error of {best[most]} - learned, {most} images", gaps(most),
    )  # fmt: skip
    claims.below(
        f"With {least:,} images of {data} some fixed kind is better",
        f"{data}, error of {best[least]} - learned, {least} images", gaps(least),
    )  # fmt: skip
    return best[most]


FEATURES = System(
    name="claim-features",
    summary="Measures tilings, projections, products, radial basis functions and kernels beside learned features.",
    needs="the data sets mnist (12 MB) and cifar10 (170 MB), and about ten minutes",
    options=FeaturesOptions,
    run=_run,
)
