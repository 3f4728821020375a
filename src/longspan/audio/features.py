"""What a network reads of a waveform: log-mel bands or MFCC, frame by frame."""

# B rows, N samples, T frames, K features

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, final

from longspan.audio.framing import frame_count, frame_counts
from longspan.audio.mel import mel_edges, mel_filters, mel_spectrogram, power_to_db
from longspan.audio.mfcc import cepstrum, deltas
from longspan.errors import ConfigError, check_names
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AudioFeatures"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AudioFeatures:
    """Log-mel bands in decibels, or MFCC of them, of frames of a waveform.

    Example:
        >>> features = AudioFeatures(mels=40)
        >>> features.compute(torch.zeros(2, 16000), torch.tensor([16000, 8000]), 16000).shape
        torch.Size([2, 1, 40, 101])
    """

    mels: int = 64
    """Mel bands."""
    window_ms: float = 25.0
    """Length of a frame."""
    hop_ms: float = 10.0
    """From one frame to the next."""
    f_min_hz: float = 20.0
    """Lower edge of the first band."""
    f_max_hz: float | None = None
    """Upper edge of the last band; None: half the sample rate."""
    n_fft: int | None = None
    """Samples that are transformed, zeros around the frame included; None: the power of two above the frame."""
    range_db: float | None = 80.0
    """What lies further below the loudest value of a recording is raised to that; None: nothing is."""
    centred: bool = True
    """Whether frame t lies around its moment, with zeros beyond the ends, or begins there."""
    mfcc: int | None = None
    """How many cepstral coefficients are taken of the bands; None: the bands themselves."""
    deltas: int = 0
    """1 adds the change over time of every feature, 2 also the change of that."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        faults = [
            f"AudioFeatures.{name} must be a whole number of at least {least}, got {value!r}"
            for name, value, least in (("mels", self.mels, 1), ("mfcc", self.mfcc or 1, 1), ("deltas", self.deltas, 0))
            if isinstance(value, bool) or not isinstance(value, int) or value < least
        ]
        if not 0 < self.hop_ms <= 1000 or not 0 < self.window_ms <= 1000:
            faults.append(
                f"AudioFeatures needs windows and hops of 1 s at most, got {self.window_ms}, {self.hop_ms} ms"
            )
        if self.deltas > 2:
            faults.append(f"AudioFeatures.deltas must be 0, 1 or 2, got {self.deltas}")
        if self.mfcc is not None and self.mfcc > self.mels:
            faults.append(f"AudioFeatures.mfcc must be at most mels = {self.mels}, got {self.mfcc}")
        if faults:
            raise ConfigError("; ".join(faults) + ".")

    @classmethod
    def speech_embedding(cls) -> AudioFeatures:
        """The front end of Google's speech embedding: 32 bands up to 3,800 Hz of recordings at 16 kHz."""
        return cls(mels=32, f_min_hz=60.0, f_max_hz=3800.0, n_fft=512, centred=False)

    @property
    def channels(self) -> int:
        """The features, and their changes."""
        return 1 + self.deltas

    @property
    def num_features(self) -> int:
        """Features of a frame in each channel."""
        return self.mfcc or self.mels

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return 1000 / self.hop_ms

    def check(self, rate_hz: int) -> None:
        """ConfigError if sounds at this sample rate have no such bands."""
        mel_filters(rate_hz, self._n_fft(rate_hz), self.mels, self.f_min_hz, self.f_max_hz)

    def band_edges_hz(self, rate_hz: int) -> list[tuple[float, float]]:
        """Of each mel band of sounds at this sample rate, where it begins and ends."""
        edges = mel_edges(self.mels, self.f_min_hz, self.f_max_hz or rate_hz / 2).tolist()
        return list(zip(edges[:-2], edges[2:], strict=True))

    def num_frames(self, num_samples: int, rate_hz: int) -> int:
        """Frames of so many samples."""
        return frame_count(num_samples, self._n_fft(rate_hz), self._hop(rate_hz), centred=self.centred)

    def frame_counts(self, num_samples: Tensor, rate_hz: int) -> Tensor:
        """The same for `(B,)` numbers of samples."""
        return frame_counts(num_samples, self._n_fft(rate_hz), self._hop(rate_hz), centred=self.centred)

    def compute(self, waves: Tensor, lengths: Tensor, rate_hz: int) -> Tensor:
        """Features `(B, channels, K, T)` float32, those of a row as if it were alone; 0 after its last frame.

        Args:
            waves: `(B, N)` float in -1..1, zeros after the end of a row.
            lengths: `(B,)` samples of each row.
            rate_hz: Samples a second.
        """
        n_fft, window = self._n_fft(rate_hz), self._samples(self.window_ms, rate_hz)
        power = mel_spectrogram(
            waves, rate_hz, n_fft=n_fft, hop=self._hop(rate_hz), window=window, mels=self.mels,
            f_min_hz=self.f_min_hz, f_max_hz=self.f_max_hz, centred=self.centred,
        )  # fmt: skip
        counts = self.frame_counts(lengths, rate_hz).clamp_max(power.shape[-1])
        there = (torch.arange(power.shape[-1], device=power.device) < counts[:, None])[:, None]
        decibels = power_to_db(power * there, range_db=self.range_db)
        features = decibels if self.mfcc is None else cepstrum(decibels, self.mfcc)
        parts = [features, *(self._changes(features, order, counts) for order in range(1, self.deltas + 1))]
        return torch.stack(parts, dim=1) * there[:, None]

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Self:
        """The features whose `to_json` gave `settings`; UnknownNameError for a setting that does not exist."""
        check_names("audio feature setting", settings, [each.name for each in fields(cls)])
        return cls(**settings)

    def _changes(self, features: Tensor, order: int, counts: Tensor) -> Tensor:
        """`deltas` of each row over its own frames."""
        steps = features.shape[-1]
        if bool((counts == steps).all()):
            return deltas(features, order)
        changes = torch.zeros_like(features)
        for row, count in enumerate(counts.tolist()):
            if count:
                changes[row, :, :count] = deltas(features[row, :, :count], order)
        return changes

    def _hop(self, rate_hz: int) -> int:
        return self._samples(self.hop_ms, rate_hz)

    def _n_fft(self, rate_hz: int) -> int:
        window = self._samples(self.window_ms, rate_hz)
        return self.n_fft or 1 << (window - 1).bit_length()

    @staticmethod
    def _samples(ms: float, rate_hz: int) -> int:
        return max(1, round(ms * rate_hz / 1000))
