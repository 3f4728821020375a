import errno
import subprocess
import sys
import time

import pytest

from longspan import datasets, report
from longspan.cli import main
from longspan.version import __version__


def test_help_lists_every_command(longspan):
    answer = longspan("--help")
    assert answer.code == 0
    for command in (
        "quickstart",
        "train",
        "evaluate",
        "predict",
        "transcribe",
        "listen",
        "study",
        "leaks",
        "report",
        "models",
        "datasets",
        "systems",
        "run",
        "doctor",
    ):
        assert f"\n  {command} " in answer.out
    assert longspan().out == answer.out
    assert longspan("-h", "train").out == answer.out


def test_every_command_has_help(longspan):
    for command in (
        "quickstart",
        "train",
        "evaluate",
        "predict",
        "transcribe",
        "listen",
        "study",
        "leaks",
        "report",
        "models",
        "datasets",
        "systems",
        "run",
        "doctor",
    ):
        answer = longspan(command, "--help")
        assert (answer.code, answer.err) == (0, ""), command
        assert answer.out.startswith(f"Usage: longspan {command}"), command


@pytest.mark.parametrize(
    "words",
    [
        ["train", "digits", "--tensorboard", "--mlflow", "--out", "r"],
        ["train", "--out", "-q"],
        ["serve", "m.onnx", "--key-file", "--check"],
        ["turnstile", "list", "--gallery", "--key-file"],
        ["run", "cats-or-dogs", "--out", "--seed", "1"],
    ],
)
def test_an_option_is_not_taken_for_the_value_of_another(words, longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = next(i for i in range(len(words)) if words[i][0] == words[i + 1][0] == "-")
    option, value = words[place : place + 2]
    answer = longspan(*words)
    assert answer.code == 2
    assert f"{option} has no value: {value} is the next option. If {value} is the value, write" in answer.err
    assert f"{option}={value}." in answer.err
    assert not list(tmp_path.iterdir())


def test_a_value_may_look_like_an_option_if_it_is_written_so(longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no value" not in longspan("train", "nowhere", "--out=--seed").err
    assert "no value" not in longspan("predict", "nowhere", "--", "--out", "--json").err


def test_version(longspan):
    assert longspan("--version").out == f"longspan {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "Did you mean 'train'? See longspan --help."),
        (["train", "x", "--tarket", "y"], "--target"),
        (["train", "x", "--epochs", "three"], "--epochs"),
        (["predict"], "MODEL"),
        (["run", "cats-or-dog", "--out", "x"], "Did you mean 'cats-or-dogs'?"),
        (["run", "cats-or-dogs", "--epcohs", "2", "--out", "x"], "Did you mean '--epochs'?"),
        (["run", "cats-or-dogs"], "--out DIR"),
        (["models", "--filter", "squeezenett"], "Did you mean 'squeezenet1_"),
        (["datasets", "minst"], "Did you mean 'mnist'?"),
    ],
)
def test_wrong_usage_names_the_nearest_and_ends_with_two(longspan, words, said):
    answer = longspan(*words)
    assert answer.code == 2
    assert answer.err.startswith("longspan: error: ")
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_a_fault_of_ours_shows_its_traceback(monkeypatch):
    def broken(**_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(report, "describe_environment", broken)
    monkeypatch.setattr(sys, "argv", ["longspan", "doctor"])
    with pytest.raises(ZeroDivisionError, match="ours"):  # Python prints it, and ends with exit code 1
        main()


def test_a_full_disk_behind_the_output_is_told_in_words(longspan, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/mnt/out")

    monkeypatch.setattr(datasets, "names", full)
    answer = longspan("datasets")
    assert answer.code == 2
    assert answer.err == "longspan: error: No space left on the disk of /mnt/out. Make room there.\n"


def test_a_program_without_a_console_works(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["longspan", "models"])
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0


def test_interruption_ends_with_130_and_one_line(longspan, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "names", interrupted)
    answer = longspan("datasets")
    assert answer.code == 130
    assert answer.err == "longspan: interrupted; nothing half-written is left behind.\n"


def test_help_and_lists_load_nothing_heavy():
    words = [["--help"], ["train", "--help"], ["run", "--help"], ["models"], ["train", "--tarket"], ["--version"]]
    program = f"""
import contextlib, io, sys
from longspan.cli import main
for words in {words!r}:
    sys.argv = ["longspan", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        with contextlib.suppress(SystemExit):
            main()
heavy = {{"torch", "numpy", "polars", "matplotlib", "rich", "sklearn", "PIL"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "longspan", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.slow  # for its need of an idle machine, not for its length
@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["models"], ["train", "--tarket"]])
def test_answers_in_half_a_second(words):
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "longspan", *words], capture_output=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) <= 0.5, seconds


def test_the_list_of_data_sets_says_where_they_are_and_come_from(longspan, monkeypatch, tmp_path):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    monkeypatch.delenv("LONGSPAN_DATA", raising=False)
    lines = longspan("datasets").out.splitlines()
    assert lines[0].split()[:3] == ["name", "rows", "here"]
    pets = next(line for line in lines if line.startswith("pets "))
    assert "7,349  to download, 811.1 MB" in pets
    assert "CC BY-SA 4.0" in pets
    one = longspan("datasets", "penn-fudan").out
    assert "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip" in one
    assert "checked by size" in one
    assert "stored as JPEG" in one
