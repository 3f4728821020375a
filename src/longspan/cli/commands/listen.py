"""`longspan listen`: a wake word in a recording, or from the microphone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_model
from longspan.cli.new_inputs import check_inputs
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible
from longspan.errors import ConfigError, DataError, LongspanError

__all__ = ["listen"]

_BLOCK_S = 0.1


def listen(
    model: flags.Model,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="A recording; default: the microphone.")] = None,
    words: Annotated[
        str | None, Opt(metavar="WORD,WORD", help="Listen for these.  [default: all labels without a leading _]")
    ] = None,
    threshold: Annotated[float, Opt(metavar="P", help="Probability above which a word counts as heard.")] = 0.5,
    step: Annotated[float, Opt(metavar="SECONDS", help="Time from one window to the next.")] = 0.2,
    smooth: Annotated[
        int, Opt(metavar="N", help="Average probabilities over N windows; 1: each window counts alone.")
    ] = 3,
    microphone: Annotated[
        str | None, Opt(metavar="NAME", help="Name or number of the device.  [default: that of the system]")
    ] = None,
    json_lines: Annotated[bool, Opt("--json", help="Print a JSON object for each word that is heard.")] = False,
    device: flags.Device = "auto",
) -> None:
    """Listen for words: print each word that is heard, once, with its time.

    MODEL was trained on recordings of one length with a category as its target, as `longspan run keywords` trains one.
    """
    if file is not None and microphone is not None:
        raise ConfigError("Name a recording, or --microphone, not both.")
    check_model(model, device)
    if file is not None:
        check_inputs(model, [file])
    from longspan.inference import load
    from longspan.inference.listening import Listener

    if file is None:
        _sound_device()  # before seconds of loading
    predictor = load(model, device=device).single_network("listen")
    names = None if words is None else [each.strip() for each in words.split(",")]
    listener = Listener(predictor, names, threshold=threshold, step_s=step, smooth=smooth)
    with interruptible(lambda: "Stopped listening."):
        for block in _blocks(file, microphone, listener.rate_hz):
            for call in listener.hear(block):
                said = {"time_s": call.time_s, "word": call.word, "probability": round(call.probability, 4)}
                text = f"{call.time_s:9.2f} s  {call.word}  {call.probability:.2f}"
                print(json.dumps(said) if json_lines else text, flush=True)


def _blocks(file: str | None, microphone: str | None, rate_hz: int) -> Iterator[Any]:
    """Samples of a recording or of the microphone, piece by piece."""
    size = round(_BLOCK_S * rate_hz)
    if file is not None:
        from longspan.audio import read_samples

        try:
            samples = read_samples(file, rate_hz)
        except (OSError, ValueError) as error:
            raise error if isinstance(error, LongspanError) else DataError(f"{file}: {error}.") from error
        yield from (samples[first : first + 50 * size] for first in range(0, len(samples), 50 * size))
        return
    sound = _sound_device()
    name: Any = int(microphone) if microphone is not None and microphone.isdecimal() else microphone
    try:
        stream = sound.InputStream(samplerate=rate_hz, channels=1, dtype="int16", blocksize=size, device=name)
    except (sound.PortAudioError, ValueError) as error:
        raise ConfigError(
            f"The microphone cannot be opened: {error}. `python -m sounddevice` lists devices for --microphone; or "
            "name a recording."
        ) from error
    with stream:
        while True:
            block, _ = stream.read(size)
            yield block[:, 0]


def _sound_device() -> Any:
    """The library that reads microphones.

    Raises:
        DependencyError: it is not installed.
        ConfigError: it has no PortAudio.
    """
    from longspan.extras import require_extra

    require_extra("microphone", "listening to a microphone")
    try:
        import sounddevice
    except OSError as error:
        raise ConfigError(
            f"The microphone needs PortAudio: {error}. On Debian and Ubuntu: apt install libportaudio2."
        ) from error
    return sounddevice
