"""Whether the values of a checkpoint are what `collect` writes, before a training resumes from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from longspan.errors import CheckpointError

__all__ = ["check_values", "misfit_named"]

_MISFIT = (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, OverflowError)


def check_values(values: Mapping[str, Any]) -> None:
    """CheckpointError that names every value that is missing or of a kind that it cannot be."""
    faults = [
        f"{name!r} {f'cannot be {values[name]!r:.60}' if name in values else 'is missing'}"
        for name, check in _EXPECTED.items()
        if name not in values or not check(values[name])
    ]
    for name, check in _OPTIONAL.items():
        if name in values and not check(values[name]):
            faults.append(f"{name!r} cannot be {values[name]!r:.60}")
    if not faults and not values["phase_index"] < len(values["phases"]):
        faults = [f"'phase_index' is {values['phase_index']} of {len(values['phases'])} phases"]
    if faults:
        raise CheckpointError(f"The checkpoint is damaged, or was changed: {'; '.join(faults[:5])}.")


@contextmanager
def misfit_named() -> Iterator[None]:
    """What goes wrong while a checkpoint's tensors and values are put in place, as a CheckpointError."""
    try:
        yield
    except _MISFIT as error:
        raise CheckpointError(f"The checkpoint does not fit this training, or was changed: {error!r:.500}.") from error


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _is_history(value: Any) -> bool:
    """Of each epoch its number, time and losses; metrics that no row allowed are null."""
    return _is_records(value) and all(
        _is_count(each.get("epoch"))
        and isinstance(each.get("step_losses"), list)
        and all(_is_number(part) or isinstance(part, list | bool) for part in each.values())
        and all(map(_is_number, each["step_losses"]))
        for each in value
    )


_EXPECTED: dict[str, Callable[[Any], bool]] = {
    "identity": lambda value: isinstance(value, dict),
    "phases": lambda value: _is_records(value) and bool(value),
    "phases_before": _is_records,
    "phase_index": _is_count,
    "epoch": _is_count,
    "batch": _is_count,
    "steps": _is_count,
    "epochs_before": _is_count,
    "steps_before": _is_count,
    "losses": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "lr": _is_number,
    "stop": lambda value: value is None or isinstance(value, bool | str),
    "history": _is_history,
    "evaluations": lambda value: isinstance(value, dict) and all(isinstance(each, dict) for each in value.values()),
    "openings": _is_records,
    "callbacks": _is_records,
}

_OPTIONAL: dict[str, Callable[[Any], bool]] = {
    "float32_steps": _is_count,
    "skipped_steps": _is_count,
    "other_losses": lambda value: (
        isinstance(value, dict)
        and all(isinstance(each, list) and all(map(_is_number, each)) for each in value.values())
    ),
    "best": lambda value: (
        isinstance(value, dict)
        and _is_number(value.get("loss"))
        and (value.get("epoch") is None or _is_count(value["epoch"]))
    ),
}
"""What checkpoints of the first versions lack."""
