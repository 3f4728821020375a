"""Sound: files, parts of files, or arrays of samples, resampled once and kept as 16-bit numbers."""

from __future__ import annotations

import base64
import html
import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt

from longspan.audio import AudioAugment, AudioFeatures, AudioParams, read_header, read_samples
from longspan.audio.audio_io import AudioHeader, Channel, check_channel
from longspan.audio.augment_params import augment_waves, mask_features
from longspan.audio.fingerprint import fingerprints
from longspan.audio.normalise import normalise_running, normalise_utterance
from longspan.audio.quality import is_clipped, quality_fault
from longspan.columns.augmentation import Augmentation
from longspan.columns.base import Column
from longspan.columns.ragged import Ragged
from longspan.columns.spec import ImageSpec, SequenceSpec, Spec
from longspan.errors import ConfigError, Fault, data_error
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import RAW_VALUE, RowError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Audio"]

_PEEKED = 2000  # headers read to learn rate and length
_MOST_SECONDS = 10.0  # of an image whose length nobody said
_FULL_SCALE = 32768
_RATES_HZ = (1000, 192_000)
_PLAYED_S = 10.0
_LAYOUTS = ("image", "sequence")
_NORMALISATIONS = ("training", "utterance", "running", "none")
_REFUSALS = ("silent", "clipped")


