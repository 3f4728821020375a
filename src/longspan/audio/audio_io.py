"""Sound files: what is in them, and their samples as one channel of 16 bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from longspan.errors import ConfigError, DependencyError

__all__ = [
    "AUDIO_ENDINGS",
    "AudioHeader",
    "Channel",
    "check_channel",
    "read_header",
    "read_samples",
    "resample",
    "segment",
    "split_segment",
    "to_int16",
]

AUDIO_ENDINGS = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"))
"""Endings of sound files, in lower case."""

Channel = Literal["mean"] | int
"""Which channel is read, counted from 0; "mean" averages all."""

_FRAGMENT = re.compile(r"(?P<path>.+)#t=(?P<start>[0-9.]*),(?P<end>[0-9.]*)", re.DOTALL)
_FULL_SCALE = 32768
_CANCELLED = 1e-3  # of the level of the channels
_LOUDEST = 4.0  # decoders of MP3 and Opus overshoot a little; more is another scale, and would be clipped
_MOST_MEAN_CHANNELS = 2  # the mean of surround sound cancels what its channels share
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000)  # what writers to a pipe leave in a WAV header


@final
@dataclass(frozen=True, slots=True)
class AudioHeader:
    """What the header of a sound file says."""

    rate_hz: int
    num_samples: int
    """Of each channel."""
    channels: int
    sample_format: str
    """As libsndfile calls it: PCM_16, FLOAT, OPUS, VORBIS, MPEG_LAYER_III."""

    @property
    def seconds(self) -> float:
        """Length."""
        return self.num_samples / self.rate_hz


def segment(path: str | Path, start_s: float | None = None, end_s: float | None = None) -> str:
    """The cell of a table that means a part of a recording: its path and the seconds, as `talk.wav#t=1.5,4.25`.

    Source: W3C Media Fragments URI 1.0, section 4.2.1 (temporal dimension, normal play time).

    Args:
        path: The sound file.
        start_s: Where the part begins; None: at the beginning.
        end_s: Where it ends; None: at the end.

    Example:
        >>> segment("talk.wav", 1.5, 4.25)
        'talk.wav#t=1.5,4.25'
    """
    start = "" if start_s is None else f"{start_s:.6f}".rstrip("0").rstrip(".")
    end = "" if end_s is None else f"{end_s:.6f}".rstrip("0").rstrip(".")
    return f"{path}#t={start},{end}" if start or end else str(path)


def split_segment(cell: str) -> tuple[str, float, float | None]:
    """Path, start and end in seconds of what `segment` wrote; the end is None where the file's is meant.

    Raises:
        ValueError: the seconds are not numbers, or the part ends before it begins.
    """
    match = None if "#t=" not in cell or Path(cell).is_file() else _FRAGMENT.fullmatch(cell)
    if match is None:
        return cell, 0.0, None
    try:
        start = float(match["start"] or 0)
        end = float(match["end"]) if match["end"] else None
    except ValueError:
        raise ValueError(f"'#t={match['start']},{match['end']}' does not say two numbers of seconds") from None
    if end is not None and end <= start:
        raise ValueError(f"the part from {start:g} s to {end:g} s ends before it begins; swap start and end")
    return match["path"], start, end


def read_header(value: Any) -> AudioHeader:
    """The header of a sound file, or of a part of one (see `segment`).

    Raises:
        ValueError: it cannot be read; the message fits behind a place and a colon.
        DependencyError: the library soundfile is missing.
    """
    path, start, end = split_segment(str(value))
    with _open(path) as file:
        first, last = _bounds(file.samplerate, file.frames, start, end)
        return AudioHeader(file.samplerate, last - first, file.channels, file.subtype)


def read_samples(value: Any, rate_hz: int, channel: Channel = "mean", *, longest_s: float | None = None) -> np.ndarray:
    """The samples of a recording as one channel, `(num_samples,)` int16, at `rate_hz`.

    Args:
        value: Path of a WAV, FLAC, OGG, Opus, MP3 or other file that libsndfile reads, or a part of it (see `segment`);
            or an array of samples at `rate_hz`: `(num_samples,)` or `(num_samples, channels)`, int16, or
            floating-point numbers in -1..1.
        rate_hz: Samples a second of the result.
        channel: "mean" averages one or two channels; a number takes that one.
        longest_s: Longer recordings are refused.

    Raises:
        ValueError: the recording cannot be read or used; the message fits behind a place and a colon.
        DependencyError: the library soundfile or soxr is missing.
    """
    if isinstance(value, np.ndarray):
        samples = _from_array(value)
        _check_length(len(samples) / rate_hz, longest_s)
        return to_int16(_one_channel(samples, channel))
    if not isinstance(value, str | Path):
        raise ValueError(f"{value!r:.60} ({type(value).__name__}) is neither the path of a sound file nor an array")
    path, start, end = split_segment(str(value))
    with _open(path) as file:
        first, last = _bounds(file.samplerate, file.frames, start, end)
        _check_length((last - first) / file.samplerate, longest_s)
        if file.channels > _MOST_MEAN_CHANNELS and channel == "mean":
            raise ValueError(_too_many_channels(file.channels))
        try:
            if first:
                file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
        except (RuntimeError, MemoryError) as error:
            raise ValueError(f"it is damaged: {_words(error)}") from error
        found = file.samplerate
    if len(samples) < last - first:
        raise ValueError(
            f"it is cut short: {len(samples):,} of {last - first:,} samples are there; copy or download it again"
        )
    one = _one_channel(samples, channel)
    if not np.isfinite(one).all():
        raise ValueError("it holds samples that are not finite (NaN or infinite)")
    if (peak := float(np.abs(one).max())) > _LOUDEST:
        raise ValueError(f"its samples reach {peak:,.6g}, but floating-point samples lie in -1..1; divide them first")
    if samples.shape[1] > 1 and peak < _CANCELLED * float(np.abs(samples).max()):
        raise ValueError(
            "its channels cancel each other in their mean; choose one with Audio(channel=0) "
            "(--column NAME=audio:channel:0)"
        )
    return to_int16(one if found == rate_hz else resample(one, found, rate_hz))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Samples in -1..1 as int16; int16 as they are. What is louder is clipped."""
    if samples.dtype == np.int16:
        return samples
    return np.clip(np.round(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Samples `(num_samples,)` float32 at another rate, by soxr's high-quality filter.

    Raises:
        DependencyError: the library soxr is missing.
    """
    try:
        import soxr
    except ImportError:
        raise _missing("soxr") from None
    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"))


def _open(path: str) -> Any:
    """The opened file; ValueError if there is none, or it is no sound."""
    try:
        import soundfile
    except ImportError:
        raise _missing("soundfile") from None
    file = Path(path)
    if not file.is_file():
        raise ValueError("it is a folder" if file.is_dir() else "there is no such file")
    if file.stat().st_size == 0:
        raise ValueError("the file is empty (0 bytes)")
    try:
        opened = soundfile.SoundFile(path)
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"it is not a sound file that can be read ({_words(error)}); WAV, FLAC, OGG, Opus and MP3 can"
        ) from error
    lost = _lost_bytes(file)
    if opened.frames <= 0:
        opened.close()
        raise ValueError("it holds no samples")
    if lost:
        opened.close()
        raise ValueError(f"it is cut short: its header promises {lost:,} bytes more; copy or download it again")
    return opened


def _lost_bytes(path: Path) -> int:
    """How many bytes of samples a WAV file's header promises beyond the end of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return 0 if length in _UNKNOWN_LENGTHS else max(0, file.tell() + length - size)
            file.seek(length + length % 2, 1)
    return 0


def _bounds(rate_hz: int, num_samples: int, start_s: float, end_s: float | None) -> tuple[int, int]:
    """First sample and the one after the last."""
    seconds = num_samples / rate_hz
    for name, place in (("begins", start_s), ("ends", end_s or 0.0)):
        if round(place * rate_hz) > num_samples:
            raise ValueError(f"the part {name} at {place:g} s, but the recording lasts {seconds:g} s")
    first = round(start_s * rate_hz)
    last = num_samples if end_s is None else round(end_s * rate_hz)
    if last <= first:
        raise ValueError(f"the part from {start_s:g} s on holds no samples; the recording lasts {seconds:g} s")
    return first, last


def _check_length(seconds: float, longest_s: float | None) -> None:
    if longest_s is not None and seconds > longest_s:
        raise ValueError(
            f"it lasts {seconds:,.1f} s, more than the {longest_s:g} s that one row may have; cut it at pauses "
            "(longspan.audio.cut_at_pauses) or raise Audio(longest_s=) (--column NAME=audio:longest:SECONDS)"
        )


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"an array of sound is (num_samples,) or (num_samples, channels), got {array.shape}")
    if array.dtype == np.int16:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"an array of sound holds int16 or floating-point numbers in -1..1, got {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError("it holds samples that are not finite (NaN or infinite)")
    if np.abs(array).max() > 1:
        raise ValueError(f"its samples reach {np.abs(array).max():g}, but floating-point samples lie in -1..1")
    return array.astype(np.float32)


def _too_many_channels(count: int) -> str:
    return f"it has {count} channels; choose one, 0 to {count - 1}: Audio(channel=0) (--column NAME=audio:channel:0)"


def _one_channel(samples: np.ndarray, channel: Channel) -> np.ndarray:
    if samples.ndim == 1:
        return samples
    count = samples.shape[1]
    if channel == "mean":
        if count > _MOST_MEAN_CHANNELS:
            raise ValueError(_too_many_channels(count))
        return samples[:, 0] if count == 1 else samples.mean(axis=1).astype(samples.dtype)
    if channel >= count:
        raise ValueError(f"it has {count} channel{'s' if count > 1 else ''}, so there is no channel {channel}")
    return samples[:, channel]


def check_channel(owner: str, channel: Any) -> None:
    """ConfigError unless `channel` is "mean" or a number from 0."""
    if channel != "mean" and (isinstance(channel, bool) or not isinstance(channel, int) or channel < 0):
        raise ConfigError(f"{owner}.channel must be 'mean' or the number of a channel from 0, got {channel!r}.")


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()).rpartition(": ")[2].rstrip(".")


def _missing(library: str) -> DependencyError:
    return DependencyError(f"Reading sound needs {library}: python -m pip install 'longspan[audio]'")
