import itertools
import json

import pytest
from typer.testing import CliRunner

import longspan as ls
from longspan.cli.app import app
from longspan.errors import ConfigError, DataError, ModelFileError

NOUNS = {"house": "maison", "car": "voiture", "table": "table", "chair": "chaise", "door": "porte"}
COLOURS = {"red": "rouge", "yellow": "jaune", "large": "large"}


def table():
    numbers = {"two": "deux", "six": "six", "ten": "dix"}
    rows = []
    for place, (noun, colour, number, other) in enumerate(itertools.product(NOUNS, COLOURS, numbers, NOUNS)):
        english = f"A {colour} {noun} and {number} {other}s."
        french = f"Une {NOUNS[noun]} {COLOURS[colour]} et {numbers[number]} {NOUNS[other]}s."
        rows += [(english, french)] if place % 2 else []
    columns = {"en": ls.Text(), "fr": ls.Text(tokenizer=ls.WordTokens(min_count=1))}
    return ls.Table.from_arrays({"en": [a for a, _ in rows], "fr": [b for _, b in rows]}, columns)


@pytest.fixture(scope="module")
def task():
    return ls.Task(table().split(valid=0.1, seed=0), "en", "fr", allow_leaks=True)


@pytest.fixture(scope="module")
def translator(task):
    return ls.PhraseTranslation(trials=2).train(task, seed=3)


def test_it_translates_and_reorders(translator):
    assert translator.predict("A large door and six chairs.").value == "Une porte large et six chaises."
    assert [each["fr"] for each in translator.predict(["a yellow table", ""])] == ["Une table jaune", ""]


def test_it_is_measured(translator, task):
    metrics = translator.evaluate(task.table.take(task.valid.numpy()))
    assert metrics["bleu"] > 80
    assert set(metrics) == {"bleu", "chrf", "exact_match"}


def test_the_same_seed_gives_the_same(task, translator):
    again = ls.PhraseTranslation(trials=2).train(task, seed=3)
    assert again.decoder.weights == translator.decoder.weights
    assert again.decoder.table == translator.decoder.table


def test_it_is_one_file(translator, tmp_path):
    path = translator.save(tmp_path / "phrases.safetensors")
    again = ls.load(path)
    texts = ["A red house and two doors.", "An unknown thing"]
    assert [each.value for each in again.predict(texts)] == [each.value for each in translator.predict(texts)]
    assert again.decoder.table == translator.decoder.table
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ModelFileError):
        ls.load(path)


def test_what_it_cannot_learn_from_is_refused(task, tmp_path):
    few = ls.Task(table().take(range(15)).split(valid=0.1, seed=0), "en", "fr", allow_leaks=True)
    with pytest.raises(DataError, match="at least 20 training rows"):
        ls.PhraseTranslation().train(few)
    labels = table().with_column("label", ls.Category(), lambda row: "ab"[len(row["en"]) % 2])
    with pytest.raises(ConfigError, match=r"writes one text; the task has label \(category\)"):
        ls.PhraseTranslation().train(ls.Task(labels.split(seed=0), "en", "label", allow_leaks=True))
    with pytest.raises(ConfigError, match="alignment must be hmm or ibm1"):
        ls.PhraseTranslation(alignment="ibm4")
    with pytest.raises(ConfigError, match="stack must be a whole number"):
        ls.PhraseTranslation(stack=0)


def test_the_command_measures_a_table_of_sentences(translator, tmp_path):
    model, data = translator.save(tmp_path / "phrases.safetensors"), tmp_path / "pairs.csv"
    data.write_text("en,fr\na yellow table,Une table jaune\na red door,Une porte rouge\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate", str(model), str(data), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["exact_match"] == 1
