import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from longspan.errors import ModelFileError, PipelineError
from longspan.pipeline.estimator_state import describe_estimator, restore_estimator


def halved(x):
    return x / 2


def classes(kind):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 4)) + np.repeat(np.arange(3), 20)[:, None]
    return x, np.asarray({"words": ["a", "bb", "c"], "numbers": [0, 1, 2], "truth": [True, False, True]}[kind])[
        np.repeat(np.arange(3), 20)
    ]


def there_and_back(estimator, prototype):
    described, tensors = describe_estimator(estimator, "s")
    return restore_estimator(prototype, json.loads(json.dumps(described, allow_nan=False)), tensors)


ESTIMATORS = [
    LogisticRegression(),
    SVC(),
    SVC(kernel="linear", C=3),
    LinearSVC(),
    GaussianNB(),
    LinearDiscriminantAnalysis(),
    RidgeClassifier(),
    KNeighborsClassifier(3, algorithm="brute"),
    OneVsRestClassifier(LogisticRegression()),
    make_pipeline(SimpleImputer(), StandardScaler(), PCA(2), LogisticRegression()),
    make_pipeline(MinMaxScaler(), FunctionTransformer(halved), make_pipeline(StandardScaler(), SVC())),
]


@pytest.mark.parametrize("labels", ["words", "numbers", "truth"])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_answers_are_the_same_afterwards(estimator, labels):
    from sklearn.base import clone

    x, y = classes(labels)
    fitted = clone(estimator).fit(x, y)
    restored = there_and_back(fitted, clone(estimator))
    fresh = np.random.default_rng(1).normal(size=(50, 4)) * 3
    assert np.array_equal(restored.predict(fresh), fitted.predict(fresh))
    assert restored.predict(fresh).dtype == fitted.predict(fresh).dtype


def test_numbers_are_the_same_to_the_last_bit():
    x, y = classes("numbers")
    fitted = make_pipeline(StandardScaler(), Ridge(0.1)).fit(x, y)
    assert np.array_equal(
        there_and_back(fitted, make_pipeline(StandardScaler(), Ridge())).predict(x), fitted.predict(x)
    )


def test_stored_options_count_and_the_prototype_stays_unfitted():
    x, y = classes("words")
    fitted, prototype = KNeighborsClassifier(1, algorithm="brute").fit(x, y), KNeighborsClassifier(9)
    assert there_and_back(fitted, prototype).n_neighbors == 1
    assert not hasattr(prototype, "classes_")


@pytest.mark.parametrize(
    ("estimator", "what"),
    [
        (RandomForestClassifier(3), "RandomForestClassifier keeps a Tree in 'estimators_.0.tree_'"),
        (KNeighborsClassifier(algorithm="kd_tree"), "KNeighborsClassifier keeps a KDTree in '_tree'"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(3)), "Pipeline keeps a Tree in 'steps.1.1.estimators_"),
    ],
    ids=["forest", "tree", "inside"],
)
def test_what_a_file_cannot_hold_is_named(estimator, what):
    x, y = classes("words")
    with pytest.raises(PipelineError, match=f"Stage 's': the fitted {what}.*neither array, number"):
        describe_estimator(estimator.fit(x, y), "s")


def test_another_class_is_refused():
    x, y = classes("words")
    described, tensors = describe_estimator(LogisticRegression().fit(x, y), "s")
    with pytest.raises(ModelFileError, match="trained with a LogisticRegression, but a SVC was handed in"):
        restore_estimator(SVC(), described, tensors)
    nested, its_tensors = describe_estimator(make_pipeline(StandardScaler(), SVC()).fit(x, y), "s")
    with pytest.raises(ModelFileError, match="trained with a StandardScaler, but a MinMaxScaler was handed in"):
        restore_estimator(make_pipeline(MinMaxScaler(), SVC()), nested, its_tensors)


def test_a_file_never_names_what_is_made():
    described = {"estimator": "SVC", "state": {"helper": {"estimator": "SGDClassifier", "state": {}}}}
    with pytest.raises(ModelFileError, match="holds a SGDClassifier, and the estimator that was handed in has none"):
        restore_estimator(SVC(), described, {})
    known = {"estimator": "SVC", "state": {"helper": {"estimator": "LabelEncoder", "state": {"x": 1}}}}
    assert restore_estimator(SVC(), known, {}).helper.x == 1


@pytest.mark.parametrize(
    "value", [{"tensor": "gone"}, {"tensor": 1, "list": []}, {"odd": 1}, {"list": 3}, {"float": "x"}, {"dict": [1]}]
)
def test_damage_is_told(value):
    with pytest.raises(ModelFileError):
        restore_estimator(SVC(), {"estimator": "SVC", "state": {"a": value}}, {})


def test_every_kind_of_value_comes_back():
    estimator = SGDClassifier()
    values = {
        "array": np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::-1],
        "empty": np.empty((0, 3)),
        "words": np.array(["a", "bc"]),
        "objects": np.array(["a", 1, None], dtype=object),
        "scalar": np.float32(0.1),
        "nan": float("nan"),
        "inf": -np.inf,
        "nested": ({"a": [1, 2.5, None], 3: (True,)}, [np.arange(2)]),
    }
    vars(estimator).update(values)
    found = vars(there_and_back(estimator, SGDClassifier()))
    for name in ("array", "empty", "words", "objects"):
        assert np.array_equal(found[name], values[name])
        assert found[name].dtype == values[name].dtype
    assert found["scalar"] == values["scalar"]
    assert isinstance(found["scalar"], np.float32)
    assert np.isnan(found["nan"])
    assert found["inf"] == -np.inf
    assert found["nested"][0] == {"a": [1, 2.5, None], 3: (True,)}
    assert found["nested"][1][0].tolist() == [0, 1]


def test_a_fitted_part_that_cannot_be_stored_is_not_left_out():
    x, y = classes("numbers")
    fitted = make_pipeline(SelectKBest(k=2), LogisticRegression()).fit(x, y)
    assert np.array_equal(
        there_and_back(fitted, make_pipeline(SelectKBest(k=2), LogisticRegression())).predict(x), fitted.predict(x)
    )
    fitted[0].scores_ = object()
    with pytest.raises(PipelineError, match=r"steps.0.1.scores_"):
        describe_estimator(fitted, "s")


@pytest.mark.parametrize("name", ["predict", "__class__", "__dict__", "fit"])
def test_a_file_puts_nothing_in_place_of_methods(name):
    fitted = LinearSVC().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    described, tensors = describe_estimator(fitted, "s")
    described["state"][name] = "x"
    with pytest.raises(ModelFileError, match=f"it would replace '{name}'"):
        restore_estimator(LinearSVC(), described, tensors)
