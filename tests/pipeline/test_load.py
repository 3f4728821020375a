import functools
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import nn

import longspan as ls
from longspan.errors import ConfigError, ModelFileError, PipelineError
from longspan.pipeline import Pipeline, Stage, functions_needed, load
from longspan.storage.files import read_tensors, write_tensors


def functions(pulses):
    return {"find": pulses.find, "cut": pulses.cut, "join": pulses.join, "name": pulses.classifier()}


@pytest.fixture
def saved(pulses, tmp_path):
    pipeline = pulses.pipeline().fit(pulses.table())
    return pipeline, pipeline.save(tmp_path / "p.safetensors")


def rewritten(path, change):
    tensors, described = read_tensors(path)
    change(described)
    write_tensors(path, tensors, described)


def test_a_loaded_pipeline_answers_as_before(pulses, saved):
    pipeline, path = saved
    loaded = load(path, functions=functions(pulses))
    table = pulses.table(40, seed=3, noise=1)
    assert loaded.run(table) == pipeline.run(table)
    assert loaded.evaluate(table) == pipeline.evaluate(table)
    assert repr(loaded) == repr(pipeline)
    assert loaded.outputs == pipeline.outputs
    assert loaded.ceiling(table) == pipeline.ceiling(table)


def test_a_loaded_pipeline_can_be_saved_and_trained_again(pulses, saved, tmp_path):
    _, path = saved
    loaded = load(path, functions=functions(pulses))
    again = load(loaded.save(tmp_path / "q.safetensors"), functions=functions(pulses))
    table = pulses.table(20, seed=3)
    assert again.run(table) == loaded.run(table)
    other = pulses.table(60, seed=8, noise=1)
    assert np.array_equal(
        loaded.fit(other).model("name").estimator.coef_, pulses.pipeline().fit(other).model("name").estimator.coef_
    )


def test_the_file_names_functions_and_holds_none(pulses, saved):
    _, path = saved
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["longspan"])
    assert header["format"] == "longspan pipeline"
    assert header["stages"][0]["model"] == {"kind": "function", "name": f"{pulses.find.__module__}.find"}
    assert header["stages"][2]["model"]["state"]["estimator"] == "LogisticRegression"


def cut_long(signal, start, *, length=3, marks=None):
    return [*signal[start : start + length], *(marks or [])]


def test_options_of_a_partial_travel_in_the_file(pulses, tmp_path):
    cutter = functools.partial(cut_long, length=2, marks=[0.5])
    pipeline = pulses.pipeline(cutter=cutter).fit(pulses.table())
    path = pipeline.save(tmp_path / "p.safetensors")
    assert functions_needed(path) == {
        "find": f"{pulses.find.__module__}.find",
        "cut": f"{cut_long.__module__}.cut_long",
        "name": "LogisticRegression",
        "join": f"{pulses.join.__module__}.join",
    }
    table = pulses.table(10, seed=3)
    for given in (cut_long, cutter):
        loaded = load(path, functions={**functions(pulses), "cut": given})
        assert loaded.run(table) == pipeline.run(table)
    assert loaded.to_json() == pipeline.to_json()


@pytest.mark.parametrize(
    "cutter", [functools.partial(cut_long, marks=(0.5,)), functools.partial(cut_long, length=float("inf"))]
)
def test_options_that_json_would_change_are_handed_in_with_the_function(pulses, tmp_path, cutter):
    path = Pipeline(pulses.stages(cutter=cutter)[:2]).save(tmp_path / "p.safetensors")
    _, described = read_tensors(path)
    assert "options" not in described["stages"][1]["model"]
    assert described["stages"][1]["model"]["name"].startswith(f"{cut_long.__module__}.cut_long(")


def test_the_method_that_answers_is_kept(pulses, tmp_path):
    options = {"train_on": "predicted", "label": lambda predicted, truth: truth["names"], "method": "predict_proba"}
    stages = pulses.stages(**options)[:3]
    pipeline = Pipeline(stages).fit(pulses.table())
    path = pipeline.save(tmp_path / "p.safetensors")
    loaded = load(path, functions={k: v for k, v in functions(pulses).items() if k != "join"})
    table = pulses.table(5, seed=3)
    assert loaded.run(table) == pipeline.run(table)
    assert len(loaded.run(table)["names"][0][0]) == 3
    assert loaded.stages[2].method == "predict_proba"


