"""The commands of the README, each run on small made-up data of the layout that its text names."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from longspan.cli import main
from longspan.extras import EXTRAS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PROSE = re.findall(r"`(longspan [^`]+)`", README)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("longspan ")]
FOLDER = next(block for block in BLOCKS if "longspan train photos" in block)
OTHERS = [line for line in LINES if line not in FOLDER.splitlines()]
SMALL = {
    "train": ("--model", "lenet5", "--epochs", "1", "--size", "32"),
    "study": (
        "--model",
        "lenet5",
        "--sizes",
        "10",
        "--seeds",
        "1",
        "--steps",
        "2",
        "--size",
        "32",
        "--backend",
        "inline",
        "--threads",
        "1",
    ),
}
"""What makes a command quick: small networks from scratch, one epoch."""


def draw(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([level, len(path.name), *path.name.encode()])
    pixels = rng.integers(0, 90, (40, 40, 3)) + level
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Everything that the commands of the README name."""
    for number in range(12):
        for label, level in (("cat", 20), ("dog", 150)):
            draw(tmp_path / "photos" / label / f"{number}.png", level)
            draw(tmp_path / "pets" / f"{label}_{number}.jpg", level)
        draw(tmp_path / "new" / f"{number}.png", 20)
        for label, level in (("cat", 20), ("dog", 150)):
            draw(tmp_path / "holdout" / label / f"h{number}.png", level)
        draw(tmp_path / "hands" / f"{number}.png", 10 * number)
    rows = "\n".join(f"hands/{number}.png,{100 + number}" for number in range(12))
    (tmp_path / "hands.csv").write_text(f"image,age\n{rows}\n")
    for part in ("train", "valid"):
        for number in range(6):
            draw(tmp_path / part / "images" / f"{part}{number}.png", 60)
            labels = tmp_path / part / "labels" / f"{part}{number}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("0 0.5 0.5 0.4 0.4\n")
    (tmp_path / "data.yaml").write_text("train: train/images\nval: valid/images\nnc: 1\nnames: ['mark']\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line, monkeypatch, capsys, code=0):
    """Run a line of the README, made quick; gives what it printed."""
    words = [word for word in shlex.split(line, comments=True) if word != "longspan"]
    extra = list(SMALL.get(words[0], ()))
    if "faster_rcnn" in line:
        extra = ["--model", "faster_rcnn:resnet20", "--epochs", "1", "--size", "64"]
    if words[0] in SMALL:
        while "--model" in words:
            del words[words.index("--model") : words.index("--model") + 2]
    monkeypatch.setattr(sys, "argv", ["longspan", *words, *extra])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert end.value.code == code, f"{line}\n{out}\n{err}"
    return out


def test_the_commands_on_a_folder_of_images_run_in_order(folder, monkeypatch, capsys):
    for line in FOLDER.splitlines():
        if line.startswith("longspan "):
            assert run(line, monkeypatch, capsys)
    assert (folder / "run" / "model.safetensors").is_file()


@pytest.mark.parametrize("line", OTHERS)
def test_the_commands_for_other_layouts_run(line, folder, monkeypatch, capsys):
    if line.startswith("longspan leaks"):
        draw(folder / "photos" / "cat" / "copy.png", 20)
        (folder / "photos" / "dog" / "0.png").write_bytes((folder / "photos" / "cat" / "copy.png").read_bytes())
        assert "copy.png" in run(line, monkeypatch, capsys, code=3)  # what the text below it says: it finds the copy
    else:
        assert run(f"{line} --no-speed" if line.endswith("doctor") else line, monkeypatch, capsys)


def test_the_quickstart_runs(folder, monkeypatch, capsys):
    (block,) = [each for each in BLOCKS if "longspan quickstart" in each and "pip install" in each]
    (line,) = [each.strip() for each in block.split("&&") if "longspan" in each]
    assert line == "longspan quickstart --out demo"
    words = "longspan run quickstart --out demo --sizes 20,40 --seeds 1 --steps 2 --images 50 --jobs 1"
    out = run(words, monkeypatch, capsys)  # quickstart is this system with its defaults, which take minutes
    assert "numbers misread, by training images" in out
    command = next(each.strip() for each in out.splitlines() if "longspan predict demo/" in each)
    assert command in README
    assert '"number"' in run(command, monkeypatch, capsys)


def test_every_extra_is_listed():
    listed = re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`[a-z`, ]+`) \|", README, re.MULTILINE)))
    assert sorted(listed) == sorted(EXTRAS)


@pytest.mark.usefixtures("folder")
def test_the_study_of_a_folder_runs(monkeypatch, capsys):
    (line,) = [each for each in PROSE if each.startswith("longspan study photos")]
    assert run(line, monkeypatch, capsys)
    assert Path("study/report.html").is_file()


def test_every_command_that_the_page_names_exists(monkeypatch, capsys):
    for name in sorted({line.split()[1] for line in [*LINES, *PROSE]}):
        monkeypatch.setattr(sys, "argv", ["longspan", name, "--help"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0, name
        capsys.readouterr()
