import csv
import json
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image as PILImage

import longspan as ls


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    age, job = rng.integers(18, 90, 400), rng.choice(["baker", "smith", "clerk"], 400)
    frame = pl.DataFrame(
        {
            "age": age,
            "job": job,
            "height": rng.normal(170, 10, 400).round(3),
            "rich": np.where((age > 50) ^ (job == "smith"), 1, 0),
            "pay": age * 100 + rng.normal(0, 10, 400).round(2),
        }
    )
    frame.write_csv("people.csv")
    return frame


def test_a_csv_and_a_target_are_enough(longspan, people):
    answer = longspan("train", "people.csv", "--target", "rich", "--epochs", "4", "--batch-size", "64")
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "rich: 2 classes",
        "age: number, 18 to 89",
        "job: category of 3 labels",
        "stratified by 'rich'",
        "tabm_light, ",
        "longspan predict model.safetensors NEW.csv --out predictions.csv",
    ):
        assert words in answer.out, words
    people.drop("rich").with_columns(job=pl.lit("astronaut")).write_csv("new.csv")
    with pytest.warns(UserWarning, match="400 of 400 labels in 'job', such as 'astronaut', did not occur in training"):
        answer = longspan("predict", "model.safetensors", "new.csv", "--out", "answers.csv")
    assert (answer.code, answer.out) == (0, "400 predictions in answers.csv\n")
    with open("answers.csv") as file:
        rows = list(csv.DictReader(file))
    model = ls.load("model.safetensors")
    wanted = model.predict(ls.Table.from_csv("new.csv"))
    assert [int(row["rich"]) for row in rows] == [prediction.value for prediction in wanted]
    assert [float(row["rich_probability"]) for row in rows] == pytest.approx([each.probability for each in wanted])
    assert [float(row["age"]) for row in rows] == people["age"].to_list()
    assert "row  rich  " in longspan("predict", "model.safetensors", "people.csv").out
    assert "accuracy" in longspan("evaluate", "model.safetensors", "people.csv").out


def test_numbers_too(longspan, people):
    answer = longspan("train", "people.csv", "--target", "pay", "--epochs", "2", "--model", "tabm_mini")
    assert answer.code == 0, answer.err
    assert "mae" in answer.out
    assert "seed 0" in answer.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Name the target: --target with one or more of: age, job, height, rich, pay"),
        (("--target", "rich", "--size", "32"), "--size is for images"),
        (("--target", "rich", "--augment", "photos"), "--augment photos is for images and sound"),
        (("--target", "ritch"), "'rich'"),
        (("--target", "rich", "--model", "resnet18"), "reads an image"),
    ],
)
def test_slips_are_told(longspan, people, options, message):
    answer = longspan("train", "people.csv", *options)
    assert answer.code in (1, 2)
    assert message in answer.err


def test_a_target_of_one_value_and_a_missing_column_are_told_by_name(longspan, people):
    people.with_columns(rich=pl.lit(1)).write_csv("one.csv")
    assert "Target 'rich' has one value, 1" in longspan("train", "one.csv", "--target", "rich").err
    longspan("train", "people.csv", "--target", "rich", "--epochs", "1")
    people.drop("job").write_csv("short.csv")
    assert "no column 'job'" in longspan("predict", "model.safetensors", "short.csv").err
    assert "give one .csv or .parquet file" in longspan("predict", "model.safetensors", "one.csv", "short.csv").err


