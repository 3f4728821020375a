"""Sound files, good and bad."""

import wave

import numpy as np
import pytest
import soundfile

from longspan.audio import measure_quality, read_header, read_samples, segment
from longspan.audio.audio_io import resample, split_segment
from longspan.audio.quality import quality_fault

RATE = 16_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def write(name, samples=TONE, rate=RATE, **options):
        soundfile.write(tmp_path / name, samples, rate, **options)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.wav", {}, 1), ("a.wav", {"subtype": "PCM_24"}, 1), ("a.wav", {"subtype": "FLOAT"}, 1),
        ("a.wav", {"subtype": "PCM_U8"}, 256), ("a.flac", {}, 1), ("a.ogg", {}, 1500),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}, 3000), ("a.mp3", {}, 3000),
    ],
)  # fmt: skip
def test_every_format_gives_the_samples(write, name, options, tolerance):
    path = write(name, **options)
    samples = read_samples(path, RATE)
    assert samples.dtype == np.int16
    assert abs(len(samples) - RATE) <= (0 if tolerance < 1500 else 3000)
    middle = slice(4000, 12_000)
    assert np.abs(samples[middle].astype(int) - np.round(TONE[middle] * 32768)).max() <= tolerance
    assert read_header(path).rate_hz == RATE


def test_16_bits_come_back_exactly(write, tmp_path):
    numbers = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    path = write("a.wav", numbers)
    assert np.array_equal(read_samples(path, RATE), numbers)
    with wave.open(path) as file:
        assert np.array_equal(np.frombuffer(file.readframes(5000), np.int16), numbers)


def test_resampling_keeps_a_tone_and_its_length(write):
    path = write("a.wav", (0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.float32), 48_000)
    samples = read_samples(path, RATE)
    assert len(samples) == RATE
    assert np.abs(samples[500:-500] / 32768 - TONE[500:-500]).max() < 1e-3
    spectrum = np.abs(np.fft.rfft(resample(TONE, RATE, 8000)))
    assert spectrum.argmax() == 440
    high = np.sin(2 * np.pi * 6000 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.abs(resample(high, RATE, 8000)[100:-100]).max() < 1e-3, "6 kHz would fold back to 2 kHz"


def test_channels(write):
    stereo = np.stack([TONE, -0.5 * TONE], axis=1)
    path = write("a.wav", stereo)
    assert np.abs(read_samples(path, RATE).astype(int) - np.round(0.25 * TONE * 32768)).max() <= 1
    assert np.abs(read_samples(path, RATE, 1).astype(int) + np.round(0.5 * TONE * 32768)).max() <= 1
    with pytest.raises(ValueError, match="2 channels, so there is no channel 2"):
        read_samples(path, RATE, 2)
    surround = write("b.wav", np.repeat(TONE[:, None], 6, axis=1))
    with pytest.raises(ValueError, match=r"6 channels; choose one, 0 to 5: Audio\(channel=0\)"):
        read_samples(surround, RATE)
    assert len(read_samples(surround, RATE, 5)) == RATE


def test_parts_of_a_recording(write, tmp_path):
    path = write("a.wav", np.arange(16_000, dtype=np.int16))
    assert read_samples(segment(path, 0.25, 0.5), RATE).tolist() == list(range(4000, 8000))
    assert read_samples(segment(path, 0.75), RATE).tolist() == list(range(12_000, 16_000))
    assert read_samples(segment(path, end_s=0.001), RATE).tolist() == list(range(16))
    assert read_header(segment(path, 0.25, 0.5)).seconds == 0.25
    assert segment(path) == path
    for part, what in [
        ("0.5,0.25", "from 0.5 s to 0.25 s ends before it begins; swap"),
        ("0.5,1.5", "ends at 1.5 s, but the recording lasts 1 s"),
        ("3,", "begins at 3 s, but the recording lasts 1 s"),
        ("1,", "holds no samples"),
        ("1.2.3,4", "does not say two numbers"),
    ]:
        with pytest.raises(ValueError, match=what):
            read_samples(f"{path}#t={part}", RATE)
    odd = tmp_path / "odd#t=1,2"
    odd.write_bytes((tmp_path / "a.wav").read_bytes())
    assert split_segment(str(odd)) == (str(odd), 0.0, None), "a file that is called so is read whole"


def test_files_that_are_no_sound(write, tmp_path):
    cases = {"text.wav": b"hello, this is no sound at all", "empty.wav": b""}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"not a sound file that can be read .*WAV, FLAC, OGG, Opus and MP3 can"):
        read_samples(tmp_path / "text.wav", RATE)
    with pytest.raises(ValueError, match=r"the file is empty \(0 bytes\)"):
        read_samples(tmp_path / "empty.wav", RATE)
    with pytest.raises(ValueError, match="there is no such file"):
        read_samples(tmp_path / "gone.wav", RATE)
    with pytest.raises(ValueError, match="it is a folder"):
        read_samples(tmp_path, RATE)
    with pytest.raises(ValueError, match="it holds no samples"):
        read_samples(write("none.wav", TONE[:0]), RATE)
    with pytest.raises(ValueError, match="neither the path of a sound file nor an array"):
        read_samples(3, RATE)


