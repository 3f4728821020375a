import csv
import json
import re
import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

import longspan as ls
from longspan.train.checkpoints.checkpoint import CheckpointWriter

PATTERN = r"(?P<breed>.+)_\d+\.png"
QUICK = ("--model", "lenet5", "--epochs", "2", "--batch-size", "8")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder that commands write to."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_trains_saves_reports_and_says_what_it_chose(longspan, pets, work):
    answer = longspan("train", pets, "--pattern", PATTERN, *QUICK, "--out", "breeds.safetensors")
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "breed: 2 classes (bengal 12, pug 12)",
        "19 train, 5 valid; at random, stratified by 'breed', seed 0",
        "lenet5, 60,1",
        "from scratch",
        "one-cycle: 2 epochs of all layers, peak rate 0.003",
        "on 5 validation rows",
        "longspan predict breeds.safetensors ",
    ):
        assert words in answer.out, words
    assert sorted(path.name for path in work.iterdir()) == ["breeds.html", "breeds.safetensors"]
    assert ls.load("breeds.safetensors").predict(pets / "pug_1.png")["breed"] in ("pug", "bengal")


def test_does_what_its_options_say(longspan, pets, work):
    answer = longspan(
        "train", pets, "--pattern", PATTERN, "--model", "lenet5", "--mode", "fit", "--schedule", "cosine",
        "--epochs", "3", "--lr", "0.01", "--batch-size", "5", "--optimizer", "sgd", "--weight-decay", "0.1",
        "--clip-norm", "2", "--accumulate", "2", "--mixup", "0.2", "--label-smoothing", "0.1", "--dropout", "0.3",
        "--augment", "digits", "--average", "0.9", "--early-stopping", "7", "--valid", "4", "--test", "0.25",
        "--seed", "3", "--size", "32", "--precision", "float32", "--open-vault", "for the test", "--quiet",
    )  # fmt: skip
    assert answer == type(answer)(0, "", "")
    model = ls.load("model.safetensors")
    training = model.info["training"]
    assert training["seed"] == 3
    assert training["phases"] == [ls.Phase(epochs=3, lr=0.01, schedule="cosine", warmup=0.0).to_json()]
    expected = ls.TrainConfig(
        batch_size=5, optimizer="sgd", weight_decay=0.1, clip_norm=2, accumulate=2, mixup=0.2,
        augment=ls.Augment.digits(), precision="float32",
    )  # fmt: skip
    assert training["config"] == json.loads(json.dumps(expected.to_json()))
    assert training["rows"] == {"train": 14, "valid": 4}
    head = model.heads["breed"]
    assert (head.label_smoothing, head.dropout) == (0.1, 0.3)
    assert model.inputs["image"].shape == (32, 32, 1)
    [opening] = model.info["vault"]["openings"]
    assert (opening["reason"], opening["rows"]) == ("for the test", 6)
    assert "accuracy" in model.info["metrics"]["test"]


def test_reads_a_table_with_several_targets_and_missing_values(longspan, pets, work):
    files = sorted(path.name for path in pets.iterdir())
    with (pets / "rows.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["photo", "breed", "age"])
        rows.writerows([name, name.split("_")[0], "" if i % 4 == 0 else i] for i, name in enumerate(files))
    told = ("--image", "photo", "--target", "breed", "--target", "age", "--column", "age=number:months")
    answer = longspan("train", pets / "rows.csv", *told, *QUICK)
    assert (answer.code, answer.err) == (0, "")
    assert "age: number, 6 without" in answer.out
    assert "breed.accuracy" in answer.out
    assert "age.mae" in answer.out
    assert ls.load("model.safetensors").heads["age"].column.unit == "months"
    measured = longspan("evaluate", "model.safetensors", pets / "rows.csv", "--json")
    assert json.loads(measured.out)["rows"] == 24


def test_leaves_bad_files_out_when_told_to(longspan, pets, work):
    (pets / "pug_3.png").write_bytes(b"")
    answer = longspan("train", pets, "--pattern", PATTERN, *QUICK, "--on-error", "skip")
    assert answer.code == 0
    assert "1 rows that cannot be used" in answer.out.replace("1 row that", "1 rows that")
    assert "pug_3.png" in answer.out


def test_without_weights_to_be_had_says_so_and_starts_from_scratch(longspan, tmp_path, work, monkeypatch):
    import urllib.request

    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LONGSPAN_DATA", raising=False)
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (80, 70, 3), dtype=np.uint8)
        PILImage.fromarray(pixels).save(folder / f"{'ab'[i % 2]}_{i}.png")
    told = ("--pattern", r"(?P<kind>.)_\d\.png", "--model", "squeezenet1_1", "--size", "64", "--epochs", "1")
    answer = longspan("train", folder, *told)
    assert (answer.code, answer.err) == (0, "")
    assert "weights   none: The ImageNet weights of squeezenet1_1" in answer.out
    assert "from scratch" in answer.out
    wanted = longspan("train", folder, *told, "--weights", "imagenet", "--out", "other.safetensors")
    assert wanted.code == 2
    assert "could not be downloaded" in wanted.err


