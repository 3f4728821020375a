"""`longspan transcribe`: recordings of any length as text with times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_files, check_model
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, writing
from longspan.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    from longspan.heads import WordSearch
    from longspan.inference import Predictor

__all__ = ["transcribe"]

_ENDINGS = {"json": ".json", "srt": ".srt", "vtt": ".vtt", "textgrid": ".TextGrid"}


def transcribe(
    model: flags.Model,
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Recordings.")],
    format: Annotated[
        str | None,
        Opt(metavar="json|srt|vtt|textgrid", help="Write or print with times.  [default: the text alone]"),
    ] = None,
    out: Annotated[
        str | None, Opt(metavar="DIR", help="Write DIR/NAME with the format's ending for each recording.")
    ] = None,
    language_model: Annotated[
        str | None, Opt(metavar="FILE", help="An ARPA file; texts that it finds likely are preferred.")
    ] = None,
    lexicon: Annotated[
        str | None, Opt(metavar="FILE", help="A file with the words that may occur, one per line.")
    ] = None,
    weight: Annotated[float, Opt(metavar="X", help="Weight of the language model.")] = 0.5,
    longest: Annotated[float, Opt(metavar="SECONDS", help="Longest segment that is transcribed at once.")] = 15.0,
    device: flags.Device = "auto",
    force: flags.Force = False,
) -> None:
    """Transcribe recordings of any length, cut at pauses.

    MODEL was trained on sequences of sound (`--column file=audio:sequence`) with a text as its target.
    """
    if format is not None and format not in _ENDINGS:
        raise unknown_name("--format called", format, _ENDINGS)
    if out is not None and format is None:
        raise ConfigError("--out needs --format: json, srt, vtt or textgrid.")
    written = [None if out is None else Path(out) / (Path(file).stem + _ENDINGS[format or "json"]) for file in files]
    there = [path for path in written if path is not None and path.exists()]
    if there and not force:
        raise ConfigError(f"{there[0]} exists; replace it with --force.")
    if weight < 0:
        raise ConfigError(f"--weight must be at least 0, got {weight:g}.")
    if len(set(written)) < len(written) and out is not None:
        raise ConfigError("Two recordings have one name, so that --out would write one file for both.")

    check_model(model, device)
    check_files(language_model=language_model, lexicon=lexicon)
    missing = [file for file in files if not Path(file).expanduser().exists()]
    if missing:
        raise DataError(f"There is no recording {missing[0]}.")

    from longspan.inference import load
    from longspan.inference import transcribe as transcribe_file

    with interruptible(lambda: "What is complete has been written."):
        predictor = load(model, device=device).single_network("transcribe")
        search = _search(language_model, lexicon, weight, predictor)
        found = {}
        for file, path in zip(files, written, strict=True):
            transcript = transcribe_file(predictor, file, search=search, longest_s=longest)
            if path is None:
                found[file] = transcript
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with writing(path, "--out"):
                path.write_text(transcript.written(format or "json"), encoding="utf-8")
            print(path)
    if out is not None:
        return
    if format == "json":
        values = {file: transcript.to_json() for file, transcript in found.items()}
        print(json.dumps(values if len(values) > 1 else next(iter(values.values())), indent=2, ensure_ascii=False))
        return
    for file, transcript in found.items():
        text = transcript.text if format is None else transcript.written(format)
        print(f"{file}  {text}" if format is None and len(found) > 1 else text)


def _search(language_model: str | None, lexicon: str | None, weight: float, predictor: Predictor) -> WordSearch | None:
    """The search that the options ask for; None for the model's own.

    Raises:
        DataError: a lexicon without a word that the model can write.
    """
    if language_model is None and lexicon is None:
        return None
    from longspan.columns import Text
    from longspan.heads import WordSearch
    from longspan.text import read_arpa

    words = None
    if lexicon is not None:
        try:
            lines = Path(lexicon).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"--lexicon {lexicon} cannot be read: {error}.") from error
        words = frozenset(line.split()[0] for line in lines if line.strip())
        if not words:
            raise DataError(f"--lexicon {lexicon} holds no word. Write the words that may occur, one on each line.")
        signs = {
            sign for head in predictor.heads.values() if isinstance(head.column, Text) for sign in head.column.vocab
        }
        if not any(signs.issuperset(word) for word in words):
            raise DataError(
                f"--lexicon {lexicon}: the model can write no word of it, such as {min(words)!r}; its characters are "
                f"{''.join(sorted(signs))!r}. Write the words as in the transcripts that it learned from, also in "
                "capitals or small letters."
            )
    return WordSearch(
        language_model=None if language_model is None else read_arpa(language_model), lexicon=words, weight=weight
    )
