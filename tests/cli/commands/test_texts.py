"""Texts on the command line: from a CSV file to a model, and from arguments, files and pipes to predictions."""

import csv
import io
import json

import numpy as np
import pytest

from longspan.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(0)
    with (folder / "reviews.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["stars", "review", "label"])
        for number in range(60):
            label = str(rng.choice(["good", "bad"]))
            end = rng.permutation(["with", "many", "actors", "and", "no", "story", "or\nso"])
            writer.writerow([number % 5, f"this is a {label} film number {number} {' '.join(end)}", label])
    options = ["--target", "label", "--model", "bag_of_embeddings", "--epochs", "15", "--lr", "0.02", "--test", "10"]
    words = ["train", str(folder / "reviews.csv"), *options, "--out", str(folder / "model.safetensors"), "--quiet"]
    assert main(words) == 0
    return folder


def test_a_column_of_prose_is_read_and_the_others_are_named(trained, capsys):
    options = ["--target", "label", "--model", "bag_of_embeddings", "--epochs", "1", "--force"]
    assert main(["train", str(trained / "reviews.csv"), *options, "--out", str(trained / "other.safetensors")]) == 0
    shown = capsys.readouterr().out
    assert "column 'review' as texts; not read: stars" in shown
    assert "longspan predict" in shown
    assert main(["train", str(trained / "reviews.csv"), "--target", "label", "--size", "64"]) != 0
    assert "--size is for images, and the input is text" in capsys.readouterr().err


def test_arguments_files_and_pipes(trained, capsys, monkeypatch):
    model = str(trained / "model.safetensors")
    assert main(["predict", model, "what a good film", "a bad one"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["label=good", "label=bad"]
    assert lines[0].endswith("what a good film")
    (trained / "lines.txt").write_text("a good film\n\na bad film\r\n", newline="")
    assert main(["predict", model, str(trained / "lines.txt")]) == 0
    from_file = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert (from_file[0], from_file[2], len(from_file)) == ("label=good", "label=bad", 3)
    monkeypatch.setattr("sys.stdin", io.StringIO("a good film\n\na bad film\n"))
    assert main(["predict", model, "-"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == from_file
    assert main(["predict", model, str(trained / "reviews.csv"), "--out", str(trained / "found.csv")]) == 0
    with (trained / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert rows[3]["review"].endswith(rows[3]["review"].split()[-1])
    assert sum(("good" in row["review"]) == (row["label"] == "good") for row in rows) >= 58
    capsys.readouterr()
    assert main(["predict", model, "--json", "a good film " * 40]) == 0
    assert json.loads(capsys.readouterr().out)["label"]["value"] == "good"


def test_the_sealed_rows_are_measured_from_the_same_file(trained, capsys):
    model, source = str(trained / "model.safetensors"), str(trained / "reviews.csv")
    assert main(["evaluate", model, source, "--open-vault", "figure of the test"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_files_that_cannot_be_read_are_named(trained, capsys):
    model = str(trained / "model.safetensors")
    assert main(["predict", model, "gone.txt"]) != 0
    assert "There is no file gone.txt" in capsys.readouterr().err
    (trained / "latin.txt").write_bytes(b"good\ncaf\xe9\n")
    assert main(["predict", model, str(trained / "latin.txt")]) != 0
    assert "line 2: byte 0xe9 is no UTF-8" in capsys.readouterr().err