@final
@dataclass(frozen=True, kw_only=True)
class Audio(Column):
    """A recording: encoded as samples, int16 at `rate_hz`; `prepare` gives log-mel bands or MFCC, normalised.

    As an image (`layout="image"`) every recording has one length: shorter ones stand in the middle of silence, of
    longer ones the middle is taken. Networks read `(B, channels, features, frames)`, low frequencies first. As a
    sequence (`layout="sequence"`) a recording keeps its length: networks read a `Ragged` of values `(B, T, features)`.

    A value is the path of a file, a part of one (`longspan.audio.segment`), or an array of samples at `rate_hz`.

    Example:
        >>> tone = np.sin(np.arange(8000) * 0.3)
        >>> Audio(rate_hz=8000).fit([tone]).spec()
        ImageSpec(channels=1, size_px=(64, 101))
    """

    kind: ClassVar[str] = "audio"
    usage: ClassVar[str] = "audio[:SECONDS|:sequence][,channel:N][,refuse:silent+clipped]"
    in_files: ClassVar[bool] = True
    has_fingerprints: ClassVar[bool] = True
    oddity: ClassVar[str] = (
        "more than 1 % of the samples are clipped; Audio(refuse=('silent', 'clipped')) refuses such recordings "
        "(--column NAME=audio:refuse:silent+clipped)"
    )
    augmentation: ClassVar[type | None] = AudioAugment

    rate_hz: int | None = None
    """Samples a second; learned: the lowest of the training recordings. Arrays need it."""
    seconds: float | None = None
    """Length of a recording as an image; learned: that of the longest training recording, but at most 10 s."""
    layout: Literal["image", "sequence"] = "image"
    """What networks read: an image of features over time, or a sequence of frames."""
    features: AudioFeatures = field(default_factory=AudioFeatures)
    """Bands, frames, MFCC, changes over time."""
    normalise: Literal["training", "utterance", "running", "none"] = "training"
    """By mean and spread of the training recordings, of the recording itself, of its last 3 s, or not at all."""
    mean: tuple[float, ...] | None = None
    """Of each feature; learned from the training rows where `normalise` is "training"."""
    std: tuple[float, ...] | None = None
    """Of each feature."""
    channel: Channel = "mean"
    """Which channel is read, from 0; "mean" averages the two of stereo."""
    refuse: tuple[str, ...] = ("silent",)
    """What makes a recording a fault: "silent", "clipped"."""
    longest_s: float = 60.0
    """Longer recordings are faults: they belong cut into parts."""

    def __post_init__(self) -> None:
        """Check options and statistics."""
        if isinstance(self.features, dict):
            object.__setattr__(self, "features", AudioFeatures.from_json(self.features))
        object.__setattr__(self, "refuse", tuple(self.refuse))
        low, high = _RATES_HZ
        if self.rate_hz is not None and (not isinstance(self.rate_hz, int) or not low <= self.rate_hz <= high):
            raise ConfigError(f"Audio.rate_hz must be a whole number in {low}..{high}, got {self.rate_hz!r}.")
        for name, value in (("seconds", self.seconds), ("longest_s", self.longest_s)):
            if value is not None and (not isinstance(value, int | float) or not 0 < value <= 86_400):
                raise ConfigError(f"Audio.{name} must be above 0 and at most a day, got {value!r}.")
        for name, value, known in (
            ("layout", self.layout, _LAYOUTS),
            ("normalise", self.normalise, _NORMALISATIONS),
            *(("refuse", each, _REFUSALS) for each in self.refuse),
        ):
            if value not in known:
                raise ConfigError(f"Audio.{name} must be one of {', '.join(known)}, got {value!r}.")
        if self.seconds is not None and self.layout == "sequence":
            raise ConfigError("Audio.seconds is for layout='image': sequences keep their length.")
        check_channel("Audio", self.channel)
        if self.rate_hz is not None:
            self.features.check(self.rate_hz)
        numbers = (*(self.mean or ()), *(self.std or ()))
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
            raise ConfigError("Audio.mean and Audio.std are finite numbers, one for each feature.")
        width = self.features.channels * self.features.num_features
        if (self.mean is None) != (self.std is None) or {len(each) for each in (self.mean, self.std) if each} - {width}:
            raise ConfigError(f"Audio.mean and Audio.std go together, {width} numbers each: one for each feature.")
        if self.std is not None and not min(self.std) > 0:
            raise ConfigError("Audio.std must be above 0.")

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """`audio`, `audio:1.5` for images of 1.5 s, `audio:sequence` for recordings as long as they are.

        Options follow after commas: `audio:1.5,channel:0`, `audio:refuse:silent+clipped` or `refuse:none`, `longest:90`
        (seconds).

        Raises:
            ConfigError: something else.
        """
        options: dict[str, Any] = {}
        for part in detail.split(",") if detail else ():
            name, colon, value = (each.strip() for each in part.partition(":"))
            number = re.fullmatch(r"(\d+(?:\.\d+)?)s?", value if colon else name)
            if name == "sequence" and not colon:
                options["layout"] = "sequence"
            elif number and not colon:
                options["seconds"] = float(number[1])
            elif name == "longest" and number:
                options["longest_s"] = float(number[1])
            elif name == "channel" and (value.isdecimal() or value == "mean"):
                options["channel"] = "mean" if value == "mean" else int(value)
            elif name == "refuse" and value:
                options["refuse"] = () if value == "none" else tuple(value.split("+"))
            else:
                raise ConfigError(
                    f"audio:{detail}: {part!r} is not understood. Write audio, audio:SECONDS such as audio:1.5, or "
                    "audio:sequence; after a comma channel:0, refuse:silent+clipped, refuse:none, longest:SECONDS."
                )
        return cls(**options)

    @classmethod
    def for_speech_embedding(cls, *, seconds: float | None = None, **options: Any) -> Self:
        """The input of Google's speech embedding: its bands, on its scale.

        Args:
            seconds: As for `Audio`; at least 0.78 s.
            options: Further options of `Audio`.
        """
        bands = AudioFeatures.speech_embedding()
        # The network was trained on decibels of samples in -32768..32767, divided by 10, plus 2.
        mean, std = -20 * math.log10(_FULL_SCALE) - 20, 10.0
        return cls(
            rate_hz=16_000,
            seconds=seconds,
            features=bands,
            mean=(mean,) * bands.mels,
            std=(std,) * bands.mels,
            **options,
        )

    # --- learning from the training rows -------------------------------------------------------------------------

    def fit(self, values: Iterable[Any]) -> Self:
        """Rate and length, from the headers of the training recordings.

        Raises:
            DataError: none of them can be opened; it names them all.
            ConfigError: arrays without `rate_hz`.
        """
        if self.rate_hz is not None and (self.seconds is not None or self.layout == "sequence"):
            return self
        rates, lengths, faults = [], [], []
        for number, value in enumerate(values):
            try:
                header = self._header(value)
            except ValueError as error:  # reported with its row when the rows are read, unless all are like this
                faults.append(Fault(str(value) if isinstance(value, str | Path) else f"recording {number}", str(error)))
                continue
            rates.append(header.rate_hz)
            lengths.append(header.seconds)
            if len(lengths) == _PEEKED:
                break
        if not lengths:
            raise data_error(
                "No training recording can be opened:", faults, "Check the folder, the pattern and the files."
            )
        seconds = None if self.layout == "sequence" else self.seconds or min(_MOST_SECONDS, max(lengths))
        if self.rate_hz is None and len(set(rates)) > 1:
            told = ", ".join(f"{rate:,} Hz ({count:,})" for rate, count in sorted(Counter(rates).items()))
            warnings.warn(
                f"The recordings have several sampling rates: {told}. All are brought to the lowest, {min(rates):,} "
                "Hz; for another one say Audio(rate_hz=...).",
                stacklevel=2,
            )
        if seconds is not None and self.seconds is None and max(lengths) > seconds:
            longer = sum(length > seconds for length in lengths)
            warnings.warn(
                f"{longer:,} of {len(lengths):,} recordings are longer than {seconds:g} s; their middle is read. "
                "For more say Audio(seconds=...).",
                stacklevel=2,
            )
        return replace(self, rate_hz=self.rate_hz or min(rates), seconds=None if seconds is None else round(seconds, 3))

    @property
    def needs_encoded(self) -> bool:
        """Whether mean and spread are unknown and needed."""
        return self.normalise == "training" and self.mean is None

    def fit_encoded(self, batches: Iterable[Any]) -> Self:
        """Mean and spread of each feature over the frames of the training recordings, unless given."""
        if not self.needs_encoded:
            return self
        width = self.features.channels * self.features.num_features
        total, squares, count = (torch.zeros(width, dtype=torch.float64) for _ in range(3))
        for batch in batches:
            waves, lengths = self._waves(batch)
            features, counts = self._features(waves, lengths)
            there = torch.arange(features.shape[-1]) < counts[:, None]
            frames = features.flatten(1, 2).transpose(1, 2)[there].double()  # (frames, width)
            total += frames.sum(0)
            squares += frames.square().sum(0)
            count += len(frames)
        mean = total / count.clamp_min(1)
        std = (squares / count.clamp_min(1) - mean.square()).clamp_min(0).sqrt()
        return replace(
            self,
            mean=tuple(round(each, 4) for each in mean.tolist()),
            std=tuple(round(each, 4) or 1.0 for each in std.tolist()),  # a constant feature has nothing to divide by
        )

    def with_statistics_of(self, other: Column) -> Self:
        """Mean and spread of another fitted column with the same features."""
        if not isinstance(other, Audio) or other.features != self.features:
            return self
        return replace(self, mean=other.mean, std=other.std, normalise=other.normalise)

    # --- one value -----------------------------------------------------------------------------------------------

    @property
    def ragged(self) -> bool:
        """Whether recordings keep their length."""
        return self.layout == "sequence"

    @property
    def blendable(self) -> bool:  # type: ignore[override]
        """Images of sounds can be blended, sequences cannot."""
        return self.layout == "image"

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples; of a sequence, that of a single one."""
        return () if self.ragged else (self._num_samples,)

    @property
    def dtype(self) -> npt.DTypeLike:
        """16 bits: half the memory of floats, and exact."""
        return np.int16

    @property
    def _num_samples(self) -> int:
        assert self.rate_hz is not None
        assert self.seconds is not None
        return max(1, round(self.seconds * self.rate_hz))

    def check(self, value: Any) -> str | None:
        """What stops this recording from being read, samples included."""
        try:
            self.encode(value)
        except ValueError as error:
            return str(error)
        return None

    def for_function(self, value: Any) -> Any:
        """Samples `(num_samples,)` int16 at the rate of the column; without a rate, the value itself."""
        return value if self.rate_hz is None else read_samples(value, self.rate_hz, self.channel)

    def encode(self, value: Any) -> np.ndarray:
        """Read, resample, and bring to one length where it is an image."""
        assert self.rate_hz is not None
        samples = read_samples(value, self.rate_hz, self.channel, longest_s=self.longest_s)
        fault = quality_fault(samples, self.refuse)
        if fault is not None:
            raise ValueError(fault)
        if self.ragged:
            if self.features.num_frames(len(samples), self.rate_hz) < 1:
                raise ValueError(
                    f"it lasts {len(samples) / self.rate_hz * 1000:.1f} ms, less than one frame of features"
                )
            return samples
        return _to_length(samples, self._num_samples)

    def odd(self, batch: Any) -> list[bool]:
        """Which recordings are clipped."""
        waves, lengths = (batch.values, batch.lengths.tolist()) if isinstance(batch, Ragged) else (batch, None)
        return [is_clipped(each.numpy()[: None if lengths is None else lengths[row]]) for row, each in enumerate(waves)]

    def encoded_array(self, array: np.ndarray) -> np.ndarray | None:
        """Samples `(N, num_samples)` int16 of the length of this column already, where none is to be refused."""
        if self.ragged or self.refuse or array.dtype != np.int16 or array.shape[1:] != self.shape:
            return None
        return array

    def encoding_settings(self) -> dict[str, Any]:
        """What the samples depend on."""
        names = ("kind", "rate_hz", "seconds", "layout", "channel", "refuse", "longest_s")
        return {name: value for name, value in self.to_json().items() if name in names}

    def fingerprints(self, batch: Any) -> Tensor:
        """How each recording sounds, whatever its level and codec; see `longspan.audio.fingerprint`."""
        assert self.rate_hz is not None
        return fingerprints(*self._waves(batch), self.rate_hz)

    def decode(self, encoded: Any) -> np.ndarray:
        """The samples, `(num_samples,)` int16."""
        return np.asarray(encoded)

    # --- batches -------------------------------------------------------------------------------------------------

    def prepare(self, batch: Any, augment_params: Any = None) -> Any:
        """Features of the samples, changed as drawn, normalised.

        `(B, num_samples)` int16 become `(B, channels, features, frames)` float32; a `Ragged` of `(B, num_samples)` a
        `Ragged` of `(B, frames, channels * features)`.
        """
        assert self.rate_hz is not None
        waves, lengths = self._waves(batch)
        params = augment_params if isinstance(augment_params, AudioParams) else None
        if params is not None:
            waves, lengths = augment_waves(waves, lengths, params, self.rate_hz, keep_length=not self.ragged)
        features, counts = self._normalised(*self._features(waves, lengths))
        if params is not None:
            features = mask_features(features, counts, params, self.features.rate_hz)
        if not self.ragged:
            return features
        return Ragged(features.flatten(1, 2).transpose(1, 2).contiguous(), counts)

    def frame_counts(self, lengths: Tensor) -> Tensor:
        """Frames of recordings of so many samples."""
        assert self.rate_hz is not None
        return self.features.frame_counts(lengths, self.rate_hz)

    def spec(self) -> Spec:
        """An image of features over frames, or a sequence of frames."""
        width, channels = self.features.num_features, self.features.channels
        if self.ragged:
            return SequenceSpec(width * channels, rate_hz=self.features.rate_hz)
        assert self.rate_hz is not None
        return ImageSpec(channels, (width, self.features.num_frames(self._num_samples, self.rate_hz)))

    def draw_params(self, config: Augmentation, rows: Tensor, epoch: int, seed: int) -> AudioParams:
        """How `rows` sound in `epoch`."""
        assert isinstance(config, AudioAugment)
        return config.draw(rows, epoch, seed)

    def _waves(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Waveforms `(B, N)` in -1..1 and their lengths."""
        values = batch.values if isinstance(batch, Ragged) else batch
        if isinstance(batch, Ragged):
            lengths = batch.lengths
        else:
            lengths = torch.full((values.shape[0],), values.shape[1], dtype=torch.int64, device=values.device)
        return values.float() / _FULL_SCALE, lengths

    def _features(self, waves: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(B, channels, features, frames)`, 0 after the end, and frames of each row."""
        assert self.rate_hz is not None
        counts = self.features.frame_counts(lengths, self.rate_hz)
        return self.features.compute(waves, lengths, self.rate_hz), counts

    def _normalised(self, features: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        if self.normalise == "none":
            return features, counts
        if self.normalise == "training":
            assert self.mean is not None
            assert self.std is not None
            shape = (1, self.features.channels, self.features.num_features, 1)
            mean, std = (torch.tensor(each, device=features.device).view(shape) for each in (self.mean, self.std))
            there = torch.arange(features.shape[-1], device=features.device) < counts[:, None]
            return (features - mean) / std * there[:, None, None], counts
        by = normalise_utterance if self.normalise == "utterance" else normalise_running
        frames = by(features.flatten(1, 2).transpose(1, 2), counts)  # (B, frames, channels * features)
        return frames.transpose(1, 2).unflatten(1, features.shape[1:3]), counts

    # --- for people ----------------------------------------------------------------------------------------------

    @property
    def row_error(self) -> RowError:
        """Equal or not; as a target sound needs an error of the user's own."""
        return RAW_VALUE

    def show_html(self, value: Any) -> str:
        """Waveform and spectrogram inside the page, and a player with the first 10 s."""
        from PIL import Image as PILImage

        from longspan.audio.drawing import draw_audio, wav_bytes

        try:
            rate_hz = self.rate_hz or self._header(value).rate_hz
            samples = read_samples(value, rate_hz, self.channel, longest_s=self.longest_s)
        except (ValueError, ConfigError) as error:
            return html.escape(f"({error})")
        buffer = io.BytesIO()
        PILImage.fromarray(draw_audio(samples, rate_hz)).save(buffer, "PNG")
        image = base64.b64encode(buffer.getvalue()).decode()
        sound = base64.b64encode(wav_bytes(samples[: round(_PLAYED_S * rate_hz)], rate_hz)).decode()
        return (
            f'<img alt="" src="data:image/png;base64,{image}"><br>'
            f'<audio controls preload="none" src="data:audio/wav;base64,{sound}"></audio>'
        )

    # --- files ---------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return {"kind": self.kind, **own, "features": self.features.to_json()}

    def _header(self, value: Any) -> AudioHeader:
        if isinstance(value, np.ndarray):
            if self.rate_hz is None:
                raise ConfigError("Arrays of samples do not say their rate: Audio(rate_hz=16000) or so.")
            return AudioHeader(self.rate_hz, len(value), 1, str(value.dtype))
        if not isinstance(value, str | Path):
            raise ValueError(f"{value!r:.60} ({type(value).__name__}) is neither the path of a sound file nor an array")
        return read_header(value)


def _to_length(samples: np.ndarray, length: int) -> np.ndarray:
    """The middle of longer samples; shorter ones in the middle of zeros."""
    spare = length - len(samples)
    if spare <= 0:
        start = -spare // 2
        return samples[start : start + length]
    return np.pad(samples, (spare // 2, spare - spare // 2))
