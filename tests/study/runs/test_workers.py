"""Worker processes: figures of this process; crashes, interruptions and a dead parent leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longspan.study import Study, StudyResults
from longspan.study.runs.workers import process_died

SCRIPT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from longspan.study import Study
import longspan as ls
import conftest
from conftest import NearestMean
conftest.send_by_value(conftest)
digits = ls.datasets.load("digits").sample(360, seed=0).split(valid=60, seed=0)
task = ls.Task(digits, inputs="image", targets="digit", allow_leaks=True)
study = Study(task, {"slow": NearestMean(sleep=0.5, log=sys.argv[3])}, [20, 40], 20, path=sys.argv[2], threads=1)
study.run(int(sys.argv[4]))
"""


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def of_session(number):
    """The processes that a program in a session of its own has started, and itself."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == number and state != "Z":
            found.append(int(path.parent.name))
    return found


def start(tmp_path, jobs):
    here, file, log = Path(__file__).parents[1], tmp_path / "s.sqlite", tmp_path / "log"
    command = [sys.executable, "-c", SCRIPT, *map(str, (here, file, log, jobs))]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def started(tmp_path):
    """A study in a process of its own, after its first runs; the process, its file, and the worker's number."""
    log = tmp_path / "log"
    process = start(tmp_path, 1)
    try:
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= 3)
        yield process, tmp_path / "s.sqlite", int(log.read_text().split()[2])
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_crash_is_recorded_the_rest_goes_on_and_figures_are_those_of_this_process(task, fakes, tmp_path, rows):
    log = tmp_path / "log"
    strategies = {"plain": fakes.NearestMean(log=str(log)), "crashes": fakes.NearestMean(60.0, dies=[(40, 1)])}
    study = Study(task, strategies, [20, 40], 2, path=tmp_path / "a.sqlite", threads=1)
    study.run(jobs=2, progress=False)
    failures = study.failures().to_dicts()
    assert [(f["strategy"], f["size"], f["seed"], f["error"]) for f in failures] == [("crashes", 40, 1, "ProcessDied")]
    assert "EXIT(3)" in failures[0]["message"]

    mended = {**strategies, "crashes": fakes.NearestMean(60.0)}
    again = Study(task, mended, [20, 40], 2, path=tmp_path / "a.sqlite").run(backend="inline", progress=False)
    assert again.failures().is_empty()
    inline = Study(task, mended, [20, 40], 2, path=tmp_path / "b.sqlite", threads=1).run(backend="inline")
    assert rows(again) == rows(inline)
    assert str(os.getpid()) not in {line.split()[2] for line in log.read_text().splitlines()[:4]}


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")
@pytest.mark.usefixtures("ctrl_c_is_heard")  # by this process, and so by the one it starts
def test_ctrl_c_keeps_finished_runs_says_so_in_a_line_and_leaves_no_process(started):
    process, path, worker = started
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, err = process.communicate(timeout=60)
    lines = err.decode().splitlines()
    assert lines[0].startswith("Stopped: ")
    assert "of 40 runs are finished and kept in" in lines[0]
    assert lines[-1] == "KeyboardInterrupt"
    assert err.decode().count("Traceback") == 1, "the program's own, which the command line leaves out"
    wait_until(lambda: not alive(worker), 10)
    assert len(StudyResults(path).frame()) >= 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("moment", ["within runs", "while the workers start"])
def test_workers_end_with_their_parent_when_it_is_killed(tmp_path, moment):
    process, log = start(tmp_path, 2), tmp_path / "log"
    try:
        if moment == "within runs":  # of both workers
            wait_until(lambda: log.exists() and len({line.split()[2] for line in log.read_text().splitlines()}) == 2)
        else:
            wait_until(lambda: len(of_session(process.pid)) > 2)
        process.kill()
        process.communicate()
        wait_until(lambda: not of_session(process.pid), 10)
    finally:
        for number in of_session(process.pid):
            os.kill(number, signal.SIGKILL)
    runs = log.read_text() if log.exists() else ""
    time.sleep(1)
    assert (log.read_text() if log.exists() else "") == runs


def test_what_a_dead_process_leaves_is_its_exit_code():
    text = "A worker ... terminated.\n\nThe exit codes of the workers are {SIGSEGV(-11)}\nDetailed"
    failure = process_died(text)
    assert failure.kind == "ProcessDied"
    assert "(SIGSEGV(-11))" in failure.message
    assert failure.trace == text


@pytest.mark.slow
def test_a_local_ray_of_two_workers_gives_the_same_figures(task, fakes, tmp_path, rows):
    pytest.importorskip("ray", reason="needs Ray: pip install 'longspan[ray]'")
    strategies = {"plain": fakes.NearestMean(), "noisy": fakes.NearestMean(60.0, dies=[(40, 1)])}
    study = Study(task, strategies, [20, 40], 2, path=tmp_path / "a.sqlite", threads=1)
    study.run(jobs=2, backend="ray", progress=False)
    assert study.failures()["error"].to_list() == ["ProcessDied"]
    strategies["noisy"] = fakes.NearestMean(60.0)
    again = Study(task, strategies, [20, 40], 2, path=tmp_path / "a.sqlite").run(backend="inline", progress=False)
    inline = Study(task, strategies, [20, 40], 2, path=tmp_path / "b.sqlite", threads=1).run(backend="inline")
    assert rows(again) == rows(inline)
