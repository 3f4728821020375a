"""Optimizers over groups of layers: smaller rates below, no weight decay on biases and normalisation."""

from __future__ import annotations

import torch

from longspan.inference.network import Network
from longspan.train.config import Phase, TrainConfig

__all__ = ["make_optimizer"]


def make_optimizer(network: Network, config: TrainConfig, phase: Phase) -> torch.optim.Optimizer:
    """The optimizer of one phase; each parameter group carries its `rate`, the fraction of the heads' learning rate."""
    groups = network.groups()
    steps = max(len(groups) - 1, 1)
    parameter_groups = []
    for index, group in enumerate(groups):
        rate = phase.backbone_lr_mult ** ((len(groups) - 1 - index) / steps)
        # One-dimensional: biases, scales and shifts. Pulling them to zero only hurts (He et al. 2019, section 3.1).
        learning = [p for p in group if p.requires_grad]
        for weight_decay, members in (
            (config.weight_decay, [p for p in learning if p.ndim > 1]),
            (0.0, [p for p in learning if p.ndim <= 1]),
        ):
            if members:
                parameter_groups.append({"params": members, "rate": rate, "weight_decay": weight_decay})
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameter_groups, lr=phase.lr, momentum=config.momentum, nesterov=config.momentum > 0, fused=True
        )
    return torch.optim.AdamW(parameter_groups, lr=phase.lr, betas=(config.momentum, config.beta2), fused=True)
