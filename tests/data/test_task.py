from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as PILImage

from longspan.columns import Boxes, Category, Image, MultiLabel, Number
from longspan.data import Table, Task
from longspan.errors import ConfigError, DataError, LeakError, TrainingError, UnknownNameError, VaultError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (20, 8, 8, 3), np.uint8)


def table_of(count=20, pixels=NOISE, **targets):
    targets = targets or {"label": list("ab") * (count // 2)}
    columns = {
        name: Number() if isinstance(next(v for v in values if v is not None), float) else Category()
        for name, values in targets.items()
    }
    return Table.from_arrays({"image": pixels[:count], **targets}, {"image": Image(), **columns})


def task_of(table, **options):
    return Task(table.split(valid=4, seed=1), "image", [name for name in table.columns if name != "image"], **options)


@pytest.fixture
def folder(tmp_path):
    for i, pixels in enumerate(NOISE):
        PILImage.fromarray(pixels).save(tmp_path / f"{'ab'[i % 2]}_{i:02}.png")
    return tmp_path


def of_files(folder, **options):
    table = Table.from_files(folder, r"(?P<label>.)_\d+\.png")
    return Task(table.split(valid=4, stratify=None), "image", "label", **options)


# --- names and options -----------------------------------------------------------------------------------------------


def test_names_are_checked_at_once():
    split = table_of().split(valid=4)
    with pytest.raises(UnknownNameError, match=r"There is no column 'imagge'. Did you mean 'image'\?"):
        Task(split, "imagge", "label")
    with pytest.raises(UnknownNameError, match="'lable'"):
        Task(split, "image", "lable")
    with pytest.raises(ConfigError, match=r"\['image'\] are inputs and targets at once"):
        Task(split, "image", ["label", "image"])
    with pytest.raises(ConfigError, match="at least one"):
        Task(split, "image", [])
    with pytest.raises(ConfigError, match="each once"):
        Task(split, ["image", "image"], "label")
    with pytest.raises(ConfigError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        Task(split, "image", "label", on_error="ignore")
    with pytest.raises(ConfigError, match="exclude each other"):
        Task(split, "image", "label", allow_leaks=True, move_leaks=True)
    with pytest.raises(ConfigError, match=r"Image\.size_px"):
        Task(split, "image", "label", size_px=0).prepare()


def test_a_bare_table_is_split_at_random_and_a_split_by_column_is_followed():
    assert repr(Task(table_of(), "image", "label")) == "Task(image -> label; 16 train, 4 valid)"
    table = table_of().with_column("part", Category(), ["valid", "valid", "test", *["train"] * 17])
    task = Task(table.split(column="part"), "image", "label")
    task.prepare()
    assert task.valid.tolist() == [0, 1]
    assert task.open_vault("a look").tolist() == [2]
    assert task.train.tolist() == list(range(3, 20))


# --- what is learned from training rows -------------------------------------------------------------------------------


def test_mean_and_spread_of_images_equal_numpy_over_training_rows():
    task = task_of(table_of())
    task.prepare()
    pixels = NOISE[task.train.numpy()].reshape(-1, 3) / 255
    assert task.inputs["image"].mean == pytest.approx(pixels.mean(axis=0), abs=1e-4)
    assert task.inputs["image"].std == pytest.approx(pixels.std(axis=0), abs=1e-4)
    assert task.inputs["image"].channels == 3


def test_constant_images_have_a_spread_of_one():
    task = task_of(table_of(pixels=np.full((20, 8, 8), 7, np.uint8)), allow_leaks=True)
    task.prepare()
    assert task.inputs["image"].std == (1.0,)


def test_given_statistics_stay():
    table = table_of().with_column("image", Image(mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)))
    task = task_of(table)
    task.prepare()
    assert task.inputs["image"].mean == (0.1, 0.2, 0.3)


def test_vocabulary_and_scale_come_from_training_rows_alone():
    ages = [float(i) for i in range(20)]
    split = table_of(age=ages).split(valid=4, seed=1)
    task = Task(split, "image", "age")
    task.prepare()
    assert task.targets["age"].mean == pytest.approx(np.mean(split.train))
    assert task.targets["age"].std == pytest.approx(np.std(split.train))


def test_size_px_is_one_side_or_both():
    for size_px, expected in ((6, (6, 6)), ((6, 4), (6, 4))):
        task = task_of(table_of(), size_px=size_px)
        assert task.samples.inputs["image"].values.shape[1:3] == expected


def test_prepare_reads_once(monkeypatch, folder):
    task = of_files(folder)
    task.prepare()
    monkeypatch.setattr(Image, "encode", lambda *_: pytest.fail("read again"))
    counted = []
    task.prepare(counted.append)
    assert counted == []


def test_progress_counts_values(folder):
    counted = []
    of_files(folder).prepare(counted.append)
    assert sum(counted) == 2 * 20


# --- faults ----------------------------------------------------------------------------------------------------------


def spoil(folder):
    """An empty file in training or validation, a text, and a cut one."""
    (folder / "a_00.png").write_bytes(b"")
    (folder / "b_07.png").write_bytes(b"hello")
    whole = (folder / "a_10.png").read_bytes()
    (folder / "a_10.png").write_bytes(whole[: len(whole) // 2])


def test_all_faults_are_named_at_once_and_nothing_is_kept(folder):
    spoil(folder)
    task = of_files(folder)
    with pytest.raises(DataError) as caught:
        task.prepare()
    message = str(caught.value)
    assert message.startswith("3 rows cannot be used:")
    for name, what in (("a_00", "is empty"), ("b_07", "not an image"), ("a_10", "cannot be decoded")):
        assert any(name in line and what in line for line in message.splitlines())
    assert 'on_error="skip"' in message
    assert len(caught.value.faults) == 3


def test_skip_leaves_bad_rows_out_and_keeps_the_list(folder):
    spoil(folder)
    task = of_files(folder, on_error="skip")
    task.prepare()
    assert sorted(fault.where[-8:] for fault in task.skipped) == ["a_00.png", "a_10.png", "b_07.png"]
    used = {task.table.where(row, "image")[-8:] for row in [*task.train.tolist(), *task.valid.tolist()]}
    assert len(used) == 17
    assert not used & {"a_00.png", "a_10.png", "b_07.png"}
    assert task.samples.inputs["image"].present(task.train).all()


def test_skip_cannot_leave_a_part_empty(folder):
    task = of_files(folder, on_error="skip")
    for row in task.split.valid.tolist():
        Path(task.table.value(row, "image")).write_bytes(b"")
    with pytest.raises(DataError, match="has no usable row"):
        task.prepare()


def test_skip_does_not_ask_for_validation_rows_that_nobody_wanted(folder):
    spoil(folder)
    table = Table.from_files(folder, r"(?P<label>.)_\d+\.png")
    task = Task(table.split(valid=0), "image", "label", on_error="skip")
    task.prepare()
    assert (len(task.train), len(task.valid)) == (17, 0)


def test_a_bad_row_in_the_vault_is_left_out_there_too(folder):
    (folder / "a_00.png").write_bytes(b"")
    PILImage.new("RGB", (8, 8)).save(folder / "b_01.png")  # black, as the zeros of an image that cannot be read
    table = Table.from_files(folder, r"(?P<label>.)_\d+\.png")
    parts = ["test", "train", "test", "test", "valid", "valid", *["train"] * 14]
    split = table.with_column("part", Category(), parts).split(column="part")
    task = Task(split, "image", "label", on_error="skip")
    task.prepare()
    assert task.open_vault("a look").tolist() == [2, 3]


def test_missing_inputs_are_faults_and_missing_targets_are_not():
    labels = [None if i == 5 else "ab"[i % 2] for i in range(20)]
    images = [None if i == 3 else pixels for i, pixels in enumerate(NOISE)]
    table = Table.from_arrays({"image": images, "label": labels}, {"image": Image(), "label": Category()})
    with pytest.raises(DataError) as caught:
        task_of(table).prepare()
    assert [repr(fault) for fault in caught.value.faults] == ["arrays, row 3, column 'image': the input is missing"]
    task = task_of(table, on_error="skip")
    task.prepare()
    assert 5 in task.train.tolist() + task.valid.tolist()
    assert 3 not in task.train.tolist() + task.valid.tolist()


def test_faults_of_inputs_and_targets_come_in_one_message(folder):
    (folder / "a_00.png").write_bytes(b"")
    table = Table.from_files(folder, r"(?P<label>.)_\d+\.png")
    table = table.with_column("age", Number(), ["old", *map(str, range(1, 19)), "n/a"])
    with pytest.raises(DataError) as caught:
        Task(table.split(valid=4), "image", ["label", "age"]).prepare()
    message = str(caught.value)
    assert message.startswith("2 rows cannot be used")
    assert "a_00.png: the file is empty; and" in message
    assert "'old' is not a number" in message
    assert "'n/a' is not a number" in message


def test_ten_faults_are_shown_and_the_rest_counted(folder):
    for path in sorted(folder.glob("*.png"))[:13]:
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"13 rows(.|\n)*... and 3 more"):
        of_files(folder).prepare()


def test_no_image_that_opens_names_the_column_and_the_files(folder):
    for path in folder.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"Column 'image': No training image can be opened") as caught:
        of_files(folder).prepare()
    assert len(caught.value.faults) == 16


def test_a_class_with_one_sample_is_refused_by_name_or_left_out():
    labels = ["a", "b"] * 8 + ["a", "b", "a", "lonely"]
    split = table_of(label=labels).split(valid=4, seed=1)
    with pytest.raises(DataError, match=r"row 19, column 'image': class 'lonely' of 'label' has one sample"):
        Task(split, "image", "label").prepare()
    task = Task(split, "image", "label", on_error="skip")
    task.prepare()
    assert task.targets["label"].vocab == ("a", "b")
    assert 19 not in task.train.tolist() + task.valid.tolist()
    assert "lonely" in repr(task.skipped[0])


def test_a_class_that_training_rows_lack_is_refused_by_name():
    labels = ["a", "b"] * 8 + ["c", "c", "a", "b"]
    table = table_of(label=labels).with_column("part", Category(), ["train"] * 16 + ["valid"] * 4)
    with pytest.raises(DataError, match=r"row 16, column 'label': class 'c' does not occur in the training rows"):
        Task(table.split(column="part"), "image", "label").prepare()


def test_a_single_class_teaches_nothing():
    with pytest.raises(DataError, match=r"Column 'label': A category needs at least two classes .* found only 'a'"):
        task_of(table_of(label=["a"] * 20)).prepare()


def test_a_target_or_input_without_any_training_value_is_refused():
    table = table_of(label=list("ab") * 10, age=[1.0] + [None] * 19)
    table = table.with_column("part", Category(), ["valid"] * 4 + ["train"] * 16)
    with pytest.raises(TrainingError, match="Target 'age' has no value in any of the 16 training rows"):
        Task(table.split(column="part"), "image", "age").prepare()
    with pytest.raises(TrainingError, match="Input 'age' has no value"):
        Task(table.split(column="part"), "age", "label").prepare()


def test_values_that_do_not_fit_their_column_name_it():
    table = Table.from_arrays({"image": NOISE, "tags": ["cat dog"] * 20}, {"image": Image(), "tags": MultiLabel()})
    with pytest.raises(DataError, match=r"Column 'tags': 'cat dog' is one string.*separator"):
        task_of(table).prepare()


# --- leaks and the vault ---------------------------------------------------------------------------------------------


def leaky():
    """Row 0 again as row 1; row 0 trains, row 1 validates."""
    pixels = np.concatenate([NOISE[:1], NOISE[:19]])
    table = table_of(pixels=pixels).with_column("part", Category(), ["train", "valid", "valid", *["train"] * 17])
    return table.split(column="part")


def test_leaks_are_refused_by_name_allowed_or_moved():
    with pytest.raises(LeakError, match=r"row 0, column 'image' \(train\) and arrays, row 1, .* \(valid\): identical"):
        Task(leaky(), "image", "label").prepare()
    allowed = Task(leaky(), "image", "label", allow_leaks=True)
    allowed.prepare()
    assert len(allowed.leaks) == 1
    moved = Task(leaky(), "image", "label", move_leaks=True)
    moved.prepare()
    assert len(moved.leaks) == 0
    assert len(moved.moved) == 1
    assert 1 in moved.train.tolist()
    assert moved.valid.tolist() == [2]


def test_a_refused_task_can_be_asked_again():
    task = Task(leaky(), "image", "label")
    for _ in range(2):
        with pytest.raises(LeakError):
            task.prepare()


def test_equal_rows_without_images_are_leaks_too():
    reviews = [f"It took me {i} evenings to read it, and I would do so again." for i in (1, 1, *range(2, 20))]
    table = table_of(label=list("ab") * 10, review=reviews)
    split = table.with_column("part", Category(), ["train", "valid", *["train"] * 18]).split(column="part")
    with pytest.raises(LeakError, match=r"row 0 .* and row 1 .*identical"):
        Task(split, "review", "label").prepare()


def test_in_a_split_by_group_the_rest_of_the_group_follows_a_moved_copy():
    pixels = np.concatenate([NOISE[:19], NOISE[:1]])
    table = table_of(pixels=pixels).with_column("who", Category(), [f"p{i // 2}" for i in range(20)])
    for seed in range(20):
        split = table.split(valid=6, group="who", seed=seed)
        if 0 in split.train and 19 in split.valid:
            break
    task = Task(split, "image", "label", move_leaks=True)
    task.prepare()
    assert {18, 19} <= set(task.train.tolist())
    assert not task.leaks
    assert len(task.moved) == 1


def test_in_a_split_by_time_nothing_moves():
    pixels = np.concatenate([NOISE[:19], NOISE[:1]])
    table = table_of(pixels=pixels).with_column("day", Number(), range(20))
    with pytest.raises(LeakError, match="see the future: drop one row of each pair"):
        Task(table.split(valid=4, time="day"), "image", "label", move_leaks=True).prepare()


def test_a_named_group_or_time_is_held_to_however_the_split_was_made():
    table = table_of().with_column("who", Category(), [f"p{i // 2}" for i in range(20)])
    with pytest.raises(LeakError, match="column 'who'"):
        Task(table.split(valid=6, seed=1, stratify=None), "image", "label", group="who").prepare()
    Task(table.split(valid=6, seed=1, group="who"), "image", "label", group="who").prepare()
    table = table.with_column("day", Number(), range(20))
    with pytest.raises(LeakError, match="overlap in time"):
        Task(table.split(valid=6, seed=1), "image", "label", time="day").prepare()
    with pytest.raises(UnknownNameError):
        Task(table.split(valid=6), "image", "label", group="whom")


def test_test_rows_are_in_no_part_and_every_opening_is_counted():
    split = table_of().split(valid=4, test=4)
    task = Task(split, "image", "label")
    task.prepare()
    sealed = set(split.vault.rows_for_leak_check().tolist())
    assert len(sealed) == 4
    assert not sealed & set(task.train.tolist() + task.valid.tolist())
    assert split.vault.openings == []
    assert set(task.open_vault("final figure").tolist()) == sealed
    assert [opening["reason"] for opening in split.vault.openings] == ["final figure"]
    with pytest.raises(VaultError, match="no test rows"):
        task_of(table_of()).open_vault("why")


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_shows_each_step_of_a_row():
    task = task_of(table_of())
    text = task.explain(3)
    assert "image: arrays, row 3, column 'image'" in text
    assert "raw: values" in text
    assert "encoded: uint8 (8, 8, 3)" in text
    assert "encoded: int64 () array(1)" in text
    task.prepare()
    assert "in a batch: float32 (1, 3, 8, 8)" in task.explain(3)
    with pytest.raises(ConfigError, match=r"explain\(row=20\): the table has rows 0 to 19"):
        task.explain(20)


def test_explain_names_the_step_that_fails(folder):
    spoil(folder)
    text = of_files(folder).explain(0)
    assert "a_00.png" in text
    assert "FAILS: the file is empty" in text
    assert "label" in text
    assert "encoded: int64" in text


def test_explain_shows_what_is_missing_or_has_nothing_to_learn_from():
    task = task_of(table_of(label=[None, *"ab" * 9, "a"]))
    assert "missing" in task.explain(0)
    table = table_of(label=list("ab") * 10, age=[1.0] + [None] * 19)
    split = table.with_column("part", Category(), ["valid"] * 4 + ["train"] * 16).split(column="part")
    assert "FAILS: Target 'age' has no value" in Task(split, "image", "age").explain(0)


def test_several_inputs_and_targets_are_encoded_by_name():
    table = table_of(label=list("ab") * 10, age=[float(i) for i in range(20)])
    task = Task(table.split(valid=4), ["image", "age"], "label")
    batch = next(task.samples.batches(torch.tensor([3, 0]), 2))
    assert list(batch.inputs) == ["image", "age"]
    assert batch.inputs["age"].tolist() == [3, 0]
    assert batch.targets["label"].tolist() == [1, 0]


# --- what is said about targets --------------------------------------------------------------------------------------


def test_a_message_does_not_show_a_sealed_answer():
    rows = {
        "x": [float(i) for i in range(12)],
        "k": ["a", "b"] * 5 + ["a", "secret"],
        "part": ["train"] * 8 + ["valid"] * 2 + ["test"] * 2,
    }
    for labels in (rows["k"], ["a", "b"] * 5 + ["secret", "secret"]):
        table = Table.from_arrays({**rows, "k": labels}, {"x": Number(), "k": Category(), "part": Category()})
        with pytest.raises(DataError, match="row 11") as caught:
            Task(table.split(column="part"), inputs="x", targets="k", allow_leaks=True).prepare()
        assert "secret" not in str(caught.value)


def test_objects_below_a_pixel_are_counted():
    boxes = [[[0, 0, 40, 40], [50, 50, 50.5, 50.5]]] * 8
    pixels = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    table = Table.from_arrays({"image": pixels, "boxes": boxes}, {"image": Image(), "boxes": Boxes()})
    task = Task(table.split(valid=0.25), inputs="image", targets="boxes", size_px=32, allow_leaks=True)
    with pytest.warns(UserWarning, match="6 of the 12 objects of the training rows are left out"):
        task.prepare()


def test_boxes_in_fractions_are_refused():
    pixels = np.random.default_rng(0).integers(0, 255, (8, 64, 64), np.uint8)
    table = Table.from_arrays(
        {"image": pixels, "boxes": [[[0.1, 0.2, 0.5, 1.0]]] * 8}, {"image": Image(), "boxes": Boxes()}
    )
    with pytest.raises(DataError, match=r"looks like fractions of width and height.*multiply x by 64"):
        Task(table.split(valid=0.25), inputs="image", targets="boxes", allow_leaks=True).prepare()


def test_files_with_several_labels_are_told(tmp_path):
    for number in range(6):
        PILImage.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(tmp_path / f"{number}.png")
    lines = [f"{i % 6}.png,{'cat' if i < 6 or i == 9 else 'dog'}" for i in range(12)]
    (tmp_path / "t.csv").write_text("image,k\n" + "\n".join(lines) + "\n")
    table = Table.from_csv(tmp_path / "t.csv", {"image": Image()})
    with pytest.warns(UserWarning, match=r"'k': files with several different labels: 5.*0\.png as 'cat' and 'dog'"):
        Task(table.split(valid=0), "image", "k").prepare()


def test_copies_of_a_file_with_another_label_are_told(tmp_path):
    for number in range(6):
        for label in ("cat", "dog"):
            (tmp_path / label).mkdir(exist_ok=True)
            level = 20 * number + (120 if label == "dog" else 0)
            PILImage.fromarray(np.full((8, 8), level, np.uint8)).save(tmp_path / label / f"{number}.bmp")
    (tmp_path / "dog" / "copy.bmp").write_bytes((tmp_path / "cat" / "2.bmp").read_bytes())
    (tmp_path / "cat" / "same.bmp").write_bytes((tmp_path / "cat" / "3.bmp").read_bytes())
    table = Table.from_folder(tmp_path)
    with pytest.warns(
        UserWarning, match=r"1 file has a copy with another label, .*2\.bmp as 'cat' and .*copy\.bmp as 'dog'"
    ):
        Task(table.split(valid=0.25, seed=1), "image", "label", allow_leaks=True).prepare()


def test_images_are_padded_where_a_target_lies_in_them_and_cropped_elsewhere(tmp_path):
    for number in range(4):
        PILImage.fromarray(np.full((20, 40), 200 + number, np.uint8)).save(tmp_path / f"{number}.png")
    rows = {
        "image": [str(tmp_path / f"{number}.png") for number in range(4)],
        "boxes": [[{"box": [0, 0, 6, 20], "label": "left"}]] * 4,
        "k": ["a", "b"] * 2,
    }
    columns = {"image": Image(), "boxes": Boxes(), "k": Category()}
    table = Table.from_frame(pl.DataFrame(rows), columns)

    def task_of(target, table=table):
        task = Task(table.split(valid=0), "image", target, size_px=20)
        task.prepare()
        return task

    padded, cropped = task_of("boxes"), task_of("k")
    assert padded.inputs["image"].to_json()["resize"] == "pad"
    assert padded.targets["boxes"].decode(padded.samples.targets["boxes"].read(padded.train)[0].numpy()) == [
        {"box": [0, 5, 3, 15], "label": "left"}
    ]
    assert cropped.inputs["image"].to_json()["resize"] == "crop"
    chosen = table.with_column("image", Image(resize="stretch"))
    assert task_of("boxes", chosen).inputs["image"].to_json()["resize"] == "stretch"