def test_an_interrupted_training_goes_on_and_ends_the_same(longspan, pets, work, monkeypatch):
    told = ("train", pets, "--pattern", PATTERN, *QUICK, "--dropout", "0.2")
    assert longspan(*told, "--out", "whole.safetensors").code == 0

    write = CheckpointWriter._write

    def write_and_stop(self, state):
        write(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointWriter, "_write", write_and_stop)
        answer = longspan(*told, "--out", "parts.safetensors", "--checkpoints", "ck")
    assert answer.code == 130
    assert (
        answer.err
        == "longspan: interrupted. The checkpoints in ck are kept; continue with: longspan train --resume ck\n"
    )
    assert not (work / "parts.safetensors").exists()

    again = longspan(*told, "--out", "parts.safetensors", "--checkpoints", "ck")
    assert again.code == 2
    assert "Continue it: longspan train --resume ck" in again.err
    other = longspan("train", "--resume", "ck", "--lr", "0.1")
    assert other.code == 2
    assert "leave out --lr" in other.err

    assert longspan("train", "--resume", "ck").code == 0
    whole, parts = (ls.load(f"{name}.safetensors").network.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_an_interrupted_training_without_checkpoints_says_that_nothing_is_kept(longspan, pets, work, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["longspan.train.learner"].Learner, "fit_one_cycle", interrupted)
    answer = longspan("train", pets, "--pattern", PATTERN, *QUICK)
    assert answer.code == 130
    assert "Nothing is kept; with --out RUN, a folder, a training can be resumed later." in answer.err
    assert list(work.iterdir()) == []


PETS = ("PETS", "--pattern", PATTERN, "--model", "lenet5", "--epochs", "1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "longspan train SOURCE"),
        (("nowhere",), "There is no file or folder nowhere"),
        (("minst",), "Did you mean 'mnist'?"),
        (("PETS",), r"--pattern '(?P<label>.+)_\d+\.png' --target label"),
        (("PETS", "--pattern", r"(?P<breed>.+)\.jpg"), "matches none of the 24 files"),
        (("PETS", "--pattern", "(?P<breed>"), "is not a regular expression"),
        (("PETS", "--pattern", ".*"), "where a group has the name of a column"),
        (
            ("PETS", "--pattern", r"(?P<breed>.+)_(?P<number>\d+)\.png"),
            "Name the target, one or several of:\n  --target breed   category, 2 values: bengal, pug\n",
        ),
        ((*PETS, "--target", "bread"), "Did you mean 'breed'?"),
        ((*PETS, "--column", "breed=word"), "Valid: audio, boxes, category, features, image, instances"),
        ((*PETS, "--column", "breed=number"), "needs a finite number"),
        ((*PETS, "--model", "resnet43"), "Did you mean 'resnet"),
        ((*PETS, "--weights", "nothere.safetensors"), "There is no weights file nothere.safetensors"),
        ((*PETS, "--weights", "imagenet"), "No weights trained on ImageNet are published for lenet5"),
        ((*PETS, "--mode", "finetune"), "Did you mean 'fine-tune'?"),
        ((*PETS, "--mode", "one-cycle", "--schedule", "step"), "--schedule belongs to --mode fit"),
        ((*PETS, "--schedule", "cosin"), "Did you mean 'cosine'?"),
        ((*PETS, "--augment", "photo"), "Did you mean 'photos'?"),
        ((*PETS, "--epochs", "0"), "epochs must be a whole number of at least 1"),
        ((*PETS, "--lr", "-1"), "lr must be above 0"),
        ((*PETS, "--batch-size", "0"), "batch_size must be a whole number of at least 1"),
        ((*PETS, "--optimizer", "adam"), "Did you mean 'adamw'?"),
        ((*PETS, "--average", "2"), "WeightAverage.decay"),
        ((*PETS, "--split-by", "breed"), "time:COLUMN, group:COLUMN or column:COLUMN"),
        ((*PETS, "--split-by", "group:bred"), "Did you mean 'breed'?"),
        ((*PETS, "--valid", "1.5"), "valid=1.5"),
        ((*PETS, "--open-vault", "why not"), "add --test"),
        ((*PETS, "--out", "model.pt"), "a model file ends in .safetensors, such as model.safetensors"),
        ((*PETS, "--out", "run", "--checkpoints", "ck"), "leave out --checkpoints"),
        ((*PETS, "--checkpoint-every", "often"), "write a number of steps such as 500, or of minutes such as 2min"),
        ((*PETS, "--checkpoint-every", "0min"), "--checkpoint-every 0min: write"),
        ((*PETS, "--device", "gpu"), "Valid: auto, cpu, cuda"),
        ((*PETS, "--lr", "1e38", "--mode", "fit", "--checkpoints", "ck"), "loss became"),
        (("--resume", "ck"), "there is no run.json in it"),
    ],
)
def test_bad_input_is_told_in_words_and_leaves_nothing(longspan, pets, work, words, said):
    answer = longspan("train", *(pets if word == "PETS" else word for word in words))
    assert answer.code == 2, answer
    assert answer.err.startswith("longspan: error: ")
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert list(work.iterdir()) == []


