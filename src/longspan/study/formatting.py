"""How sizes, errors and probabilities are written in sentences and figures."""

from __future__ import annotations

import math

from longspan.errors import ConfigError

__all__ = [
    "check_level",
    "in_episodes",
    "percent",
    "say_chance",
    "say_error",
    "say_interval",
    "say_probability",
    "say_size",
    "three_digits",
]


def check_level(level: float) -> float:
    """`level` if it is one (0.95, say).

    Raises:
        ConfigError: it does not lie between 0 and 1; 95 for 95 % is the usual slip.
    """
    if not 0 < level < 1:
        raise ConfigError(f"level must lie between 0 and 1 (0.95 for 95 %), got {level}.")
    return level


def in_episodes(text: str) -> str:
    """A sentence about held-out rows, where what was measured are episodes."""
    for rows, episodes in (
        ("held-out rows", "episodes"),
        ("these rows", "these episodes"),
        ("rows like", "episodes like"),
    ):
        text = text.replace(rows, episodes)
    return text


def three_digits(value: float) -> float:
    """`value` with three significant digits: more would claim what no study can know."""
    return float(f"{value:.3g}")


def say_size(value: float) -> str:
    """Training rows, or a cost: three significant digits, thousands separated; a size that was tried in full."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    rounded = three_digits(value)
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def say_error(value: float, unit: str = "") -> str:
    """An error at two or three significant digits, with its unit; the unit "%" shows a fraction as percent."""
    if unit == "%":
        value *= 100
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1000:
        shown = f"{value:.3g}"
    else:
        shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2e}"
    return f"{shown} {unit}".strip()


def say_probability(probability: float) -> str:
    """A probability as "P = 0.93", never as certainty."""
    if probability > 0.995:
        return "P > 0.99"
    return "P < 0.01" if probability < 0.005 else f"P = {probability:.2f}"


def say_chance(probability: float) -> str:
    """A probability as "97 %", never as certainty."""
    if probability > 0.995:
        return "above 99 %"
    return "below 1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")


def percent(level: float) -> str:
    """A level as "95 %"."""
    return f"{level * 100:.3g} %"


def say_interval(low: float, high: float, unit: str = "") -> str:
    """An interval of errors: "3.1 to 4.3 %"."""
    bare = say_error(low, unit)
    return f"{bare.removesuffix(unit).strip() if unit else bare} to {say_error(high, unit)}"
