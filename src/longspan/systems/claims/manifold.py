"""Do images lie on a curved surface of few dimensions? Three ways to squeeze them, and two ways to count dimensions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import longspan as ls
from longspan.errors import ConfigError, check_names
from longspan.lazy_torch import torch
from longspan.systems.claims.claim import Claims, check_seeds, curves_figure, finish_claims, seeds_of
from longspan.systems.claims.dimension import (
    maximum_likelihood,
    principal_components_for,
    rendered_faces,
    two_nn,
)  # fmt: skip
from longspan.systems.claims.images import load_parts, pixels_of
from longspan.systems.options import check_above_zero, check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MANIFOLD", "ManifoldOptions", "neighbours_error", "principal_error"]

_SIDE_PX = 28
_NEIGHBOURS = 10
_KNOWN = (2, 4, 8)
"""Degrees of freedom of the rendered faces."""
_NEAR = 0.25
"""An estimate passes where it is off by less than this fraction of what is known."""
_DATA = ("faces", "digits")
_ESTIMATORS: dict[str, Callable[[Tensor], float]] = {"TwoNN": two_nn, "maximum likelihood": maximum_likelihood}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ManifoldOptions:
    """Options of claim-manifold."""

    data: str = "faces,digits"
    """What is squeezed, separated by commas."""
    dimensions: str = "2,8,32"
    """Numbers that an image is squeezed to, separated by commas."""
    limit: int = 800
    """Training images; as many are rendered."""
    tested: int = 300
    """Test images."""
    epochs: int = 12
    """Passes of the autoencoder over the training images."""
    lr: float = 3e-3
    """Its peak learning rate."""
    seeds: int = 3
    """Repetitions with other images and first weights, for intervals."""

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        check_names("kind of image", self.data.split(","), _DATA)
        check_at_least(limit=(self.limit, 50), tested=(self.tested, 10), epochs=(self.epochs, 1))
        check_above_zero(lr=self.lr)
        check_seeds(self.seeds)
        if max(self.numbers) >= self.limit:
            raise ConfigError(f"--dimensions must be below --limit {self.limit}, got {max(self.numbers)}.")

    @property
    def numbers(self) -> list[int]:
        """Dimensions, ascending."""
        try:
            found = sorted({int(each) for each in self.dimensions.split(",")})
        except ValueError:
            found = [0]
        if found[0] < 1:
            raise ConfigError(f"--dimensions must be whole numbers of at least 1, like 2,8; got {self.dimensions!r}.")
        return found


def _images(data: str, count: int, tested: int, seed: int) -> tuple[Tensor, Tensor]:
    """Training and test images `(N, 1, 28, 28)`; of faces, no person is in both."""
    if data == "digits":
        train, test = load_parts("mnist", rows=count, tested=tested, seed=seed)
        return pixels_of(train, grey=True), pixels_of(test, grey=True)
    table = ls.datasets.load("lfw", accept_small=True)
    people = sorted({str(each) for each in table.column_values("person")})
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed)).tolist()
    held_out = {people[each] for each in order[: len(people) // 5]}
    rows: tuple[list[int], list[int]] = ([], [])
    for row in torch.randperm(len(table), generator=torch.Generator().manual_seed(seed)).tolist():
        rows[str(table.value(row, "person")) in held_out].append(row)
    parts = [table.take(part[:most]) for part, most in zip(rows, (count, tested), strict=True)]
    train, test = (pixels_of(part, size_px=_SIDE_PX, grey=True, square=True) for part in parts)
    return train, test


def principal_error(train: Tensor, test: Tensor, dimensions: int) -> float:
    """Squared error of test images rebuilt from so many principal components, as a fraction of their variance."""
    mean, _, axes = _principal(train, dimensions)
    flat = test.flatten(1) - mean
    return float((flat - flat @ axes @ axes.T).square().sum() / flat.square().sum())


def neighbours_error(train: Tensor, test: Tensor, dimensions: int) -> float:
    """The same, rebuilt as the mean of the training images nearest in the space of so many principal components.

    Ten neighbours, each weighted by the inverse of its distance.
    """
    mean, codes, axes = _principal(train, dimensions)
    flat = test.flatten(1) - mean
    distances, chosen = torch.cdist(flat @ axes, codes).topk(min(_NEIGHBOURS, len(codes)), largest=False)
    weights = 1 / distances.clamp(min=1e-6)
    weights = weights / weights.sum(1, keepdim=True)
    rebuilt = (weights[:, :, None] * (train.flatten(1) - mean)[chosen]).sum(1)
    return float((flat - rebuilt).square().sum() / flat.square().sum())


def _principal(train: Tensor, dimensions: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean `(P,)`, codes of the training images `(N, d)`, and axes `(P, d)`."""
    flat = train.flatten(1)
    mean = flat.mean(0)
    _, _, rows = torch.linalg.svd(flat - mean, full_matrices=False)
    axes = rows[:dimensions].T
    return mean, (flat - mean) @ axes, axes


def _autoencoder(dimensions: int, mean: Tensor) -> nn.Module:
    """Three convolutions to so many numbers, and back; what it gives is added to the mean image."""
    layers = torch.nn

    class _AddMean(layers.Module):
        def forward(self, difference: Tensor) -> Tensor:
            return mean + difference

    return layers.Sequential(
        layers.Conv2d(1, 16, 3, stride=2, padding=1), layers.GELU(),  # 14 x 14
        layers.Conv2d(16, 32, 3, stride=2, padding=1), layers.GELU(),  # 7 x 7
        layers.Flatten(), layers.Linear(32 * 49, 128), layers.GELU(), layers.Linear(128, dimensions),
        layers.Linear(dimensions, 128), layers.GELU(), layers.Linear(128, 32 * 49), layers.GELU(),
        layers.Unflatten(1, (32, 7, 7)),
        layers.ConvTranspose2d(32, 16, 4, stride=2, padding=1), layers.GELU(),
        layers.ConvTranspose2d(16, 1, 4, stride=2, padding=1), _AddMean(),
    )  # fmt: skip


