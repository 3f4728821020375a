"""The speech synthesiser eSpeak NG, called in this process: samples, phonemes and times of a text."""

from __future__ import annotations

import _ctypes
import ctypes
import ctypes.util
import functools
import sys
import threading
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError, DependencyError

__all__ = ["Spoken", "find_library", "speak"]

_RETRIEVE, _PHONEME_EVENTS, _IPA, _DONT_EXIT = 1, 1, 2, 0x8000
_UTF8, _SYNCHRONOUS_END = 1, 0
_EVENT_END, _EVENT_PHONEME = 0, 7
_RATE, _PITCH = 1, 3  # espeak_PARAMETER: rate, pitch
_LOCK = threading.Lock()  # the library has one voice and one buffer
_INSTALL = "python -m pip install 'longspan[speech]', or your system's package espeak-ng"


@final
@dataclass(frozen=True, slots=True)
class Spoken:
    """What eSpeak NG said."""

    samples: np.ndarray
    """`(num_samples,)` int16."""
    rate_hz: int
    phonemes: tuple[tuple[str, float, float], ...]
    """Each in IPA, with start and end in seconds; pauses are left out."""


@final
class _Name(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


@final
class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Name),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def speak(text: str, voice: str, *, words_per_minute: int = 170, pitch: int = 50) -> Spoken:
    """Speak a text.

    Args:
        text: In the language of the voice.
        voice: As eSpeak NG names it: "en-us", "de", or with a variant, "en-gb+f3".
        words_per_minute: 80 to 450.
        pitch: 0 to 99.

    Raises:
        DependencyError: eSpeak NG is not installed.
        ConfigError: it has no such voice.
    """
    path, data = find_library()
    pieces: list[np.ndarray] = []
    found: list[tuple[str, float]] = []

    def collect(wave: Any, count: int, events: Any) -> int:
        if count > 0 and wave:
            pieces.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
        place = 0
        while events[place].type != _EVENT_END:
            if events[place].type == _EVENT_PHONEME:
                found.append((events[place].id.string.decode("utf-8", "replace"), events[place].audio_position / 1000))
            place += 1
        return 0

    with _LOCK:
        # Loaded anew: phases of the voice would go on from where the text before left them.
        library = _open(path)
        try:
            if sys.platform != "win32":
                ctypes.CDLL(None).srand(1)
            rate_hz = library.espeak_Initialize(_RETRIEVE, 0, data, _PHONEME_EVENTS | _IPA | _DONT_EXIT)
            if rate_hz <= 0:
                raise DependencyError(f"eSpeak NG cannot be started; its data may be missing: {_INSTALL}.")
            callback = _CALLBACK(collect)
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ConfigError(
                    f"eSpeak NG has no voice {voice!r}. Its list: espeak-ng --voices; variants such as +f3."
                )
            library.espeak_SetParameter(_RATE, words_per_minute, 0)
            library.espeak_SetParameter(_PITCH, pitch, 0)
            encoded = text.encode() + b"\0"
            library.espeak_Synth(encoded, len(encoded), 0, 1, 0, _UTF8, None, None)
            library.espeak_Synchronize()
        finally:
            # Also after an error: its threads must not run on in a library that is gone, which ends the process.
            library.espeak_Terminate()
            if sys.platform != "win32":
                _ctypes.dlclose(library._handle)
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    ends = [*(start for _, start in found[1:]), len(samples) / rate_hz]
    timed = tuple(
        (phoneme, start, end) for (phoneme, start), end in zip(found, ends, strict=True) if phoneme.strip("_ :")
    )
    return Spoken(samples, rate_hz, timed)


@functools.cache
def find_library() -> tuple[str, bytes | None]:
    """Where the library is, and the folder of its data: of the wheel espeakng-loader, or as the system has it.

    Raises:
        DependencyError: it is nowhere.
    """
    try:
        import espeakng_loader
    except ImportError:
        found = ctypes.util.find_library("espeak-ng")
        if found is None:
            raise DependencyError(f"Made-up speech needs eSpeak NG: {_INSTALL}.") from None
        return found, None
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()).encode()


def _open(path: str) -> Any:
    library = ctypes.CDLL(path)
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p,
        ctypes.c_void_p,
    ]  # fmt: skip
    return library
