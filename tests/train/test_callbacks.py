import copy
import math
from types import SimpleNamespace

import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.train import Callback, EarlyStopping, WeightAverage
from longspan.train.state import TrainState


class Recorder(Callback):
    """Writes down every event with where the training stood."""

    def __init__(self):
        self.events = []

    def fit_start(self, state):
        self.events.append(("fit_start", state.phase_index))

    def epoch_start(self, state):
        self.events.append(("epoch_start", state.epoch, state.batch))

    def step_end(self, state):
        self.events.append(("step_end", state.epoch, state.batch))

    def epoch_end(self, state):
        self.events.append(("epoch_end", state.epoch, len(state.history)))

    def fit_end(self, state):
        self.events.append(("fit_end", state.epoch))


class StopAt(Callback):
    """Asks to stop in one event, counted from 1."""

    def __init__(self, event, number):
        self.left = {event: number}

    def _count(self, event, state):
        self.left[event] = self.left.get(event, 0) - 1
        if self.left[event] == 0:
            state.stop = True

    def fit_start(self, state):
        self._count("fit_start", state)

    def epoch_start(self, state):
        self._count("epoch_start", state)

    def step_end(self, state):
        self._count("step_end", state)

    def epoch_end(self, state):
        self._count("epoch_end", state)


def state_of(network=None, **options):
    network = network or torch.nn.Linear(2, 1)
    step = SimpleNamespace(networks={"network": network}, optimizers={})
    return TrainState(step, network, ls.Phase(epochs=9), 0, 3, [], **options)


# --- events ----------------------------------------------------------------------------------------------------------


def test_five_events_come_in_order(small):
    recorder = Recorder()
    small.learner(batch_size=7, callbacks=[recorder]).fit(2)
    assert recorder.events == [
        ("fit_start", 0),
        ("epoch_start", 0, 0),
        ("step_end", 0, 1),
        ("step_end", 0, 2),
        ("epoch_end", 1, 1),
        ("epoch_start", 1, 0),
        ("step_end", 1, 1),
        ("step_end", 1, 2),
        ("epoch_end", 2, 2),
        ("fit_end", 2),
    ]


def test_callbacks_run_in_list_order(small):
    order = []
    first, second = (
        type("Note", (Callback,), {"step_end": lambda self, state, name=name: order.append(name)})() for name in "ab"
    )
    small.learner(batch_size=14, callbacks=[second, first]).fit(1)
    assert order == ["b", "a"]


@pytest.mark.parametrize(
    ("event", "number", "epochs", "steps"),
    [
        ("fit_start", 1, 0, 0),
        ("epoch_start", 2, 1, 2),
        ("step_end", 3, 2, 3),
        ("step_end", 4, 2, 4),
        ("epoch_end", 1, 1, 2),
    ],
)
def test_stop_ends_the_phase_after_the_event_and_the_epoch_is_validated_as_far_as_it_went(
    small, event, number, epochs, steps
):
    recorder = Recorder()
    learner = small.learner(batch_size=7, callbacks=[StopAt(event, number), recorder]).fit(5)
    assert len(learner.history) == epochs
    assert sum(e[0] == "step_end" for e in recorder.events) == steps
    assert sum(len(record["step_losses"]) for record in learner.history) == steps
    assert all(record["step_losses"] for record in learner.history)
    assert recorder.events[-1][0] == "fit_end"


def test_a_stop_ends_its_phase_and_not_the_training(small):
    learner = small.learner(batch_size=7, callbacks=[StopAt("epoch_end", 1)])
    learner.run([ls.Phase(epochs=3), ls.Phase(epochs=2)])
    assert [record["epoch"] for record in learner.history] == [1, 2, 3]


# --- early stopping --------------------------------------------------------------------------------------------------


def told(losses, **options):
    """The epochs after which it stopped, and the weights put back, for these validation losses."""
    callback, state = EarlyStopping(**options), state_of()
    callback.fit_start(state)
    for epoch, loss in enumerate(losses):
        with torch.no_grad():
            state.network.weight.fill_(epoch)
        state.history.append({callback.monitor: loss, "lr": 0.1})
        callback.epoch_end(state)
        if state.stop:
            break
    callback.fit_end(state)
    return len(state.history), state.network.weight[0, 0].item()


@pytest.mark.parametrize(
    ("losses", "patience", "stopped_after", "best"),
    [
        ([3.0, 2.0, 1.0, 0.5], 0, 4, 3),
        ([3.0, 2.0, 2.5, 1.0], 0, 3, 1),
        ([3.0, 2.0, 2.5, 1.0], 1, 4, 3),
        ([1.0, 2.0, 2.0, 2.0, 0.5], 2, 4, 0),
        ([1.0, 1.0], 0, 2, 0),
    ],
)
def test_it_stops_when_patience_is_over_and_puts_the_best_weights_back(losses, patience, stopped_after, best):
    assert told(losses, patience=patience) == (stopped_after, best)


@pytest.mark.parametrize(
    ("monitor", "better", "best"),
    [
        ("valid_loss", None, 0),
        ("accuracy", None, 1),
        ("light.mae", None, 0),
        ("light.r2", None, 1),
        ("accuracy", "lower", 0),
        ("valid_loss", "higher", 1),
    ],
)
def test_which_way_is_better_follows_the_figure_unless_said(monitor, better, best):
    assert told([1.0, 2.0], monitor=monitor, better=better) == (2, best)


