"""Counted words: against scikit-learn's own pipelines and the formulas of the paper."""

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, DataError, ModelFileError
from longspan.storage.files import read_tensors
from longspan.text.word_ngrams import word_ngrams


def table_of(rows=120, classes=("good", "bad")):
    rng = np.random.default_rng(0)
    labels = rng.choice(classes, rows).tolist()
    fillers = ["film", "story", "actor", "plot", "scene", "the", "a", "of"]
    texts = [
        " ".join([*rng.choice(fillers, 5), label if rng.random() < 0.8 else "odd", *rng.choice(fillers, 4), str(n)])
        for n, label in enumerate(labels)
    ]
    return ls.Table.from_arrays({"text": texts, "label": labels}, {"text": ls.Text(), "label": ls.Category()})


def task_of(table=None, **options):
    table = table_of() if table is None else table
    return ls.Task(table.split(valid=0.25, seed=0), "text", "label", **options)


def test_tfidf_is_scikit_learns():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    task = task_of()
    found = ls.WordCounts(method="tfidf").train(task)
    theirs = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[^\W_]+"),
        LogisticRegression(C=10, max_iter=1000),
    )
    train, valid = (task.table.take(rows.numpy()) for rows in (task.train, task.valid))
    theirs.fit(train["text"], train["label"])
    expected = theirs.predict_proba(valid["text"])
    for prediction, row in zip(found.predict(valid), expected, strict=True):
        assert [prediction.probabilities[label] for label in theirs.classes_] == pytest.approx(row, abs=1e-4)
    assert found.evaluate(valid)["accuracy"] == pytest.approx(theirs.score(valid["text"], valid["label"]))


@pytest.mark.filterwarnings("error")
def test_texts_are_counted_whole_whatever_a_network_would_read():
    table = table_of()
    short = table.with_column("text", ls.Text(max_tokens=2), table["text"])
    found, whole = (ls.WordCounts().train(task_of(each)) for each in (short, table))
    rows = table["text"][:20]
    assert found.predict(rows) == whole.predict(rows)


def test_nbsvm_follows_the_paper():
    from sklearn.svm import LinearSVC

    task = task_of()
    found = ls.WordCounts(method="nbsvm", ngrams=(1, 1)).train(task)
    train, valid = (task.table.take(rows.numpy()) for rows in (task.train, task.valid))
    vocab = sorted({word for text in train["text"] for word in text.split()})
    f = np.array([[word in text.split() for word in vocab] for text in train["text"]], float)
    bad = np.array(train["label"]) == "bad"
    p, q = 1 + f[bad].sum(0), 1 + f[~bad].sum(0)
    r = np.log((p / p.sum()) / (q / q.sum()))
    svm = LinearSVC(C=1.0, random_state=0).fit(f * r, bad)
    w = 0.75 * np.abs(svm.coef_[0]).mean() + 0.25 * svm.coef_[0]
    f_valid = np.array([[word in text.split() for word in vocab] for text in valid["text"]], float)
    scores = (f_valid * r) @ w + svm.intercept_[0]
    for prediction, score in zip(found.predict(valid), scores, strict=True):
        assert prediction.probabilities["bad"] == pytest.approx(1 / (1 + np.exp(-score)), abs=1e-3)


@pytest.mark.parametrize("method", ["tfidf", "nbsvm"])
def test_three_classes_small_subsets_and_files(method, tmp_path):
    task = task_of(table_of(150, ("good", "bad", "long")))
    found = ls.WordCounts(method=method).train(task)
    valid = task.table.take(task.valid.numpy())
    assert found.evaluate(valid)["accuracy"] > 0.75
    again = ls.load(found.save(tmp_path / "words.safetensors"))
    assert again.predict("a good film") == found.predict("a good film")
    assert again.predict(["a bad film", "zzz"]) == found.predict([{"text": "a bad film"}, "zzz"])
    one = task.subset(
        task.train[[i for i in range(len(task.train)) if task.table[int(task.train[i])]["label"] == "bad"]]
    )
    assert ls.WordCounts(method=method).train(one).predict("good")["label"] == "bad"
    with pytest.raises(DataError, match="7 is not a text"):
        found.predict(["a", 7])
    tensors, described = read_tensors(tmp_path / "words.safetensors")
    with pytest.raises(ModelFileError, match="is newer than this longspan"):
        type(found).from_parts(tensors, {**described, "format_version": 2})
    with pytest.raises(ModelFileError, match="the description of its words is damaged"):
        type(found).from_parts({**tensors, "0.bias": tensors["0.bias"][:1]}, described)


def test_it_stands_in_a_study_beside_a_network(tmp_path):
    strategies = {"words": ls.WordCounts(), "net": ls.Recipe(ls.BagOfEmbeddingsConfig(width=8), epochs=1, lr=1e-2)}
    study = ls.Study(task_of(), strategies, sizes=[20, 60], seeds=1, path=tmp_path / "study.sqlite")
    results = study.run(backend="inline", progress=False)
    assert {row["strategy"] for row in results.frame().to_dicts()} == {"words", "net"}


def test_options_and_inputs_that_do_not_fit_are_refused():
    for options, words in (
        ({"method": "svm"}, "must be tfidf or nbsvm"),
        ({"ngrams": (2, 1)}, "two lengths"),
        ({"strength": 0.0}, "above 0"),
        ({"interpolation": 2.0}, r"in 0\.\.1"),
    ):
        with pytest.raises(ConfigError, match=words):
            ls.WordCounts(**options)
    table = ls.Table.from_arrays(
        {"x": [1.0, 2.0] * 9, "label": ["a", "b"] * 9}, {"x": ls.Number(), "label": ls.Category()}
    )
    with pytest.raises(ConfigError, match=r"reads one text; the inputs are x \(number\)"):
        ls.WordCounts().train(ls.Task(table.split(), "x", "label"))
    with pytest.raises(DataError, match="occurs in 99 training texts"):
        ls.WordCounts(min_count=99).train(task_of())


def test_runs_of_words():
    assert word_ngrams("A b, c", 2, 3) == ["a b", "b ,", ", c", "a b ,", "b , c"]
    assert word_ngrams("", 1, 2) == []
