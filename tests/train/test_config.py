import json

import pytest

from longspan.errors import ConfigError, UnknownNameError
from longspan.train import Phase, TrainConfig

NAN = float("nan")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size .* got 2.5"),
        ({"batch_size": True}, "batch_size .* got True"),
        ({"accumulate": 0}, "accumulate"),
        ({"weight_decay": -1}, "weight_decay must be at least 0, got -1"),
        ({"weight_decay": NAN}, "weight_decay"),
        ({"clip_norm": 0}, "clip_norm must be above 0"),
        ({"clip_norm": NAN}, "clip_norm"),
        ({"mixup": NAN}, "mixup"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ({"beta2": 1.0}, "beta2"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        TrainConfig(**options)


def test_all_faults_are_named_at_once():
    with pytest.raises(ConfigError, match=r"TrainConfig: batch_size .*; mixup .*; momentum "):
        TrainConfig(batch_size=0, mixup=-1, momentum=2)


@pytest.mark.parametrize(
    ("options", "near"),
    [({"optimizer": "adam"}, "adamw"), ({"precision": "bfloat"}, "bfloat16"), ({"precision": "float"}, "float32")],
)
def test_a_misspelt_choice_gets_the_nearest(options, near):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'"):
        TrainConfig(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"epochs": 1.5}, "epochs .* got 1.5"),
        ({"epochs": 1, "lr": 0}, "lr must be above 0"),
        ({"epochs": 1, "lr": NAN}, "lr must be above 0 and finite"),
        ({"epochs": 1, "lr": float("inf")}, "finite"),
        ({"epochs": 1, "warmup": 1.0}, "warmup"),
        ({"epochs": 1, "frozen": 1.5}, "frozen"),
        ({"epochs": 1, "backbone_lr_mult": 0}, "backbone_lr_mult"),
    ],
)
def test_phases_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        Phase(**options)


def test_a_misspelt_schedule_gets_the_nearest():
    with pytest.raises(UnknownNameError, match=r"There is no schedule 'one_cycl'. Did you mean 'one_cycle'"):
        Phase(epochs=1, schedule="one_cycl")


def test_settings_are_json_values():
    assert json.loads(json.dumps(TrainConfig().to_json()))["batch_size"] == 64
    phase = Phase(epochs=3, lr=0.1, frozen=0.5)
    assert Phase(**json.loads(json.dumps(phase.to_json()))) == phase
