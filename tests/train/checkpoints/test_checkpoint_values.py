"""A checkpoint that was changed, checksum and all, ends in a CheckpointError that says what is wrong with it."""

import json

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from longspan.errors import CheckpointError


@pytest.fixture
def state(small, tmp_path):
    small.learner().fit(2, checkpoints=tmp_path / "run")
    return max((tmp_path / "run").glob("step-*/state.safetensors"))


def changed(path, change):
    with safe_open(path, framework="pt") as file:
        values = json.loads(file.metadata()["longspan"])
    tensors = load_file(path)
    change(values, tensors)
    save_file(tensors, path, metadata={"longspan": json.dumps(values)})
    return path.parents[1]


def test_an_unchanged_one_goes_on(small, state):
    assert small.learner().resume(changed(state, lambda values, tensors: None)).epochs_done == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v, t: v.pop("phases"), "'phases' is missing"),
        (lambda v, t: v.update(epoch="1"), "'epoch' cannot be '1'"),
        (lambda v, t: v.update(float32_steps={}), "'float32_steps' cannot be"),
        (lambda v, t: v.update(best={"loss": "low"}), "'best' cannot be"),
        (lambda v, t: v.update(other_losses=[]), "'other_losses' cannot be"),
        (lambda v, t: v.update(phase_index={}), "'phase_index' cannot be"),
        (lambda v, t: v.update(phase_index=7), "'phase_index' is 7 of 1 phases"),
        (lambda v, t: v.update(losses=["x"]), "'losses' cannot be"),
        (lambda v, t: v.update(history=[1]), "'history' cannot be"),
        (lambda v, t: v.update(evaluations=[]), "'evaluations' cannot be"),
        (lambda v, t: v["phases"][0].update(more=1), "more"),
        (lambda v, t: t.update({"optimizer.999.exp_avg": t["network.backbone.stem.0.weight"].clone()}), "does not fit"),
        (lambda v, t: t.pop("optimizer.0.exp_avg_sq"), "the optimizer has"),
        (lambda v, t: t.update({"optimizer.0.exp_avg": t["optimizer.0.step"].clone()}), "the optimizer has"),
        (lambda v, t: t.pop("network.backbone.stem.0.weight"), "does not fit"),
    ],
)
def test_every_change_is_named(small, state, change, words):
    learner = small.learner()
    with pytest.raises(CheckpointError, match=words):
        learner.resume(changed(state, change))
