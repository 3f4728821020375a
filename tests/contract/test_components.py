"""What holds for every kind of component that a stage may hold; a new kind brings its example here."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import longspan as ls
from longspan.inference.estimators.acoustic_model import StateScores
from longspan.pipeline import FeaturesOf
from longspan.pipeline.components import COMPONENTS, component_kind, component_of
from longspan.train.estimators.acoustic import AcousticTraining

RECIPE = ls.Recipe(
    ls.SmallResNetConfig(blocks=1, width=4),
    epochs=1,
    lr=1e-2,
    config=ls.TrainConfig(batch_size=5, precision="float32"),
)


def brightness(image):
    return [float(np.mean(image)), float(np.std(image))]


def frames(image):
    return np.repeat(np.asarray(image, np.float32).reshape(len(image), -1), 4, axis=0)


def trained(small):
    learner = small.learner()
    learner.fit(1, lr=1e-2)
    return learner


# The stages of a pipeline whose last one holds the kind in question, and what must be handed in to load it again.
EXAMPLES = {
    "AcousticComponent": lambda small: [
        ls.Stage("first", frames, reads="image", adds="frames"),
        ls.Stage("see", AcousticTraining(gaussians=1, rounds=1), reads="frames", adds="side"),
    ],
    "TrainedComponent": lambda small: [ls.Stage("see", trained(small), reads="image", adds="side")],
    "StrategyComponent": lambda small: [ls.Stage("see", RECIPE, reads="image", adds="side")],
    "FunctionComponent": lambda small: [ls.Stage("see", brightness, reads="image", adds="levels")],
    "FeaturesComponent": lambda small: [
        ls.Stage("first", RECIPE, reads="image", adds="side"),
        ls.Stage("see", FeaturesOf(stage="first"), reads="image", adds="vector"),
    ],
    "EstimatorComponent": lambda small: [
        ls.Stage("first", brightness, reads="image", adds="levels"),
        ls.Stage("see", LogisticRegression(), reads="levels", adds="side"),
    ],
}
every = pytest.mark.parametrize("kind", list(EXAMPLES))


@pytest.fixture
def case(kind, small):
    """A fitted pipeline, and a table whose second image is missing."""
    table = small.table()
    pipeline = ls.Pipeline(EXAMPLES[kind](small)).fit(table.select("image", "side"), seed=2, progress=False)
    cells = [None if row == 1 else table.value(row, "image") for row in range(4)]
    shown = [{"image": cell} for cell in cells]
    return SimpleNamespace(pipeline=pipeline, stage=pipeline.stages[-1], shown=shown, added=pipeline.stages[-1].adds[0])


def plain(values):
    values = [value.scores if isinstance(value, StateScores) else value for value in values]
    return [value.tolist() if hasattr(value, "tolist") else value for value in values]


def test_every_kind_has_an_example():
    assert {kind.__name__ for kind in COMPONENTS} == set(EXAMPLES)


@every
def test_one_kind_accepts_it_and_knows_its_files(kind, small):
    what = EXAMPLES[kind](small)[-1].what
    accepting = [each.__name__ for each in COMPONENTS if each.accept(what) is not None]
    assert accepting[0] == kind == type(component_of("see", what)).__name__
    for each in COMPONENTS:
        assert all(component_kind(name) is each for name in each.file_kinds)
        assert each.accept(object()) is None


@every
def test_one_sample_at_a_time_is_the_whole_table_and_missing_stays_missing(case):
    whole = plain(row[case.added] for row in case.pipeline.predict(case.shown))
    runner = case.pipeline.start()
    alone = plain(runner.step(sample)[case.added] for sample in case.shown)
    assert whole[1] is None
    assert alone[1] is None
    for one, other in zip(whole, alone, strict=True):
        if isinstance(one, list):
            np.testing.assert_allclose(one, other, rtol=1e-5)
        else:
            assert one == other


@every
def test_a_file_restores_it(case, tmp_path):
    path = case.pipeline.save(tmp_path / "pipeline.safetensors")
    functions = {  # a file holds no code
        stage.name: stage.what
        for stage in case.pipeline.stages
        if stage.what in (brightness, frames) or isinstance(stage.what, LogisticRegression)
    }
    again = ls.load(path, device="cpu", functions=functions)
    one, two = (plain(row[case.added] for row in each.predict(case.shown)) for each in (case.pipeline, again))
    assert one == two


@every
def test_it_says_what_it_is(case):
    component = case.stage.component
    fields, tensors = case.pipeline._component(case.stage).describe(case.stage.spec)
    json.dumps(fields, allow_nan=False)
    assert component_kind(fields["kind"]) is not None
    assert all(tensor.numel() for tensor in tensors.values())
    assert component.traits.noun.startswith(("a ", "an ", "the "))
    json.dumps(component.identity(), allow_nan=False)
