"""Transcripts of read speech by new voices: in stages, by phonemes and end to end, over growing hours of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError, DependencyError
from longspan.metrics.edit_distance import edit_distance
from longspan.metrics.row_errors import WORD_EDITS
from longspan.metrics.word_errors import TranscriptErrors, transcript_errors
from longspan.systems.function_registry import load_with_functions
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.speech.made_up_speech import made_up_recordings, made_up_texts
from longspan.systems.speech.stages import RATE_HZ, dictionary, spell
from longspan.systems.speech.transcribers import FROM_MADE_UP, NAMES, sound, transcribers
from longspan.systems.strategy_study import mean_errors, parse_strategies, run_study, train_seconds
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.report import Document
    from longspan.study import StudyResults

__all__ = ["TRANSCRIBE", "TranscribeOptions", "transcription_task"]

_NEEDS = dict.fromkeys(NAMES, ("text",))
_SECONDS = 5.0  # of a recording of the data set, on average
_FOLDER = "made-up-speech"
_READINGS = 20
_CEILING_ROWS = 60


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TranscribeOptions:
    """Options of transcribe."""

    data: Literal["read", "made-up"] = "read"
    """read: people who read books. made-up: speech of eSpeak NG, for as many hours as wanted; kept in the folder."""
    hours: str = "0.25,0.5,1,2.25"
    """Hours of training recordings."""
    seeds: int = 1
    """Trainings of each strategy at each size."""
    steps: int = 8000
    """Steps of each training of a network, the same for every strategy."""
    strategies: str = "all"
    """Names of strategies, separated by semicolons, for names have commas."""
    vocabulary: int = 40_000
    """Words of the lexicon and language model from elsewhere; 0: only what the training transcripts hold."""
    made_up_hours: float = 0.0
    """Hours of made-up speech that one more strategy learns from first; needs eSpeak NG."""
    pocketsphinx: bool = False
    """Also measure pocketsphinx unchanged, a recogniser that others trained on other speech."""
    limit: int | None = None
    """Test on so many recordings only, for a quick look."""
    jobs: int | None = None
    """Trainings at a time; default: one per core."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            seeds=(self.seeds, 1), steps=(self.steps, 1), vocabulary=(self.vocabulary, 0), limit=(self.limit, 2),
            jobs=(self.jobs, 1),
        )  # fmt: skip
        _parse_hours(self.hours)
        if self.made_up_hours < 0:
            raise ConfigError(f"--made-up-hours must be at least 0, got {self.made_up_hours:g}.")
        names = parse_strategies(self.strategies, NAMES, ";")
        if self.data == "made-up" and self.made_up_hours:
            raise ConfigError("--made-up-hours is a source beside people's speech: leave it out with --data made-up.")
        if FROM_MADE_UP in names and self.strategies != "all" and not self.made_up_hours:
            raise ConfigError(f"Strategy {FROM_MADE_UP!r} needs --made-up-hours, such as --made-up-hours 2.")


def _parse_hours(text: str) -> list[float]:
    try:
        hours = sorted({float(each) for each in text.split(",")})
    except ValueError:
        raise ConfigError(f"--hours must be numbers separated by commas, like 0.25,0.5,1; got {text!r}.") from None
    if hours[0] <= 0:
        raise ConfigError(f"--hours must be above 0, got {hours[0]:g}.")
    return hours


def transcription_task(table: ls.Table) -> ls.Task:
    """Recordings and transcripts, the test rows sealed; with the phonemes of each transcript by the CMU dictionary.

    Columns `phonemes` (words parted by blanks), `sounds` (not parted) and `characters` are what stages learn.

    Args:
        table: Columns `audio`, `text`, `speaker` and `part`: train or test.
    """
    lexicon, _ = dictionary().completed(word for text in table["text"] for word in text.split())
    table = table.with_column("audio", sound())
    for name, between in (("phonemes", " "), ("sounds", "")):
        table = table.with_column(name, ls.Text(), [spell(text, lexicon, between=between) for text in table["text"]])
    table = table.with_column("characters", ls.Text(), list(table["text"]))
    return ls.Task(table.split(column="part", valid=0), inputs="audio", targets="text", allow_leaks=True)


