import io

import pytest

import longspan as ls
from longspan.train import Learner, progress


@pytest.fixture
def shown(monkeypatch):
    """What was written, to a terminal or a file."""

    def run(learn, *, terminal):
        from rich.console import Console

        out = io.StringIO()
        monkeypatch.setattr("rich.console.Console", lambda: Console(file=out, force_terminal=terminal, width=200))
        learn()
        return out.getvalue()

    return run


def made(small):
    return Learner(small.task(), small.MODEL, config=ls.TrainConfig(batch_size=5), device="cpu")


def test_a_file_gets_one_line_per_epoch(small, shown):
    lines = shown(lambda: made(small).fit(2), terminal=False).strip().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch   1  train_loss 0.")
    assert "accuracy" in lines[1]
    assert lines[1].endswith(" s")
    assert "step_losses" not in lines[1]


def test_a_terminal_gets_a_bar_with_time_left(small, shown):
    text = shown(lambda: made(small).fine_tune(1), terminal=True)
    assert "heads, epoch 1/1" in text
    assert "training, epoch 1/1" in text
    assert "3/3" in text
    assert "loss " in text
    assert "0:00:0" in text


def test_bars_are_taken_away_after_an_error(small, monkeypatch):
    bars = []

    def spy(self, state):
        bars.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.ProgressBar, "step_end", spy)
    with pytest.raises(KeyboardInterrupt):
        made(small).fit(1)
    assert bars
    assert bars[0].progress is None


def test_nothing_is_shown_if_nobody_wants_it(small, capsys):
    small.learner().fit(1)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
