"""Texts on the command line: from a CSV file to a model, and from arguments, files and pipes to predictions."""

import csv
import io
import json

import numpy as np


def reviews(folder):
    """A CSV file of sixty reviews, some over two lines, and numbers beside them."""
    rng = np.random.default_rng(0)
    with (folder / "reviews.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["stars", "review", "label"])
        for number in range(60):
            label = str(rng.choice(["good", "bad"]))
            end = rng.permutation(["with", "many", "actors", "and", "no", "story", "or\nso"])
            writer.writerow([number % 5, f"this is a {label} film number {number} {' '.join(end)}", label])
    return folder / "reviews.csv"


def test_a_csv_file_of_texts_trains_and_texts_are_predicted(longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = reviews(tmp_path)
    done = longspan(
        "train", source, "--target", "label", "--model", "bag_of_embeddings", "--epochs", "15", "--lr", "0.02",
        "--augment", "words", "--test", "10", "--out", "m.safetensors",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "column 'review' as texts; not read: stars" in done.out
    assert "longspan predict m.safetensors 'this is a " in done.out
    done = longspan("predict", "m.safetensors", "what a good film", "a bad one")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == ["label=good", "label=bad"]
    assert lines[0].endswith("what a good film")
    (tmp_path / "lines.txt").write_text("a good film\n\na bad film\r\n", newline="")
    from_file = [line.split()[0] for line in longspan("predict", "m.safetensors", "lines.txt").out.splitlines()]
    assert (from_file[0], from_file[2], len(from_file)) == ("label=good", "label=bad", 3)
    monkeypatch.setattr("sys.stdin", io.StringIO("a good film\n\na bad film\n"))
    assert [line.split()[0] for line in longspan("predict", "m.safetensors", "-").out.splitlines()] == from_file
    done = longspan("predict", "m.safetensors", source, "--out", "found.csv")
    assert done.code == 0, done.err
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert sum(("good" in row["review"]) == (row["label"] == "good") for row in rows) >= 58
    done = longspan("predict", "m.safetensors", "--json", "a good film " * 30)  # longer than a file's name may be
    assert json.loads(done.out)["label"] == "good"
    done = longspan("evaluate", "m.safetensors", source, "--open-vault", "figure of the test")
    assert done.code == 0, done.err
    assert "accuracy" in done.out
    done = longspan("predict", "m.safetensors", "gone.txt")
    assert done.code == 2
    assert "There is no file gone.txt" in done.err
    (tmp_path / "latin.txt").write_bytes(b"good\ncaf\xe9\n")
    assert "line 2: byte 0xe9 is not UTF-8" in longspan("predict", "m.safetensors", "latin.txt").err
    assert "café" in longspan("predict", "m.safetensors", "latin.txt", "--encoding", "latin-1").out
    piped = (tmp_path / "latin.txt").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="utf-8"))
    assert "café" in longspan("predict", "m.safetensors", "-", "--encoding", "latin-1").out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="utf-8"))
    assert "no encoding 'cp999'" in longspan("predict", "m.safetensors", "-", "--encoding", "cp999").err
    source.write_bytes(source.read_text("utf-8").replace("good film", "good café").encode("cp1252"))
    assert "--encoding cp1252" in longspan("evaluate", "m.safetensors", source).err
    done = longspan("predict", "m.safetensors", source, "--encoding", "cp1252", "--out", "again.csv")
    assert done.code == 0, done.err
    assert "good café" in (tmp_path / "again.csv").read_text("utf-8")


def test_options_of_images_are_refused(longspan, tmp_path):
    source = reviews(tmp_path)
    done = longspan("train", source, "--target", "label", "--size", "64")
    assert "--size is for images, and the input is text" in done.err
    assert "for texts: --augment words" in longspan("train", source, "--target", "label", "--augment", "photos").err
    both = source.read_text().replace("stars,review,label", "one,review,label").splitlines()
    source.write_text("\n".join(both))
    done = longspan("train", source, "--target", "label", "--column", "review=text:wordz")
    assert "no tokenizer 'wordz'" in done.err