def test_a_study_of_networks_beside_boosted_trees(longspan, people):
    answer = longspan(
        "study", "people.csv", "--target", "rich", "--model", "mlp", "--model", "boosting", "--sizes", "80,160",
        "--seeds", "2", "--epochs", "1", "--out", "study", "--backend", "inline", "--threads", "1",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "mlp from scratch, boosting" in answer.out
    assert longspan("study", "people.csv", "--target", "rich", "--model", "boostin").code != 0


def test_saved_trees_predict_and_are_measured(longspan, people):
    table = ls.Table.from_csv("people.csv").with_column("rich", ls.Category()).with_features("rich")
    ls.Boosting(trees=20).train(ls.Task(table.split(), "features", "rich")).save("trees.safetensors")
    assert longspan("predict", "trees.safetensors", "people.csv", "--out", "answers.csv").code == 0
    answer = longspan("evaluate", "trees.safetensors", "people.csv", "--json")
    assert answer.code == 0, answer.err
    with open("answers.csv") as file:
        right = [int(row["rich"]) for row in csv.DictReader(file)] == people["rich"].to_numpy()
    assert json.loads(answer.out)["accuracy"] == pytest.approx(right.mean(), abs=1e-5)
    assert longspan("evaluate", "trees.safetensors", "people.csv").out.startswith("400 rows of people.csv\naccuracy")


def test_folds_by_time_predict_later_rows_alone(longspan, people):
    people.with_row_index("week").write_csv("people.csv")
    answer = longspan(
        "train", "people.csv", "--target", "pay", "--model", "mlp", "--split-by", "time:week", "--gap", "5",
        "--folds", "3", "--epochs", "1", "--out", "run",
    )  # fmt: skip
    assert (answer.code, answer.err) == (0, "")
    assert "3 folds of 400 rows, each trained on all rows before it by 'week' less 5" in answer.out
    assert "100 rows have no prediction: the earliest rows" in answer.out
    rows = pl.read_csv("run/out_of_fold.csv")
    assert rows["row"].to_list() == list(range(100, 400))
    assert rows["fold"].to_list() == [1] * 100 + [2] * 100 + [3] * 100


def test_intervals_and_sets_are_written_beside_predictions(longspan, people):
    table = ls.Table.from_csv("people.csv", {"rich": ls.Category()}).with_features(["rich", "pay"])
    task = ls.Task(table.take(np.arange(200)).split(), "features", ["rich", "pay"], allow_leaks=True)
    ls.Boosting(trees=20).train(task).save("trees.safetensors")
    people[200:300].write_csv("known.csv")
    people[300:].write_csv("new.csv")
    words = ("predict", "trees.safetensors", "new.csv", "--calibrate", "known.csv")
    answer = longspan(*words, "--coverage", "0.9", "--out", "a.csv")
    assert (answer.code, answer.err) == (0, "")
    rows = pl.read_csv("a.csv")
    inside = (rows["pay_low"] <= people[300:]["pay"]) & (people[300:]["pay"] <= rows["pay_high"])
    assert inside.mean() == pytest.approx(0.9, abs=0.1)
    assert set(rows["rich_set"].cast(pl.String).drop_nulls()) <= {"0", "1", "0; 1", "1; 0"}
    assert "pay_low" in json.loads(longspan(*words, "--json").out)[0]
    answer = longspan(*words, "--coverage", "95")
    assert answer.code == 2
    assert "--coverage must lie between 0 and 1" in answer.err


def test_numbers_to_predict_are_not_taken_for_the_names_of_images(tmp_path):
    from longspan.cli.table_inputs import new_rows

    (tmp_path / "photos").mkdir()
    for number in range(4):
        PILImage.new("RGB", (4, 4)).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "new.csv").write_text("rooms,kind\n1,a\n3,b\n2,a\n")
    assert new_rows([str(tmp_path / "new.csv")]).column_values("rooms") == [1, 3, 2]


