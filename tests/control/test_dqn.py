"""DQN: it learns, goes on exactly after a kill, and says what it cannot learn."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from tests.control.worlds import Walk

import longspan as ls
from longspan.control import run_episodes
from longspan.control.dqn.training import _Training
from longspan.errors import CheckpointError, ConfigError, ModelFileError, TrainingError, UnknownNameError

SMALL = ls.DQNConfig(
    environments=2, batch_size=8, buffer_size=300, learning_starts=100, target_every=50, exploration_frames=400,
    max_steps=40, lr=1e-3,
)  # fmt: skip


def quick(config=SMALL, seed=0, make=Walk):
    return ls.DQN(make, config, seed=seed)


def weights(run):
    return {name: value.clone() for name, value in run.agent.network.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_learns_to_walk_to_the_end_that_the_image_shows():
    make = functools.partial(Walk, either=True)
    run = quick(replace(SMALL, buffer_size=2000, double=True), make=make).fit(3000, evaluate_every=None)
    assert run.updates == 2900 + 2  # one per frame from the 100th on
    assert run.agent.evaluate(50).mean() > 0.9
    assert run_episodes(make, lambda seen: 1, episodes=50).mean() < 0.7  # without looking


@pytest.mark.parametrize(
    "options",
    [{}, {"double": True, "dueling": True, "n_step": 3}, {"prioritized": 0.6}, {"train_every": 4, "environments": 4}],
    ids=["plain", "double, dueling, n steps", "prioritised", "every fourth frame"],
)
def test_a_training_that_broke_off_goes_on_as_if_it_had_not(tmp_path, options, monkeypatch):
    config = replace(SMALL, frame_stack=2, **options)
    settings = {"evaluate_every": 250, "evaluation_episodes": 2, "checkpoint_every": 200}
    whole = quick(config).fit(900, folder=tmp_path / "whole", **settings)
    real = _Training._learn

    def breaks(self, updates):
        if self.frames >= 760:
            raise KeyboardInterrupt
        real(self, updates)

    monkeypatch.setattr(_Training, "_learn", breaks)
    with pytest.raises(KeyboardInterrupt):
        quick(config).fit(900, folder=tmp_path / "broken", **settings)
    monkeypatch.setattr(_Training, "_learn", real)
    resumed = quick(config).fit(900, folder=tmp_path / "broken", resume=True, **settings)
    assert equal(weights(whole), weights(resumed))
    assert whole.curve == resumed.curve
    assert [row["frames"] for row in whole.curve] == [
        252 if config.environments == 4 else 250,
        500,
        752 if config.environments == 4 else 750,
        900,
    ]


def test_a_training_killed_while_its_first_checkpoint_was_written_can_be_started_again(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / ".state.safetensors.part").write_bytes(b"half")
    settings = {"folder": tmp_path, "checkpoint_every": 100, "evaluate_every": None}
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        quick().fit(200, resume=True, **settings)
    assert quick().fit(200, **settings).frames == 200
    with pytest.raises(CheckpointError, match="holds a training already"):
        quick().fit(200, **settings)


def test_another_seed_is_another_training_and_a_checkpoint_changes_nothing(tmp_path):
    plain = weights(quick().fit(300, evaluate_every=None))
    assert equal(plain, weights(quick().fit(300, evaluate_every=None, folder=tmp_path / "a", checkpoint_every=50)))
    assert equal(plain, weights(quick().fit(300, evaluate_every=100, evaluation_episodes=2)))
    assert not equal(plain, weights(quick(seed=1).fit(300, evaluate_every=None)))


def test_the_targets_are_those_of_the_paper():
    training = _Training(quick(replace(SMALL, double=True, n_step=2)), 400, None, 100)
    training.evaluate_every = None
    training.run(False)
    with torch.no_grad():
        for parameter in training.target.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    drawn = training.buffer.draw(np.linspace(0, 0.99, 64))
    after = torch.from_numpy(drawn.next_observations)
    with torch.no_grad():
        chosen = training.online(after).argmax(1)
        worth = training.target(after)[torch.arange(64), chosen]
    wanted = torch.from_numpy(drawn.returns) + torch.from_numpy(drawn.discounts) * worth
    assert torch.allclose(training._targets(drawn), wanted, atol=1e-6)
    assert set(drawn.discounts.round(4).astype(float).round(4).tolist()) <= {0.0, 0.9801}


def test_an_agent_in_a_file_plays_the_same_and_side_by_side_is_as_one_after_another(tmp_path):
    agent = quick(replace(SMALL, frame_stack=3)).fit(400, evaluate_every=None).agent
    read = ls.load_agent(agent.save(tmp_path / "walk.safetensors"), make=Walk)
    one = agent.play(12, seed=3)
    assert one == read.play(12, seed=3) == read.evaluate(12, seed=3)
    assert read.trained["frames"] == 400


def test_files_that_are_no_agents_are_named(tmp_path):
    path = quick().fit(10, evaluate_every=None).agent.save(tmp_path / "walk.safetensors")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"walk\.safetensors"):
        ls.load_agent(path)
    with pytest.raises(ModelFileError):
        ls.load_agent(tmp_path / "none.safetensors")


def test_what_dqn_cannot_learn_is_refused_before_it_plays():
    with pytest.raises(ConfigError, match=r"chooses among a few actions; 'Pendulum-v1' takes Box.*continuous"):
        ls.DQN("Pendulum-v1").fit(10)
    with pytest.raises(ConfigError, match=r"reads images.*'FrozenLake-v1' shows Discrete"):
        ls.DQN("FrozenLake-v1").fit(10)
    with pytest.raises(UnknownNameError, match="MinAtar/Breakout-v1"):
        ls.DQN("MinAtar/Breakot-v1").fit(10)


def test_settings_that_cannot_be_are_all_named():
    with pytest.raises(ConfigError, match=r"n_step=0.*discount=2.*lr=-1"):
        ls.DQNConfig(n_step=0, discount=2, lr=-1)
    with pytest.raises(UnknownNameError, match="'double'"):
        ls.DQNConfig.from_words({"doubel": "true"})
    with pytest.raises(ConfigError, match="n_step of DQN must be a whole number, got 'many'"):
        ls.DQNConfig.from_words({"n_step": "many"})
    read = ls.DQNConfig.from_words({"double": "yes", "n_step": "3", "lr": "1e-4", "clip_norm": "none"})
    assert read == ls.DQNConfig(double=True, n_step=3, lr=1e-4)
    assert ls.DQNConfig.from_json(json.loads(json.dumps(read.to_json()))) == read


def test_an_environment_that_breaks_leaves_a_training_that_can_be_resumed(tmp_path):
    make = functools.partial(Walk, break_at=None, fault="reward")
    settings = {"evaluate_every": None, "checkpoint_every": 100}

    class Breaks(gymnasium.Wrapper):
        def step(self, action):
            self.count = getattr(self, "count", 0) + 1
            seen, reward, over, cut, info = self.env.step(action)
            return seen, float("nan") if self.count == 150 else reward, over, cut, info

    with pytest.raises(TrainingError, match=r"gave the reward nan\. The training up to its last checkpoint is in"):
        quick(make=functools.partial(lambda: Breaks(make()))).fit(600, folder=tmp_path, **settings)
    assert ls.load_agent(tmp_path, make=Walk).trained["frames"] == 200


def test_another_training_and_a_damaged_checkpoint_are_not_resumed(tmp_path):
    settings = {"evaluate_every": None, "checkpoint_every": 50}
    quick().fit(120, folder=tmp_path, **settings)
    with pytest.raises(CheckpointError, match="holds a training already"):
        quick().fit(120, folder=tmp_path, **settings)
    with pytest.raises(CheckpointError, match=r"another config \(lr\), seed"):
        quick(replace(SMALL, lr=2e-3), seed=4).fit(120, folder=tmp_path, resume=True, **settings)
    state = tmp_path / "checkpoint" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"damaged.*model of that moment is in .*model\.safetensors"):
        quick().fit(120, folder=tmp_path, resume=True, **settings)
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        quick().fit(120, folder=tmp_path / "nothing", resume=True, **settings)


KILLED = """
import sys
import longspan as ls
config = ls.DQNConfig(environments=4, batch_size=8, buffer_size=2000, learning_starts=200, prioritized=0.5, n_step=3)
dqn = ls.DQN("MinAtar/Breakout-v1", config, seed=3)
print("begins", flush=True)
dqn.fit(2400, folder=sys.argv[1], resume=sys.argv[2] == "resume", evaluate_every=800, evaluation_episodes=2,
        checkpoint_every=400)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    def start(name, resume):
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / name), resume], stdout=subprocess.PIPE)

    assert start("whole", "new").wait() == 0
    killed, resume = 0, "new"
    for delay in (2.0, 3.0, 4.0, 600.0):
        process = start("killed", resume)
        assert process.stdout is not None
        process.stdout.readline()
        end = time.monotonic() + delay
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        resume = "resume" if (tmp_path / "killed/checkpoint/state.safetensors").exists() else "new"
    assert killed
    whole, other = ls.load_agent(tmp_path / "whole"), ls.load_agent(tmp_path / "killed")
    assert equal(whole.network.state_dict(), other.network.state_dict())
    assert whole.trained["curve"] == other.trained["curve"]
