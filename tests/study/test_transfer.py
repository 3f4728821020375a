import numpy as np
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError, StudyError
from longspan.train.checkpoints.checkpoint import CheckpointWriter

RECIPE = ls.Recipe(ls.SmallResNetConfig(blocks=1, width=4), epochs=2, lr=5e-3, config=ls.TrainConfig(batch_size=16))


def make_task(rows, seed, classes=("dark", "light"), valid=8, channels=()):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    images = (
        rng.integers(0, 60, (rows, 8, 8, *channels)) + 120 * labels.reshape(-1, *[1] * (2 + len(channels)))
    ).astype(np.uint8)
    values = {"image": images, "kind": [classes[label] for label in labels]}
    table = ls.Table.from_arrays(values, {"image": ls.Image(), "kind": ls.Category()})
    return ls.Task(table.split(valid=valid, seed=0), inputs="image", targets="kind", allow_leaks=True)


@pytest.fixture(scope="module")
def source():
    return make_task(80, 1)


@pytest.fixture(scope="module")
def target():
    return make_task(24, 2)


def weights(learner):
    return torch.cat([value.flatten().float() for value in learner.network.state_dict().values()])


def test_training_begins_where_the_source_task_ended(source, target):
    transfer = ls.Transfer(RECIPE, source)
    started = transfer.recipe.learner(target)
    transfer._start(started)
    ended = RECIPE.train(source, seed=0)
    assert torch.equal(weights(started), weights(ended))  # heads too: both tasks have the same classes
    assert started.inputs["image"].mean == ended.inputs["image"].mean


def test_heads_of_other_classes_stay_fresh(source):
    transfer = ls.Transfer(RECIPE, source)
    other = make_task(24, 2, classes=("cat", "dog"))
    started, fresh = RECIPE.learner(other), RECIPE.learner(other)
    transfer._start(started)
    assert torch.equal(started.network.heads[0][-1].weight, fresh.network.heads[0][-1].weight)
    assert not torch.equal(weights(started), weights(fresh))


def test_the_same_seed_gives_the_same_network(source, target):
    transfer = ls.Transfer(RECIPE, source)
    first = weights(transfer.train(target, seed=1))
    assert torch.equal(first, weights(transfer.train(target, seed=1)))
    assert not torch.equal(first, weights(transfer.train(target, seed=2)))


def test_a_trained_learner_and_its_task_are_the_same_start(source, target):
    learner = RECIPE.train(source, seed=0)
    by_task, by_learner, by_file = (
        ls.Transfer(RECIPE, source),
        ls.Transfer(RECIPE, learner),
        ls.Transfer(RECIPE, learner.predictor()),
    )
    expected = weights(by_task.train(target, budget=ls.Budget(steps=2)))
    for other in (by_learner, by_file):
        assert torch.equal(weights(other.train(target, budget=ls.Budget(steps=2))), expected)
    with pytest.raises(ConfigError, match="not been trained yet"):
        ls.Transfer(RECIPE, RECIPE.learner(source))


def test_frozen_layers_stay_as_the_source_left_them(source, target):
    transfer = ls.Transfer(RECIPE, source, frozen=1.0)
    trained = transfer.train(target)
    before = transfer.starting_point.network.backbone.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in trained.network.backbone.state_dict().items())


def test_conditions_say_what_holds(source, target):
    good = ls.Transfer(RECIPE, source).conditions(target)
    assert good.hold
    assert "(72 against 16)" in str(good)
    bad = ls.Transfer(RECIPE, target).conditions(source)
    assert bad.same_input
    assert not bad.more_source
    assert not bad.hold
    colour = ls.Transfer(RECIPE, source).conditions(make_task(24, 3, channels=(3,)))
    assert not colour.same_input


def test_every_depth_is_measured(source, target):
    table = target.table.take(target.valid.numpy())
    depths = ls.Transfer(RECIPE, source).depths(target, table, fractions=(0.0, 1.0), seeds=(0, 1))
    assert depths.shape == (4, 4)
    assert set(depths["frozen"]) == {0.0, 1.0}
    assert depths["error"].is_between(0, 1).all()


def test_networks_that_differ_are_refused(source, target):
    other = ls.Recipe(ls.SmallResNetConfig(blocks=1, width=8), epochs=1)
    with pytest.raises(StudyError, match="differ"):
        ls.Transfer(RECIPE, source, source_recipe=other).check(target)


def test_a_source_that_trains_on_held_out_rows_is_refused(target):
    whole = ls.Task(target.table.split(valid=0), inputs="image", targets="kind")
    with pytest.raises(StudyError, match="holds out"):
        ls.Transfer(RECIPE, whole).check(target)


def test_a_kept_source_network_is_trained_once_and_found_again(source, target, tmp_path, monkeypatch):
    first = ls.Transfer(RECIPE, source, keep_in=tmp_path / "kept")
    expected = weights(first.train(target, budget=ls.Budget(steps=2)))
    (file,) = (tmp_path / "kept").iterdir()
    written = file.stat().st_mtime_ns
    again = ls.Transfer(RECIPE, source, keep_in=tmp_path / "kept")
    assert torch.equal(weights(again.train(target, budget=ls.Budget(steps=2))), expected)
    assert again.source_steps == first.source_steps > 0
    assert again.conditions(target) == first.conditions(target)
    assert file.stat().st_mtime_ns == written
    assert first.to_json() == ls.Transfer(RECIPE, source).to_json()  # where it is kept changes nothing
    ls.Transfer(RECIPE, source, source_seed=1, keep_in=tmp_path / "kept").check(target)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    monkeypatch.setattr("longspan.study.transfer.load", lambda path: object())
    with pytest.raises(StudyError, match="is not a source network that was kept here"):
        _ = ls.Transfer(RECIPE, source, keep_in=tmp_path / "kept").starting_point


