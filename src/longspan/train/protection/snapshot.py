"""The state that networks go back to when a step fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import nn

__all__ = ["Snapshot"]


@final
class Snapshot:
    """Batch statistics and gradients before a step, and weights at the start of an epoch."""

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        """Copy statistics and weights, the weights to the processor's memory."""
        self._networks = dict(networks)
        self._buffers = [buffer for network in self._networks.values() for buffer in network.buffers()]
        self._parameters = [parameter for network in self._networks.values() for parameter in network.parameters()]
        self._before = [buffer.clone() for buffer in self._buffers]
        self._gradients: list[torch.Tensor | None] = []
        self._weights = {
            name: {key: tensor.detach().to("cpu", copy=True) for key, tensor in network.state_dict().items()}
            for name, network in self._networks.items()
        }

    def before_step(self, *, gradients: bool) -> None:
        """Copy the batch statistics, and the gradients that earlier batches of the same optimizer step left."""
        if self._buffers:
            torch._foreach_copy_(self._before, self._buffers)  # pyright: ignore[reportPrivateImportUsage]
        self._gradients = [
            each.grad.clone() if gradients and each.grad is not None else None for each in self._parameters
        ]

    def undo_step(self) -> None:
        """Put the batch statistics and gradients back."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._before)  # pyright: ignore[reportPrivateImportUsage]
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()

    def undo_statistics_unless(self, fine: torch.Tensor) -> None:
        """Put the batch statistics back where `fine`, a bool on the device, is False; does not wait for the device."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(torch.where(fine, buffer, before))

    def drop_gradients(self) -> None:
        """Take all gradients away."""
        for parameter in self._parameters:
            parameter.grad = None

    def weights_are_finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(parameter.isfinite().all()) for parameter in self._parameters)

    def restore_epoch_start(self) -> None:
        """The weights as they were when the epoch began."""
        for name, network in self._networks.items():
            network.load_state_dict(self._weights[name])