def test_a_parquet_file_may_stay_on_the_disk_while_it_trains(longspan, people, monkeypatch):
    from longspan.cli import table_inputs

    people.write_parquet("people.parquet")
    answer = longspan("train", "people.parquet", "--target", "rich", "--epochs", "2", "--stream")
    assert (answer.code, answer.err) == (0, "")
    for words in ("people.parquet a part at a time", "rich: 2 classes", "job: category of 3 labels", "tabm_light, "):
        assert words in answer.out, words
    assert longspan("predict", "model.safetensors", "people.csv").code == 0
    whole = longspan("train", "people.parquet", "--target", "rich", "--epochs", "2", "--out", "whole.safetensors")
    assert "a part at a time" not in whole.out
    results = [next(line for line in each.out.splitlines() if line.startswith("result")) for each in (answer, whole)]
    assert results[0].split(", after")[0] == results[1].split(", after")[0]
    monkeypatch.setattr(table_inputs, "memory_bytes", lambda: 1000)
    small = longspan("train", "people.parquet", "--target", "pay", "--epochs", "1", "--out", "small.safetensors")
    assert "since it would take about" in small.out
    assert (
        "a part at a time"
        not in longspan(
            "train", "people.parquet", "--target", "pay", "--epochs", "1", "--no-stream", "--out", "s.safetensors"
        ).out
    )
    answer = longspan("train", "people.csv", "--target", "pay", "--stream", "--out", "other.safetensors")
    assert (answer.code, "--stream reads a .parquet file in parts" in answer.err) == (2, True)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_are_predicted_and_written_part_by_part(longspan, people, monkeypatch, ending):
    from longspan.cli import table_inputs

    longspan("train", "people.csv", "--target", "rich", "--model", "mlp", "--epochs", "1")
    model, seen = ls.load("model.safetensors"), []
    wanted = [prediction.value for prediction in model.predict(ls.Table.from_csv("people.csv"))]
    monkeypatch.setattr(table_inputs, "PART_ROWS", 150)
    monkeypatch.setattr("longspan.cli.commands.predict.PART_ROWS", 150)
    made = table_inputs.new_parts
    monkeypatch.setattr(
        "longspan.cli.commands.predict.new_parts",
        lambda *given, **options: (seen.append(len(part)) or part for part in made(*given, **options)),
    )
    new = people.drop("rich").with_columns(job=pl.when(pl.col("age") > 88).then(pl.lit("cook")).otherwise("job"))
    write = {"csv": pl.DataFrame.write_csv, "parquet": pl.DataFrame.write_parquet}[ending]
    write(people.drop("rich"), f"new.{ending}")
    answer = longspan("predict", "model.safetensors", f"new.{ending}", "--out", "answers.csv")
    assert (answer.code, answer.out) == (0, "400 predictions in answers.csv\n")
    assert seen == [150, 150, 100]
    rows = pl.read_csv("answers.csv")
    assert rows["rich"].to_list() == wanted
    assert rows.drop("rich", "rich_probability").equals(people.drop("rich"))
    write(new, f"new.{ending}")
    with pytest.warns(UserWarning, match=r"rows 0 to 149, is unlike .* such as 'cook'") as told:
        longspan("predict", "model.safetensors", f"new.{ending}", "--out", "cooks.csv")
    assert len(told) == 1
    spoilt = people.drop("rich").with_columns(height=pl.col("height").cast(pl.String))
    spoilt[320, "height"] = "tall"
    write(spoilt, f"new.{ending}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "new.csv, column 'height': 399 of 400 cells are numbers")
        answer = longspan("predict", "model.safetensors", f"new.{ending}", "--out", "none.csv")
    assert answer.code == 2
    assert ("line 322" if ending == "csv" else "row 320") in answer.err
    assert "'tall'" in answer.err
    assert not Path("none.csv").exists()


def test_the_network_of_tables_trains_as_its_recipe_says(longspan, people):
    longspan("train", "people.csv", "--target", "rich", "--model", "tabm_light", "--epochs", "1", "--out", "run")
    recipe = ls.TableRecipe().recipe(320, classes=True)
    kept = json.loads(Path("run/run.json").read_text())["options"]
    assert kept["batch_size"] == recipe.config.batch_size
    from longspan.cli.tasks import train_config
    from longspan.cli.train_options import TrainOptions

    def settings(**given):
        config = train_config(TrainOptions(source="x", batch_size=8, **given))
        return config.weight_decay, config.beta2

    assert settings(model="tabm_light") == (recipe.config.weight_decay, recipe.config.beta2) == (0.03, 0.95)
    assert settings(model="tabm_light", weight_decay=0.2) == (0.2, 0.95)
    assert settings(model="mlp") == (ls.TrainConfig().weight_decay, ls.TrainConfig().beta2)
