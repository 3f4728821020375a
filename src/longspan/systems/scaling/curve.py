"""How much quicker more GPUs make a training: computed from operations, bytes of gradients and the speed of a link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["PUBLISHED", "Cluster", "speedup"]

PUBLISHED = {100: 56.0}
"""GPUs and speed-up of Inception-v3 with TensorFlow 0.8 and parameter servers.

Source: "Announcing TensorFlow 0.8 - now with distributed computing support!", Google Research blog, April 2016.
"""

_BYTES = 4  # of a float32 gradient
_BACKWARD = 2.0  # multiply-adds of the backward pass per one of the forward pass


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """GPUs in a ring."""

    tflops: float
    """What a GPU reaches on this network, in 10^12 floating-point operations a second."""
    link_gbit: float
    """What each sends to its neighbour, in 10^9 bits a second."""
    latency_us: float
    """Before a message arrives, in microseconds."""

    def compute_seconds(self, multiply_adds: float, batch: int) -> float:
        """Forward and backward pass of one GPU's rows."""
        return 2 * (1 + _BACKWARD) * multiply_adds * batch / (self.tflops * 1e12)

    def exchange_seconds(self, parameters: int, gpus: int) -> float:
        """A ring all-reduce of all gradients: 2 (N - 1) messages of an Nth of the bytes."""
        if gpus == 1:
            return 0.0
        messages = 2 * (gpus - 1)
        return messages * (_BYTES * parameters * 8 / gpus / (self.link_gbit * 1e9) + self.latency_us * 1e-6)


def speedup(
    cluster: Cluster, *, parameters: int, multiply_adds: float, batch: int, gpus: Sequence[int], overlapped: bool
) -> list[float]:
    """Rows a second of so many GPUs, as a multiple of one; each has `batch` rows a step.

    Args:
        cluster: What they compute and send with.
        parameters: Of the network.
        multiply_adds: Of the network, for one row.
        batch: Rows of each GPU in a step.
        gpus: Numbers of GPUs.
        overlapped: Whether gradients are sent while the backward pass still runs, as DistributedDataParallel does it;
            what takes longer than the backward pass is waited for.
    """
    compute = cluster.compute_seconds(multiply_adds, batch)
    hidden = compute * _BACKWARD / (1 + _BACKWARD) if overlapped else 0.0
    waited = [max(0.0, cluster.exchange_seconds(parameters, count) - hidden) for count in gpus]
    return [count * compute / (compute + each) for count, each in zip(gpus, waited, strict=True)]
