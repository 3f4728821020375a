"""How DQN learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, final

from longspan.errors import ConfigError, check_names
from longspan.models.control import QNetworkConfig

__all__ = ["DQNConfig"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DQNConfig:
    """Settings of a DQN training; all counts are frames, which are decisions of the policy.

    Raises: ConfigError with every value that cannot be.
    """

    network: QNetworkConfig | None = None
    """None: the published one for the shape of the observations."""
    double: bool = False
    """The online network chooses the next action, the target network values it (van Hasselt et al. 2016)."""
    dueling: bool = False
    """See `QNetworkConfig.dueling`; only where `network` is None."""
    n_step: int = 1
    """Rewards that are added up before the rest is estimated (Sutton 1988; 3 in Hessel et al. 2018)."""
    prioritized: float = 0.0
    """Alpha of prioritised replay (Schaul et al. 2016; 0.5 or 0.6 there); 0 draws uniformly."""
    importance: float = 0.4
    """Beta of prioritised replay at the start; it rises to 1 over the training."""
    discount: float = 0.99
    """Of rewards, per frame."""
    lr: float = 2.5e-4
    """Learning rate of Adam."""
    adam_eps: float = 3.125e-4
    """Adam's epsilon: large, as in Dopamine (Castro et al. 2018)."""
    batch_size: int = 32
    """Transitions per update."""
    train_every: int = 1
    """Frames per update."""
    environments: int = 8
    """Environments that step together: one forward pass acts in all of them, and one values the targets of all updates
    until their next step."""
    buffer_size: int = 100_000
    """Frames in the replay buffer, each stored once."""
    learning_starts: int = 5_000
    """Frames before the first update; until then actions are random."""
    target_every: int = 1_000
    """Frames between copies to the target network."""
    exploration_frames: int = 100_000
    """Over so many frames the probability of a random action falls from 1 to `exploration_final`."""
    exploration_final: float = 0.05
    """Probability of a random action from then on. Evaluation is greedy."""
    clip_rewards: bool = True
    """Learn from rewards cut to -1..1; what is reported are whole rewards."""
    clip_norm: float | None = None
    """Largest norm of the gradient."""
    frame_stack: int | None = None
    """Frames that the network sees at once. None: 4 for Atari games, else 1."""
    terminal_on_life_loss: bool = False
    """Atari games: whether a lost life ends an episode of training (Mnih et al. 2015), or only the end of the game does
    (Machado et al. 2018)."""
    max_steps: int = 10_000
    """Steps after which an episode is truncated, in training and evaluation; a truncated one is not taken for one that
    came to its end."""

    def __post_init__(self) -> None:
        """Check every value."""
        least = {
            "n_step": 1, "batch_size": 1, "train_every": 1, "environments": 1, "buffer_size": 100, "learning_starts": 1,
            "target_every": 1, "exploration_frames": 1, "max_steps": 1,
        }  # fmt: skip
        faults = [
            f"{name}={getattr(self, name)!r}: a whole number of at least {low}"
            for name, low in least.items()
            if not isinstance(getattr(self, name), int) or getattr(self, name) < low
        ]
        for name in ("prioritized", "importance", "discount", "exploration_final"):
            if not 0 <= getattr(self, name) <= 1:
                faults.append(f"{name}={getattr(self, name)!r}: a number from 0 to 1")
        faults += [
            f"{name}={getattr(self, name)!r}: above 0" for name in ("lr", "adam_eps") if getattr(self, name) <= 0
        ]
        if self.clip_norm is not None and self.clip_norm <= 0:
            faults.append(f"clip_norm={self.clip_norm!r}: above 0, or None")
        if self.frame_stack is not None and not 1 <= self.frame_stack <= 16:
            faults.append(f"frame_stack={self.frame_stack!r}: from 1 to 16, or None")
        if not faults:
            if self.environments * self.batch_size > self.buffer_size:
                faults.append(f"buffer_size={self.buffer_size}: at least environments x batch_size")
            if max(self.environments, self.train_every) % min(self.environments, self.train_every):
                faults.append(
                    f"environments={self.environments}, train_every={self.train_every}: one must divide the other"
                )
        if faults:
            raise ConfigError("DQNConfig: " + "; ".join(faults) + ".")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "network": None if self.network is None else self.network.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DQNConfig:
        """What `to_json` gave."""
        network = values.get("network")
        return cls(**{**values, "network": None if network is None else QNetworkConfig.from_json(network)})

    @classmethod
    def from_words(cls, words: Mapping[str, str]) -> DQNConfig:
        """From settings as a command line has them: {"double": "true", "n_step": "3"}.

        Raises:
            UnknownNameError: a setting that does not exist.
            ConfigError: a value that is not of its kind.
        """
        kinds = {each.name: str(each.type) for each in fields(cls) if each.name != "network"}
        check_names("setting of DQN", words, kinds)
        return cls(**{name: _value(name, word, kinds[name]) for name, word in words.items()})


def _value(name: str, word: str, kind: str) -> Any:
    lower = word.strip().lower()
    try:
        if "None" in kind and lower == "none":
            return None
        if kind.startswith("bool"):
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[lower]
        return float(lower) if kind.startswith("float") else int(lower.replace("_", ""))
    except (KeyError, ValueError):
        wanted = "true or false" if kind.startswith("bool") else "a number" if "float" in kind else "a whole number"
        raise ConfigError(f"The setting {name} of DQN must be {wanted}, got {word!r}.") from None