def _autoencoder_error(train: Tensor, test: Tensor, dimensions: int, options: ManifoldOptions, seed: int) -> float:
    torch.manual_seed(seed)
    mean = train.mean(0)
    network = _autoencoder(dimensions, mean)
    generator = torch.Generator().manual_seed(seed)
    size = min(32, len(train))
    steps = options.epochs * (len(train) // size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.lr, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, 10 * (step + 1) / steps, 1.25 * (1 - step / (steps + 1)))
    )
    for _ in range(options.epochs):
        for chosen in torch.randperm(len(train), generator=generator).split(size):
            if len(chosen) == size:
                images = train[chosen]
                loss = (network(images) - images).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    with torch.inference_mode():
        return float((network(test) - test).square().sum() / (test - mean).square().sum())


def _run(options: ManifoldOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    seeds = seeds_of(run, options.seeds)
    claims, curves = Claims(), {}
    _calibrate(claims, options, seeds, run)
    for data in options.data.split(","):
        errors: dict[str, dict[int, list[float]]] = {}
        counted: dict[str, list[float]] = {}
        for seed in seeds:
            train, test = _images(data, options.limit, options.tested, seed)
            for name, estimate in _ESTIMATORS.items():
                counted.setdefault(f"dimensions by {name}", []).append(estimate(train))
            kept = principal_components_for(train.flatten(1))
            counted.setdefault("principal components for 95 % of the variance", []).append(kept)
            for dimensions in options.numbers:
                for name, error in (
                    ("principal components", principal_error(train, test, dimensions)),
                    ("neighbours", neighbours_error(train, test, dimensions)),
                    ("autoencoder", _autoencoder_error(train, test, dimensions, options, seed)),
                ):
                    errors.setdefault(name, {}).setdefault(dimensions, []).append(error)
                run.say(f"seed {seed}, {data} in {dimensions} numbers: " + ", ".join(
                    f"{name} {by_size[dimensions][-1]:.3f}" for name, by_size in errors.items()))  # fmt: skip
        _judge(claims, data, errors, counted, _SIDE_PX**2)
        curves[data] = {
            name: {d: claims.measured(f"{data}, {name}, {d} numbers: error", by_size[d]) for d in options.numbers}
            for name, by_size in errors.items()
        }
        for name, values in counted.items():
            claims.measured(f"{data}: {name}", values)

    def figures() -> dict[str, Any]:
        shown: dict[str, Any] = curves
        return {
            f"Error of {data} over the numbers kept": curves_figure(each, label="error", size_label="numbers")
            for data, each in shown.items()
        }

    finish_claims(
        run, claims, started=started, options=asdict(options), figures=figures,
        subtitle="Do images lie on a curved surface of few dimensions?",
    )  # fmt: skip


def _calibrate(claims: Claims, options: ManifoldOptions, seeds: list[int], run: SystemRun) -> None:
    """Both estimators on made-up faces whose degrees of freedom are known."""
    for freedoms in _KNOWN:
        found = [rendered_faces(options.limit, freedoms, seed) for seed in seeds]
        for name, estimate in _ESTIMATORS.items():
            values = [estimate(each) for each in found]
            run.say(f"{name}, rendered faces of {freedoms} degrees of freedom: {sum(values) / len(values):.2f}")
            claims.measured(f"rendered, {freedoms} degrees of freedom: dimensions by {name}", values)
            off = [abs(value / freedoms - 1) for value in values]
            claims.below(
                f"{name} counts {freedoms} degrees of freedom of made-up faces to within a quarter",
                f"rendered, {freedoms}, {name}: fraction off", off, _NEAR,
            )  # fmt: skip


def _judge(
    claims: Claims, data: str, errors: dict[str, dict[int, list[float]]], counted: dict[str, list[float]], pixels: int
) -> None:
    """Few dimensions, and a curved surface: what bends needs fewer numbers than what is flat."""
    few = [max(each) for each in zip(*(counted[f"dimensions by {name}"] for name in _ESTIMATORS), strict=True)]
    claims.below(
        f"Images of {data} have fewer than a twentieth as many dimensions as their {pixels} pixels",
        f"{data}, larger of both estimates", few, pixels / 20,
    )  # fmt: skip
    flat = counted["principal components for 95 % of the variance"]
    claims.below(
        f"The surface of {data} is curved: it has under half as many dimensions as a flat one needs",
        f"{data}, larger estimate / principal components for 95 %",
        [a / b for a, b in zip(few, flat, strict=True)], 0.5,
    )  # fmt: skip
    sizes = list(errors["autoencoder"])
    for size in dict.fromkeys((min(sizes, key=lambda each: abs(each - 8)), sizes[-1])):
        for other in ("principal components", "neighbours"):
            gaps = [a - b for a, b in zip(errors[other][size], errors["autoencoder"][size], strict=True)]
            claims.above(
                f"With {size} numbers an autoencoder rebuilds {data} better than {other}",
                f"{data}, error of {other} - autoencoder, {size} numbers", gaps,
            )  # fmt: skip


MANIFOLD = System(
    name="claim-manifold",
    summary="Measures how few numbers rebuild faces and digits, by flat and curved surfaces, and counts dimensions.",
    needs="the data sets lfw (181 MB) or its half, and mnist (12 MB), and some minutes",
    options=ManifoldOptions,
    run=_run,
)
