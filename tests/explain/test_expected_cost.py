"""Every kind of explanation says what it takes, refuses hours, and leaves the model as it was."""

import sys
import time

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError
from longspan.explain.expected_cost import check_cost, expected_cost

KINDS = (
    "learned_layers", "attribute", "occlusion", "integrated_gradients", "sanity_check", "attribution_scores", "slices",
    "calibration", "threshold", "influence", "self_influence", "layer_costs", "receptive_fields", "importance",
)  # fmt: skip


@pytest.fixture(scope="module")
def squares():
    rng = np.random.default_rng(0)
    images = rng.integers(90, 130, (60, 16, 16), dtype=np.uint8)
    classes = np.arange(60) % 2
    for image, bright in zip(images, classes, strict=True):
        image[4:10, 4:10] = 255 if bright else 0
    table = ls.Table.from_arrays(
        {"image": images, "bright": classes.tolist()}, {"image": ls.Image(), "bright": ls.Category()}
    )
    task = ls.Task(table.split(valid=0.5, seed=0), "image", "bright", allow_leaks=True)
    learner = ls.Learner(task, ls.SmallResNetConfig(blocks=1), seed=0, device="cpu", progress=False)
    return learner.fit_one_cycle(1, lr=3e-3), table


def call_of(kind, model, table, **options):
    """A function, its arguments and its options."""
    explain, few = ls.explain, table.take(np.arange(4))
    if kind in ("occlusion", "integrated_gradients"):
        return explain.attribute, (model, few), {"method": kind, **options}
    if kind in ("attribute", "sanity_check", "attribution_scores"):
        return getattr(explain, kind), (model, few), options
    if kind == "influence":
        return explain.influence, (model, table, few), options
    if kind == "threshold":
        return explain.threshold, (model, table), {"positive": 1, **options}
    if kind == "learned_layers":
        return explain.learned_layers, (model, table), {"channels": 1, "patches": 2, **options}
    network = model.predictor().network
    images = torch.linspace(-1, 1, 512).reshape(2, 1, 16, 16)
    if kind == "layer_costs":
        return explain.layer_costs, (network, [images]), {"repeats": 1, **options}
    if kind == "receptive_fields":
        return explain.receptive_fields, (network.get_submodule("backbone"), images), options
    return getattr(explain, kind), (model, table), options


def state_of(network):
    """Everything about a network that an explanation could leave behind."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": {name: value.detach().clone() for name, value in network.state_dict().items()},
        "identities": [id(each) for each in (*network.parameters(), *network.buffers())],
        "needs gradient": [each.requires_grad for each in network.parameters()],
        "gradients": [each.grad is None for each in network.parameters()],
        "modes": {name: module.training for name, module in network.named_modules()},
        "hooks": {name: [list(getattr(module, h)) for h in hooks] for name, module in network.named_modules()},
        "random": torch.get_rng_state(),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_explanation_leaves_no_trace(squares, kind):
    learner, table = squares
    network = learner.predictor().network
    network.train()
    network.get_submodule("backbone").eval()  # a mixture of modes, as while frozen layers train
    before = state_of(network)
    function, arguments, options = call_of(kind, learner, table)
    expected_cost(function, *arguments, **options)
    function(*arguments, **options)
    after = state_of(network)
    weights = before.pop("weights"), after.pop("weights")
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert torch.equal(before.pop("random"), after.pop("random"))
    assert before == after


@pytest.mark.parametrize("kind", KINDS)
def test_what_takes_too_long_is_refused_with_its_estimate(squares, kind, monkeypatch):
    learner, table = squares
    monkeypatch.setattr(sys.modules[check_cost.__module__], "_CHEAP", 0)  # these cases are small
    function, arguments, options = call_of(kind, learner, table, max_seconds=1e-9)
    with pytest.raises(ConfigError, match=r"would take about [\d.]+ (s|min), more than the 0.0 s"):
        function(*arguments, **options)
    function, arguments, options = call_of(kind, learner, table, max_seconds=None)
    assert 0 < expected_cost(function, *arguments, **options).seconds < 300


def test_phrases_say_what_they_take_and_leave_no_trace():
    import polars as pl

    words = np.random.default_rng(0).choice(["a", "b", "c", "d"], (40, 6))
    frame = pl.DataFrame({"text": [" ".join(each) for each in words], "first": [each[0] for each in words]})
    table = ls.Table.from_frame(frame, {"text": ls.Text(), "first": ls.Category()})
    task = ls.Task(table.split(valid=0.25, seed=0), "text", "first", allow_leaks=True)
    learner = ls.Learner(task, "text_cnn", seed=0, device="cpu", progress=False)
    network = learner.predictor().network
    before = state_of(network)
    assert expected_cost(ls.explain.learned_phrases, learner, table).seconds > 0
    ls.explain.learned_phrases(learner, table, channels=1, phrases=2)
    after = state_of(network)
    assert all(torch.equal(value, after["weights"][name]) for name, value in before["weights"].items())
    assert before["modes"] == after["modes"]
    assert before["hooks"] == after["hooks"]


def test_the_estimate_is_seconds_of_a_part_times_parts():
    done = []

    def explained(units, max_seconds=None):
        def probe():
            time.sleep(0.02)
            return 2

        check_cost("Sleep", units, probe, each=2, max_seconds=max_seconds)
        done.append(units)

    cost = expected_cost(explained, 100)
    assert cost.what == "Sleep"
    assert 1.0 <= cost.seconds < 3.0
    assert not done  # planned, not made
    with pytest.raises(ConfigError, match=r"Sleep would take about (2 h 4[0-9] min|[3-5] h)"):
        explained(1_000_000, max_seconds=3600)
    explained(1_000_000)
    explained(4, max_seconds=1e-9)  # too small to be probed
    assert done == [1_000_000, 4]


def test_a_function_that_does_not_say_what_it_takes_is_told():
    with pytest.raises(ConfigError, match="sum does not say beforehand"):
        expected_cost(sum, [1, 2])


def test_a_page_tells_its_costs_first_and_is_refused_as_a_whole(squares, tmp_path):
    learner, table = squares
    told = []
    with pytest.raises(ConfigError, match=r"This explanation .* would take about"):
        ls.explain.write_explanation(
            tmp_path / "page.html", learner, table, layers=True, training=table, max_seconds=1e-9, tell=told.extend
        )
    assert not (tmp_path / "page.html").exists()
    assert [each.what for each in told] == [
        "Slices", "Grad-CAM", "The check of Grad-CAM", "Occlusion", "The check of Occlusion", "What each layer learned",
        "Influence",
    ]  # fmt: skip
