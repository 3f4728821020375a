import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, PipelineError
from longspan.pipeline import FeaturesOf, Pipeline, Stage, load
from longspan.pipeline.network_features import NetworkFeatures


def stages(pulses, of=None, **options):
    from sklearn.linear_model import LogisticRegression

    return [
        Stage("see", pulses.RECIPE, reads="image", adds={"side": ls.Category()}),
        Stage("look", of or FeaturesOf(stage="see", **options), reads="image", adds="seen"),
        Stage("say", LogisticRegression(), reads="seen", adds="word"),
    ]


def with_words(table):
    return table.with_column("word", ls.Raw(), lambda row: row["side"].upper())


@pytest.fixture(scope="module")
def fitted(pulses):
    return Pipeline(stages(pulses), outputs=["word"]).fit(with_words(pulses.image_table()))


def by_hand(pipeline, table, grid=None):
    """The vector that the head reads, or the last map averaged, from torch alone."""
    learner = pipeline.model("see")
    (column,) = learner.inputs.values()
    pixels = np.stack([column.encode(value) for value in table.column_values("image")])
    network = learner.network.eval()
    with torch.no_grad():
        images = column.prepare(torch.from_numpy(pixels))
        if grid is None:
            return network.backbone(images).numpy()
        maps = network.backbone.features(images)[-1]
        return torch.nn.AdaptiveAvgPool2d(grid)(maps).flatten(1).numpy()


def test_it_gives_what_the_heads_read(pulses, fitted):
    table = pulses.image_table(10, seed=3)
    seen = fitted.run(table)["seen"]
    assert seen[0].dtype == np.float32
    assert np.stack(seen) == pytest.approx(by_hand(fitted, table), abs=1e-5)


def test_a_grid_keeps_what_is_where(pulses):
    table = with_words(pulses.image_table())
    pipeline = Pipeline(stages(pulses, grid=2)).fit(table)
    seen = np.stack(pipeline.run(table)["seen"])
    assert seen.shape == (24, 4 * 16)
    assert seen == pytest.approx(by_hand(pipeline, table, 2), abs=1e-5)
    left, right = (seen[np.asarray(table.column_values("side")) == side].mean(0) for side in ("left", "right"))
    halves = (left - right).reshape(16, 2, 2)
    assert np.abs(halves[..., 0] - halves[..., 1]).max() > 0.1


def test_stages_after_it_learn_from_its_features(pulses, fitted):
    table = with_words(pulses.image_table(20, seed=5))
    assert fitted.evaluate(table) == {"error": 0.0}
    assert fitted.predict(table.value(0, "image")).value == table.value(0, "word")


def test_each_element_has_features_of_its_own(pulses):
    table = pulses.image_table(24)
    sides = table.column_values("side")
    pairs = [[sides[2 * row], sides[2 * row + 1]] for row in range(12)]
    lists = ls.Table.from_arrays({"row": list(range(12)), "sides": pairs}, {"row": ls.Raw(), "sides": ls.Raw()})
    pixels = table.arrays["image"]
    pair = Stage("pair", lambda row: [pixels[2 * row], pixels[2 * row + 1]], reads="row", adds="images")
    see = Stage("see", pulses.RECIPE, reads="images", adds={"sides": ls.Category()}, each="images",
                columns={"images": ls.Image()})  # fmt: skip
    look = Stage("look", FeaturesOf(stage="see"), reads="images", adds="seen", each="images")
    pipeline = Pipeline([pair, see, look]).fit(lists)
    seen = pipeline.run(lists)["seen"]
    assert [len(each) for each in seen] == [2] * 12
    assert np.concatenate(seen) == pytest.approx(by_hand(pipeline, table), abs=1e-5)


def test_many_samples_are_looked_at_in_parts(pulses, fitted, monkeypatch):
    table = pulses.image_table(10, seed=3)
    whole = fitted.run(table)["seen"]
    monkeypatch.setattr("longspan.pipeline.network_features._TOGETHER", 3)
    assert np.stack(fitted.run(table)["seen"]) == pytest.approx(np.stack(whole), abs=1e-5)


