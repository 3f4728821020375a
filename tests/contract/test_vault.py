"""Every public road to a test row: closed, or open only on purpose and on record.

The strongest check is two worlds that differ in their test rows alone, in inputs and in answers. Whatever may not know
the test rows comes out the same in both, bit for bit.
"""

import datetime
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.data import Vault
from longspan.errors import ConfigError, StudyError, VaultError
from longspan.train import EarlyStopping

MODEL = ls.SmallResNetConfig(blocks=1, width=4)
ROWS, TEST = 60, 15


def world(poisoned=False):
    """Noise that is brighter left or right; poisoned, the test rows are other images with wrong answers."""
    rng = np.random.default_rng(0)
    side = np.arange(ROWS) % 2
    images = rng.integers(0, 90, (ROWS, 8, 8)).astype(np.uint8)
    images[side == 0, :, :4] += 80
    images[side == 1, :, 4:] += 80
    part = np.repeat(["train", "valid", "test"], [30, 15, TEST])
    if poisoned:
        side = np.where(part == "test", 1 - side, side)
        images[part == "test"] = 255 - images[part == "test"]
    cells = {"image": images, "side": ["ab"[s] for s in side], "part": part.tolist()}
    table = ls.Table.from_arrays(cells, {"image": ls.Image(), "side": ls.Category(), "part": ls.Category()})
    return ls.Task(table.split(column="part"), "image", "side")


def learner(task, **options):
    config = ls.TrainConfig(batch_size=10, precision="float32")
    return ls.Learner(task, MODEL, config=config, progress=False, device="cpu", **options)


def recipe(**options):
    return ls.Recipe(MODEL, epochs=1, config=ls.TrainConfig(batch_size=10, precision="float32"), **options)


def same(one, other):
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_training_choosing_and_reporting_do_not_know_the_test_rows(tmp_path):
    seen = []
    for poisoned in (False, True):
        task = world(poisoned)
        stop = EarlyStopping(patience=1)
        model = learner(task, callbacks=[stop])
        found = model.lr_find(steps=10)
        model.fit(3)
        for record in model.history:
            record["seconds"] = 0.0  # the clock is no road
        model.show_results(4)
        model.show_batch(4)
        page = model.report(tmp_path / "report.html").read_text()
        scores = model.scores()
        seen.append((model, found, page, scores, model.evaluate(), model.evaluate("train")))
        assert task.split.vault.openings == []
    (one, lr, page, scores, *figures), (other, lr2, page2, scores2, *figures2) = seen
    assert same(one, other)
    assert one.history == other.history
    assert (lr.lrs, lr.losses, lr.suggestion) == (lr2.lrs, lr2.losses, lr2.suggestion)
    assert torch.equal(scores.predictions["side"], scores2.predictions["side"])
    assert figures == figures2
    times = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^<\"]*|\d\d? \w+ \d{4}, \d\d:\d\d UTC"
    clock = re.compile(times + r"|(?:id|clip-path|href)=\"[^\"]*\"")
    assert clock.sub("", page) == clock.sub("", page2)


def test_studies_transfer_and_pipelines_do_not_know_the_test_rows(tmp_path):
    seen = []
    for poisoned in (False, True):
        task = world(poisoned)
        source = world()
        pixels = 255 - source.table.arrays["image"] // 2  # images of its own
        others = ls.Table(source.table.frame, source.table.columns, arrays={"image": pixels})
        first = ls.Task(others.split(valid=0, stratify=None), "image", "side")
        ways = {
            "plain": recipe(),
            "transfer": ls.Transfer(recipe(), first),
            "staged": ls.Pipeline([ls.Stage("see", recipe(), reads="image", adds="side")]),
        }
        study = ls.Study(task, ways, [10, 30], 1, path=tmp_path / f"{poisoned}.sqlite", threads=1)
        study.run(backend="inline", progress=False)
        seen.append(study.frame().drop("seconds").rows())
        assert study.failures().is_empty()
        assert task.split.vault.openings == []
        assert study.results.facts["vault"] == []
    assert seen[0] == seen[1]


