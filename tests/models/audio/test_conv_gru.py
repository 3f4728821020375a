"""An encoder of sequences: lengths, padding, look-ahead, and a text learned from sound."""

import json

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Audio, SequenceSpec
from longspan.columns.ragged import Ragged, pad
from longspan.errors import ConfigError, ShapeError
from longspan.models import ConvGRUConfig, create, from_json, to_json

SEQUENCES = [torch.randn(length, 12, generator=torch.Generator().manual_seed(length)) for length in (41, 17, 30)]


def build(pool=None, **options):
    torch.manual_seed(0)
    return create(ConvGRUConfig(width=16, **options), inputs={"sound": SequenceSpec(12)}, pool=pool).eval()


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_row_has_its_own_steps_and_does_not_depend_on_others(stride, bidirectional):
    model = build(stride=stride, bidirectional=bidirectional)
    together = model(pad(SEQUENCES))
    assert isinstance(together, Ragged)
    assert together.lengths.tolist() == [-(-length // stride) for length in (41, 17, 30)]
    assert together.values.shape == (3, -(-41 // stride), model.num_features)
    for row, sequence in enumerate(SEQUENCES):
        alone = model(pad([sequence]))
        torch.testing.assert_close(together.values[row, : alone.lengths[0]], alone.values[0], atol=1e-5, rtol=0)
        assert not together.values[row, alone.lengths[0] :].any()


def test_a_stream_sees_no_further_than_its_lookahead():
    model = build(stride=2, bidirectional=False)
    assert model.lookahead == 6
    assert build().lookahead is None
    changed = SEQUENCES[0].clone()
    changed[20 + model.lookahead + 1 :] += 5
    one, other = model(pad([SEQUENCES[0]])).values[0], model(pad([changed])).values[0]
    # Step s stands at frame 2 s.
    assert torch.equal(one[:11], other[:11])
    assert not torch.equal(one[14:], other[14:])


def test_steps_become_one_vector():
    steps, model = build(), build(pool="avg_max")
    model.load_state_dict(steps.state_dict())
    found, vector = steps(pad(SEQUENCES)), model(pad(SEQUENCES))
    for row, length in enumerate(found.lengths.tolist()):
        own = found.values[row, :length]
        torch.testing.assert_close(vector[row], torch.cat([own.mean(0), own.amax(0)]), atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_parameter_once_grouped_and_files_make_it_again():
    model = build().train()
    model(pad(SEQUENCES)).values.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    grouped = [id(p) for group in model.groups() for p in group]
    assert sorted(grouped) == sorted(map(id, model.parameters()))
    again = from_json(json.loads(json.dumps(to_json(model))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(pad(SEQUENCES)).values, model.eval()(pad(SEQUENCES)).values)


def test_what_does_not_fit_says_so():
    with pytest.raises(ShapeError, match=r"ragged sequences of 12 features, got \(2, 12\)"):
        build()(torch.zeros(2, 12))
    with pytest.raises(ConfigError, match=r"conv_gru reads sequence, but the inputs are photo \(image\)"):
        create("conv_gru", inputs={"photo": ls.ImageSpec(1, (8, 8))})
    with pytest.raises(ConfigError, match="stride must be 1, 2 or 4"):
        ConvGRUConfig(stride=3)


def test_texts_are_learned_from_tones_of_several_lengths(tmp_path):
    generator = np.random.default_rng(0)
    pitches = {"a": 400, "b": 1100, " ": 2600}

    def spoken(text):
        parts = [
            np.sin(2 * np.pi * pitches[each] * np.arange(960) / 8000) * generator.uniform(0.3, 0.6) for each in text
        ]
        gaps = [np.zeros(generator.integers(200, 600)) for _ in text]
        return np.concatenate([part for pair in zip(gaps, parts, strict=True) for part in pair]).astype(np.float32)

    texts = ["".join(generator.choice(["a", "b", " "], generator.integers(2, 6))).strip() or "a" for _ in range(60)]
    table = ls.Table.from_arrays(
        {"sound": [spoken(text) for text in texts], "text": texts},
        {"sound": Audio(rate_hz=8000, layout="sequence", features=ls.AudioFeatures(mels=20)), "text": ls.Text()},
    )
    task = ls.Task(table.split(valid=12, seed=0), inputs="sound", targets="text", allow_leaks=True)
    config = ls.TrainConfig(batch_size=8, augment=ls.AudioAugment(gain_db=3))
    learner = ls.Learner(task, ConvGRUConfig(width=32, layers=1), config=config, seed=0, progress=False)
    learner.fit_one_cycle(28, 2e-2)
    scores = learner.evaluate()
    assert scores["character_error_rate"] < 0.25
    assert 0 <= scores["word_error_rate"] <= 1.5
    learner.save(tmp_path / "reader.safetensors")
    again = ls.load(tmp_path / "reader.safetensors")
    sounds = [table.value(int(row), "sound") for row in task.valid[:5]]
    together = [each["text"] for each in again.predict(sounds, batch_size=2)]
    assert together == [again.predict(sound)["text"] for sound in sounds]