def test_a_figure_that_is_not_there_names_those_that_are():
    state = state_of()
    state.history.append({"accuracy": 0.5, "epoch": 1, "step_losses": [1.0]})
    with pytest.raises(UnknownNameError, match=r"There is no metric to monitor 'acuracy'. Did you mean 'accuracy'"):
        EarlyStopping("acuracy").epoch_end(state)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="patience must be at least 0"):
        EarlyStopping(patience=-1)
    with pytest.raises(ConfigError, match="'lower' or 'higher', got 'up'"):
        EarlyStopping(better="up")
    with pytest.raises(ConfigError, match=r"above 0 and below 1, got 1.0"):
        WeightAverage(1.0)


def test_the_best_weights_of_a_real_training_come_back(small):
    kept = {}

    class Keep(Callback):
        def epoch_end(self, state):
            kept[state.history[-1]["valid_loss"]] = small.weights(state.network)

    learner = small.learner(callbacks=[Keep(), EarlyStopping(patience=1)]).fit(12, lr=0.1)
    losses = [record["valid_loss"] for record in learner.history]
    assert small.same(learner, kept[min(losses)])
    assert len(losses) < 12
    assert learner.evaluate()["loss"] == pytest.approx(min(losses), rel=1e-5)


def test_each_phase_and_each_fit_starts_anew_also_after_an_interruption(small):
    stopping = EarlyStopping(patience=9)

    class Interrupt(Callback):
        def epoch_end(self, state):
            if len(state.history) == 2:
                raise KeyboardInterrupt

    learner = small.learner(callbacks=[stopping, Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(5)
    assert stopping.best_weights is not None
    learner.history[1]["valid_loss"] = 0.0
    stopping.best = -1.0  # nothing could be better than what was left behind
    learner.callbacks[:] = [stopping]
    learner.fit(1, lr=1e-3)
    assert learner.evaluate()["loss"] == pytest.approx(learner.history[-1]["valid_loss"], rel=1e-5)


# --- running average -------------------------------------------------------------------------------------------------


def test_the_average_by_hand():
    network = torch.nn.Linear(1, 1, bias=False)
    average, state = WeightAverage(0.6), state_of(network)
    with torch.no_grad():
        network.weight.fill_(10.0)
    average.fit_start(state)
    expected = 10.0
    for step, weight in enumerate([0.0, 4.0, 8.0, 1.0, 3.0, 5.0, 2.0, 7.0, 9.0], start=1):
        with torch.no_grad():
            network.weight.fill_(weight)
        average.step_end(state)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
        assert state.evaluated.weight.item() == pytest.approx(expected, rel=1e-6)
    assert (1 + 9) / (10 + 9) < 0.6  # the start was slower than the decay that was asked for
    assert network.weight.item() == 9.0
    average.fit_end(state)
    assert network.weight.item() == pytest.approx(expected, rel=1e-6)
    assert state.evaluated is network


def test_batch_statistics_are_averaged_and_counters_copied():
    network = torch.nn.BatchNorm1d(2)
    average, state = WeightAverage(0.5), state_of(network)
    average.fit_start(state)
    network.running_mean.fill_(11.0)
    network.num_batches_tracked.fill_(7)
    average.step_end(state)
    decay = 2 / 11
    assert state.evaluated.running_mean.tolist() == pytest.approx([11 * (1 - decay)] * 2)
    assert int(state.evaluated.num_batches_tracked) == 7


def test_the_average_is_what_is_validated_and_kept(small):
    plain = small.learner().fit(2, lr=0.05)
    averaged = small.learner(callbacks=[WeightAverage(0.9)]).fit(2, lr=0.05)
    assert not small.same(plain, averaged)
    assert plain.history[0]["step_losses"] == averaged.history[0]["step_losses"]
    assert plain.history[0]["valid_loss"] != averaged.history[0]["valid_loss"]
    assert averaged.evaluate()["loss"] == pytest.approx(min(r["valid_loss"] for r in averaged.history), rel=1e-5)


@pytest.mark.parametrize("average_first", [True, False])
def test_with_early_stopping_the_best_average_is_kept_in_any_order(small, average_first):
    kept = {}

    class Keep(Callback):
        def epoch_end(self, state):
            kept[state.history[-1]["valid_loss"]] = small.weights(state.evaluated)

    pair = [WeightAverage(0.5), EarlyStopping(patience=1)]
    learner = small.learner(callbacks=[Keep(), *(pair if average_first else pair[::-1])]).fit(12, lr=0.2)
    losses = [record["valid_loss"] for record in learner.history]
    assert len(losses) < 12
    assert losses[-1] != min(losses)
    assert small.same(learner, kept[min(losses)])


def test_an_average_starts_anew_after_an_interruption(small):
    average = WeightAverage(0.9)

    class Interrupt(Callback):
        def step_end(self, state):
            raise KeyboardInterrupt

    learner = small.learner(callbacks=[average, Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        learner.fit(1)
    fresh = small.learner(callbacks=[WeightAverage(0.9)])
    fresh.network.load_state_dict(copy.deepcopy(learner.network.state_dict()))
    learner.callbacks[:] = [average]
    assert small.same(learner.fit(1), fresh.fit(1))


def test_states_survive_json_and_come_back():
    stopping, state = EarlyStopping(), state_of()
    tensors, values = stopping.state_dict()
    assert tensors == {}
    again = EarlyStopping()
    again.load_state_dict(tensors, values)
    assert math.isinf(again.best)
    state.history.append({"valid_loss": 0.5})
    stopping.epoch_end(state)
    again.load_state_dict(*stopping.state_dict())
    assert (again.best, again.epochs_since) == (0.5, 0)
    assert torch.equal(again.best_weights["weight"], state.network.weight)
    assert SimpleNamespace(**values).epochs_since == 0
