import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, DataError, ModelFileError


@pytest.fixture(scope="module")
def members(small):
    task = small.task(["side", "light", "lit"], missing=True)
    larger = small.task(["side", "light", "lit"], missing=True, size_px=12)
    return [
        small.learner(task, seed=1).fit(1),
        small.learner(task, seed=2).fit(1),
        small.learner(larger, seed=3).fit(1),
    ]


@pytest.fixture(scope="module")
def ensemble(members):
    return ls.Ensemble(members)


def test_answers_are_the_mean_of_the_members(members, ensemble, small):
    table = small.table()
    single = [member.predict(table) for member in members]
    for i, joint in enumerate(ensemble.predict(table)):
        for label in ("left", "right"):
            expected = sum(answers[i].by_target["side"].probabilities[label] for answers in single) / 3
            assert joint.by_target["side"].probabilities[label] == pytest.approx(expected, abs=1e-6)
        assert joint["light"] == pytest.approx(sum(answers[i]["light"] for answers in single) / 3, rel=1e-5)
        best = max(joint.by_target["side"].probabilities.items(), key=lambda pair: pair[1])
        assert (joint["side"], joint.by_target["side"].probability) == best


def test_figures_are_those_of_the_joint_answers(ensemble, small):
    table = small.table(missing=True)
    figures = ensemble.evaluate(table)
    answers = ensemble.predict(table)
    known = [i for i in range(len(table)) if table.value(i, "side") is not None]
    right = sum(answers[i]["side"] == table.value(i, "side") for i in known)
    assert figures["side.accuracy"] == pytest.approx(right / len(known), abs=1e-6)
    lit = [i for i in range(len(table)) if table.value(i, "light") is not None]
    error = sum(abs(answers[i]["light"] - table.value(i, "light")) for i in lit) / len(lit)
    assert figures["light.mae"] == pytest.approx(error, rel=1e-4)
    assert "loss" not in figures


def test_one_file_holds_all_members(ensemble, small, tmp_path):
    table = small.table()
    loaded = ls.load(ensemble.save(tmp_path / "e.safetensors"), device="cpu")
    assert isinstance(loaded, ls.Ensemble)
    assert [p.to_json() for p in loaded.predict(table)] == [p.to_json() for p in ensemble.predict(table)]
    assert repr(loaded) == repr(ensemble)
    content = (tmp_path / "e.safetensors").read_bytes()
    (tmp_path / "e.safetensors").write_bytes(content[:-5])
    with pytest.raises(ModelFileError, match=r"e.safetensors is cut short"):
        ls.load(tmp_path / "e.safetensors")


def test_one_member_twice_can_be_saved(members, tmp_path, small):
    twice = ls.Ensemble([members[0], members[0]])
    loaded = ls.load(twice.save(tmp_path / "e.safetensors"), device="cpu")
    image = small.table()[0]["image"]
    assert loaded.predict(image)["light"] == pytest.approx(members[0].predict(image)["light"], rel=1e-6)


def test_members_are_learners_or_loaded_models(members, tmp_path, small):
    loaded = ls.load(members[0].save(tmp_path / "m.safetensors"), device="cpu")
    mixed, plain = ls.Ensemble([loaded, members[1]]), ls.Ensemble(members[:2])
    image = small.table()[0]["image"]
    assert mixed.predict(image).to_json() == plain.predict(image).to_json()
    assert ls.Ensemble(iter(members)).predict([]) == []


def test_members_predict_the_same_targets_and_classes(small):
    one = small.learner(small.task("side"))
    with pytest.raises(ConfigError, match="at least two members, got 1"):
        ls.Ensemble([one])
    with pytest.raises(ConfigError, match=r"Member 2 predicts .*light.*: train them on one split"):
        ls.Ensemble([one, small.learner(small.task("light"))])
    other = small.table().with_column("side", ls.Category(), list("ab") * 10)
    with pytest.raises(ConfigError, match="Member 2 predicts"):
        ls.Ensemble([one, small.learner(small.task("side", table=other))])


def test_inputs_that_cannot_be_used_are_named(ensemble):
    with pytest.raises(DataError, match="Nothing was predicted"):
        ensemble.predict(["gone.png"])


def test_views_reach_every_member(small, members):
    with pytest.raises(ConfigError, match="needs a model trained with augmentation"):
        ls.Ensemble(members).predict(small.table(), views=2)
    config = ls.TrainConfig(batch_size=5, precision="float32", augment=ls.Augment(flip=True))
    pair = [small.learner(config=config, seed=seed) for seed in (1, 2)]
    image = torch.tensor(small.table()[0]["image"])
    expected = sum(learner.predict(image, views=2).probabilities["left"] for learner in pair) / 2
    assert ls.Ensemble(pair).predict(image, views=2).probabilities["left"] == pytest.approx(expected, abs=1e-6)
