"""`longspan train --env` and `longspan play`."""

import json

import pytest
from PIL import Image

import longspan as ls

pytestmark = pytest.mark.filterwarnings("ignore:.*render")
SHORT = ("--env", "MinAtar/Breakout-v1", "--frames", "240", "--set", "learning_starts=200", "--set", "environments=4")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agents") / "breakout"
    ls.DQN("MinAtar/Breakout-v1", ls.DQNConfig(learning_starts=200), seed=2).fit(240, folder=folder)
    return folder


def test_an_agent_is_trained_into_a_folder_and_resumed_from_it(longspan, tmp_path):
    folder = tmp_path / "agent"
    ended = longspan("train", *SHORT, "--algorithm", "dqn", "--out", folder, "--seed", "3")
    code, said = ended.code, ended.out
    assert code == 0
    assert "240 frames, 44 updates" in said
    assert json.loads((folder / "result.json").read_text())["config"]["environments"] == 4
    before = ls.load_agent(folder)
    assert longspan("train", "--resume", folder).code == 0  # nothing is left to do
    after = ls.load_agent(folder)
    assert after.trained["curve"] == before.trained["curve"]
    for name, value in after.network.state_dict().items():
        assert value.equal(before.network.state_dict()[name])
    ended = longspan("train", "--resume", folder, "--frames", "500")
    code, error = ended.code, ended.err
    assert code == 2
    assert "leave out --frames" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--env", "MinAtar/Brekout-v1", "--out", "x"), "Did you mean 'MinAtar/Breakout-v1'?"),
        (("--env", "Pendulum-v1", "--out", "x"), "which is continuous"),
        ((*SHORT, "--epochs", "3", "--out", "x"), "leave out --epochs"),
        ((*SHORT,), "--out is missing"),
        ((*SHORT, "--out", "agent.safetensors"), "must be a folder"),
        ((*SHORT, "--algorithm", "dqm", "--out", "x"), "Did you mean 'dqn'?"),
        ((*SHORT, "--set", "double", "--out", "x"), "write NAME=VALUE"),
        ((*SHORT, "--checkpoint-every", "2min", "--out", "x"), "with --env write a number of frames"),
        ((*SHORT, "--set", "n_step=x", "--out", "x"), "must be a whole number, got 'x'"),
        (("photos", "--set", "n_step=3"), "need an environment"),
    ],
)
def test_what_cannot_be_trained_is_said_in_words(longspan, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    ended = longspan("train", *words)
    code, error = ended.code, ended.err
    assert code == 2
    assert said in error


def test_an_agent_plays_and_shows_it(longspan, trained, tmp_path):
    film = tmp_path / "game.gif"
    ended = longspan("play", trained, "--episodes", "3", "--film", film)
    code, said = ended.code, ended.out
    assert code == 0
    assert said.count("episode ") == 3
    assert "mean return" in said
    with Image.open(film) as shown:
        assert shown.size == (200, 200)
    ended = longspan("play", trained / "model.safetensors", "--episodes", "2", "--json", "--seed", "4")
    code, said = ended.code, ended.out
    assert [json.loads(line)["episode"] for line in said.splitlines()] == [0, 1]
    ended = longspan("play", trained, "--film", film)
    code, error = ended.code, ended.err
    assert code == 2
    assert "--force" in error


def test_what_cannot_play_is_said_in_words(longspan, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    for words, said in (
        ((tmp_path / "a.safetensors",), "a.safetensors"),
        ((tmp_path / "b.safetensors",), "b.safetensors"),
        ((tmp_path, "--film", "x.mp4"), "must end in .gif"),
        ((tmp_path, "--episodes", "0"), "at least 1"),
    ):
        ended = longspan("play", *words)
        code, error = ended.code, ended.err
        assert code == 2
        assert said in error
