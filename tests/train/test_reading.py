"""Texts from images to report: a dozen lines are learned by heart."""

import numpy as np
import pytest
import torch
from torch import nn

import longspan as ls
from longspan.columns import Text
from longspan.errors import ConfigError, DataError, ShapeError
from longspan.heads import Transcribe
from longspan.train.reports.show import _word

TEXTS = ["abc", "cab", "bb", "a", "", "accb", "ba", "cc", "bca", "ab", "caa", "c"]
SMALL = ls.models.LineCNNConfig(channels=(8, 12, 16, 16), num_features=24, dropout=0.0)


def line(text, seed, width=72):
    """Bars that are high, low or both, 16 px from one to the next, in noise."""
    image = np.random.default_rng([9, seed]).integers(0, 50, (16, width)).astype(np.uint8)
    for place, character in enumerate(text):
        left = 4 + 16 * place
        image[{"a": slice(1, 8), "b": slice(8, 15), "c": slice(1, 15)}[character], left : left + 6] = 230
    return image


def lines(texts=TEXTS, **columns):
    cells = {"line": np.stack([line(text, i) for i, text in enumerate(texts or [])]), "text": texts, **columns}
    kinds = {"line": ls.Image(), "text": Text(), **{name: ls.Category() for name in columns}}
    return ls.Table.from_arrays(cells, kinds)


def task(table=None, targets="text", valid=3):
    table = lines() if table is None else table
    return ls.Task(table.split(valid=valid, seed=2, stratify=None), "line", targets, allow_leaks=True)


def learner(given=None, model=SMALL, **options):
    config = ls.TrainConfig(batch_size=6, precision="float32", weight_decay=0.0)
    return ls.Learner(given or task(), model, config=config, progress=False, device="cpu", **options)


@pytest.fixture(scope="module")
def trained():
    return learner(task(valid=0)).fit_one_cycle(60, lr=0.01)


def test_a_dozen_lines_are_learnt_by_heart(trained):
    assert trained.evaluate("train")["error_rate"] == 0
    assert [prediction["text"] for prediction in trained.predict(lines())] == TEXTS
    assert all(prediction.probability > 0.5 for prediction in trained.predict(lines()))


def test_a_wider_image_is_read_by_the_same_weights(trained):
    network = trained.network.eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 16, 200))["text"].shape == (1, 50, 4)


def test_a_beam_changes_the_answers_not_the_weights(trained):
    predictor = trained.predictor()
    predictor.heads["text"] = Transcribe(beam=8).with_column(predictor.heads["text"].column)
    assert [prediction["text"] for prediction in predictor.predict(lines())] == TEXTS


def test_saved_and_loaded_it_reads_the_same(trained, tmp_path):
    trained.save(tmp_path / "reader.safetensors")
    again = ls.load(tmp_path / "reader.safetensors")
    images = list(lines().arrays["line"])
    assert [str(p) for p in again.predict(images)] == [str(p) for p in trained.predict(images)]
    with pytest.warns(UserWarning, match="rows trained this model"):
        assert again.evaluate(lines())["character_error_rate"] == 0
    together = ls.Ensemble([again, trained])
    assert together.evaluate(lines())["error_rate"] == 0


def test_a_missing_text_teaches_nothing_and_a_second_target_goes_beside():
    class Both(nn.Module):
        """A whole network: a sequence for the text, one vector for the class."""

        def __init__(self):
            super().__init__()
            self.line = ls.models.create(SMALL, in_channels=1, size_px=(16, 72))
            self.text, self.long = nn.Linear(24, 4), nn.Linear(24, 2)

        def forward(self, images):
            steps = self.line(images)
            return {"text": self.text(steps), "long": self.long(steps.mean(dim=1))}

    texts = [None if i % 4 == 3 else text for i, text in enumerate(TEXTS)]
    table = lines().with_column("text", Text(), texts)
    table = table.with_column("long", ls.Category(), ["yes" if len(text) > 2 else "no" for text in TEXTS])
    both = learner(task(table, ["text", "long"]), Both()).fit(2)
    assert set(both.evaluate()) >= {"text.error_rate", "text.character_error_rate", "long.accuracy", "loss"}


def test_the_report_shows_what_was_misread(tmp_path):
    untrained = learner().fit(1)
    page = untrained.report(tmp_path / "report.html").read_text()
    for words in ("Errors by length", "Misread: ", "character_error_rate", "Worst mistakes", "true: "):
        assert words in page, words
    assert _word("", "text", 1) == "(empty)"
    assert _word("007", "text", 2) == "text 007"


def test_a_vector_for_a_text_and_a_sequence_for_a_class_are_refused_with_a_cure():
    with pytest.raises(ConfigError, match=r"resnet20 gives one vector per image, but target 'text' .*Take line_cnn"):
        learner(model="resnet20")
    with pytest.raises(ConfigError, match=r"line_cnn gives one vector .*\(without pool=\)"):
        learner(model="line_cnn", pool="avg_max")
    by_class = lines().with_column("label", ls.Category(), ["x", "y"] * 6)
    with pytest.raises(ConfigError, match=r"line_cnn gives a sequence.*'label' needs one vector.*pool='avg_max'"):
        learner(task(by_class, "label"))
    pooled = learner(task(by_class, "label"), "line_cnn", pool="avg_max").fit(1)
    assert "accuracy" in pooled.evaluate()


def test_a_module_of_ones_own_says_that_it_gives_a_sequence():
    class Columns(nn.Module):
        num_features = 16

        def __init__(self, sequence, turned=False):
            super().__init__()
            self.sequence = sequence
            self.turned = turned
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, images):
            steps = images[:, 0].transpose(1, 2) * self.scale
            return steps.transpose(1, 2) if self.turned else steps

    assert learner(model=Columns(True)).fit(1).steps_done
    with pytest.raises(ConfigError, match=r"Columns gives one vector per image.*sequence = True"):
        learner(model=Columns(False))
    with pytest.raises(
        ShapeError, match=r"gives \(2, 16, 72\), but with num_features = 16 and sequence = True it must"
    ):
        learner(model=Columns(True, turned=True))


def test_images_too_narrow_for_the_longest_training_text_are_refused_before_training():
    narrow = ls.Table.from_arrays(
        {"line": lines().arrays["line"][:, :, :24], "text": ["ccccc", *TEXTS[1:]]}, {"line": ls.Image(), "text": Text()}
    )
    with pytest.raises(ShapeError, match=r"\(2, 6, 4\) for target 'text', but the longest training text takes 9 steps"):
        learner(task(narrow, valid=0))


def test_validation_rows_may_be_longer_but_bring_no_new_characters():
    part = ["train"] * 8 + ["valid"] * 4

    def given(texts):
        table = lines([*TEXTS[:8], *texts], part=part)
        return ls.Task(table.split(column="part"), "line", "text", allow_leaks=True)

    assert learner(given(["abca", "a", "b", "c"])).evaluate()["error_rate"] <= 1
    table = lines(part=part).with_column("text", Text(), [*TEXTS[:8], "a", "xa", "b", "c"])
    with pytest.raises(DataError, match=r"row 9, column 'text': 'x' in 'xa' occurs in no training row"):
        ls.Task(table.split(column="part"), "line", "text", allow_leaks=True).prepare()
