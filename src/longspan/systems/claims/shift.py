"""How the error and the response of four networks change as a digit is shifted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

from longspan.lazy_torch import torch
from longspan.systems.claims.claim import (
    Claims,
    Quantity,
    check_seeds,
    curves_figure,
    finish_claims,
    seeds_of,
)  # fmt: skip
from longspan.systems.claims.images import ImageSet, images_of, load_parts
from longspan.systems.claims.training import outputs_of, train_classifier
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["SHIFT", "ShiftOptions", "shifted"]

_MARGIN_PX = 4
"""Added to every side of a digit's 28 px, so that it stays inside when it is shifted by 8."""
_MOST_PX = 8
_JUDGED_PX = 4
"""The shift at which the claims are decided."""
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_UNAFFECTED = 0.01
"""A network whose error rises by less than this is unaffected."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ShiftOptions:
    """Options of claim-shift."""

    limit: int = 1500
    """Training digits, all of them centred."""
    tested: int = 200
    """Test digits; each is shifted in four directions."""
    shown: int = 500
    """Training digits that the Neocognitron learns its features from, one by one and without labels."""
    planes: str = "16,64,300"
    """Cell planes of the Neocognitron's three stages."""
    epochs: int = 8
    """Passes of the other networks over the training digits."""
    seeds: int = 3
    """Repetitions with other training digits and first weights, for intervals."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            limit=(self.limit, 50), tested=(self.tested, 10), shown=(self.shown, 10), epochs=(self.epochs, 1)
        )
        check_seeds(self.seeds)
        _ = self.stage_planes

    @property
    def stage_planes(self) -> tuple[int, int, int]:
        """Planes as numbers."""
        from longspan.errors import ConfigError

        try:
            first, second, third = map(int, self.planes.split(","))
        except ValueError:
            first = second = third = 0
        if min(first, second, third) < 1:
            raise ConfigError(
                f"--planes must be three whole numbers of at least 1, like 16,64,300; got {self.planes!r}."
            )
        return first, second, third


def shifted(images: Tensor, down: int, right: int) -> Tensor:
    """The same images moved by whole pixels; what enters is background, 0."""
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)))
    return padded[:, :, max(-down, 0) : max(-down, 0) + height, max(-right, 0) : max(-right, 0) + width]


def _neocognitron(data: ImageSet, options: ShiftOptions, seed: int) -> nn.Module:
    """Features learned without labels; then one layer of weights learns the classes from the last C-cells."""
    from longspan.models.vision import Neocognitron, NeocognitronConfig

    config = NeocognitronConfig(planes=options.stage_planes, halve=True)
    network = Neocognitron(config).learn(data.images[: options.shown], seed=seed)
    cells = ImageSet(outputs_of(network, data.images), data.classes, data.num_classes)
    readout = torch.nn.Linear(network.num_features, data.num_classes)
    train_classifier(readout, cells, epochs=40, lr=0.05, seed=seed, batch_size=100, weight_decay=1e-4)
    return torch.nn.Sequential(network, readout)


def _lenet(data: ImageSet, options: ShiftOptions, seed: int) -> nn.Module:
    from longspan.models import create

    side = data.images.shape[-1]
    lenet = create("lenet5", in_channels=1, size_px=(side, side))
    return _trained(torch.nn.Sequential(lenet, torch.nn.Linear(84, data.num_classes)), data, options, seed)


def _without_pooling(data: ImageSet, options: ShiftOptions, seed: int) -> nn.Module:
    """The two convolutions and the layer of 84 units of LeNet, with nothing in between."""
    side = data.images.shape[-1] - 8
    layers = torch.nn
    network = layers.Sequential(
        layers.Conv2d(1, 6, 5), layers.Tanh(), layers.Conv2d(6, 16, 5), layers.Tanh(), layers.Flatten(),
        layers.Linear(16 * side * side, 84), layers.Tanh(), layers.Linear(84, data.num_classes),
    )  # fmt: skip
    return _trained(network, data, options, seed)


def _perceptron(data: ImageSet, options: ShiftOptions, seed: int) -> nn.Module:
    """One layer of weights from pixels to classes."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(data.images[0].numel(), data.num_classes))
    return _trained(network, data, options, seed)


def _trained(network: nn.Module, data: ImageSet, options: ShiftOptions, seed: int) -> nn.Module:
    return train_classifier(network, data, epochs=options.epochs, lr=2e-3, seed=seed, batch_size=50)