def test_all_bad_files_are_named_at_once(longspan, pets, work):
    (pets / "pug_3.png").write_bytes(b"")
    whole = (pets / "pug_4.png").read_bytes()
    (pets / "pug_4.png").write_bytes(whole[: len(whole) // 2])
    (pets / "bengal_5.png").write_text("this is text")
    answer = longspan("train", pets, "--pattern", PATTERN, *QUICK)
    assert answer.code == 2
    for name in ("pug_3.png", "pug_4.png", "bengal_5.png", "--on-error skip"):
        assert name in answer.err
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("--lr", "-1"), ("--optimizer", "adam"), ("--device", "gpu"), ("--average", "2"), ("--epochs", "0")]
)
def test_a_slip_in_the_options_is_told_before_the_images_are_read(longspan, pets, work, words):
    (pets / "pug_3.png").write_bytes(b"")
    answer = longspan("train", pets, "--pattern", PATTERN, *words)
    assert answer.code == 2
    assert "pug_3.png" not in answer.err
    assert answer.out == ""


def test_a_link_that_leads_nowhere_is_a_bad_file(longspan, pets, work):
    try:
        (pets / "pug_99.png").symlink_to(pets / "gone.png")
    except OSError:
        pytest.skip("this system makes no links")
    answer = longspan("train", pets, "--pattern", PATTERN, *QUICK)
    assert answer.code == 2
    assert "pug_99.png: the file does not exist" in answer.err


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(longspan, pets, work):
    told = ("train", pets, "--pattern", PATTERN, "--model", "lenet5", "--epochs", "1", "--mode", "fit", "--out", "run")
    answer = longspan(*told, "--lr", "1e38")
    assert (answer.code, "loss became" in answer.err) == (2, True)
    assert list(work.iterdir()) == []
    assert longspan(*told, "--lr", "0.001").code == 0, "the same folder again, without --force"


def test_a_class_with_one_sample_is_refused_by_name(longspan, pets, work):
    (pets / "pug_1.png").rename(pets / "poodle_1.png")
    answer = longspan("train", pets, "--pattern", PATTERN, *QUICK)
    assert answer.code == 2
    assert "class 'poodle' of 'breed' has one sample" in answer.err


def test_copies_on_both_sides_of_the_split_are_named_and_refused_moved_or_allowed(longspan, pets, work):
    for number in range(12):
        (pets / f"pug_{number}0.png").write_bytes((pets / f"pug_{number}.png").read_bytes())
    told = ("train", pets, "--pattern", PATTERN, *QUICK)
    answer = longspan(*told, "--leaks", "refuse")
    assert answer.code == 2
    assert "identical" in answer.err
    answer = longspan(*told, "--force")
    assert answer.code == 0
    assert "copies    the same sample twice" in answer.out
    leaks = ls.load("model.safetensors").info["leaks"]
    assert leaks["found"] == 0
    assert leaks["moved_to_train"] > 0
    assert longspan(*told, "--force", "--leaks", "allow").code == 0
    assert ls.load("model.safetensors").info["leaks"]["allowed"] is True


@pytest.mark.parametrize("command", ["train", "study"])
def test_a_time_that_the_split_breaks_is_refused_with_the_split_that_keeps_it(longspan, pets, work, command):
    pattern = r"(?P<breed>[a-z]+)_(?P<owner>\d+)\.png"
    model = QUICK if command == "train" else ("--model", "lenet5", "--backend", "inline", "--threads", "1")
    told = (command, pets, "--pattern", pattern, "--target", "breed", *model)
    answer = longspan(*told, "--time", "owner")
    assert answer.code == 2
    assert "(--split-by time:owner)" in answer.err
    answer = longspan(*told, "--group", "ower")
    assert answer.code == 2
    assert "Did you mean 'owner'?" in answer.err
    assert list(work.iterdir()) == []