def test_a_saved_pipeline_needs_no_hand_for_them(pulses, fitted, tmp_path):
    from sklearn.linear_model import LogisticRegression

    table = pulses.image_table(6, seed=4)
    path = fitted.save(tmp_path / "p.safetensors")
    loaded = load(path, functions={"say": LogisticRegression()})
    assert isinstance(loaded, ls.Pipeline)
    assert loaded.stages[1].what == FeaturesOf(stage="see")
    assert np.array_equal(loaded.run(table)["seen"], fitted.run(table)["seen"])
    assert loaded.run(table)["word"] == fitted.run(table)["word"]


def test_a_learner_that_was_trained_before_gives_features_too(pulses, fitted):
    learner = fitted.model("see")
    look = Stage("look", FeaturesOf(stage="see"), reads="image", adds="seen")
    pipeline = Pipeline([Stage("see", learner, reads="image", adds="side"), look])
    table = pulses.image_table(4)
    assert np.stack(pipeline.run(table)["seen"]) == pytest.approx(by_hand(fitted, table), abs=1e-5)


def test_the_stage_must_be_there_before_and_have_one_network(pulses, fitted):
    see, look, say = stages(pulses)
    with pytest.raises(
        PipelineError, match="'look' needs the features of a network, of stage 'see', but no stage before it"
    ):
        Pipeline([look, say])
    with pytest.raises(PipelineError, match="did you mean 'see'"):
        Pipeline([see, Stage("look", FeaturesOf(stage="sea"), reads="image", adds="seen")])
    with pytest.raises(PipelineError, match=r"reads as many columns: \['image'\], not \['image', 'x'\]"):
        Pipeline([see, Stage("look", FeaturesOf(stage="see"), reads=["image", "x"], adds="seen")])
    learner = fitted.model("see")
    with pytest.raises(PipelineError, match="Stage 'see' holds a Ensemble; only a single network has features"):
        Pipeline([Stage("see", ls.Ensemble([learner, learner]), reads="image", adds="side"), look]).run(
            pulses.image_table(4)
        )
    with pytest.raises(PipelineError, match="has not been trained yet"):
        Pipeline([see, look]).run(pulses.image_table(4))


def test_whole_networks_have_no_features(pulses):
    def whole():
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))

    see = Stage("see", ls.Recipe(whole, epochs=1), reads="image", adds={"side": ls.Category()})
    pipeline = Pipeline([see, Stage("look", FeaturesOf(stage="see"), reads="image", adds="seen")])
    with pytest.raises(PipelineError, match="is one whole: it gives predictions, not features"):
        pipeline.fit(pulses.image_table()).run(pulses.image_table(4))


def test_options_are_checked():
    with pytest.raises(ConfigError, match="grid must be a whole number of at least 1, or None, got 0"):
        FeaturesOf(stage="see", grid=0)
    with pytest.raises(PipelineError, match="this one is the features of a network"):
        Stage("look", FeaturesOf(stage="see"), reads="a", adds="b", train_on="predicted")
    with pytest.raises(PipelineError, match="the features of a network adds one column"):
        Stage("look", FeaturesOf(stage="see"), reads="a", adds=["b", "c"])
    assert repr(Stage("look", FeaturesOf(stage="see"), reads="a", adds="b")) == "Stage(look: a -> b; features of 'see')"


def test_images_that_cannot_be_read_are_named_with_their_stage(fitted):
    table = ls.Table.from_arrays({"image": ["gone.png"]}, {"image": ls.Image()})
    with pytest.raises(PipelineError, match=r"Stage 'look' failed in row 0 .*does not exist"):
        fitted.predict(table)


def test_a_ceiling_analysis_says_where_a_network_goes(pulses, fitted):
    ceiling = fitted.ceiling(with_words(pulses.image_table(20, seed=6)))
    assert ceiling.stages[0].note == "its predictions are not read: 'look' uses its network's features"


def test_it_says_what_it_is(fitted):
    model = fitted.model("look")
    assert isinstance(model, NetworkFeatures)
    assert "Predictor(" in repr(model)
    assert list(model.inputs) == ["image"]
