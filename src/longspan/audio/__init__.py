"""Sound: files, resampling, mel spectrograms, MFCC, augmentation, pauses."""

from __future__ import annotations

from longspan.audio.audio_io import AudioHeader, read_header, read_samples, segment
from longspan.audio.augment import AudioAugment
from longspan.audio.augment_params import AudioParams
from longspan.audio.features import AudioFeatures
from longspan.audio.mel import mel_filters, mel_spectrogram, power_to_db
from longspan.audio.mfcc import cepstrum, deltas
from longspan.audio.quality import measure_quality
from longspan.audio.voice_activity import cut_at_pauses, find_speech

__all__ = [
    "AudioAugment",
    "AudioFeatures",
    "AudioHeader",
    "AudioParams",
    "cepstrum",
    "cut_at_pauses",
    "deltas",
    "find_speech",
    "measure_quality",
    "mel_filters",
    "mel_spectrogram",
    "power_to_db",
    "read_header",
    "read_samples",
    "segment",
]