def test_groups_are_kept_together_by_the_split(longspan, pets, work):
    told = ("train", pets, "--pattern", r"(?P<breed>[a-z]+)_(?P<owner>\d+)\.png", "--target", "breed", *QUICK)
    answer = longspan(*told, "--group", "owner")
    assert (answer.code, answer.err) == (0, "")
    assert "by group 'owner'" in answer.out


def test_groups_that_another_split_parts_are_refused(longspan, pets, work):
    told = ("train", pets, "--pattern", r"(?P<breed>[a-z]+)_(?P<owner>\d+)\.png", "--target", "breed", *QUICK)
    answer = longspan(*told, "--group", "owner", "--split-by", "time:breed")
    assert answer.code == 2


def test_an_existing_model_is_not_replaced_unless_told(longspan, pets, work):
    (work / "model.safetensors").write_text("precious")
    told = ("train", pets, "--pattern", PATTERN, *QUICK, "--quiet")
    answer = longspan(*told)
    assert answer.code == 2
    assert "model.safetensors exists already. Name another file, or replace it with --force." in answer.err
    assert (work / "model.safetensors").read_text() == "precious"
    assert longspan(*told, "--force").code == 0
    assert ls.load("model.safetensors")


def test_a_table_without_images_is_told_what_is_missing(longspan, work):
    (work / "rows.csv").write_text(
        textwrap.dedent("""\
        file,age
        a.png,1
        b.png,2
    """)
    )
    answer = longspan("train", "rows.csv", "--target", "age")
    assert answer.code == 2
    assert "No column of rows.csv names images" in answer.err
    assert "Its first row is file='a.png', age=1." in answer.err
    assert "--root FOLDER" in answer.err


def test_texts_are_read_as_they_are_written_and_get_a_network_for_lines(longspan, work):
    rng = np.random.default_rng(0)
    rows = ["file,number"]
    for i in range(12):
        PILImage.fromarray(rng.integers(0, 256, (16, 64)).astype(np.uint8)).save(work / f"{i}.png")
        rows.append(f"{i}.png,{i % 4:03d}")
    (work / "numbers.csv").write_text("\n".join(rows) + "\n")
    told = ("numbers.csv", "--image", "file", "--target", "number", "--column", "number=text", "--epochs", "1")
    answer = longspan("train", *told, "--leaks", "allow", "--out", "numbers.safetensors")
    assert (answer.code, answer.err) == (0, "")
    assert "line_cnn, 107,653 parameters, from scratch" in answer.out
    assert "error_rate 1.0000 on 2 validation rows" in answer.out
    assert ls.load("numbers.safetensors").heads["number"].column.vocab == ("0", "1", "2", "3")
    answer = longspan("evaluate", "numbers.safetensors", "numbers.csv")
    assert (answer.code, answer.err) == (0, "")
    assert "character_error_rate" in answer.out
    answer = longspan("train", *told, "--label-smoothing", "0.1")
    assert (answer.code, "no target is a class" in answer.err) == (2, True)
    answer = longspan("train", *told[:-4], "--column", "number=txt")
    assert "Did you mean 'text'" in answer.err


def test_weights_of_classes_and_balanced_rows(longspan, pets, tmp_path):
    words = ("train", pets, "--pattern", PATTERN, "--model", "lenet5", "--epochs", 1, "--quiet")
    model = tmp_path / "m.safetensors"
    assert longspan(*words, "--class-weights", "pug=3", "--sampling", "balanced", "--out", model).code == 0
    loaded = ls.load(model)
    assert isinstance(loaded, ls.Predictor)
    assert getattr(loaded.heads["breed"], "class_weights", None) == (1.0, 3.0)
    assert loaded.info["training"]["config"]["sampling"] == "balanced"
    for said, told in (("pig=3", "pug"), ("pug", "CLASS=WEIGHT"), ("pug=x", "CLASS=WEIGHT")):
        answer = longspan(*words, "--class-weights", said, "--out", tmp_path / "n.safetensors")
        assert answer.code == 2
        assert told in answer.err
    assert longspan(*words, "--sampling", "balance", "--out", tmp_path / "n.safetensors").code == 2


def test_the_time_before_the_first_step_is_shown_with_what_it_was_spent_on(longspan, pets, work, monkeypatch):
    monkeypatch.setattr("longspan.cli.training._LONG_S", 0.0)
    answer = longspan("train", pets, "--pattern", PATTERN, "--model", "lenet5", "--epochs", "1")
    assert answer.code == 0, answer.err
    (line,) = (line for line in answer.out.splitlines() if line.startswith("ready"))
    assert re.fullmatch(
        r"ready     after \d+ s: \d+ s for the table and the split, \d+ s for reading and comparing samples, "
        r"\d+ s for the network",
        line,
    )
