import json

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import DataError, LongspanError, ModelFileError, PipelineError
from longspan.inference.estimators.acoustic_model import AcousticModel
from longspan.pipeline import load
from longspan.systems import SystemRun, find_system
from longspan.systems.function_registry import load_with_functions
from longspan.systems.speech.made_up_speech import TEST_VOICES, made_up_recordings, made_up_texts
from longspan.systems.speech.stages import find_words, language, speech_features, spell
from longspan.systems.speech.transcribe import TranscribeOptions, transcription_task, word_errors
from longspan.systems.speech.transcribers import FromSource, Transcriber
from longspan.text import Lexicon
from longspan.train.estimators.acoustic import AcousticTraining

pytest.importorskip("espeakng_loader")
pytest.importorskip("pocketsphinx")

TEXTS = ["THE CAT SAT", "A DOG RAN HOME", "ONE TWO THREE", "THE RED HOUSE"]
QUICK = AcousticTraining(gaussians=1, rounds=3, width=16, epochs=2, states=200)


@pytest.fixture(scope="module")
def table():
    """A dozen recordings of made-up speech by two voices."""
    spoken = ls.datasets.make_speech(TEXTS * 3, voices=("en-us", "en-us+f2"), seed=3).select("audio", "text")
    spoken = spoken.with_column("speaker", ls.Category(), ["ann"] * 8 + ["bob"] * 4)
    return spoken.with_column("part", ls.Category(), ["train"] * 8 + ["test"] * 4)


@pytest.fixture(scope="module")
def task(table):
    found = transcription_task(table)
    found.prepare()
    return found


def trained(task, way):
    strategy = Transcriber(way=way, training=QUICK, vocabulary=0, width=16, epochs=2)
    return strategy.train(task.subset(task.train), seed=1, budget=ls.Budget(steps=4))


@pytest.mark.parametrize("way", ["monophone", "tied", "network", "phonemes", "characters"])
def test_every_way_trains_within_its_budget_transcribes_and_is_saved(task, way, tmp_path):
    pipeline = trained(task, way)
    assert pipeline.steps_done <= 4
    assert (pipeline.steps_done > 0) == (way not in ("monophone", "tied"))
    rows = task.table.take(np.arange(8, 12)).select("audio")
    texts = [each["text"] for each in pipeline.predict(rows)]
    known = {word for text in TEXTS for word in text.split()}
    assert all({*text.split()} <= known for text in texts)
    if way in ("monophone", "tied"):  # which learn from eight recordings
        assert sum(map(str.__eq__, texts, TEXTS)) >= 2
    again = load_with_functions(pipeline.save(tmp_path / "model.safetensors"))
    assert [each["text"] for each in again.predict(rows)] == texts


def test_ceiling_analysis_replaces_what_was_heard_by_the_phonemes(task):
    ceiling = trained(task, "network").ceiling(task.table.take(np.arange(8, 12)))
    left = {stage.stage: stage.error for stage in ceiling.stages}
    assert ceiling.error > 0.5
    assert left == {"features": None, "hear": 0.0, "words": 0.0}  # four texts: each is known by its phonemes


@pytest.mark.parametrize("strategy", [FromSource(width=16), FromSource(width=16, hours=0.001)])
def test_the_end_to_end_network_starts_from_another(task, strategy):
    learner = strategy.train(task.subset(task.train), seed=1, budget=ls.Budget(steps=4))
    assert learner.steps_done == 2
    assert isinstance(learner.predict(task.table.take([8]).select("audio"))[0]["text"], str)


def test_features_are_normalised_and_lexicon_and_language_model_know_the_texts(table):
    features = speech_features(table["audio"][0])
    assert features.shape[1] == 39
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-2)
    lexicon, model = language(TEXTS, 50)
    assert {"CAT", "HOUSE", "OF", "AND"} <= {*lexicon.pronunciations}
    assert len(lexicon) < 70
    assert model.log10_probability(("<s>",), "THE") > model.log10_probability(("<s>",), "SAT")
    assert len(language(TEXTS, 0)[0]) == len({word for text in TEXTS for word in text.split()})
    with pytest.raises(DataError, match="at least one word"):
        language(["", " "], 5)
    assert find_words("D@kAt", texts=["THE CAT"], vocabulary=0) in ("THE CAT", "CAT", "THE")
    many = ["THE CAT SAT", "A CAT SAT", "THE MAT"]
    assert find_words("D@kAt", texts=many, vocabulary=0, weight=50.0) == "THE CAT"  # the true phonemes: none is doubted
    assert spell("TO ONE", Lexicon({"TO": ("tu",), "ONE": ("wAn",)})) == "tu wAn"


