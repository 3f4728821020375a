"""Augmentation of sound: the same recordings, a little different in every epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, final

from longspan.audio.audio_io import read_header
from longspan.audio.augment_params import AudioParams
from longspan.errors import ConfigError, check_names
from longspan.lazy_torch import torch
from longspan.randomness import hash64, uniform

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AudioAugment"]

_SEED_BITS = (1 << 62) - 1


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AudioAugment:
    """How far chance may change a recording in training; everything is off by default.

    What happens to a row is a function of (seed, epoch, row): see `longspan.randomness`.

    Raises:
        ConfigError: a value is out of its range, or a recording of noise cannot be read; all faults at once.

    Example:
        >>> AudioAugment.speech().active, AudioAugment().active
        (True, False)
    """

    shift_s: float = 0.0
    """Move by up to so many seconds either way; 0..10."""
    gain_db: float = 0.0
    """Louder or quieter by up to so many decibels; 0..40."""
    speed: float = 0.0
    """Faster or slower by a factor between 1 / (1 + speed) and 1 + speed; 0..1. The pitch follows."""
    noise: float = 0.0
    """Fraction of the rows to which noise is added."""
    snr_db: tuple[float, float] = (5.0, 30.0)
    """Smallest and largest distance of the sound from the noise, in decibels."""
    background: tuple[str, ...] = ()
    """Sound files from which the noise is taken; white noise where there is none."""
    reverb: float = 0.0
    """Fraction of the rows that get the echo of a made-up room."""
    reverb_s: tuple[float, float] = (0.1, 0.5)
    """Smallest and largest time in which the echo falls by 60 dB, in seconds."""
    time_masks: int = 0
    """SpecAugment: stretches of time that are hidden."""
    time_mask_s: float = 0.1
    """Longest of them, in seconds."""
    mel_masks: int = 0
    """SpecAugment: bands of features that are hidden."""
    mel_mask: float = 0.15
    """Widest of them, as a fraction of all."""

    def __post_init__(self) -> None:
        """Check the ranges, and that recordings of noise can be read."""
        for name in ("snr_db", "reverb_s", "background"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        faults = []
        for name, high in (
            ("shift_s", 10), ("gain_db", 40), ("speed", 1), ("noise", 1), ("reverb", 1), ("time_masks", 20),
            ("time_mask_s", 10), ("mel_masks", 20), ("mel_mask", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            whole = name.endswith("masks")
            if (
                isinstance(value, bool)
                or not isinstance(value, int if whole else int | float)
                or not 0 <= value <= high
            ):
                kind = "a whole number" if whole else "a number"
                faults.append(f"AudioAugment.{name} must be {kind} in 0..{high}, got {value!r}")
        for name, (low, high) in (("snr_db", (-20, 100)), ("reverb_s", (0.01, 5))):
            pair = getattr(self, name)
            if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
                faults.append(f"AudioAugment.{name} must be two numbers in {low}..{high}, smaller first, got {pair!r}")
        for path in self.background:
            try:
                read_header(path)
            except ValueError as error:
                faults.append(f"AudioAugment.background, {path}: {error}")
        if faults:
            raise ConfigError("; ".join(faults) + ".")

    @classmethod
    def speech(cls) -> AudioAugment:
        """A mild choice for words: shifted, louder or quieter, faster or slower, some noise, small masks."""
        return cls(shift_s=0.1, gain_db=6, speed=0.1, noise=0.3, time_masks=1, mel_masks=1)

    @classmethod
    def sounds(cls) -> AudioAugment:
        """A choice for other sounds: shifted far, louder or quieter, masks; the pitch stays."""
        return cls(shift_s=1.0, gain_db=6, time_masks=2, time_mask_s=0.5, mel_masks=2)

    @property
    def active(self) -> bool:
        """Whether anything is drawn at all."""
        on = (self.shift_s, self.gain_db, self.speed, self.noise, self.reverb, self.time_masks, self.mel_masks)
        return any(on)

    def draw(self, rows: Tensor, epoch: int, seed: int) -> AudioParams:
        """What happens to `rows` in `epoch`, each as a function of (seed, epoch, row) alone.

        Args:
            rows: `(B,)` integer row numbers of the table.
            epoch: Number of the epoch.
            seed: The run's seed.
        """
        rows = rows.cpu()
        chances = uniform(seed, "augment audio", epoch, rows, 7)
        spread = 2 * chances - 1
        snr = self.snr_db[0] + (self.snr_db[1] - self.snr_db[0]) * chances[:, 4]
        reverb = self.reverb_s[0] + (self.reverb_s[1] - self.reverb_s[0]) * chances[:, 6]
        return AudioParams(
            shift_s=(self.shift_s * spread[:, 0]).float(),
            gain=(10 ** (self.gain_db * spread[:, 1] / 20)).float(),
            speed=torch.exp(math.log1p(self.speed) * spread[:, 2]).float(),
            snr_db=torch.where(chances[:, 3] < self.noise, snr, math.inf).float(),
            reverb_s=torch.where(chances[:, 5] < self.reverb, reverb, 0.0).float(),
            seed=hash64(seed, "audio noise", epoch, rows) & _SEED_BITS,
            time_masks=_masks(uniform(seed, "time masks", epoch, rows, 2 * self.time_masks), self.time_mask_s),
            mel_masks=_masks(uniform(seed, "mel masks", epoch, rows, 2 * self.mel_masks), self.mel_mask),
            background=self.background,
        )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Self:
        """The augmentation whose `to_json` gave `settings`; UnknownNameError for a setting that does not exist.

        Recordings of noise are needed for training alone: those that are no longer there are left out.
        """
        check_names("audio augmentation setting", settings, [each.name for each in fields(cls)])
        present = tuple(path for path in settings.get("background", ()) if _readable(path))
        return cls(**{**settings, "background": present})


def _masks(chances: Tensor, widest: float) -> Tensor:
    """`(B, n, 2)` starts in 0..1 and widths up to `widest`, from `(B, 2 n)` chances."""
    pairs = chances.view(len(chances), -1, 2)
    return torch.stack([pairs[..., 0], pairs[..., 1] * widest], dim=-1).float()


def _readable(path: Any) -> bool:
    try:
        read_header(path)
    except ValueError:
        return False
    return True
