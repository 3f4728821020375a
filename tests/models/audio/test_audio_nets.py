"""Networks that read sound: layers, sizes, and the published speech embedding."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import longspan as ls
from longspan.columns import Audio
from longspan.errors import ConfigError, ShapeError, WeightsError
from longspan.models import create

EMBEDDING = Path(os.environ.get("LONGSPAN_DATA", "/nowhere")) / "weights" / "google_speech_embedding.safetensors"
published = pytest.mark.skipif(not EMBEDDING.is_file(), reason="needs the published weights")


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_bc_resnets_have_the_sizes_of_the_paper():
    # Table 1 of the paper, with the class layer to 12 classes: 9.2k and 321k parameters.
    for name, wanted in (("bc_resnet1", 9_200), ("bc_resnet8", 321_000)):
        model = create(name, in_channels=1, size_px=(40, 101))
        assert count(model) + 12 * (model.num_features + 1) == pytest.approx(wanted, rel=0.02), name


def test_a_bc_resnet_keeps_time():
    model = create("bc_resnet1", in_channels=1, size_px=(40, 101)).eval()
    images = torch.randn(2, 1, 40, 101)
    maps = model.stem(images)
    assert maps.shape == (2, 16, 20, 101)
    for stage, rows in zip(model.stages, (20, 10, 5, 5), strict=True):
        maps = stage(maps)
        assert maps.shape[2:] == (rows, 101)
    assert model.last(maps).shape == (2, 32, 1, 101)


def test_matchboxnet_has_the_size_of_the_paper():
    # Table 1 for 3x1x64 and 30 classes: 77k parameters.
    model = create("matchboxnet", in_channels=1, size_px=(64, 101))
    assert count(model) + 30 * (model.num_features + 1) == pytest.approx(77_000, rel=0.05)
    changes = create("matchboxnet", in_channels=3, size_px=(64, 101))
    assert changes(torch.randn(2, 3, 64, 50)).shape == (2, 128)


def test_options_that_cannot_be():
    with pytest.raises(ConfigError, match=r"width must be in 0.25..64"):
        ls.models.BCResNetConfig(width=0)
    with pytest.raises(ConfigError, match="blocks must be at least 1"):
        ls.models.MatchboxNetConfig(blocks=0)
    with pytest.raises(ShapeError, match=r"32 mel bands and at least 76 frames .*for_speech_embedding"):
        create("speech_embedding", in_channels=1, size_px=(40, 101))
    with pytest.raises(ShapeError, match="was built for 117 frames, got 100"):
        create("speech_embedding", in_channels=1, size_px=(32, 117))(torch.randn(1, 1, 32, 100))


def reference(mel, weights):
    """One window of 76 frames by 32 bands to 96 numbers, in numpy, from the words of the weights' metadata."""
    maps = mel[None]  # (channels, time, frequency)
    pools = {2: (2, 2), 6: (1, 2), 10: (2, 2), 14: (1, 2), 18: (2, 2)}
    for number in range(20):
        kernel = weights[f"conv.{number}.weight"].numpy().astype(np.float64)
        if kernel.shape[3] == 3:
            maps = np.pad(maps, ((0, 0), (0, 0), (1, 1)))
        views = np.lib.stride_tricks.sliding_window_view(maps, kernel.shape[2:], axis=(1, 2))
        maps = np.einsum("ctfij,ocij->otf", views, kernel)
        if number < 19:
            maps = maps + weights[f"conv.{number}.bias"].numpy()[:, None, None]
            maps = np.maximum(np.where(maps > 0, maps, 0.2 * maps), -0.4)
        if number in pools:
            t, f = pools[number]
            maps = maps[:, : maps.shape[1] // t * t, : maps.shape[2] // f * f]
            maps = maps.reshape(len(maps), maps.shape[1] // t, t, maps.shape[2] // f, f).max(axis=(2, 4))
    return maps.reshape(-1)


@published
def test_the_speech_embedding_computes_what_its_weights_say():
    weights = load_file(EMBEDDING)
    model = create("speech_embedding", in_channels=1, size_px=(32, 117), weights="speech").eval()
    column = Audio.for_speech_embedding(seconds=1.2)
    wave = np.random.default_rng(0).integers(-3000, 3000, 19_200).astype(np.int16)
    image = column.prepare(torch.from_numpy(wave)[None])
    assert tuple(image.shape[1:]) == (1, 32, 117)
    found = model(image)[0].detach().numpy().reshape(6, 96)
    for window in (0, 3, 5):
        mel = image[0, 0, :, 8 * window : 8 * window + 76].numpy().T.astype(np.float64)
        np.testing.assert_allclose(found[window], reference(mel, weights), atol=1e-3)
    pooled = create("speech_embedding", in_channels=1, size_px=(32, 117), weights=EMBEDDING, pool="avg").eval()
    np.testing.assert_allclose(pooled(image)[0].detach().numpy(), found.mean(0), atol=1e-4)


def test_weights_that_are_not_there_say_where_they_belong(monkeypatch, tmp_path):
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path))
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"put google_speech_embedding.safetensors into"):
        create("speech_embedding", in_channels=1, size_px=(32, 117), weights="speech")
    with pytest.raises(WeightsError, match="are those of speech_embedding; lenet5 has none"):
        create("lenet5", in_channels=1, size_px=(28, 28), weights="speech")


def test_a_learner_reads_sound_with_any_network_for_images(tmp_path):
    generator = np.random.default_rng(0)
    times = np.arange(2000) / 8000
    waves = [
        np.sin(2 * np.pi * (400 if row % 2 else 1500) * times + generator.uniform(0, 6)) * generator.uniform(0.1, 0.9)
        for row in range(24)
    ]
    table = ls.Table.from_arrays(
        {
            "sound": [wave.astype(np.float32) for wave in waves],
            "pitch": ["low" if row % 2 else "high" for row in range(24)],
        },
        {"sound": Audio(rate_hz=8000, features=ls.AudioFeatures(mels=40)), "pitch": ls.Category()},
    )
    split = table.split(valid=0.25, seed=0, stratify="pitch")
    for model, epochs in (("bc_resnet1", 15), ("matchboxnet", 8), ("resnet20", 8)):
        task = ls.Task(split, inputs="sound", targets="pitch", allow_leaks=True)
        learner = ls.Learner(
            task,
            model,
            config=ls.TrainConfig(batch_size=8, augment=ls.AudioAugment(shift_s=0.05, noise=0.5)),
            progress=False,
        )
        learner.fit(epochs, 1e-2)
        assert learner.evaluate()["accuracy"] > 0.8, model
    learner.save(tmp_path / "model.safetensors")
    again = ls.load(tmp_path / "model.safetensors")
    assert again.augment == {"sound": ls.AudioAugment(shift_s=0.05, noise=0.5)}
    assert again.predict(waves[0].astype(np.float32))["pitch"] == "high"
