"""Training of small networks on images in memory; the claims train dozens of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longspan.lazy_torch import torch
from longspan.systems.claims.images import ImageSet

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["error_of", "outputs_of", "train_classifier"]

_AT_A_TIME = 500


def train_classifier(
    network: nn.Module, data: ImageSet, *, epochs: int, lr: float, seed: int, batch_size: int = 64,
    weight_decay: float = 0.01,
) -> nn.Module:  # fmt: skip
    """Train a network that gives class logits; AdamW, the rate up and down in straight lines.

    Args:
        network: `(B, C, H, W)` to `(B, classes)`; trained in place.
        data: What it learns.
        epochs: Passes over the data.
        lr: Peak learning rate.
        seed: Of the order of the rows.
        batch_size: Rows of a step; the last, smaller batch of an epoch is left out where there are others.
        weight_decay: Of AdamW.
    """
    generator = torch.Generator().manual_seed(seed)
    batch_size = min(batch_size, len(data))
    steps = epochs * (len(data) // batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay)
    warmup = max(1, steps // 4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(steps - step, 1) / max(steps - warmup, 1), 1.0)
    )
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(data), generator=generator)
        for first in range(0, len(data) - batch_size + 1, batch_size):
            chosen = order[first : first + batch_size]
            loss = torch.nn.functional.cross_entropy(network(data.images[chosen]), data.classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
    return network.eval()


def outputs_of(network: nn.Module, images: Tensor) -> Tensor:
    """What the network gives for each image."""
    with torch.inference_mode():
        return torch.cat([network(part) for part in images.split(_AT_A_TIME)])


def error_of(network: nn.Module, data: ImageSet) -> float:
    """Fraction of wrong predictions."""
    return float((outputs_of(network, data.images).argmax(1) != data.classes).float().mean())
