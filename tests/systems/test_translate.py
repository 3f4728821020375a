"""Translation through the system, from made-up sentences in the layout of Multi30k."""

import itertools
import json

import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.metrics.translation import bleu
from longspan.systems import SystemRun, find_system
from longspan.systems.translate import TranslateOptions

NOUNS = {"house": "maison", "car": "voiture", "chair": "chaise", "door": "porte"}
COLOURS = {"red": "rouge", "yellow": "jaune", "large": "large"}
NUMBERS = {"two": "deux", "six": "six", "ten": "dix"}


def sentences(name="multi30k"):
    pairs = []
    for noun, colour, (number, french), other in itertools.product(NOUNS, COLOURS, NUMBERS.items(), NOUNS):
        target = f"Une {NOUNS[noun]} {COLOURS[colour]} et {french} {NOUNS[other]}s."
        pairs.append((f"A {colour} {noun} and {number} {other}s.", target))
    turn = ("train", "train", "train", "valid", "train", "test", "test_2017")
    cells = {"en": [a for a, _ in pairs], "fr": [b for _, b in pairs], "part": [turn[n % 7] for n in range(len(pairs))]}
    return ls.Table.from_arrays(cells, {"en": ls.Text(), "fr": ls.Text(), "part": ls.Category()})


def run(options, folder):
    find_system("translate").run(options, SystemRun("translate", folder, quiet=True))
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(autouse=True)
def _made_up(monkeypatch):
    monkeypatch.setattr(ls.datasets, "load", sentences)


def test_in_stages_adjectives_go_behind_their_noun_and_word_by_word_they_do_not(tmp_path):
    staged = run(TranslateOptions(strategy="staged"), tmp_path / "staged")
    by_word = run(TranslateOptions(strategy="word-by-word", train_rows=60), tmp_path / "by word")
    assert staged["metrics"]["bleu_test2016"] > 90 > by_word["metrics"]["bleu_test2016"] + 10
    assert "case:lc" in staged["signature"]
    low, found, high = (by_word["metrics"][f"bleu_test2016{end}"] for end in ("_low", "", "_high"))
    assert low - 0.01 < found < high + 0.01  # all sentences are built alike: hardly an interval
    written = ls.Table.from_csv(tmp_path / "staged/translations.tsv")
    test = [row for row in written if row["part"] == "test2016"]
    assert bleu([row["translation"] for row in test], [row["reference"] for row in test], lowercase=True).score == (
        pytest.approx(staged["metrics"]["bleu_test2016"])
    )
    assert "Translations of test sentences" in (tmp_path / "staged/report.html").read_text()
    model = ls.load(tmp_path / "staged/model.safetensors")
    assert model.predict("A yellow car and six doors.").value == "Une voiture jaune et six portes."


@pytest.mark.parametrize("strategy", ["transformer", "gru", "middle"])
def test_end_to_end_it_trains_and_searches(strategy, tmp_path):
    options = TranslateOptions(
        strategy=strategy, vocab=300, width=16, layers=1, epochs=1, batch_size=32, beam=2, limit=20
    )
    result = run(options, tmp_path)
    assert {"bleu_test2016", "bleu_test2017", "copied_test2016"} <= set(result["metrics"])
    assert ls.load(tmp_path / "model.safetensors").heads["fr"].beam == 2
    assert (tmp_path / "dictionary.safetensors").exists() == (strategy == "middle")
    again = run(TranslateOptions(**{**result["options"], "resume": True}), tmp_path)
    same = {k: v for k, v in again["metrics"].items() if "second" not in k}
    assert same == {k: v for k, v in result["metrics"].items() if "second" not in k}


def test_sentences_of_multi30k_are_in_an_epoch_several_times_beside_those_of_tatoeba(tmp_path, capsys):
    options = TranslateOptions(strategy="word-by-word", tatoeba=True, repeats=3, limit=20)
    find_system("translate").run(options, SystemRun("translate", tmp_path))
    assert "80 sentences to train on" in capsys.readouterr().out


def test_options_that_cannot_be_are_refused():
    for options in ({"epochs": 0}, {"train_rows": 3}, {"limit": 5}, {"vocab": 20}, {"beam": 0}, {"repeats": 0}):
        with pytest.raises(ConfigError, match="--"):
            TranslateOptions(**options)