def test_functions_that_are_missing_or_unknown_are_all_named(pulses, saved):
    _, path = saved
    with pytest.raises(ModelFileError) as caught:
        load(path, functions={"find": pulses.find, "jion": pulses.join, "name": len})
    message = str(caught.value)
    assert str(path) in message
    assert f"stage 'cut' needs your function {pulses.cut.__module__}.cut: functions={{'cut': ...}}" in message
    assert "stage 'join' needs your function" in message
    assert "functions= names 'jion', but it has no such stage; did you mean 'join'?" in message
    assert "stage 'name' needs a LogisticRegression (unfitted), not <built-in function len>" in message
    with pytest.raises(ModelFileError, match="trained with a LogisticRegression, but a SVC was handed in"):
        load(path, functions=functions(pulses) | {"name": SVC()})


def one_network(pulses, model=None):
    return Pipeline([Stage("all", model or pulses.RECIPE, reads="image", adds="side")])


def answers(model, table):
    return [p.to_json() for p in model.predict(table)]


def test_networks_are_stored_whole(pulses, tmp_path):
    table = pulses.image_table()
    pipeline = one_network(pulses).fit(table)
    loaded = load(pipeline.save(tmp_path / "p.safetensors"), device="cpu")
    assert answers(loaded, table) == answers(pipeline, table)
    assert isinstance(loaded.model("all"), ls.Predictor)
    with pytest.raises(ModelFileError, match="functions= names 'all', but the file holds that stage whole"):
        load(tmp_path / "p.safetensors", functions={"all": len})


def test_ensembles_and_several_networks_are_told_apart(pulses, tmp_path):
    table = pulses.image_table().with_column("kind", ls.Category(), ["x", "y"] * 12)
    task = ls.Task(table.split(valid=0), "image", "side")
    members = [pulses.RECIPE.train(task, seed=seed) for seed in (1, 2)]
    pipeline = Pipeline(
        [
            Stage("joint", ls.Ensemble(members), reads="image", adds="side"),
            Stage("one", members[1], reads="image", adds="other"),
            Stage("kind", pulses.RECIPE, reads="image", adds="kind"),
        ]
    ).fit(table)
    loaded = load(pipeline.save(tmp_path / "p.safetensors"), device="cpu")
    assert answers(loaded, table) == answers(pipeline, table)
    assert isinstance(loaded.model("joint"), ls.Ensemble)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_features = 4
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x):
        return self.conv(x).relu().mean(dim=(2, 3))


def test_a_network_of_the_user_is_handed_in_again(pulses, tmp_path):
    table = pulses.image_table()
    pipeline = one_network(pulses, ls.Recipe(Net, epochs=1)).fit(table)
    path = pipeline.save(tmp_path / "p.safetensors")
    assert answers(load(path, functions={"all": Net()}, device="cpu"), table) == answers(pipeline, table)
    with pytest.raises(ModelFileError, match="stage 'all' needs a new Net, your network"):
        load(path)
    with pytest.raises(ConfigError, match="goes by its stage: functions="):
        load(path, model=Net())


def test_columns_options_and_notes_come_back(pulses, tmp_path):
    cut = Stage("cut", pulses.cut, reads=["signal", "starts"], adds={"pieces": ls.Raw()}, each="starts")
    name = Stage("name", pulses.classifier(), reads="pieces", adds={"names": ls.Category()}, each="pieces")
    pipeline = Pipeline([cut, name], outputs=["pieces", "names"])
    names = pulses.table().column_values("names")
    pipeline.fit(pulses.table().with_column("names", ls.Raw(), [None, *names[1:]]))
    path = pipeline.save(tmp_path / "p.safetensors")
    loaded = load(path, functions={"cut": pulses.cut, "name": pulses.classifier()})
    assert loaded.outputs == ("pieces", "names")
    assert loaded.notes == pipeline.notes
    assert "left out" in loaded.notes[0]
    assert loaded.stages[1].columns["names"].kind == "category"
    rewritten(path, lambda d: d["stages"][1]["model"].update({"scikit-learn": "0.1"}))
    later = load(path, functions={"cut": pulses.cut, "name": pulses.classifier()})
    assert later.notes[-1].startswith("name: fitted with scikit-learn 0.1, loaded with")


