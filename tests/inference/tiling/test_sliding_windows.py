import dataclasses

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Text
from longspan.errors import ConfigError, ShapeError, UnknownNameError
from longspan.heads import Classify
from longspan.inference.tiling.sliding_windows import slide

SIGNS = {"'": slice(4, 14), ",": slice(18, 28), "|": slice(4, 28)}
"""Made-up characters: bars of 8 px width that are high, low or both."""
CONFIG = ls.TrainConfig(batch_size=16, precision="float32")


def line(text, width, seed, first=14):
    """A noisy image, 32 px high, with the middles of the characters 26 px apart."""
    image = np.random.default_rng([seed, width]).integers(0, 60, (32, width)).astype(np.uint8)
    for place, character in enumerate(text):
        middle = first + 26 * place
        image[SIGNS[character], max(middle - 4, 0) : max(middle + 4, 0)] = 220
    return image


def windows(rows=64):
    """Pieces of lines: a character within 6 px of the middle, or none."""
    rng = np.random.default_rng(5)
    images, labels = [], []
    while len(labels) < rows:
        text = rng.choice(list(SIGNS), rng.integers(0, 5))
        middles = 14 + 26 * np.arange(len(text))
        middle = int(rng.integers(0, 120) if len(labels) % 2 or not len(text) else rng.choice(middles))
        away = np.abs(middles - middle)
        if (away <= 6).any() or (away >= 7).all():
            image = np.pad(line(text, 120, len(labels)), ((0, 0), (16, 16)), mode="edge")
            images.append(image[:, middle : middle + 32])
            labels.append(text[away.argmin()] if (away <= 6).any() else "none")
    columns = {"window": ls.Image(), "sign": ls.Category()}
    return ls.Table.from_arrays({"window": np.stack(images), "sign": labels}, columns)


def single(heads=None, table=None, model="lenet5", epochs=0, **options):
    task = ls.Task((table or windows()).split(valid=12, seed=0), "window", "sign", allow_leaks=True, **options)
    learner = ls.Learner(task, model, heads=heads, config=CONFIG, progress=False, device="cpu")
    return learner.fit_one_cycle(epochs, lr=0.003) if epochs else learner


@pytest.mark.parametrize("head", [Classify(), Classify(hidden=(11, 4), dropout=0.2)])
def test_on_each_window_the_reader_says_what_the_single_network_says(head):
    learner = single({"sign": head})
    with torch.no_grad():
        for name, buffer in learner.network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
    reader = slide(learner, width_px=70, target="text", margin_px=0)
    images = np.stack([line("|',", 70, seed) for seed in range(3)])
    predictions = reader.raw_predictions(ls.Table.from_arrays({"window": images}, {"window": ls.Image()})).values
    assert predictions["text"].shape == (3, 11, 4)
    vocab = learner.heads["sign"].column.vocab
    order = [vocab.index("none"), *(i for i, label in enumerate(vocab) if label != "none")]
    padded = np.pad(images, ((0, 0), (0, 0), (0, 2)), mode="edge")
    for step in range(11):
        alone = learner.predictor().raw_predictions(list(padded[:, :, 4 * step : 4 * step + 32])).values
        torch.testing.assert_close(predictions["text"][:, step], alone["sign"][:, order], rtol=1e-5, atol=1e-5)


def test_trained_on_windows_it_reads_lines_is_saved_and_goes_on_training(tmp_path):
    learner = single(table=windows(200), epochs=8)
    reader = slide(learner, width_px=120, target="text")
    texts = ["|',|", ",", "''", "|,'", ""]
    lines = ls.Table.from_arrays(
        {"window": np.stack([line(text, 120, 100 + i) for i, text in enumerate(texts)]), "text": texts},
        {"window": ls.Image(), "text": Text()},
    )
    assert [prediction["text"] for prediction in reader.predict(lines)] == texts
    assert reader.evaluate(lines)["error_rate"] == 0
    reader.save(tmp_path / "reader.safetensors")
    again = ls.load(tmp_path / "reader.safetensors")
    assert [prediction["text"] for prediction in again.predict(lines)] == texts
    assert again.info["task"] == {"inputs": ["window"], "targets": ["text"]}
    assert again.info["metrics"] == {}
    task = ls.Task(lines.split(valid=2, stratify=None), "window", "text", allow_leaks=True)
    whole = ls.Learner(
        task, "space_displacement_lenet", weights=tmp_path / "reader.safetensors", config=CONFIG, progress=False
    )
    assert whole.network.backbone.c1.equal(learner.network.backbone.c1)


def test_the_single_network_is_left_as_it_was():
    learner = single()
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    reader = slide(learner, width_px=64, target="text")
    with torch.no_grad():
        for parameter in reader.network.parameters():
            parameter.zero_()
    assert all(value.equal(before[name]) for name, value in learner.network.state_dict().items())


def test_making_a_reader_draws_nothing_from_the_caller():
    learner = single()
    state = torch.random.get_rng_state()
    slide(learner, width_px=64, target="text")
    assert torch.random.get_rng_state().equal(state)


def test_classes_that_are_digits_are_read_as_text():
    table = windows()
    numbers = [{"none": -1, "|": 0, "'": 1, ",": 2}[sign] for sign in table.column_values("sign")]
    learner = single(table=table.with_column("sign", ls.Category(), numbers))
    reader = slide(learner, width_px=64, target="text", none=-1)
    assert reader.heads["text"].column.vocab == ("0", "1", "2")


def test_what_cannot_be_slid_is_refused():
    with pytest.raises(ConfigError, match="Only a lenet5 can be slid over a line, got Predictor"):
        slide(single(model="space_to_depth_cnn"), width_px=64, target="text")
    with pytest.raises(ShapeError, match="this one was built for 28 x 28 px"):
        slide(single(size_px=28), width_px=64, target="text")
    with pytest.raises(UnknownNameError, match=r"no class for 'no character' 'nothing'"):
        slide(single(), width_px=64, target="text", none="nothing")
    with pytest.raises(ConfigError, match=r"besides '\|' must be single characters, got ', ,, none"):
        slide(single(), width_px=64, target="text", none="|")
    learner = single()
    learner.heads["sign"] = dataclasses.replace(learner.heads["sign"], column=None)
    with pytest.raises(ConfigError, match="Only a network with one target, a category"):
        slide(learner, width_px=64, target="text")
