"""A description is compared with the weights before memory is taken for what it describes."""

import resource
import time

import numpy as np
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.errors import ModelFileError
from longspan.inference.model_file_validation import check_tensors_match


def net(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_the_right_weights_pass_and_build_nothing_that_lasts():
    check_tensors_match(net, net().state_dict())
    assert nn.Linear(1, 1).weight.device.type == "cpu"  # neither the device nor the counting goes on
    check_tensors_match(lambda: nn.Linear(1, 1), {"weight": torch.zeros(1, 1), "bias": torch.zeros(1)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("0.bias"), "0.bias is missing"),
        (lambda state: state.update(more=torch.zeros(1)), "more has no place"),
        (
            lambda state: state.update({"0.weight": torch.zeros(3, 5)}),
            r"0.weight is \[3, 5\], the network has \[3, 2\]",
        ),
    ],
)
def test_every_difference_is_named(change, words):
    state = net().state_dict()
    change(state)
    with pytest.raises(ModelFileError, match=words):
        check_tensors_match(net, state)


def test_a_layer_of_terabytes_and_layers_without_end_are_refused_at_once():
    def endless():
        return nn.Sequential(*(nn.Linear(2, 2) for _ in range(10**9)))

    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ModelFileError, match="too large"):
        check_tensors_match(lambda: nn.Linear(10**6, 10**6), net().state_dict())
    with pytest.raises(ModelFileError, match="no end"):
        check_tensors_match(endless, net().state_dict())
    assert time.monotonic() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_network_that_needs_numbers_while_it_is_built_is_compared_too(monkeypatch):
    def counted():
        return nn.Linear(2, int(torch.tensor([3]).tolist()[0]))

    check_tensors_match(counted, {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)})
    with pytest.raises(ModelFileError, match=r"weight is \[1\], the network has \[3, 2\]"):
        check_tensors_match(counted, {"weight": torch.zeros(1)})
    monkeypatch.setattr("longspan.inference.model_file_validation._LEFT_OUT", 5)
    with pytest.raises(ModelFileError, match="too large; bias of a Linear"):
        check_tensors_match(counted, {"weight": torch.zeros(3)})


def test_recordings_normalised_one_by_one_need_no_statistics(tmp_path):
    sounds = [0.1 * np.sin(np.arange(2000) * step).astype(np.float32) for step in (0.1, 0.4) * 4]
    table = ls.Table.from_arrays(
        {"sound": sounds, "pitch": ["low", "high"] * 4},
        {"sound": ls.Audio(rate_hz=8000, normalise="utterance"), "pitch": ls.Category()},
    )
    task = ls.Task(table.split(valid=2, seed=0), inputs="sound", targets="pitch", allow_leaks=True)
    saved = ls.Learner(task, ls.MatchboxNetConfig(), progress=False).save(tmp_path / "model.safetensors")
    assert ls.load(saved).predict(sounds[0])["pitch"] in ("low", "high")
