"""A table with damaged files trains with on_error="skip", and the report names them; from the command line too."""

import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.errors import DataError, Fault
from longspan.report import Document
from longspan.train.reports.learner_report import _left_out


def bomb():
    """A PNG that claims ten thousand million pixels."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(99))]
    packed = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.fixture
def folder(tmp_path):
    """Sixty photos of two kinds, of which three, 5 %, cannot be read."""
    generator = np.random.default_rng(0)
    for number in range(60):
        pixels = generator.integers(0, 256, (12, 12, 3)).astype(np.uint8)
        pixels[:, :6] //= 1 + 3 * (number % 2)
        PILImage.fromarray(pixels).save(tmp_path / f"{'dark' if number % 2 else 'light'}_{number:02d}.png")
    whole = (tmp_path / "dark_07.png").read_bytes()
    (tmp_path / "dark_07.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "light_20.png").write_bytes(b"<html>404 not found</html>")
    (tmp_path / "dark_41.png").write_bytes(bomb())
    return tmp_path


BAD = {"dark_07.png": "cannot be decoded", "light_20.png": "a web page", "dark_41.png": "claims"}


def task_of(folder, **options):
    table = ls.Table.from_files(folder, r"(?P<kind>dark|light)_\d+\.png")
    return ls.Task(table.split(valid=0.2, seed=0), "image", "kind", size_px=12, allow_leaks=True, **options)


def test_five_percent_of_damaged_files_are_refused_by_name_or_left_out_and_listed_in_the_report(folder):
    with pytest.raises(DataError, match="3 rows cannot be used") as caught:
        task_of(folder).prepare()
    assert all(name in str(caught.value) for name in BAD)
    task = task_of(folder, on_error="skip")
    learner = ls.Learner(task, ls.SmallResNetConfig(blocks=1, width=4), progress=False, device="cpu").fit(1)
    assert len(task.train) + len(task.valid) == 57
    assert np.isfinite(learner.history[-1]["valid_loss"])
    page = learner.report(folder / "report.html").read_text()
    assert "3 of 60 rows (5.0%) were left out" in page
    for name, words in BAD.items():
        assert re.search(rf"{re.escape(name)}[^<]*</td><td[^>]*>[^<]*{words}", page), name


@pytest.mark.slow
def test_the_command_line_says_so_and_its_report_lists_them(folder):
    command = [
        sys.executable, "-c", "from longspan.cli import main; main()", "train", str(folder), "--pattern",
        r"(?P<kind>dark|light)_\d+\.png", "--size", "12", "--model", "resnet20", "--weights", "none", "--epochs", "1",
        "--out", str(folder / "m.safetensors"), "--report", str(folder / "r.html"),
    ]  # fmt: skip
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.count("Traceback")) == (2, 0)
    assert all(name in refused.stderr for name in BAD)
    done = subprocess.run([*command, "--on-error", "skip"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 rows that cannot be used" in done.stdout
    assert all(name in (folder / "r.html").read_text() for name in BAD)


def test_of_very_many_the_first_hundred_are_listed_and_the_rest_counted(folder):
    task = task_of(folder)
    task.skipped = [Fault(f"file{i}.png", "broken") for i in range(250)]
    page = Document("x")
    _left_out(page, task)
    text = page.save(folder / "x.html").read_text()
    assert "250 of 60 rows" in text
    assert "file99.png" in text
    assert "file100.png" not in text
    assert "... and 150 more." in text