_NETWORKS: dict[str, Callable[[ImageSet, ShiftOptions, int], nn.Module]] = {
    "Neocognitron": _neocognitron,
    "LeNet": _lenet,
    "without pooling": _without_pooling,
    "perceptron": _perceptron,
}


def _measured(network: nn.Module, test: ImageSet) -> tuple[list[float], list[float]]:
    """Error and change of the response at shifts of 0 to 8 px, each the mean over four directions.

    The response is the vector of class scores. Its change is the mean distance to the response at no shift, as a
    fraction of the mean distance between the responses to two different digits.
    """
    still = outputs_of(network, test.images)
    apart = (still - still.roll(1, 0)).norm(dim=1).mean()
    errors, changes = [], []
    for pixels in range(_MOST_PX + 1):
        found, moved = [], []
        for down, right in _DIRECTIONS if pixels else _DIRECTIONS[:1]:
            scores = outputs_of(network, shifted(test.images, pixels * down, pixels * right))
            found.append((scores.argmax(1) != test.classes).float().mean())
            moved.append((scores - still).norm(dim=1).mean() / apart)
        errors.append(float(torch.stack(found).mean()))
        changes.append(float(torch.stack(moved).mean()))
    return errors, changes


def _run(options: ShiftOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    rows = load_parts("mnist", rows=options.seeds * options.limit, tested=options.tested, seed=run.seed)
    train, test = (_framed(images_of(table, "digit", grey=True)) for table in rows)
    errors: dict[str, list[list[float]]] = {name: [] for name in _NETWORKS}
    changes: dict[str, list[list[float]]] = {name: [] for name in _NETWORKS}
    for seed in seeds_of(run, options.seeds):
        own = train.sample(options.limit, seed)
        for name, trained in _NETWORKS.items():
            torch.manual_seed(seed)
            found, moved = _measured(trained(own, options, seed), test)
            errors[name].append(found)
            changes[name].append(moved)
            run.say(f"seed {seed}, {name}: error {found[0]:.3f}, shifted by {_JUDGED_PX} px {found[_JUDGED_PX]:.3f}")
    claims = _judged(errors)
    curves = {
        what: {
            name: {px: claims.measured(f"{name}, {what} at {px} px", [each[px] for each in by_seed])
                   for px in range(_MOST_PX + 1)}
            for name, by_seed in values.items()
        }
        for what, values in (("error", errors), ("change of response", changes))
    }  # fmt: skip

    def figures() -> dict[str, object]:
        return {f"{what} over the shift": _curves(by_name, what) for what, by_name in curves.items()}

    finish_claims(
        run, claims, started=started, options=asdict(options),
        subtitle="Do networks with pooling recognise a digit wherever it stands?", figures=figures,  # type: ignore[arg-type]
    )  # fmt: skip


def _curves(by_name: dict[str, dict[int, Quantity]], what: str) -> object:
    return curves_figure(by_name, label=what, size_label="shift, pixels", log=False)  # type: ignore[arg-type]


def _framed(data: ImageSet) -> ImageSet:
    return ImageSet(torch.nn.functional.pad(data.images, (_MARGIN_PX,) * 4), data.classes, data.num_classes)


def _judged(errors: dict[str, list[list[float]]]) -> Claims:
    """Decided at one shift, chosen beforehand; differences are paired by seed."""
    claims = Claims()

    def at(name: str, px: int = _JUDGED_PX) -> list[float]:
        return [each[px] for each in errors[name]]

    for name in ("Neocognitron", "LeNet"):
        rises = [after - before for after, before in zip(at(name), at(name, 0), strict=True)]
        claims.below(
            f"{name} is unaffected by a shift of {_JUDGED_PX} px", f"{name}, rise of the error at {_JUDGED_PX} px",
            rises, _UNAFFECTED,
        )  # fmt: skip
    for name, other, says in (
        ("perceptron", "Neocognitron", "A shifted digit misleads the Neocognitron less than a perceptron"),
        ("without pooling", "LeNet", "A shifted digit misleads LeNet less than the same network without pooling"),
        ("perceptron", "without pooling", "Convolutions alone already help against shifts"),
    ):
        gaps = [a - b for a, b in zip(at(name), at(other), strict=True)]
        claims.above(says, f"error of {name} - of {other} at {_JUDGED_PX} px", gaps)
    return claims


SHIFT = System(
    name="claim-shift",
    summary="Measures error and response of Neocognitron, LeNet, a net without pooling and a perceptron over shifts.",
    needs="the data set mnist (12 MB) and some minutes",
    options=ShiftOptions,
    run=_run,
)
