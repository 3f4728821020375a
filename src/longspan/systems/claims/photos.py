"""What augmentation, a falling learning rate and an ensemble gain on photos."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.systems.claims.claim import Claims, check_seeds, finish_claims, seeds_of
from longspan.systems.claims.images import load_parts
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PHOTOS", "PhotosOptions", "ensemble_error"]

_PLAIN = "plain"
_ALL = "flips, shifts and colours"
_CONSTANT = "constant rate"
_VARIANTS: dict[str, dict[str, Any]] = {
    _PLAIN: {},
    "flips": {"flip": True},
    "shifts and scales": {"shift": 0.1, "scale": 0.1},
    "brightness and contrast": {"brightness": 0.1, "contrast": 0.2},
    _ALL: {"flip": True, "shift": 0.1, "scale": 0.1, "brightness": 0.1, "contrast": 0.2},
    _CONSTANT: {},
}
"""Augmentation of each variant; all but the last train with a rate that rises and falls."""
_MEMBERS = 3


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PhotosOptions:
    """Options of claim-photos."""

    model: str = "space_to_depth_cnn"
    """Network; see `longspan models`."""
    limit: int = 800
    """Training photos."""
    tested: int = 500
    """Test photos."""
    epochs: int = 8
    """Passes over the training photos, with and without augmentation."""
    lr: float = 5e-3
    """Peak learning rate, and the constant one."""
    batch_size: int = 32
    """Photos of a step."""
    seeds: int = 3
    """Repetitions with other training photos and first weights, for intervals."""

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        check_network(self.model)
        check_at_least(
            limit=(self.limit, 20), tested=(self.tested, 10), epochs=(self.epochs, 1), batch_size=(self.batch_size, 2)
        )
        check_above_zero(lr=self.lr)
        check_seeds(self.seeds)


def ensemble_error(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Error of the mean over members: `(members, N, classes)` against `(N,)`."""
    return float((probabilities.mean(axis=0).argmax(axis=1) != classes).mean())


def _probabilities(variant: str, train: ls.Table, test: ls.Table, options: PhotosOptions, seed: int) -> np.ndarray:
    """Of the test photos: `(N, classes)`, the classes in the order of their names."""
    task = ls.Task(train.split(valid=0), inputs="image", targets="label", allow_leaks=True)
    config = ls.TrainConfig(
        batch_size=options.batch_size, weight_decay=0.02, augment=ls.Augment(**_VARIANTS[variant])
    )  # fmt: skip
    learner = ls.Learner(task, options.model, config=config, seed=seed, progress=False)
    if variant == _CONSTANT:
        learner.fit(options.epochs, lr=options.lr, schedule="constant", warmup=0.0)
    else:
        learner.fit_one_cycle(options.epochs, options.lr)
    found = learner.predictor().raw_predictions(test, batch_size=256).values["label"].double().numpy()
    names = list(learner.task.targets["label"].vocab)  # type: ignore[attr-defined]
    return found[:, np.argsort(names)]


def _run(options: PhotosOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    rows, test = load_parts("cifar10", rows=options.seeds * options.limit, tested=options.tested, seed=run.seed)
    names = sorted({str(each) for each in rows.column_values("label")})
    classes = np.array([names.index(str(each)) for each in test.column_values("label")])
    errors: dict[str, list[float]] = {variant: [] for variant in _VARIANTS}
    single: list[float] = []
    together: list[float] = []
    for seed in seeds_of(run, options.seeds):
        train = rows.sample(min(options.limit, len(rows)), seed=seed)
        members = []
        for variant in _VARIANTS:
            for member in range(_MEMBERS if variant == _PLAIN else 1):
                found = _probabilities(variant, train, test, options, seed + 100 * member)
                error = ensemble_error(found[None], classes)
                if not member:
                    errors[variant].append(error)
                    run.say(f"seed {seed}, {variant}: error {error:.3f}")
                if variant == _PLAIN:
                    members.append(found)
        single.append(float(np.mean([ensemble_error(each[None], classes) for each in members])))
        together.append(ensemble_error(np.stack(members), classes))
        run.say(f"seed {seed}, ensemble of {_MEMBERS}: error {together[-1]:.3f}, one alone {single[-1]:.3f}")
    claims = _judged(errors, single, together)
    finish_claims(
        run, claims, started=started, options=asdict(options), figures=lambda: _figures(errors, together),
        subtitle="Do augmentation, a falling learning rate and an ensemble lower the error on photos?",
    )  # fmt: skip


def _judged(errors: Mapping[str, list[float]], single: list[float], together: list[float]) -> Claims:
    """Three claims, paired by seed."""
    claims = Claims()
    plain = errors[_PLAIN]
    for says, name, before, after in (
        ("Augmentation lowers the error on photos", "error of plain - augmented", plain, errors[_ALL]),
        ("Decay of the learning rate lowers the error on photos", "error at a constant rate - with decay",
         errors[_CONSTANT], plain),
        (f"An ensemble of {_MEMBERS} networks has a lower error than one", "error of one - of the ensemble", single,
         together),
    ):  # fmt: skip
        claims.above(says, name, [a - b for a, b in zip(before, after, strict=True)])
    for variant, values in errors.items():
        claims.measured(f"{variant}: error", values)
        if variant != _PLAIN:
            claims.measured(f"{variant}: error less plain", [a - b for a, b in zip(values, plain, strict=True)])
    claims.measured(f"ensemble of {_MEMBERS}: error", together)
    return claims


def _figures(errors: Mapping[str, list[float]], together: list[float]) -> dict[str, Figure]:
    from longspan.report import bars

    every = {**errors, f"ensemble of {_MEMBERS}": together}
    spread = {name: float(np.std(values, ddof=1)) for name, values in every.items()}
    means = {name: float(np.mean(values)) for name, values in every.items()}
    return {"Error, with its standard deviation over seeds": bars(means, errors=spread, label="error")}


PHOTOS = System(
    name="claim-photos",
    summary="Measures what augmentation, a falling learning rate and an ensemble gain on photos.",
    needs="the data set cifar10 (170 MB) and some minutes",
    options=PhotosOptions,
    run=_run,
)