def word_errors(targets: Sequence[str], predictions: Sequence[str | None]) -> float:
    """Edits of all transcripts for each of their words."""
    pairs = [(target.split(), (found or "").split()) for target, found in zip(targets, predictions, strict=True)]
    return sum(edit_distance(*pair) for pair in pairs) / max(1, sum(len(target) for target, _ in pairs))


def _run(options: TranscribeOptions, run: SystemRun) -> None:
    hours = _parse_hours(options.hours)
    if options.data == "made-up":
        run.say("Made-up speech, not people's: figures say how the curves go on, and nothing about people.")
        table = made_up_recordings(run.folder / _FOLDER, hours[-1], made_up_texts(run.seed), seed=run.seed)
        per_hour = float(np.sum(np.asarray(table["part"]) == "train")) / hours[-1]
    else:
        table = ls.datasets.load("librispeech-100", accept_small=True)
        table = table.take(np.flatnonzero(np.asarray(table["part"]) != "valid"))
        per_hour = 3600 / _SECONDS
    if options.limit is not None:
        parts = np.asarray(table["part"])
        test = np.flatnonzero(parts == "test")
        kept = test[np.linspace(0, len(test) - 1, min(options.limit, len(test))).astype(int)]
        table = table.take(np.sort(np.concatenate([np.flatnonzero(parts == "train"), kept])))
    task = transcription_task(table)
    rows = len(task.train)
    sizes = sorted({max(20, min(rows, round(each * per_hour))) for each in hours})
    more = _spoken_texts() if options.made_up_hours else ()
    known = transcribers(vocabulary=options.vocabulary, made_up_hours=options.made_up_hours, more=more)
    names = [name for name in parse_strategies(options.strategies, NAMES, ";") if name in known]
    run.say(
        f"{rows:,} training recordings, {len(table) - rows:,} test recordings by other voices, sealed;\n"
        f"{len(names)} strategies x {len(sizes)} sizes x {options.seeds} seeds."
    )
    results = run_study(
        run, task, {name: known[name] for name in names}, sizes=sizes, seeds=options.seeds,
        budget=ls.Budget(steps=options.steps), jobs=options.jobs, cost={"text": 1.0}, needs=_NEEDS, error=word_errors,
    )  # fmt: skip
    for sentence in results.advice():
        run.say(sentence)
    test = task.table.take(task.open_vault("word errors by speaker, ceiling analysis and readings").numpy())
    _finish(run, results, test, options)


def _spoken_texts() -> tuple[str, ...]:
    """English sentences that made-up speech says beside the training transcripts."""
    table = ls.datasets.load("tatoeba-en-fr", accept_small=True)
    sentences = dict.fromkeys(text.upper() for text in table["en"])
    plain = ("".join(each if each.isalpha() or each in "' " else " " for each in text) for text in sentences)
    return tuple(" ".join(text.split()) for text in plain if len(text.split()) > 4 and text.isascii())