def test_files_cut_short(write, tmp_path):
    whole = (tmp_path / "a.wav") if write("a.wav") else None
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:10_000])
    with pytest.raises(ValueError, match="cut short: its header promises 22,044 bytes more"):
        read_samples(tmp_path / "cut.wav", RATE)
    write("a.flac")
    (tmp_path / "cut.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut short|damaged"):
        read_samples(tmp_path / "cut.flac", RATE)
    content = bytearray(whole.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"  # a writer to a pipe does not know the length
    (tmp_path / "piped.wav").write_bytes(content)
    assert len(read_samples(tmp_path / "piped.wav", RATE)) == RATE


def test_an_hour_is_refused_before_it_is_read(write):
    path = write("a.wav")
    with pytest.raises(ValueError, match=r"lasts 1.0 s, more than the 0.5 s that one row may have"):
        read_samples(path, RATE, longest_s=0.5)
    assert len(read_samples(segment(path, 0, 0.5), RATE, longest_s=0.5)) == 8000


def test_arrays():
    assert np.array_equal(read_samples(TONE, RATE), np.round(TONE * 32768).astype(np.int16))
    assert np.array_equal(read_samples(np.stack([TONE, TONE], 1), RATE), read_samples(TONE, RATE))
    for array, what in [
        (np.zeros((2, 3, 4)), "num_samples"), (np.zeros(0), "num_samples"), (np.array([np.nan]), "not finite"),
        (np.array([3.0]), "reach 3, but floating-point samples lie in -1..1"), (np.array([1, 2]), "got int64"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=what):
            read_samples(array, RATE)


def test_samples_that_are_not_finite(write):
    bad = TONE.copy()
    bad[7] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        read_samples(write("a.wav", bad, subtype="FLOAT"), RATE)


def test_levels():
    quality = measure_quality(np.round(TONE * 32767).astype(np.int16))
    assert quality.peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert quality.loudness_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert (quality.clipped, quality.silent) == (0, False)
    loud = np.clip(TONE * 4, -1, 1)
    share = np.mean(np.abs(TONE * 4) >= 32700 / 32768)
    clipped = read_samples(loud, RATE)
    assert measure_quality(clipped).clipped == pytest.approx(share, abs=0.01)
    assert "clipped" in quality_fault(clipped, ("clipped",))
    assert quality_fault(clipped, ("silent",)) is None
    assert "silent" in quality_fault(np.zeros(100, np.int16), ("silent",))
    assert quality_fault(np.zeros(100, np.int16), ()) is None


def test_samples_of_another_scale_are_refused_and_not_clipped(write):
    with pytest.raises(ValueError, match=r"its samples reach 3,000, .* lie in -1\.\.1; divide them first"):
        read_samples(write("a.wav", TONE * 6000, subtype="FLOAT"), RATE)
    assert (
        abs(int(np.abs(read_samples(write("a.wav", TONE * 2.2, subtype="FLOAT"), RATE).astype(int)).max()) - 32767) <= 1
    )


def test_channels_that_cancel_each_other_are_refused(write):
    both = np.stack([TONE, -TONE], axis=1)
    with pytest.raises(
        ValueError, match=r"channels cancel each other in their mean; choose one with Audio\(channel=0\)"
    ):
        read_samples(write("a.wav", both), RATE)
    assert np.abs(read_samples(write("a.wav", both), RATE, 0)).max() > 16_000