def test_answers_of_test_rows_read_as_missing_until_the_vault_is_open():
    task = world()
    task.prepare()
    sealed = torch.arange(ROWS - TEST, ROWS)
    every = next(task.samples.batches(torch.arange(ROWS), ROWS))
    assert every.present["side"].tolist() == [True] * (ROWS - TEST) + [False] * TEST
    assert not task.samples.targets["side"].read(sealed).any()
    assert "sealed in the vault" in task.explain(ROWS - 1)
    assert "'b'" not in task.explain(ROWS - 1).split("side:")[1]
    rows = task.open_vault("the figure")
    assert torch.equal(rows, sealed)
    assert task.samples.targets["side"].present(sealed).all()
    assert task.samples.targets["side"].read(sealed).tolist() == [row % 2 for row in sealed.tolist()]
    assert "sealed" not in task.explain(ROWS - 1)


def test_there_is_no_other_door():
    task = world()
    model = learner(task)
    with pytest.raises(ConfigError, match="evaluate"):
        model.scores("test")
    with pytest.raises(VaultError, match="sealed test rows"):
        model.evaluate(task.table)
    with pytest.raises(VaultError, match="sealed"):
        task.split.vault.opened_rows()
    with pytest.raises(ConfigError, match="one of them"):
        task.subset([ROWS - 1])
    with pytest.raises(VaultError, match="needs a reason"):
        model.evaluate("test", reason=" ")
    for road in (lambda: task.split.test, lambda: task.test, lambda: task.split.vault.rows):
        with pytest.raises(AttributeError):
            road()
    assert task.split.vault.openings == []
    figures = model.evaluate("test", reason="the figure")
    assert model.evaluate(task.table.take(task.split.vault.opened_rows()))["accuracy"] == figures["accuracy"]


def test_openings_are_counted_dated_and_marked_once_training_went_on(tmp_path):
    task = world()
    model = learner(task).fit(1)
    model.evaluate("test", reason="a first look")
    model.evaluate("test", views=1, reason="once more, the same weights")
    first = model.evaluations["test"]
    model.fit(1)
    assert model.evaluations == {"test, before further training": first}, "a figure of weights that are gone"
    model.evaluate("test", reason="after another epoch")
    model.save(tmp_path / "model.safetensors")
    openings = ls.load(tmp_path / "model.safetensors").info["vault"]["openings"]
    assert [(o["reason"], o["count"], o["after_training"]) for o in openings] == [
        ("a first look", 1, False),
        ("once more, the same weights", 2, False),
        ("after another epoch", 3, True),
    ]
    for opening in openings:
        assert datetime.datetime.fromisoformat(opening["at"]).tzinfo is not None
    page = model.report(tmp_path / "report.html").read_text()
    for words in (
        "a first look",
        "after another epoch",
        "after further training",
        "not a first look",
        openings[0]["at"][:16],
    ):
        assert words in page
    assert "rows never used before" not in page


def test_a_report_of_a_sealed_vault_says_so_and_of_one_opening_that_the_rows_are_new(tmp_path):
    model = learner(world()).fit(1)
    assert "15 test rows was never opened" in model.report(tmp_path / "a.html").read_text()
    model.evaluate("test", reason="the figure")
    page = model.report(tmp_path / "b.html").read_text()
    assert "rows never used before" in page
    assert "not a first look" not in page


def test_another_learner_that_trains_after_the_opening_is_marked_too():
    task = world()
    learner(task).fit(1).evaluate("test", reason="first network")
    learner(task, seed=1).fit(1).evaluate("test", reason="second network, trained after the first was measured")
    assert [opening["after_training"] for opening in task.split.vault.openings] == [False, True]


def test_a_network_that_has_seen_the_held_out_rows_cannot_be_the_start_of_a_transfer():
    task = world()
    swapped = replace(
        task.split,
        train=np.arange(30, ROWS),
        valid=np.arange(15),
        vault=Vault(np.arange(15, 30)),
        how={"kind": "random"},
    )
    known = ls.Task(swapped, "image", "side")
    for source in (known, learner(known).fit(1)):
        way = ls.Transfer(recipe(), source)
        with pytest.raises(StudyError, match="30 rows with the inputs of rows that the target task holds out"):
            way.train(task)
        with pytest.raises(StudyError, match="would be measured on are among them"):
            ls.Study(task, {"transfer": way}, [10], 1)


def test_rows_of_an_opened_vault_do_not_move_to_training():
    split = world().split
    split.vault.open("a look")
    with pytest.raises(VaultError, match="can no longer move"):
        split.moved_to_train(np.array([ROWS - 1]))
