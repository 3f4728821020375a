import time

import numpy as np
import pytest

import longspan as ls
from longspan.errors import PipelineError
from longspan.pipeline import Pipeline, Stage, load


class Count:
    """Counts samples and adds them up."""

    def __init__(self, start=0):
        self.start = start

    def reset(self):
        self.seen, self.total = 0, self.start

    def __call__(self, value):
        self.seen += 1
        self.total += value
        return self.seen, self.total


class Kalman:
    """A constant that is measured with noise: Kalman's filter in one dimension, without process noise."""

    def __init__(self, noise=0.5, spread=10.0):
        self.noise, self.spread = noise, spread

    def reset(self):
        self.mean, self.variance = 0.0, self.spread

    def __call__(self, measured):
        gain = self.variance / (self.variance + self.noise)
        self.mean += gain * (measured - self.mean)
        self.variance *= 1 - gain
        return self.mean, self.variance


def counting():
    return Pipeline(
        [
            Stage("double", lambda x: 2 * x, reads="x", adds="twice"),
            Stage("count", Count(), reads="twice", adds=["seen", "total"]),
            Stage("mean", lambda seen, total: total / seen, reads=["seen", "total"], adds="mean"),
        ]
    )


def table(values):
    return ls.Table.from_arrays({"x": values}, {"x": ls.Raw()})


def test_state_is_kept_from_step_to_step_and_begins_anew_after_a_reset():
    runner = counting().start()
    assert [runner.step(x)["mean"] for x in (1, 2, 3)] == [2, 3, 4]
    assert runner.columns == {"x": 3, "twice": 6, "seen": 3, "total": 12, "mean": 4}
    assert runner.steps == 3
    runner.reset()
    assert runner.step(5).value == 10
    assert repr(runner) == "Runner(double, count, mean; 1 steps)"


def test_steps_give_what_the_whole_sequence_gives_at_once(monkeypatch):
    pipeline, values = counting(), [1, 5, None, 2, 8, 3]
    runner = pipeline.start()
    stepped = [runner.step(value)["mean"] for value in values]
    assert stepped == pipeline.run(table(values))["mean"]
    monkeypatch.setattr("longspan.pipeline.pipeline._TOGETHER", 4)
    assert stepped == [prediction["mean"] for prediction in pipeline.predict(values)]
    assert stepped[2] is None, "a missing input runs no stage, and state stays"


def test_a_kalman_filter_is_the_weighted_mean_of_what_was_measured():
    measured = np.random.default_rng(0).normal(3.0, 0.7, 50).tolist()
    runner = Pipeline([Stage("filter", Kalman(), reads="z", adds=["mean", "variance"])]).start()
    last = [runner.step(value) for value in measured][-1]
    precision = 1 / 10.0 + len(measured) / 0.5  # of the prior and of all measurements: Bayes' rule in one go
    assert last["variance"] == pytest.approx(1 / precision)
    assert last["mean"] == pytest.approx(sum(measured) / 0.5 / precision)


def test_runners_and_other_uses_share_no_state():
    counter = Count(start=100)
    pipeline = Pipeline([Stage("count", counter, reads="x", adds=["seen", "total"])])
    one, two = pipeline.start(), pipeline.start()
    assert [one.step(1)["total"], one.step(1)["total"], two.step(1)["total"]] == [101, 102, 101]
    assert pipeline.predict([1, 1])[1]["seen"] == 2
    assert one.step(1)["seen"] == 3
    assert not hasattr(counter, "seen"), "the user's own object is left alone"


def test_state_begins_anew_in_every_reading_of_a_table():
    pipeline, data = counting(), table([1, 2, 3])
    assert pipeline.run(data) == pipeline.run(data)
    measured = ls.Table.from_arrays({"x": [1, 2], "mean": [2, 3]}, {"x": ls.Raw(), "mean": ls.Number()})
    assert pipeline.evaluate(measured) == {"mae": 0.0}


def test_a_stage_with_state_does_not_run_element_by_element():
    with pytest.raises(PipelineError, match=r"a function with reset\(\) keeps state .* cannot run with each="):
        Stage("count", Count(), reads="x", adds=["seen", "total"], each="x")


def test_only_what_the_answers_need_is_run():
    ran = []
    stages = [
        Stage("a", lambda x: x, reads="x", adds="a"),
        Stage("log", ran.append, reads="x", adds="logged"),
        Stage("b", lambda a: -a, reads="a", adds="b"),
    ]
    runner = Pipeline(stages, outputs=["b"]).start()
    assert runner.step(2)["b"] == -2
    assert (ran, runner.columns) == ([], {"x": 2, "a": 2, "b": -2})


def test_several_inputs_come_as_a_dict():
    runner = Pipeline([Stage("add", lambda a, b: a + b, reads=["a", "b"], adds="c")]).start()
    assert runner.step({"a": 1, "b": 2, "unused": 3}).value == 3
    with pytest.raises(PipelineError, match=r"reads \['a', 'b'\]: give each sample as a dict"):
        runner.step(1)
    with pytest.raises(ls.LongspanError, match="input"):
        runner.step({"a": 1})


def test_an_error_names_stage_and_step():
    runner = Pipeline([Stage("turn", lambda x: 1 / x, reads="x", adds="y")]).start()
    runner.step(1)
    with pytest.raises(PipelineError, match="Stage 'turn' failed in step 1: ZeroDivisionError"):
        runner.step(0)


def test_learned_stages_lists_and_features_step_as_well(pulses):
    pipeline = pulses.pipeline().fit(pulses.table())
    test = pulses.table(10, seed=4)
    runner = pipeline.start()
    assert [runner.step(value)["word"] for value in test.column_values("signal")] == pipeline.run(test)["word"]
    with pytest.raises(PipelineError, match="'name' has not been trained yet"):
        pulses.pipeline().start()


def test_a_saved_stage_with_state_is_handed_in_again(tmp_path):
    pipeline = counting()
    with pytest.raises(ls.LongspanError, match=r"stage 'count' needs your function .*test_runner.Count"):
        load(pipeline.save(tmp_path / "p.safetensors"))
    functions = {"double": lambda x: 2 * x, "count": Count(), "mean": lambda seen, total: total / seen}
    loaded = load(tmp_path / "p.safetensors", functions=functions)
    assert isinstance(loaded, Pipeline)
    runner = loaded.start()
    assert [runner.step(x).value for x in (1, 2, 3)] == [2, 3, 4]


def test_a_step_costs_little_beside_what_the_stages_do():
    runner, frame = counting().start(), 1.0
    for _ in range(20):
        runner.step(frame)
    taken = []
    for _ in range(200):
        started = time.perf_counter()
        runner.step(frame)
        taken.append(time.perf_counter() - started)
    assert np.median(taken) < 1e-3, "far below the 50 ms of a loop at 20 Hz, on a busy machine too"


def test_a_stage_slower_than_the_loop_is_named():
    import time

    def slow(value):
        time.sleep(0.02)
        return value

    stages = [Stage("quick", lambda x: x, reads="x", adds="y"), Stage("think", slow, reads="y", adds="z")]
    runner = Pipeline(stages).start(deadline_s=0.005)
    runner.step(1)  # the first may prepare things
    runner.step(1)
    runner.step(1)
    with pytest.raises(PipelineError, match=r"Step 3 took .* the loop allows 5\.0 ms.*slowest stage is 'think'"):
        runner.step(1)
    assert runner.stage_seconds["think"] > runner.stage_seconds["quick"]
    with pytest.raises(PipelineError, match="deadline_s must be above 0"):
        Pipeline(stages).start(deadline_s=0)
