"""Heads of networks that are ensembles: layers for each member, means of losses and of predictions.

A head's own methods know nothing of members: they get the rows of all members as so many rows.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from longspan.heads.base import Head, shape_of
from longspan.nn.member_linear import MemberOutputs

__all__ = ["outputs_fault", "predictions_of", "row_losses"]


def row_losses(head: Head, outputs: Any, targets: Any) -> Tensor:
    """Loss of each row `(B,)`, of an ensemble the mean over its members."""
    if not isinstance(outputs, MemberOutputs):
        return head.loss(outputs, targets)
    count = outputs.members.shape[1]
    return head.loss(outputs.rows, targets.repeat_interleave(count, 0)).unflatten(0, (-1, count)).mean(1)


def predictions_of(head: Head, outputs: Any) -> Tensor:
    """Predictions `(B, ...)`, of an ensemble the mean over its members' (not of their logits)."""
    if not isinstance(outputs, MemberOutputs):
        return head.postprocess(outputs)
    return head.postprocess(outputs.rows).unflatten(0, (-1, outputs.members.shape[1])).mean(1)


def outputs_fault(head: Head, outputs: Any, rows: int) -> str | None:
    """Why outputs for `rows` rows do not fit, as `Head.outputs_fault` says it."""
    if not isinstance(outputs, MemberOutputs):
        return head.outputs_fault(outputs, rows)
    shape = shape_of(outputs.members)
    return head.outputs_fault(outputs.rows, rows * shape[1]) if len(shape) == 3 else f"which is {shape}"
