"""What an explanation will take, known before it begins; what would take hours is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError
from longspan.inference.measured_rows import MeasuredRows
from longspan.study.runs.progress import duration

__all__ = ["HOUR", "ExpectedCost", "check_cost", "check_predictions", "expected_cost", "refuse"]

HOUR = 3600.0
"""Seconds that an explanation may take unless its caller says otherwise."""
_CHEAP = 4
"""An explanation of no more than so many probes is not worth a probe."""
_PROBED_ROWS = 16


@final
@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """What an explanation will take."""

    what: str
    seconds: float

    def __str__(self) -> str:
        """In words: "importance: about 12 s"."""
        return f"{self.what}: about {duration(self.seconds)}"


@final
class _Planned(Exception):  # noqa: N818 -- nothing went wrong
    """The cost of an explanation that is only planned."""

    def __init__(self, cost: ExpectedCost) -> None:
        super().__init__(str(cost))
        self.cost = cost


_PLANNING: ContextVar[bool] = ContextVar("planning", default=False)


def expected_cost(explanation: Callable[..., Any], *arguments: Any, **options: Any) -> ExpectedCost:
    """What an explanation will take, without making it.

    Args:
        explanation: One of the functions of `longspan.explain` that take `max_seconds`.
        arguments: Its own.
        options: Its own.

    Raises:
        ConfigError: a function that does not say what it takes, and whatever the explanation raises of its arguments.

    Example: `expected_cost(importance, model, table, rows=500)`.
    """
    token = _PLANNING.set(True)
    try:
        explanation(*arguments, **options)
    except _Planned as planned:
        return planned.cost
    finally:
        _PLANNING.reset(token)
    raise ConfigError(f"{getattr(explanation, '__name__', explanation)} does not say beforehand what it takes.")


def check_cost(what: str, units: float, probe: Callable[[], int], *, each: int, max_seconds: float | None) -> None:
    """Estimate what an explanation takes from a small part of it, and refuse what takes too long.

    Called by every explanation, between the checks of its arguments and its work.

    Args:
        what: The explanation.
        units: Of work in all.
        probe: Does a little of it, twice: once to warm up. Gives the number of units done.
        each: About how many units the probe does; an explanation of few more is not probed.
        max_seconds: The most that it may take; None: anything.

    Raises:
        ConfigError: it would take longer.
    """
    planning = _PLANNING.get()
    if not planning and (max_seconds is None or units <= _CHEAP * each):
        return
    probe()
    started = time.perf_counter()
    done = probe()
    cost = ExpectedCost(what, (time.perf_counter() - started) * units / max(1, done))
    if planning:
        raise _Planned(cost)
    refuse(cost, max_seconds)


def refuse(cost: ExpectedCost, max_seconds: float | None) -> None:
    """Raise if it takes longer than it may."""
    if max_seconds is not None and cost.seconds > max_seconds:
        raise ConfigError(
            f"{cost.what} would take about {duration(cost.seconds)}, more than the {duration(max_seconds)} that it "
            "may. Explain fewer rows (rows=, --rows), or allow more time (max_seconds=, --max-minutes)."
        )


def check_predictions(what: str, measured: MeasuredRows, passes: float, max_seconds: float | None) -> None:
    """The same for an explanation that predicts all measured rows so many times."""
    some = measured.table.take(np.arange(min(_PROBED_ROWS, len(measured.table))))

    def probe() -> int:
        measured.predictions(some)
        return len(some)

    check_cost(what, passes * len(measured.table), probe, each=_PROBED_ROWS, max_seconds=max_seconds)
