"""Optimizers over groups of layers: smaller rates below, no weight decay on biases and normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from longspan.inference.network import Network
from longspan.train.config import Phase, TrainConfig

__all__ = ["clip_gradients", "make_optimizer", "set_rates"]


def make_optimizer(network: Network, config: TrainConfig, phase: Phase) -> torch.optim.Optimizer:
    """The optimizer of one phase.

    Each parameter group has a `rate`, its fraction of the heads' learning rate, and the `places` of its parameters when
    all are counted from the lowest layers up, by which checkpoints name them.
    """
    groups = network.groups()
    steps = max(len(groups) - 1, 1)
    alike: dict[tuple[float, float], dict[str, Any]] = {}
    place = 0
    for index, group in enumerate(groups):
        rate = phase.backbone_lr_mult ** ((len(groups) - 1 - index) / steps)
        # One-dimensional: biases, scales and shifts, which weight decay only harms (He et al. 2019, section 3.1).
        learning = [p for p in group if p.requires_grad]
        for parameter in sorted(learning, key=lambda p: p.ndim <= 1):
            weight_decay = config.weight_decay if parameter.ndim > 1 else 0.0
            # One group for all that learn alike: an optimizer takes as many steps as it has groups.
            made = alike.setdefault(
                (rate, weight_decay), {"params": [], "places": [], "rate": rate, "weight_decay": weight_decay}
            )
            made["params"].append(parameter)
            made["places"].append(place)
            place += 1
    parameter_groups = list(alike.values())
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameter_groups, lr=phase.lr, momentum=config.momentum, nesterov=config.momentum > 0, fused=True
        )
    return torch.optim.AdamW(parameter_groups, lr=phase.lr, betas=(config.momentum, config.beta2), fused=True)


def set_rates(optimizers: Mapping[str, torch.optim.Optimizer], lr: float, momentum: float | None) -> None:
    """Learning rate of every parameter group: `lr` times its `rate`; momentum, or Adam's beta1, where given."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = lr * group.get("rate", 1.0)
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif momentum is not None and "momentum" in group:
                group["momentum"] = momentum


def clip_gradients(network: nn.Module, clip_norm: float | None) -> None:
    """Scale the gradient of all parameters down to `clip_norm` where it is longer; None leaves it."""
    if clip_norm is None:
        return
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([each.grad for each in parameters if each.grad is not None])
    # An infinite norm would scale every gradient to zero and hide itself: NaN lets the checks of the loop see it.
    torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, torch.where(norm.isfinite(), norm, torch.nan))