def test_images_for_an_estimator_are_read_as_in_training(pulses, tmp_path):
    table = pulses.image_table()
    pipeline = one_network(pulses, LogisticRegression()).fit(table)
    loaded = load(pipeline.save(tmp_path / "p.safetensors"), functions={"all": LogisticRegression()})
    assert answers(loaded, table) == answers(pipeline, table)
    assert loaded.model("all").columns[0].size_px == (8, 8)


def test_what_cannot_be_saved_is_named(pulses, tmp_path):
    with pytest.raises(PipelineError, match="'name' has not been trained yet"):
        pulses.pipeline().save(tmp_path / "p.safetensors")
    forest = pulses.pipeline(namer=RandomForestClassifier(3)).fit(pulses.table())
    with pytest.raises(PipelineError, match="Stage 'name': the fitted RandomForestClassifier keeps a Tree"):
        forest.save(tmp_path / "p.safetensors")
    table = ls.Table.from_arrays({"n": [1, 2], "k": ["x", "y"]}, {"n": ls.Number(), "k": ls.Category()})
    strange = Pipeline([Stage("s", pulses.Majority(), reads="n", adds="k")]).fit(table)
    with pytest.raises(PipelineError, match=r"'s' was trained by Majority, which gave a Constant; .*model\('s'\).save"):
        strange.save(tmp_path / "p.safetensors")
    with pytest.raises(ModelFileError, match="would be a pickle"):
        pulses.pipeline().fit(pulses.table()).save(tmp_path / "p.pkl")
    assert not list(tmp_path.iterdir())


def test_models_and_ensembles_are_loaded_as_ever(pulses, tmp_path):
    table = pulses.image_table()
    learner = pulses.RECIPE.train(ls.Task(table.split(valid=0), "image", "side"))
    path = learner.save(tmp_path / "m.safetensors")
    assert answers(load(path, device="cpu"), table) == answers(learner, table)
    with pytest.raises(ConfigError, match="does not hold a pipeline, so functions= is of no use"):
        load(path, functions={"a": len})
    with pytest.raises(ModelFileError, match="does not exist"):
        load(tmp_path / "gone.safetensors")


def test_files_of_another_version_or_damaged_are_refused(pulses, saved):
    _, path = saved
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ModelFileError, match="cut short"):
        load(path, functions=functions(pulses))

    def refuses(change, message):
        path.write_bytes(whole)
        rewritten(path, change)
        with pytest.raises(ModelFileError, match=message):
            load(path, functions=functions(pulses))

    refuses(lambda d: d.update(format_version=2), "format version 2, written by longspan .* Update longspan")
    refuses(lambda d: d.update(format_version="x"), "format version 'x'")
    refuses(lambda d: d.pop("stages"), "description of its stages is damaged")
    refuses(lambda d: d["stages"][0].pop("reads"), "description of its stages is damaged")
    refuses(lambda d: d["stages"][2]["model"].pop("state"), "damaged")
    refuses(lambda d: d["stages"][2]["model"]["state"]["state"].update(coef_={"tensor": "gone"}), "gone")
    refuses(lambda d: d["stages"].reverse(), "makes no pipeline|make no pipeline|damaged|gone")


def test_networks_whose_tensors_are_gone_are_refused(pulses, tmp_path):
    path = one_network(pulses).fit(pulses.image_table()).save(tmp_path / "p.safetensors")
    tensors, described = read_tensors(path)
    write_tensors(
        path, {name: t for name, t in tensors.items() if "conv" not in name} | {"x": torch.zeros(1)}, described
    )
    with pytest.raises(ModelFileError, match="weights and description do not fit together"):
        load(path)


def test_a_stage_averages_over_as_many_views_as_it_says(pulses, tmp_path):
    config = ls.TrainConfig(batch_size=8, precision="float32", augment=ls.Augment(shift=0.4, fill=0.0))
    recipe = ls.Recipe(pulses.RECIPE.model, epochs=2, lr=1e-2, config=config)
    table = pulses.image_table()
    one, four = (
        Pipeline([Stage("look", recipe, reads="image", adds="side", views=views)]).fit(table) for views in (1, 4)
    )
    expected = [each.probability for each in four.model("look").predict(table, views=4)]
    assert [each.probability for each in four.predict(table)] == expected
    assert [each.probability for each in one.predict(table)] != expected
    again = load(four.save(tmp_path / "p.safetensors"))
    assert [each.probability for each in again.predict(table)] == expected
    assert four.to_json() != one.to_json()
