"""MinAtar's objects by name, found by a function: what had to be extracted before networks could see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from longspan.control.environments import make_environment
from longspan.errors import ConfigError

if TYPE_CHECKING:
    from gymnasium import Env

__all__ = ["breakout_positions", "with_positions"]


def breakout_positions(grid: np.ndarray) -> np.ndarray:
    """Paddle, ball and its direction in a frame of MinAtar Breakout, and how many bricks stand.

    Args:
        grid: `(10, 10, 4)` bool: paddle, ball, trail, bricks.

    Returns:
        `(6,)` float32 in 0..1: column of the paddle, column and row of the ball, whether it moves right, whether it
        moves down, fraction of the 30 bricks.
    """
    if grid.shape != (10, 10, 4):
        raise ConfigError(f"breakout_positions reads frames of MinAtar Breakout, (10, 10, 4), got {grid.shape}.")
    paddle = int(grid[9, :, 0].argmax())
    row, column = divmod(int(grid[..., 1].argmax()), 10)
    old_row, old_column = divmod(int(grid[..., 2].argmax()), 10)
    bricks = int(grid[..., 3].sum())
    found = [paddle / 9, column / 9, row / 9, float(column > old_column), float(row > old_row), bricks / 30]
    return np.array(found, np.float32)


def with_positions(name: str = "MinAtar/Breakout-v1", **options: Any) -> Callable[[], Env]:
    """A function that makes MinAtar Breakout with positions in place of images: the staged counterpart.

    Args:
        name: Of the environment.
        options: Of the environment.
    """
    if not name.startswith("MinAtar/Breakout"):
        raise ConfigError(f"with_positions knows the objects of MinAtar/Breakout-v1 and -v0, not those of {name!r}.")

    def make() -> Env:
        from gymnasium import spaces
        from gymnasium.wrappers import TransformObservation

        space = spaces.Box(0.0, 1.0, (6,), np.float32)
        return TransformObservation(make_environment(name, **options), breakout_positions, space)

    return make