def test_word_errors_are_those_of_all_words():
    assert word_errors(["A B C", "D"], ["A X C", None]) == pytest.approx(2 / 4)


def test_a_damaged_acoustic_model_is_refused(task, tmp_path):
    pipeline = trained(task, "monophone")
    fields, tensors = pipeline.model("hear").to_parts()
    with pytest.raises(ModelFileError, match="acoustic model is damaged"):
        AcousticModel.from_parts(fields, {**tensors, "log_stay": torch.zeros(2)})
    with pytest.raises(ModelFileError, match="needs your function"):
        load(pipeline.save(tmp_path / "model.safetensors"))


def test_an_acoustic_stage_says_what_it_cannot_learn_from():
    stage = ls.Stage("hear", QUICK, reads="sound", adds="phonemes")
    rows = {"sound": ["a", "b"], "phonemes": ["ab", "ba"]}
    table = ls.Table.from_arrays(rows, {"sound": ls.Raw(), "phonemes": ls.Text()})
    with pytest.raises(PipelineError, match="hear"):
        ls.Pipeline([stage]).fit(table)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"hours": "0,1"}, "--hours must be above 0"),
        ({"hours": "one"}, "--hours must be numbers"),
        ({"strategies": "end too end"}, "Did you mean 'end to end'"),
        ({"strategies": "end to end, from made-up speech"}, "needs --made-up-hours"),
        ({"made_up_hours": -1}, "at least 0"),
        ({"data": "made-up", "made_up_hours": 1}, "leave it out"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(LongspanError, match=words):
        TranscribeOptions(**wrong)


def test_made_up_recordings_grow_keep_what_was_spoken_and_test_other_voices_and_texts(tmp_path):
    texts = [f"THE {number}, RED HOUSE" for number in ["BIG", "OLD", "NEW", "SMALL"] * 100]
    few = made_up_recordings(tmp_path, 0.001, texts, seed=1)
    samples = (tmp_path / "000240.flac").read_bytes()
    parts = np.asarray(few["part"])
    assert sum(parts == "test") == 240
    assert {*np.asarray(few["speaker"])[parts == "test"]} == {*TEST_VOICES}
    assert not {*np.asarray(few["speaker"])[parts == "train"]} & {*TEST_VOICES}
    train = few.take(np.flatnonzero(parts == "train"))
    seconds = sum(ls.audio.read_header(row["audio"]).seconds for row in train)
    assert 3.6 <= seconds < 3.6 + 5
    more = made_up_recordings(tmp_path, 0.002, texts, seed=1)
    assert len(more) > len(few)
    assert [*more["audio"]][: len(few)] == [*few["audio"]]
    assert (tmp_path / "000240.flac").read_bytes() == samples
    with pytest.raises(DataError, match=r"400 texts are .* hours of speech; 5 were asked for"):
        made_up_recordings(tmp_path, 5, texts, seed=1)
    assert [*more["text"]] == texts[: len(more)]
    for other, seed in ((texts, 2), ([*texts[:-1], "ANOTHER"], 1)):
        with pytest.raises(DataError, match="another seed or of other texts"):
            made_up_recordings(tmp_path, 0.001, other, seed=seed)


@pytest.mark.usefixtures("data_folder")
def test_made_up_texts_join_sentences_in_capitals():
    texts = made_up_texts(0)
    assert all(len(text.split()) >= 12 for text in texts)
    assert all(text == text.upper() and set(text) <= {*"ABCDEFGHIJKLMNOPQRSTUVWXYZ' "} for text in texts[:500])
    assert texts != made_up_texts(1)


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_the_system_runs_on_made_up_speech_and_marks_it(tmp_path):
    options = TranscribeOptions(
        data="made-up", hours="0.01,0.02", steps=4, limit=4, vocabulary=100, jobs=1, strategies="by phonemes;end to end"
    )
    find_system("transcribe").run(options, SystemRun("transcribe", tmp_path, quiet=True))
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert all("made-up speech" in name for name in metrics if name.startswith("word errors"))
    assert "spoken by eSpeak NG" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_the_system_runs(tmp_path):
    options = TranscribeOptions(
        hours="0.03", steps=4, limit=4, vocabulary=100, jobs=1, strategies="in stages, network;end to end"
    )
    find_system("transcribe").run(options, SystemRun("transcribe", tmp_path, quiet=True))
    assert ls.Study.open(tmp_path / "study.sqlite").failures().is_empty()
    assert "Ceiling analysis: in stages, network" in (tmp_path / "report.html").read_text()
