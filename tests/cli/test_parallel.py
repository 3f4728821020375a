import itertools

import pytest

import longspan as ls

NUMBERS = {"one": "un", "two": "deux", "three": "trois", "six": "six"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pairs = list(itertools.product(NUMBERS, repeat=3))
    (tmp_path / "train.en").write_text("".join(f"{' '.join(each)}\n" for each in pairs))
    (tmp_path / "train.fr").write_text("".join(f"{' '.join(NUMBERS[word] for word in each)}\n" for each in pairs))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("source", ["train.en", "train"])
def test_a_translation_is_trained_and_used_from_files(source, folder, longspan):
    answer = longspan(
        "train", source, "--source", "en", "--target", "fr:text:words", "--epochs", "1", "--leaks", "allow",
        "--quiet", "--out", "model.safetensors",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    model = ls.load(folder / "model.safetensors")
    assert list(model.inputs) == ["en"]
    assert model.heads["fr"].kind == "generate"
    (folder / "lines.txt").write_text("one two\nsix\n")
    answer = longspan("predict", "model.safetensors", "one two three")
    assert answer.code == 0, answer.err
    answer = longspan("predict", "model.safetensors", "lines.txt")
    assert answer.code == 0, answer.err
    assert len(answer.out.strip().splitlines()) == 2


def test_a_language_that_is_not_there_is_named(folder, longspan):
    answer = longspan("train", "train.en", "--source", "en", "--target", "de")
    assert answer.code != 0
    assert "There is no file train.de. Beside it there are the endings en, fr." in " ".join(answer.err.split())
    answer = longspan("train", "train.en", "--source", "en")
    assert answer.code != 0
    assert "--source needs --target" in answer.err


def test_files_of_other_numbers_of_lines_are_refused(folder, longspan):
    with (folder / "train.fr").open("a") as file:
        file.write("encore\n")
    answer = longspan("train", "train", "--source", "en", "--target", "fr")
    assert answer.code != 0
    assert "equally many lines" in answer.err
    assert "train.en 64, train.fr 65" in " ".join(answer.err.split())
