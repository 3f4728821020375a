"""Heads of networks that are ensembles: layers for each member, mean losses in training, one prediction of all.

But for `Head.merge`, a head's methods know nothing of members: they get the rows of all members as so many rows.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from longspan.heads.base import Head, shape_of
from longspan.nn.member_linear import MemberOutputs

__all__ = ["exported_of", "measured_losses", "outputs_fault", "predictions_of", "row_losses"]


def row_losses(head: Head, outputs: Any, targets: Any) -> Tensor:
    """Loss that trains each row `(B,)`: of an ensemble the mean over its members, each of which learns the target."""
    if not isinstance(outputs, MemberOutputs):
        return head.loss(outputs, targets)
    count = outputs.members.shape[1]
    return head.loss(outputs.rows, targets.repeat_interleave(count, 0)).unflatten(0, (-1, count)).mean(1)


def predictions_of(head: Head, outputs: Any) -> Tensor:
    """Predictions `(B, ...)`, of an ensemble those of the whole (see `Head.merge`)."""
    return head.postprocess(_whole(head, outputs))


def exported_of(head: Head, outputs: Any) -> Tensor:
    """What a head's `value_decoder` reads, `(B, ...)`, of an ensemble that of the whole."""
    return head.exported(_whole(head, outputs))


def measured_losses(head: Head, outputs: Any, targets: Any) -> Tensor:
    """Loss of each row's prediction `(B,)`: that of an ensemble as a whole, which is below the mean of its members'."""
    return head.loss(_whole(head, outputs), targets)


def outputs_fault(head: Head, outputs: Any, rows: int) -> str | None:
    """Why outputs for `rows` rows do not fit, as `Head.outputs_fault` says it."""
    if not isinstance(outputs, MemberOutputs):
        return head.outputs_fault(outputs, rows)
    shape = shape_of(outputs.members)
    return head.outputs_fault(outputs.rows, rows * shape[1]) if len(shape) == 3 else f"which is {shape}"


def _whole(head: Head, outputs: Any) -> Any:
    return head.merge(outputs.members) if isinstance(outputs, MemberOutputs) else outputs
