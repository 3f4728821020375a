"""What chance does to each recording of one batch, and how waveforms and features follow it."""

# B rows, N samples, T frames, K features

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, final

from longspan.audio.audio_io import read_samples
from longspan.lazy_torch import functional as F
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AudioParams", "augment_waves", "mask_features"]

_TAIL_DB = 60.0  # an echo is over when it has fallen by so much
_DIRECT = 1.0  # level of the sound itself beside its echo
_SMALLEST_POWER = 1e-8


@final
@dataclass(frozen=True, slots=True)
class AudioParams:
    """What happens to each of the B rows of one batch; tensors of B rows."""

    shift_s: Tensor
    """`(B,)` seconds by which the sound comes later; below 0 earlier."""
    gain: Tensor
    """`(B,)` factor of the amplitude."""
    speed: Tensor
    """`(B,)` factor of tempo and pitch; 1 = unchanged."""
    snr_db: Tensor
    """`(B,)` distance of the sound from the noise added, in decibels; infinite: no noise."""
    reverb_s: Tensor
    """`(B,)` seconds until the echo of a made-up room has fallen by 60 dB; 0: no echo."""
    seed: Tensor
    """`(B,)` int64 from which noise and echo are made."""
    time_masks: Tensor
    """`(B, n, 2)` masks over time: start as a fraction of the row's frames, and width in seconds."""
    mel_masks: Tensor
    """`(B, n, 2)` masks over features: start and width as fractions of their number."""
    background: tuple[str, ...] = ()
    """Recordings from which noise is taken; white noise where there is none."""

    def __len__(self) -> int:
        """The number of rows, B."""
        return len(self.shift_s)

    def take(self, rows: slice | Tensor) -> AudioParams:
        """The parameters of some rows."""
        return AudioParams(*(getattr(self, name)[rows] for name in _TENSORS), background=self.background)

    def to(self, device: torch.device | str) -> AudioParams:
        """The same parameters on `device`; seeds stay on the CPU, where noise is made."""
        moved = (getattr(self, name).to(device) if name != "seed" else self.seed for name in _TENSORS)
        return AudioParams(*moved, background=self.background)


_TENSORS = tuple(each.name for each in fields(AudioParams) if each.name != "background")


def augment_waves(
    waves: Tensor, lengths: Tensor, params: AudioParams, rate_hz: int, *, keep_length: bool
) -> tuple[Tensor, Tensor]:
    """Waveforms after their draws, and their lengths: speed, echo, noise, shift, gain, in this order.

    Args:
        waves: `(B, N)` float in -1..1; not changed.
        lengths: `(B,)` samples of each row.
        params: For the same B rows.
        rate_hz: Samples a second.
        keep_length: A faster or shifted recording is filled up with zeros, a slower one loses its end; else the rows
            become shorter and longer by speed, and a shift moves the sound within its row.
    """
    if bool((params.speed != 1).any()):
        waves, lengths = _changed_speed(waves, lengths, params.speed, keep_length)
    if bool((params.reverb_s > 0).any()):
        waves = _with_echo(waves, params, rate_hz)
    if bool(params.snr_db.isfinite().any()):
        waves = _with_noise(waves, lengths, params, rate_hz)
    if bool((params.shift_s != 0).any()):
        waves = _shifted(waves, (params.shift_s * rate_hz).round().long())
    there = torch.arange(waves.shape[1], device=waves.device) < lengths[:, None]
    return (waves * params.gain[:, None] * there).clamp(-1, 1), lengths


def mask_features(features: Tensor, counts: Tensor, params: AudioParams, rate_hz: float) -> Tensor:
    """Normalised features `(B, C, K, T)` with stretches of time and bands of features set to 0, their mean.

    Source: Park et al. 2019, "SpecAugment", section 2. Differs: no time warping; widths of time masks are in seconds.

    Args:
        features: Normalised.
        counts: `(B,)` frames of each row.
        params: For the same B rows.
        rate_hz: Frames a second.
    """
    steps, bands = features.shape[3], features.shape[2]
    if params.time_masks.shape[1]:
        start = (params.time_masks[..., 0] * counts[:, None]).floor()
        hidden = _covered(start, start + (params.time_masks[..., 1] * rate_hz).round(), steps)
        features = features.masked_fill(hidden[:, None, None], 0)
    if params.mel_masks.shape[1]:
        start = (params.mel_masks[..., 0] * bands).floor()
        hidden = _covered(start, start + (params.mel_masks[..., 1] * bands).round(), bands)
        features = features.masked_fill(hidden[:, None, :, None], 0)
    return features


