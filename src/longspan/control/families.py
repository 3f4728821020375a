"""Where environments come from: which library, and so which extra, registers which names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

__all__ = ["FAMILIES", "Family", "family_of"]


@final
@dataclass(frozen=True, slots=True)
class Family:
    """Environments of one library."""

    prefix: str
    """What their names begin with; "" for those that gymnasium has itself."""
    extra: str
    """Of longspan: `longspan[EXTRA]` installs the library."""
    modules: tuple[str, ...]
    """What Python imports for them."""
    register: Callable[[], None]
    """Tell gymnasium their names."""
    names: tuple[str, ...]
    """Some of them, known without the library, so that a message can name the nearest."""


def _register_minatar() -> None:
    import gymnasium
    from minatar.gym import register_envs

    if "MinAtar/Breakout-v1" not in gymnasium.registry:
        register_envs()


def _register_atari() -> None:
    import ale_py
    import gymnasium

    if "ALE/Pong-v5" not in gymnasium.registry:
        gymnasium.register_envs(ale_py)


def _register_highway() -> None:
    import gymnasium
    import highway_env

    if "racetrack-v0" not in gymnasium.registry:
        highway_env._register_highway_envs()


_MINATAR = ("Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders")
_ATARI = ("Asterix", "BeamRider", "Boxing", "Breakout", "Enduro", "Freeway", "MsPacman", "Pong", "Qbert", "Seaquest")
_HIGHWAY = ("highway", "merge", "roundabout", "parking", "intersection", "racetrack", "lane-keeping")
_CLASSIC = ("Acrobot-v1", "CartPole-v1", "MountainCar-v0", "Pendulum-v1", "FrozenLake-v1", "Taxi-v4", "CliffWalking-v1")

FAMILIES = (
    Family(
        "MinAtar/", "games", ("gymnasium", "minatar"), _register_minatar,
        tuple(f"MinAtar/{name}-v{version}" for name in _MINATAR for version in (1, 0)),
    ),
    Family(
        "ALE/", "games", ("gymnasium", "ale_py", "cv2"), _register_atari, tuple(f"ALE/{name}-v5" for name in _ATARI),
    ),
    Family(
        "", "control", ("gymnasium", "highway_env"), _register_highway, tuple(f"{name}-v0" for name in _HIGHWAY),
    ),
    Family("", "control", ("gymnasium",), lambda: None, _CLASSIC),
)  # fmt: skip


def family_of(name: str) -> Family:
    """The library an environment called `name` is of: by its prefix, or by its name; gymnasium itself if by none."""
    for family in FAMILIES:
        if (family.prefix and name.startswith(family.prefix)) or name in family.names:
            return family
    return FAMILIES[-1]
