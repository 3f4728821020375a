import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import longspan as ls


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    size, day = rng.normal(size=300), rng.choice(["Monday", "Friday"], 300)
    sold = np.where(size + 0.3 * rng.normal(size=300) > 0, "many", "few")
    pl.DataFrame({"size": size, "day": day, "sold": sold, "money": 3 * size + rng.normal(size=300)}).write_csv(
        "new.csv"
    )
    table = ls.Table.from_csv("new.csv", {"sold": ls.Category()}).with_features(["sold", "money"])
    task = ls.Task(table.split(), "features", ["sold", "money"], allow_leaks=True)
    ls.Boosting(trees=20).train(task).save("trees.safetensors")


def test_what_matters_is_told_and_a_page_is_written(longspan, shop, tmp_path):
    told = json.loads(
        longspan("explain", "trees.safetensors", "new.csv", "--target", "sold", "--rows", 100, "--json").out
    )
    assert [each["column"] for each in told["importance"]] == ["size", "day"]
    assert told["rows"] == 100
    assert 0 < told["calibration"]["error"] < 1
    assert not (tmp_path / "explanation.html").exists()
    answer = longspan("explain", "trees.safetensors", "new.csv", "--target", "money", "--out", "page.html")
    assert (answer.code, answer.err) == (0, "")
    assert "What predicts money" in (tmp_path / "page.html").read_text()
    assert answer.out.splitlines()[3].split()[0] == "size"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("new.csv",), "predicts sold, money; name one"),
        (("new.csv", "--target", "sald"), "sold"),
        (("new.csv", "--target", "sold", "--layers"), "boosted trees, which cannot show what each layer learned"),
        (("new.csv", "--target", "sold", "--rows", "5"), "at least 20"),
        (("missing.csv", "--target", "sold"), "missing.csv"),
    ],
)
def test_slips_are_told(longspan, shop, words, message):
    answer = longspan("explain", "trees.safetensors", *words)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not Path("explanation.html").exists()


def test_rows_that_trained_the_network_are_left_out(longspan, shop):
    longspan("train", "new.csv", "--target", "sold", "--model", "mlp", "--epochs", "1", "--leaks", "allow", "--quiet")
    answer = longspan("explain", "model.safetensors", "new.csv", "--rows", "40")
    assert (answer.code, answer.err) == (0, "")
    assert "240 rows that trained this model" in answer.out
    pl.read_csv("new.csv").write_csv("other.csv")
    told = json.loads(longspan("explain", "model.safetensors", "other.csv", "--rows", "300", "--json").out)
    assert told["rows"] == 60


def test_of_images_the_page_shows_where_the_network_looked(longspan, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(30):
        label, level = ("dark", 40) if number % 2 else ("light", 200)
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        pixels = np.clip(rng.normal(level, 20, (24, 24)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    model, page = tmp_path / "model.safetensors", tmp_path / "page.html"
    assert longspan("train", tmp_path / "photos", "--model", "lenet5", "--epochs", "1", "--out", tmp_path).code == 0
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (24, 24), np.uint8)).save(
            tmp_path / "photos" / ("dark" if number % 2 else "light") / f"new{number}.png"
        )
    ended = longspan("explain", model, tmp_path / "photos", "--rows", 20, "--out", page)
    assert ended.code == 0, ended.err
    text = page.read_text()
    for each in ("Where it looked", "Grad-CAM", "Occlusion", "with random weights everywhere", "Calibration"):
        assert each in text
    assert "Importance" not in text
    assert text.count("data:image/png") == 24
    assert "left out" in ended.out
    ended = longspan("explain", model, tmp_path / "photos", "--rows", 20, "--layers", "--out", page)
    assert ended.code == 0, ended.err
    assert "What each layer learned" in page.read_text()
    ended = longspan("explain", model, tmp_path / "photos", "--layers", "--json")
    assert ended.code == 2
    assert "--layers is for the page" in ended.err


def test_a_training_on_the_command_line_has_it_in_its_report(longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    size, day = rng.normal(size=200), rng.choice(["Monday", "Friday"], 200)
    sold = np.where(size + 0.3 * rng.normal(size=200) > 0, "many", "few")
    pl.DataFrame({"size": size, "day": day, "sold": sold}).write_csv("sales.csv")
    ended = longspan(
        "train", "sales.csv", "--target", "sold", "--model", "mlp", "--epochs", "1", "--leaks", "allow", "--out", "run"
    )
    assert ended.code == 0, ended.err
    text = (tmp_path / "run" / "report.html").read_text()
    assert "On 40 held-out rows" in text
    assert "Where the time goes" in text


def test_what_it_will_take_is_told_first_and_too_much_is_refused(longspan, shop, tmp_path):
    words = ("explain", "trees.safetensors", "new.csv", "--target", "sold", "--rows", 100, "--out", "page.html")
    ended = longspan(*words)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0].startswith("expected  about ")
    assert "Importance: about" in ended.out.splitlines()[0]
    (tmp_path / "page.html").unlink()
    ended = longspan(*words, "--max-minutes", "1e-9")
    assert ended.code == 2
    assert "would take about" in ended.err
    assert "--max-minutes" in ended.err
    assert not (tmp_path / "page.html").exists()
    assert "must be above 0" in longspan(*words, "--max-minutes", "0").err


def test_layers_of_a_network_of_texts_are_phrases(longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    words = rng.choice(["film", "music", "story", "actor", "was", "the"], (80, 6)).tolist()
    for row, each in enumerate(words):
        each[row % 6] = "good" if row % 2 else "bad"
    rows = {"text": [" ".join(each) for each in words], "liked": ["no", "yes"] * 40}
    pl.DataFrame(rows).write_csv("old.csv")
    pl.DataFrame({"text": [each + " again" for each in rows["text"]], "liked": rows["liked"]}).write_csv("new.csv")
    ended = longspan(
        "train", "old.csv", "--column", "text=text", "--target", "liked", "--model", "text_cnn",
        "--epochs", "2", "--leaks", "allow", "--quiet",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    ended = longspan("explain", "model.safetensors", "new.csv", "--layers", "--out", "page.html")
    assert ended.code == 0, ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert [line[0] for line in lines if line[1:3] == ["1", "token"] or line[2:3] == ["tokens"]] == [
        "embedding", "convs.0", "convs.1", "convs.2",
    ]  # fmt: skip
    assert "no reconstructions" in (tmp_path / "page.html").read_text()
