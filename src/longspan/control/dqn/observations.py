"""What DQN sees of an environment: how frames are stored and stacked, and which environments it can learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.control.environments import make_environment
from longspan.errors import ConfigError

if TYPE_CHECKING:
    from gymnasium import Env, Space

__all__ = ["FrameKind", "frame_kind", "game_maker"]

_ATARI_PX = 84
_ATARI_SKIP = 4


@final
@dataclass(frozen=True)
class FrameKind:
    """How a frame is stored, and what a network reads."""

    shape: tuple[int, ...]
    """Of one frame: (H, W, C), or (F,)."""
    dtype: str
    """"uint8" or "float32"."""
    largest: float
    """What uint8 is divided by: 1 for grids of zeros and ones, else 255."""
    stack: int
    """Frames that the network sees at once."""
    num_actions: int
    """Actions to choose from."""

    @property
    def network_shape(self) -> tuple[int, ...]:
        """Of what the network reads."""
        return (*self.shape[:-1], self.shape[-1] * self.stack)

    def stored(self, observations: np.ndarray) -> np.ndarray:
        """Observations `(N, ...)` of environments, as they are stored."""
        return observations.reshape(len(observations), *self.shape).astype(self.dtype, copy=False)


def frame_kind(name: str, seen: Space, does: Space, frame_stack: int | None) -> FrameKind:
    """Check that DQN can learn an environment.

    Args:
        name: Of the environment.
        seen: Its observations.
        does: Its actions.
        frame_stack: As in `DQNConfig`.

    Raises:
        ConfigError: actions that are not a choice among a few, or observations that are neither images nor vectors.
    """
    from gymnasium import spaces

    if not isinstance(does, spaces.Discrete):
        raise ConfigError(
            f"DQN chooses among a few actions; {name!r} takes {does}, which is continuous or several at once. Choose "
            "an environment with discrete actions, or wrap it so that each action is one of a list."
        )
    if does.start != 0:
        raise ConfigError(f"DQN numbers actions from 0; {name!r} starts at {does.start}. Wrap it.")
    if not isinstance(seen, spaces.Box) or len(seen.shape) not in (1, 2, 3):
        raise ConfigError(
            f"DQN reads images (H, W) or (H, W, C), or vectors; {name!r} shows {seen}. Wrap it with one of gymnasium's "
            "observation wrappers (FlattenObservation makes vectors of everything), or use QTable for few states."
        )
    shape = (*seen.shape, 1) if len(seen.shape) == 2 else tuple(seen.shape)
    small = seen.dtype == np.bool_ or (seen.dtype == np.uint8 and np.max(seen.high) <= 1)
    stored = "uint8" if seen.dtype in (np.bool_, np.uint8) else "float32"
    stack = frame_stack if frame_stack is not None else 4 if name.startswith("ALE/") else 1
    return FrameKind(shape, stored, 1.0 if small else 255.0, stack, int(does.n))


def game_maker(
    make: str | Callable[[], Env], *, life_loss: bool = False, render: bool = False, **options: Any
) -> Callable[[], Env]:
    """A function that makes an environment as DQN plays it.

    Atari games (ALE/...): the brighter of the last two of every four frames, gray, 84 x 84 pixels, and up to 30 idle
    steps at the start (Mnih et al. 2015); actions stick with the probability that the name stands for (-v5: 0.25).
    MinAtar: as it is; actions stick with probability 0.1. Options go to the environment.

    Args:
        make: Name, or a function that makes one.
        life_loss: Atari games: a lost life ends the episode.
        render: Whether `render()` gives images.
        options: Of the environment.
    """
    if not isinstance(make, str):
        return make
    if not make.startswith("ALE/"):
        return lambda: make_environment(make, render=render, **options)

    def atari() -> Env:
        from gymnasium.wrappers import AtariPreprocessing

        return AtariPreprocessing(
            make_environment(make, render=render, **{"frameskip": 1, **options}),
            frame_skip=_ATARI_SKIP,
            screen_size=_ATARI_PX,
            terminal_on_life_loss=life_loss,
        )

    return atari