def _finish(run: SystemRun, results: StudyResults, test: ls.Table, options: TranscribeOptions) -> None:
    """Write the report with errors by kind, ceiling analysis and readings; the result; and the best model."""
    from longspan.study.reports.study_report import compose_report

    measure = "word errors" if options.data == "read" else "word errors, made-up speech"
    errors = {f"{measure}, {name}, {size} recordings": error for (name, size), error in mean_errors(results).items()}
    found = _transcripts(results, test)
    kinds = {name: _errors(test, texts) for name, texts in found.items()}
    if options.pocketsphinx:
        given = _pocketsphinx(test)
        kinds["pocketsphinx, as it comes"] = _errors(test, given)
        errors[f"{measure}, pocketsphinx"] = kinds["pocketsphinx, as it comes"].rate
    for name, found_errors in kinds.items():
        run.say(f"{name}: {found_errors}")
    ceilings = _ceilings(results, test)

    def add_sections(page: Document) -> None:
        if options.data == "made-up":
            page.section("Made up").text(
                "All recordings are spoken by eSpeak NG, which is cleaner and more even than people. The curves show "
                "how the strategies compare as speech grows; the errors say nothing about people's speech."
            )
        page.section("Word errors at the largest size").table(
            [{"strategy": name, **_percent(each)} for name, each in kinds.items()]
        )
        for name, ceiling in ceilings.items():
            page.section(f"Ceiling analysis: {name}").text(
                f"Word errors (mean over {_CEILING_ROWS} recordings), and what is left of them when the output of each "
                "stage in turn is replaced by the ground truth."
            )
            page.table(ceiling)
        page.section("Transcripts").table(
            [
                {
                    "speaker": row["speaker"],
                    "text": row["text"],
                    **{name: texts[place] for name, texts in found.items()},
                }
                for place, row in zip(range(min(_READINGS, len(test))), test, strict=False)
            ]
        )

    run.finish(
        results.best(), errors, train_seconds=train_seconds(results), options=asdict(options),
        report=lambda: compose_report(results, add_sections),
        details={
            "study": results.to_json(), "ceiling": ceilings,
            "kinds": {name: each.to_json() for name, each in kinds.items()},
        },
    )  # fmt: skip


def _largest(results: StudyResults) -> dict[str, Any]:
    """What each strategy gave at the largest size with the first seed."""
    size, seed = results.plan.sizes[-1], results.plan.seeds[0]
    missing = {each.strategy for each in results.missing() if each.size == size and each.seed == seed}
    return {
        name: load_with_functions(results.model(name, size, seed))
        for name in results.plan.strategies
        if name not in missing
    }


def _transcripts(results: StudyResults, test: ls.Table) -> dict[str, list[str]]:
    rows = test.select("audio")
    return {name: [each["text"] for each in model.predict(rows)] for name, model in _largest(results).items()}


def _errors(test: ls.Table, texts: list[str]) -> TranscriptErrors:
    return transcript_errors(test.column_values("text"), texts, test.column_values("speaker"))


def _percent(kind: TranscriptErrors) -> Mapping[str, str]:
    counts = kind.counts
    shown = {"word error": kind.rate, "substituted": counts.substitutions / counts.length,
             "left out": counts.deletions / counts.length, "inserted": counts.insertions / counts.length}  # fmt: skip
    return {name: f"{value:.1%}" for name, value in shown.items()} | (
        {} if kind.low is None or kind.high is None else {"95 % interval": f"{kind.low:.1%} to {kind.high:.1%}"}
    )


def _ceilings(results: StudyResults, test: ls.Table) -> dict[str, list[dict[str, Any]]]:
    """Word errors of each pipeline as it is, and with the ground truth of what was heard."""
    some = test.take(np.linspace(0, len(test) - 1, min(len(test), _CEILING_ROWS)).astype(int))
    return {
        name: model.ceiling(some, error=WORD_EDITS).frame().to_dicts()
        for name, model in _largest(results).items()
        if isinstance(model, ls.Pipeline)
    }


def _pocketsphinx(test: ls.Table) -> list[str]:
    """Transcripts by pocketsphinx, in capitals."""
    try:
        from pocketsphinx import Decoder
    except ImportError:
        raise DependencyError(
            "--pocketsphinx needs the extra of that name: python -m pip install 'longspan[pocketsphinx]'."
        ) from None
    decoder = Decoder(samprate=float(RATE_HZ), loglevel="FATAL")
    texts = []
    for row in test:
        samples = ls.audio.read_samples(row["audio"], RATE_HZ)
        decoder.start_utt()
        decoder.process_raw(np.asarray(samples, np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        texts.append("" if hypothesis is None else hypothesis.hypstr.upper())
    return texts


TRANSCRIBE = System(
    name="transcribe",
    summary="Writes down read speech by new voices: in stages, by phonemes and end to end, over hours of training.",
    needs="the data set librispeech-100 (7.1 GB) or its small part, the extra pocketsphinx for lexicon and language "
    "model, and some hours on two cores",
    options=TranscribeOptions,
    run=_run,
)
