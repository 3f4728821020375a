"""The curve against sums by hand, the interval against SciPy, and trainings that are compared and killed."""

import json
import os
import sys
import time
from dataclasses import asdict

import pytest

from longspan import LongspanError
from longspan.systems import SystemRun, find_system
from longspan.systems.scaling import scale_out, trainings
from longspan.systems.scaling.curve import Cluster, speedup
from longspan.systems.scaling.scale_out import ScaleOutOptions
from longspan.systems.scaling.trainings import Trained

CLUSTER = Cluster(tflops=3.0, link_gbit=8.0, latency_us=100.0)


def test_the_seconds_are_those_by_hand():
    assert CLUSTER.compute_seconds(1e9, 10) == pytest.approx(6 * 1e9 * 10 / 3e12)  # forward once, backward twice
    # Four GPUs: 6 messages of a quarter of 4 MB, at 1 GB a second, and 0.1 ms each.
    assert CLUSTER.exchange_seconds(1_000_000, 4) == pytest.approx(6 * (1e6 / 1e9 + 1e-4))
    assert CLUSTER.exchange_seconds(1_000_000, 1) == 0


def test_the_speedup_is_bounded_by_the_gpus_and_by_the_link():
    gpus = [1, 2, 10, 100]
    options = {"parameters": 20_000_000, "multiply_adds": 1e9, "batch": 10, "gpus": gpus}
    after, during = (speedup(CLUSTER, **options, overlapped=overlapped) for overlapped in (False, True))
    assert after[0] == during[0] == 1
    assert all(one < two <= count for one, two, count in zip(after[1:], during[1:], gpus[1:], strict=True))
    compute, exchange = CLUSTER.compute_seconds(1e9, 10), CLUSTER.exchange_seconds(20_000_000, 10)
    assert after[2] == pytest.approx(10 * compute / (compute + exchange))
    assert during[2] == pytest.approx(10 * compute / (compute / 3 + exchange))  # it hides all of the backward pass


def test_what_cannot_be_is_refused():
    with pytest.raises(LongspanError, match="--workers 3 cannot be shared evenly by --processes 2: choose 2"):
        ScaleOutOptions(workers=3)
    with pytest.raises(LongspanError, match="inception_v3"):
        ScaleOutOptions(network="inception_v4")


@pytest.fixture
def made_up(monkeypatch):
    """Trainings that take no time; the third seed of four processes has other bits."""
    asked = []

    def trained(words, folder, *, seed, processes, workers=None, kill_after=None):
        asked.append((seed, processes, workers, kill_after is not None))
        folder.mkdir(parents=True)
        return Trained(folder=folder, loss=0.5 + 0.1 * seed, seconds=4.0 / processes, killed=kill_after is not None)

    def trained_apart(words, folders, *, seed):
        asked.extend((seed, "apart", None, False) for _ in folders)
        return [Trained(folder=each, loss=0.5, seconds=5.0, killed=False) for each in folders]

    monkeypatch.setattr(scale_out, "trained", trained)
    monkeypatch.setattr(scale_out, "trained_apart", trained_apart)
    monkeypatch.setattr(scale_out, "same_weights", lambda one, other: not other.name.startswith("exact-4-2"))
    return asked


def test_it_counts_and_goes_on_where_it_was_stopped(made_up, monkeypatch, tmp_path):
    system, options = find_system("scale-out"), {"data": "digits", "seeds": 2, "exact_runs": 3}
    monkeypatch.setattr(scale_out, "can_kill", lambda: True)

    def full(*_, **__):
        raise LongspanError("the disk is full")

    with monkeypatch.context() as stopped:
        stopped.setattr(scale_out, "same_weights", full)
        with pytest.raises(LongspanError, match="full"):
            system.run(system.options(**options), SystemRun("scale-out", tmp_path, quiet=True))
    pair = [1, 2, "apart", "apart"]
    asked = [each[:2] for each in made_up if each[2] is None]
    assert asked == [*((0, count) for count in pair), *((1, count) for count in pair)]
    made_up.clear()
    system.run(system.options(**options), SystemRun("scale-out", tmp_path, quiet=True))
    assert not [each for each in made_up if each[2] is None]  # pairs are kept
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["speed-up, 2 processes"] == 2.0
    assert metrics["speed-up, 2 processes that share nothing"] == 1.6
    assert metrics["exact trainings compared"] == 9.0  # 2, 4 and one killed, three times
    assert metrics["with the same bits"] == 8.0
    assert metrics["of these killed once"] == 3.0
    assert metrics["exact: processor time of 2 processes, of one"] == 1.0
    assert "different" in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "trainings").exists()


def test_what_an_older_version_measured_is_measured_anew(made_up, tmp_path):
    system, options = find_system("scale-out"), ScaleOutOptions(data="digits", seeds=1, exact_runs=0)
    (tmp_path / "trainings").mkdir()
    kept = {"of": {"options": json.loads(json.dumps(asdict(options))), "seed": 0}, "pair 0": {"seed": 0}}
    (tmp_path / "trainings" / "measured.json").write_text(json.dumps(kept))
    system.run(options, SystemRun("scale-out", tmp_path, quiet=True))
    assert [each[1] for each in made_up] == [1, 2, "apart", "apart"]


def test_trainings_apart_run_at_once_and_leave_no_process(tmp_path, monkeypatch):
    script = "import time; open({!r} + '/' + {!r}, 'w').close(); time.sleep(60)"
    names = iter("ab")
    monkeypatch.setattr(
        trainings, "_command", lambda *_: [sys.executable, "-c", script.format(str(tmp_path), next(names))]
    )
    begun = []
    real = trainings._started
    monkeypatch.setattr(trainings, "_started", lambda command: begun.append(real(command)) or begun[-1])

    def interrupted(started, folder, killed=False):
        while sorted(os.listdir(tmp_path)) != ["a", "b"]:  # both run
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainings, "_ended", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainings.trained_apart([], [tmp_path / "x", tmp_path / "y"], seed=0)
    assert len(begun) == 2
    assert all(each.poll() is not None for each in begun)


def test_a_command_that_fails_says_why(tmp_path):
    with pytest.raises(LongspanError, match=r"longspan train nowhere .* has failed: .*no file or folder nowhere"):
        trainings.trained(["nowhere"], tmp_path / "run", seed=0, processes=1)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_real_trainings_keep_their_bits(tmp_path):
    system = find_system("scale-out")
    options = system.options(data="digits", model="lenet5", size=32, epochs=2, seeds=1, exact_runs=1)
    system.run(options, SystemRun("scale-out", tmp_path, quiet=True))
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["with the same bits"] == metrics["exact trainings compared"] == 3
    assert os.listdir(tmp_path).count("result.json") == 1
