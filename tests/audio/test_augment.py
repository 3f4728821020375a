"""What chance does to sound."""

import numpy as np
import pytest
import soundfile
import torch

from longspan.audio import AudioAugment, AudioParams
from longspan.audio.augment_params import augment_waves, mask_features
from longspan.errors import ConfigError, UnknownNameError

RATE = 8000
ROWS = torch.arange(4)
WAVES = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (4, RATE)).astype(np.float32))
LENGTHS = torch.tensor([RATE, RATE, 6000, 4000])


def params(config, **changes):
    return AudioAugment(**config).draw(ROWS, epoch=1, seed=7, **changes)


def changed(waves=WAVES, lengths=LENGTHS, *, keep_length=True, **config):
    there = torch.arange(waves.shape[1]) < lengths[:, None]
    return augment_waves(waves * there, lengths, params(config), RATE, keep_length=keep_length)


def test_a_row_is_changed_by_seed_epoch_and_row_alone():
    config = AudioAugment(shift_s=0.1, gain_db=6, speed=0.1, noise=0.5, reverb=0.5, time_masks=2, mel_masks=1)
    together = config.draw(torch.tensor([5, 9, 2]), 3, 1)
    alone = config.draw(torch.tensor([9]), 3, 1)
    for name in ("shift_s", "gain", "speed", "snr_db", "reverb_s", "seed", "time_masks", "mel_masks"):
        assert torch.equal(getattr(together, name)[1:2], getattr(alone, name)), name
        assert torch.equal(getattr(together.take(slice(1, 2)), name), getattr(alone, name)), name
    assert not torch.equal(config.draw(torch.tensor([9]), 4, 1).shift_s, alone.shift_s)
    assert not torch.equal(config.draw(torch.tensor([9]), 3, 2).seed, alone.seed)
    assert len(together) == 3


def test_nothing_is_drawn_by_default():
    waves, lengths = changed()
    there = torch.arange(RATE) < LENGTHS[:, None]
    assert torch.equal(waves, (WAVES * there).clamp(-1, 1))
    assert torch.equal(lengths, LENGTHS)
    assert not AudioAugment().active


def test_shift_moves_whole_samples():
    drawn = params({"shift_s": 0.2})
    by = (drawn.shift_s * RATE).round().long()
    assert (by.abs() <= 0.2 * RATE).all()
    assert len(set(by.tolist())) == 4
    moved, _ = augment_waves(WAVES, torch.full((4,), RATE), drawn, RATE, keep_length=True)
    for row, shift in enumerate(by.tolist()):
        wanted = np.zeros(RATE, np.float32)
        if shift >= 0:
            wanted[shift:] = WAVES[row, : RATE - shift]
        else:
            wanted[:shift] = WAVES[row, -shift:]
        assert np.array_equal(moved[row].numpy(), wanted)


def test_gain_in_decibels():
    moved, _ = changed(gain_db=6)
    gains = 20 * (moved.norm(dim=1) / (WAVES * (torch.arange(RATE) < LENGTHS[:, None])).norm(dim=1)).log10()
    torch.testing.assert_close(gains, 20 * params({"gain_db": 6}).gain.log10(), atol=1e-3, rtol=0)
    assert (gains.abs() <= 6).all()


def test_noise_stands_at_the_stated_distance():
    moved, _ = changed(noise=1.0, snr_db=(10, 10))
    for row, length in enumerate(LENGTHS.tolist()):
        noise = (moved[row] - WAVES[row])[:length]
        distance = 10 * (WAVES[row, :length].square().mean() / noise.square().mean()).log10()
        assert distance.item() == pytest.approx(10, abs=0.3)
        assert not moved[row, length:].any(), "silence behind the end stays silent"


def test_noise_from_recordings(tmp_path):
    tone = np.sin(np.arange(RATE // 2) * 0.5).astype(np.float32)
    soundfile.write(tmp_path / "hum.wav", tone, RATE)
    moved, _ = changed(noise=1.0, snr_db=(0, 0), background=(str(tmp_path / "hum.wav"),))
    spectrum = np.abs(np.fft.rfft((moved[0] - WAVES[0]).numpy()))
    assert spectrum.argmax() == pytest.approx(0.5 * RATE / (2 * np.pi), abs=3)
    with pytest.raises(ConfigError, match=r"background, gone.wav: there is no such file"):
        AudioAugment(background=("gone.wav",))
    fields = AudioAugment(background=(str(tmp_path / "hum.wav"),)).to_json()
    (tmp_path / "hum.wav").unlink()
    assert AudioAugment.from_json(fields).background == ()


def test_speed_changes_pitch_and_length():
    tone = torch.sin(torch.arange(RATE) * 2 * np.pi * 440 / RATE)[None].repeat(4, 1)
    drawn = params({"speed": 0.2})
    moved, lengths = augment_waves(tone * 0.5, torch.full((4,), RATE), drawn, RATE, keep_length=False)
    for row, speed in enumerate(drawn.speed.tolist()):
        assert lengths[row] == round(RATE / speed)
        spectrum = np.abs(np.fft.rfft(moved[row, : lengths[row]].numpy()))
        assert spectrum.argmax() * RATE / lengths[row].item() == pytest.approx(440 * speed, abs=2)
    kept, lengths = augment_waves(tone * 0.5, torch.full((4,), RATE), drawn, RATE, keep_length=True)
    assert kept.shape == (4, RATE)
    assert lengths.tolist() == [RATE] * 4


def test_an_echo_rings_on_and_keeps_the_level():
    click = torch.zeros(4, RATE)
    click[:, 100] = 0.9
    moved, _ = changed(click, torch.full((4,), RATE), reverb=1.0, reverb_s=(0.3, 0.3))
    energy = moved[0].square()
    assert not moved[0, :100].any() or moved[0, :100].abs().max() < 1e-5
    early, late = energy[101:501].sum(), energy[1301:1701].sum()
    # 1200 samples are 0.15 s: half of the 60 dB.
    assert 10 * (early / late).log10().item() == pytest.approx(30, abs=4)
    torch.testing.assert_close(moved.norm(dim=1), click.norm(dim=1), rtol=0.05, atol=0)


def test_masks_hide_stretches_of_time_and_bands():
    features = torch.ones(4, 1, 20, 100)
    drawn = params({"time_masks": 1, "time_mask_s": 0.3, "mel_masks": 1, "mel_mask": 0.5})
    hidden = mask_features(features, torch.full((4,), 100), drawn, 100.0)
    for row in range(4):
        times, bands = (hidden[row, 0].amax(axis) == 0 for axis in (0, 1))
        assert times.sum() <= 30
        assert bands.sum() <= 10
        wanted = (~bands)[:, None] & (~times)[None]
        assert torch.equal(hidden[row, 0].bool(), wanted)
    assert (hidden == 0).any()
    assert features.all()


def test_settings_that_cannot_be():
    with pytest.raises(ConfigError, match=r"shift_s must be a number in 0..10.*snr_db must be two numbers"):
        AudioAugment(shift_s=-1, snr_db=(10, 2))
    with pytest.raises(ConfigError, match="time_masks must be a whole number"):
        AudioAugment(time_masks=1.5)
    with pytest.raises(UnknownNameError, match="Did you mean 'gain_db'"):
        AudioAugment.from_json({"gain_bd": 3})
    assert AudioAugment.from_json(AudioAugment.speech().to_json()) == AudioAugment.speech()
    assert isinstance(params({}), AudioParams)
