import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import longspan as ls
from longspan.errors import PipelineError
from longspan.pipeline import Stage


def test_what_it_holds_decides_the_kind(pulses):
    learner = pulses.RECIPE.learner(ls.Task(pulses.image_table().split(seed=1), "image", "side", allow_leaks=True))
    kinds = {
        "function": [len, pulses.cut, lambda x: x],
        "strategy": [pulses.Majority(), pulses.RECIPE],
        "estimator": [LogisticRegression()],
        "trained": [learner, learner.predictor(), ls.Ensemble([learner, learner])],
    }
    for kind, whats in kinds.items():
        for what in whats:
            stage = Stage("s", what, reads="a", adds="b")
            assert stage.kind == kind
            assert stage.learned == (kind != "function")


def test_names_become_tuples_and_columns_are_gathered():
    stage = Stage("s", len, reads="a", adds={"b": ls.Number(), "c": ls.Image()}, columns={"a": ls.Category()})
    assert (stage.reads, stage.adds) == (("a",), ("b", "c"))
    assert {name: column.kind for name, column in stage.columns.items()} == {
        "a": "category",
        "b": "number",
        "c": "image",
    }
    assert Stage("s", len, reads="a", adds="b", size_px=8).size_px == (8, 8)
    assert repr(Stage("s", LogisticRegression(), reads=["a", "b"], adds="c", each="b")) == (
        "Stage(s: a, b -> c, each b; estimator LogisticRegression)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reads": [], "adds": "b"}, "reads= are names of columns, each once and at least one, got \\[\\]"),
        ({"reads": "a", "adds": ["b", "b"]}, "adds= are names of columns"),
        ({"reads": ["a", "b"], "adds": "b"}, "reads what it adds itself, \\['b'\\]: a cycle"),
        ({"reads": ["boxes", "a"], "adds": "b", "each": "boxs"}, "each='boxs' is not one of .* did you mean 'boxes'"),
        ({"reads": "a", "adds": {"b": ls.Image}}, "must be a Column .*with brackets: Image\\(\\)"),
        ({"reads": "a", "adds": "b", "columns": {"c": ls.Image()}}, "'c' means, which it neither reads nor adds"),
        ({"reads": "a", "adds": "b", "train_on": "predicted"}, "are for learned stages, and this one is a function"),
        ({"reads": "a", "adds": "b", "label": len}, "are for learned stages"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(options, message):
    with pytest.raises(PipelineError, match=message):
        Stage("s", len, **options)


def test_learned_stages_have_faults_of_their_own():
    with pytest.raises(PipelineError, match="train_on must be 'truth', 'predicted' or 'both', got 'true'"):
        Stage("s", LogisticRegression(), reads="a", adds="b", train_on="true")
    with pytest.raises(PipelineError, match="label= goes with train_on='predicted'"):
        Stage("s", LogisticRegression(), reads="a", adds="b", label=len)
    with pytest.raises(PipelineError, match="label= goes with train_on='predicted' or 'both'"):
        Stage("s", LogisticRegression(), reads="a", adds=["b", "c"], train_on="both", label=len)
    with pytest.raises(PipelineError, match=r"method must be one of 'predict', .*, got 'transform'"):
        Stage("s", LogisticRegression(), reads="a", adds="b", method="transform")
    with pytest.raises(PipelineError, match="a scikit-learn estimator, LinearSVC, has no method 'predict_proba'"):
        Stage("s", LinearSVC(), reads="a", adds="b", method="predict_proba")
    with pytest.raises(PipelineError, match=r"a function, .*, has no method 'predict_proba'"):
        Stage("s", len, reads="a", adds="b", method="predict_proba")
    with pytest.raises(PipelineError, match="views must be a whole number of at least 1, got 0"):
        Stage("s", LogisticRegression(), reads="a", adds="b", views=0)
    with pytest.raises(PipelineError, match="views= is for stages with a network"):
        Stage("s", LogisticRegression(), reads="a", adds="b", views=2)
    with pytest.raises(PipelineError, match="estimator adds one column"):
        Stage("s", LogisticRegression(), reads="a", adds=["b", "c"])


def test_all_faults_are_told_at_once():
    with pytest.raises(PipelineError, match=r"each='x'.*train_on must be.*adds one column"):
        Stage("s", LogisticRegression(), reads="a", adds=["b", "c"], each="x", train_on="no")


def test_what_cannot_work_is_refused():
    with pytest.raises(PipelineError, match="Wrap it in a Recipe with a function that builds it"):
        Stage("s", torch.nn.Linear(1, 1), reads="a", adds="b")
    with pytest.raises(PipelineError, match=r"give an instance: LogisticRegression\(...\)"):
        Stage("s", LogisticRegression, reads="a", adds="b")
    with pytest.raises(PipelineError, match="not PCA"):
        Stage("s", PCA(), reads="a", adds="b")
    with pytest.raises(PipelineError, match="not 3"):
        Stage("s", 3, reads="a", adds="b")
    with pytest.raises(PipelineError, match="A stage needs a name"):
        Stage("", len, reads="a", adds="b")
