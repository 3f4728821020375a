"""How fast this machine trains a known network: a few steps of it on made-up images, within some seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, final

__all__ = ["REFERENCES", "SpeedTest", "speed_test"]

_BATCH, _CLASSES = 8, 10
_LEAST_STEPS = 2

REFERENCES = {"one core of an AMD EPYC server (float32)": 3.7}
"""Images of 224 px that resnet18 trains on in a second elsewhere; see benchmarks/results/doctor_speed.json."""


@final
@dataclass(frozen=True, slots=True)
class SpeedTest:
    """Images in a second, in training (forward, backward, step) and in prediction."""

    model: str
    side_px: int
    batch_size: int
    device: str
    precision: str
    threads: int
    trained_per_s: float
    predicted_per_s: float

    def to_json(self) -> dict[str, Any]:
        """As JSON values, with what it means for an epoch."""
        return {
            "model": self.model,
            "size_px": self.side_px,
            "batch_size": self.batch_size,
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "trained_images_per_s": round(self.trained_per_s, 2),
            "predicted_images_per_s": round(self.predicted_per_s, 2),
            "epoch_of_1000_images_s": round(1000 / self.trained_per_s, 1),
            "references": REFERENCES,
        }

    def sentences(self) -> str:
        """What to expect of this machine, and beside which others it stands."""
        lines = [
            f"{self.model} at {self.side_px} px trains on {self.trained_per_s:,.1f} images/s and predicts "
            f"{self.predicted_per_s:,.1f} images/s ({self.precision})",
            f"so an epoch of 1,000 such images takes about {_duration(1000 / self.trained_per_s)}",
        ]
        lines += [f"for comparison: {speed:,.1f} images/s on {machine}" for machine, speed in REFERENCES.items()]
        return "\n".join(lines)


def speed_test(device: str = "auto", *, seconds: float = 5.0, model: str = "resnet18", side_px: int = 224) -> SpeedTest:
    """Train and predict with fresh weights on noise until the time is over; two steps at least.

    Args:
        device: As `Learner` takes it.
        seconds: For both, after a first step that warms up.
        model: A network for images; the references are for resnet18 at 224 px.
        side_px: Of the images.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from longspan.inference.precision import pick_device, pick_dtype
    from longspan.models import create

    picked = pick_device(device)
    dtype = pick_dtype("auto", picked)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = create(model, size_px=(side_px, side_px))
        network = torch.nn.Sequential(backbone, torch.nn.Linear(backbone.num_features or 0, _CLASSES)).to(picked)
        images = torch.randn(_BATCH, 3, side_px, side_px).to(picked)
        labels = torch.randint(_CLASSES, (_BATCH,)).to(picked)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)

    def train() -> None:
        with torch.autocast(picked.type, dtype=dtype, enabled=dtype != torch.float32):
            loss = cross_entropy(network(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def predict() -> None:
        with torch.inference_mode(), torch.autocast(picked.type, dtype=dtype, enabled=dtype != torch.float32):
            network(images)

    trained = _images_per_s(train, 0.7 * seconds, picked.type)
    network.eval()
    predicted = _images_per_s(predict, 0.3 * seconds, picked.type)
    precision = str(dtype).removeprefix("torch.")
    return SpeedTest(
        model, side_px, _BATCH, str(picked), precision, torch.get_num_threads(), trained, predicted
    )  # fmt: skip


def _images_per_s(step: Any, seconds: float, device: str) -> float:
    import torch

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        elif device == "mps":
            torch.mps.synchronize()

    step()
    wait()
    started, steps = time.perf_counter(), 0
    while steps < _LEAST_STEPS or time.perf_counter() - started < seconds:
        step()
        steps += 1
        if steps % 8 == 0:  # wait for queued GPU steps, or only queueing is timed
            wait()
    wait()
    return steps * _BATCH / (time.perf_counter() - started)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