def test_a_source_training_that_was_killed_goes_on(source, target, tmp_path, monkeypatch):
    recipe = ls.Recipe(RECIPE.model, epochs=3, config=RECIPE.config)
    whole = ls.Transfer(recipe, source).starting_point.network.state_dict()
    run, write, written = ls.Learner.run, CheckpointWriter._write, []

    def killed(self, state):
        write(self, state)
        written.append(state)
        if len(written) == 4:
            raise RuntimeError("killed")

    monkeypatch.setattr(CheckpointWriter, "_write", killed)
    monkeypatch.setattr(
        ls.Learner,
        "run",
        lambda self, phases, checkpoints: run(self, phases, checkpoints=ls.Checkpoints(checkpoints, steps=1)),
    )
    with pytest.raises(RuntimeError, match="killed"):
        _ = ls.Transfer(recipe, source, keep_in=tmp_path).starting_point
    monkeypatch.undo()
    monkeypatch.setattr(ls.Learner, "run", lambda *args, **options: pytest.fail("trained from the start"))
    transfer = ls.Transfer(recipe, source, keep_in=tmp_path)
    found = transfer.starting_point.network.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in whole.items())
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]  # the checkpoints are gone


def test_sources_of_stages_are_trained_before_a_study_begins(source, target, tmp_path):
    stage = ls.Stage("look", ls.Transfer(RECIPE, source), reads="image", adds="kind")
    assert stage.what.source_steps == 0
    ls.Study(target, {"staged": ls.Pipeline([stage])}, [8], 2, path=tmp_path / "s.sqlite", budget=ls.Budget(steps=1))
    assert stage.what.source_steps > 0


def sides_task():
    """Rows of two images side by side; a function stage cuts them apart, a learned one names each half."""
    rng = np.random.default_rng(5)
    kinds = rng.integers(0, 2, (40, 2))
    halves = rng.integers(0, 60, (40, 2, 8, 8)) + 120 * kinds[:, :, None, None]
    pairs = np.concatenate([halves[:, 0], halves[:, 1]], axis=2).astype(np.uint8)
    names = [[("dark", "light")[kind] for kind in row] for row in kinds]
    values = {"pair": pairs, "halves": names, "word": ["-".join(row) for row in names]}
    columns = {"pair": ls.Image(), "halves": ls.Raw(), "word": ls.Category()}
    split = ls.Table.from_arrays(values, columns).split(valid=6, test=8, seed=0, stratify=None)
    return ls.Task(split, inputs="pair", targets="word", allow_leaks=True), halves.astype(np.uint8)


def sides_pipeline(source):
    return ls.Pipeline(
        [
            ls.Stage("cut", lambda pair: [pair[:, :8], pair[:, 8:]], reads="pair", adds="cuts"),
            ls.Stage("name", ls.Transfer(RECIPE, source), reads="cuts", adds={"halves": ls.Category()}, each="cuts",
                     columns={"cuts": ls.Image()}),
            ls.Stage("join", "-".join, reads="halves", adds="word"),
        ]
    )  # fmt: skip


def with_planted(image):
    """A source task of a stage, one of whose images is the given one."""
    task = make_task(40, 7)
    row = int(task.train[3])
    images = task.table.arrays["image"].copy()
    images[row] = image
    values = {"image": images, "kind": task.table.column_values("kind")}
    table = ls.Table.from_arrays(values, {"image": ls.Image(), "kind": ls.Category()})
    return ls.Task(table.split(valid=8, seed=0), inputs="image", targets="kind", allow_leaks=True)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_held_out_image_in_the_source_of_a_stage_is_found_behind_the_stages_before_it(part, tmp_path):
    task, halves = sides_task()
    rows = task.valid.numpy() if part == "valid" else task.split.vault.rows_for_leak_check()
    leaky = sides_pipeline(with_planted(halves[rows[2], 1]))
    with pytest.raises(
        StudyError, match=r"strategy 'staged': stage 'name' starts .* trains on 1 inputs that the study"
    ):
        ls.Study(task, {"staged": leaky}, [8], 2, path=tmp_path / "s.sqlite")
    assert leaky.stages[1].what.source_steps == 0, "found before anything is trained"


def test_a_source_of_training_images_is_no_leak(tmp_path):
    task, halves = sides_task()
    for image in (halves[int(task.train[0]), 0], np.zeros((8, 8), np.uint8)):
        ls.Study(task, {"staged": sides_pipeline(with_planted(image))}, [8], 2, path=tmp_path / "s.sqlite")


def test_a_stage_that_reads_the_input_itself_is_searched_too(source, target, tmp_path):
    planted = with_planted(target.table.arrays["image"][int(target.valid[0])])
    stage = ls.Stage("look", ls.Transfer(RECIPE, planted), reads="image", adds="kind")
    with pytest.raises(StudyError, match="stage 'look' starts from a source that trains on 1 inputs"):
        ls.Study(target, {"staged": ls.Pipeline([stage])}, [8], 2, path=tmp_path / "s.sqlite")