def _covered(start: Tensor, end: Tensor, count: int) -> Tensor:
    """`(B, count)` bool: which places lie in any of the `(B, n)` stretches."""
    places = torch.arange(count, device=start.device)
    return ((places >= start[..., None]) & (places < end[..., None])).any(dim=1)


def _changed_speed(waves: Tensor, lengths: Tensor, speed: Tensor, keep_length: bool) -> tuple[Tensor, Tensor]:
    """Rows read `speed` times as fast, by linear interpolation."""
    spoken = (lengths / speed).round().long().clamp_min(1)
    size = waves.shape[1] if keep_length else int(spoken.max())
    places = torch.arange(size, device=waves.device) * speed[:, None]
    low = places.floor().long()
    fraction = (places - low).to(waves.dtype)
    padded = F.pad(waves, (0, 2))
    last = waves.shape[1]
    values = torch.lerp(padded.gather(1, low.clamp_max(last)), padded.gather(1, (low + 1).clamp_max(last)), fraction)
    return values, lengths if keep_length else spoken


def _with_echo(waves: Tensor, params: AudioParams, rate_hz: int) -> Tensor:
    """Rows in rooms made of decaying noise (Polack's model of late reverberation), as loud as before."""
    longest = max(1, round(float(params.reverb_s.max()) * rate_hz))
    rooms = torch.stack([_normal(int(seed), longest) for seed in params.seed]).to(waves.device)
    seconds = torch.arange(longest, device=waves.device) / rate_hz
    decay = 10 ** (-_TAIL_DB / 20 * seconds / params.reverb_s.clamp_min(1e-3)[:, None])
    rooms = rooms * decay
    rooms = 0.5 * rooms / rooms.norm(dim=1, keepdim=True).clamp_min(1e-6)
    rooms[:, 0] = _DIRECT
    size = waves.shape[1]
    length = size + longest
    echoed = torch.fft.irfft(torch.fft.rfft(waves, length) * torch.fft.rfft(rooms, length), length)[:, :size]
    level = waves.square().mean(1).clamp_min(_SMALLEST_POWER).sqrt()
    echoed = echoed * (level / echoed.square().mean(1).clamp_min(_SMALLEST_POWER).sqrt())[:, None]
    return torch.where((params.reverb_s > 0)[:, None], echoed, waves)


def _with_noise(waves: Tensor, lengths: Tensor, params: AudioParams, rate_hz: int) -> Tensor:
    """Rows with noise at the drawn distance from their mean level."""
    size = waves.shape[1]
    noise = torch.stack([_noise(int(seed), size, params.background, rate_hz) for seed in params.seed])
    noise = noise.to(waves.device)
    power = (waves.square().sum(1) / lengths.clamp_min(1)).clamp_min(_SMALLEST_POWER)
    wanted = (power * 10 ** (-params.snr_db / 10)).sqrt()  # 0 where the distance is infinite
    level = noise.square().mean(1).clamp_min(_SMALLEST_POWER).sqrt()
    return waves + noise * (wanted / level)[:, None]


def _shifted(waves: Tensor, by: Tensor) -> Tensor:
    """Rows moved by `by` samples, zeros where nothing comes from."""
    size = waves.shape[1]
    places = torch.arange(size, device=waves.device) - by[:, None]
    moved = waves.gather(1, places.clamp(0, size - 1))
    return moved * ((places >= 0) & (places < size))


def _normal(seed: int, count: int) -> Tensor:
    """White noise, the same on every device."""
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def _noise(seed: int, count: int, background: tuple[str, ...], rate_hz: int) -> Tensor:
    """White noise, or a stretch of one of the recordings, which begins again at its end."""
    if not background:
        return _normal(seed, count)
    chances = torch.randint(1 << 40, (2,), generator=torch.Generator().manual_seed(seed)).tolist()
    recording = _recording(background[chances[0] % len(background)], rate_hz)
    start = chances[1] % len(recording)
    places = (torch.arange(count) + start) % len(recording)
    return recording[places]


@functools.lru_cache(maxsize=256)
def _recording(path: str, rate_hz: int) -> Tensor:
    return torch.from_numpy(read_samples(path, rate_hz)).float() / 32768
