"""A folder of recordings, from the command line alone."""

import json

import numpy as np
import pytest
import soundfile

RATE = 8000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "tones"
    generator = np.random.default_rng(0)
    for label, pitch in (("low", 300), ("high", 1500)):
        (folder / label).mkdir(parents=True)
        for number in range(14):
            times = np.arange(round(RATE * generator.uniform(0.3, 0.5))) / RATE
            wave = np.sin(2 * np.pi * pitch * times) * generator.uniform(0.2, 0.8) + generator.normal(
                0, 0.05, len(times)
            )
            soundfile.write(folder / label / f"{number:02}.wav", wave.clip(-1, 1), RATE)
    return folder


def test_train_predict_and_evaluate(longspan, recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = longspan(
        "train", recordings, "--pattern", r"(?P<pitch>\w+)/.*\.wav", "--model", "matchboxnet", "--epochs", "30",
        "--augment", "speech", "--leaks", "allow", "--out", "m.safetensors",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "pitch: 2 classes (high 14, low 14)" in done.out
    files = [recordings / "low/00.wav", f"{recordings / 'high/03.wav'}#t=0.05,0.25"]
    done = longspan("predict", "m.safetensors", *files, "--json")
    assert [each["pitch"] for each in json.loads(done.out)] == ["low", "high"]
    lines = ["file,pitch", *(f"{p.relative_to(recordings)},{p.parent.name}" for p in sorted(recordings.rglob("*.wav")))]
    (recordings / "rows.csv").write_text("\n".join(lines))
    done = longspan("train", recordings / "rows.csv", "--column", "file=audio:0.5", "--target", "pitch", "--model",
                    "matchboxnet", "--epochs", "12", "--leaks", "allow", "--out", "n.safetensors")  # fmt: skip
    assert done.code == 0, done.err
    done = longspan("evaluate", "n.safetensors", recordings / "rows.csv", "--json")
    assert done.code == 0, done.err
    assert "accuracy" in done.out


def test_bad_recordings_are_all_named_before_training(longspan, recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = {"text.wav": b"this is no sound", "empty.wav": b""}
    for name, content in bad.items():
        (recordings / "low" / name).write_bytes(content)
    soundfile.write(recordings / "high" / "silent.wav", np.zeros(3000), RATE)
    soundfile.write(recordings / "high" / "surround.wav", np.full((3000, 6), 0.1), RATE)
    (recordings / "low" / "cut.wav").write_bytes((recordings / "low" / "00.wav").read_bytes()[:2000])
    try:
        words = ["train", recordings, "--pattern", r"(?P<pitch>\w+)/.*\.wav", "--model", "matchboxnet", "--epochs", "1"]
        done = longspan(*words)
        assert done.code == 2
        for fault in ("text.wav: it is not a sound file", "empty.wav: the file is empty", "silent.wav: it is silent",
                      "surround.wav: it has 6 channels", "cut.wav: it is cut short"):  # fmt: skip
            assert fault in done.err, done.err
        done = longspan(*words, "--on-error", "skip", "--leaks", "allow")
        assert done.code == 0, done.err
        assert "5 rows that cannot be used" in done.out
    finally:
        for path in recordings.rglob("*.wav"):
            if not path.stem.isdigit():
                path.unlink()


def test_options_for_images_are_refused(longspan, recordings):
    words = ["train", recordings, "--pattern", r"(?P<pitch>\w+)/.*\.wav"]
    assert "--size is for images" in longspan(*words, "--size", "64").err
    assert "--augment photos is for images" in longspan(*words, "--augment", "photos").err


def test_texts_are_read_from_sequences(longspan, recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["file,text", *(f"{p.relative_to(recordings)},{p.parent.name}" for p in sorted(recordings.rglob("*.wav")))]
    (recordings / "texts.csv").write_text("\n".join(lines))
    done = longspan("train", recordings / "texts.csv", "--column", "file=audio", "--column", "text=text", "--target",
                    "text", "--epochs", "1", "--leaks", "allow", "--out", "t.safetensors")  # fmt: skip
    assert done.code == 0, done.err
    assert "conv_gru" in done.out
    done = longspan("predict", "t.safetensors", recordings / "low/00.wav", "--json")
    assert isinstance(json.loads(done.out)["text"], str)
    (recordings / "words.txt").write_text("low\nhigh\n")
    done = longspan("transcribe", "t.safetensors", recordings / "low/00.wav", "--format", "json", "--lexicon",
                    recordings / "words.txt")  # fmt: skip
    assert done.code == 0, done.err
    assert set(json.loads(done.out)["text"].split()) <= {"low", "high"}
    for lines, fault in (("", "words.txt holds no word"), ("LOW\nHIGH\n", "can write no word of it, such as 'HIGH'")):
        (recordings / "words.txt").write_text(lines)
        refused = longspan(
            "transcribe", "t.safetensors", recordings / "low/00.wav", "--lexicon", recordings / "words.txt"
        )
        assert refused.code == 2
        assert fault in refused.err
    assert "--weight must be at least 0" in longspan("transcribe", "t.safetensors", "x.wav", "--weight", "-1").err
    (recordings / "wrong.arpa").write_text("\\data\\\nngram 1=9\n\n\\1-grams:\n-1 low\n\n\\end\\\n")
    refused = longspan("transcribe", "t.safetensors", recordings / "low/00.wav", "--language-model",
                       recordings / "wrong.arpa")  # fmt: skip
    assert refused.code == 2
    assert "wrong.arpa is cut short or damaged: it has 1 1-grams instead of 9" in refused.err
    done = longspan("transcribe", "t.safetensors", recordings / "low/00.wav", "--format", "srt", "--out", "subtitles")
    assert done.code == 0, done.err
    assert (tmp_path / "subtitles" / "00.srt").is_file()
    again = longspan("transcribe", "t.safetensors", recordings / "low/00.wav", "--format", "srt", "--out", "subtitles")
    assert "exists; replace it with --force" in again.err
    assert "--out needs --format" in longspan("transcribe", "t.safetensors", "x.wav", "--out", "d").err
    assert (
        "--language-model gone.arpa: there is no such file"
        in longspan("transcribe", "t.safetensors", "x.wav", "--language-model", "gone.arpa").err
    )


def test_transcripts_are_read_by_their_layout(longspan, recordings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{p.relative_to(recordings)}\t{p.parent.name}" for p in sorted(recordings.rglob("*.wav"))]
    (tmp_path / "texts.tsv").write_text("\n".join([*lines, "gone.wav\tlow"]))
    words = ["train", recordings, "--transcripts", "texts.tsv", "--target", "text", "--epochs", "1", "--leaks", "allow",
             "--model", "quartznet"]  # fmt: skip
    done = longspan(*words)
    assert done.code == 2
    assert "texts.tsv, line 29: there is no recording" in done.err
    done = longspan(*words, "--on-error", "skip", "--out", "t.safetensors")
    assert done.code == 0, done.err
    assert "1 of 29 recordings" in done.out + done.err
    (tmp_path / "fewer.tsv").write_text("\n".join(lines[1:]))
    done = longspan(*["fewer.tsv" if each == "texts.tsv" else each for each in words], "--out", "f.safetensors")
    assert done.code == 0, done.err
    assert f"1 recording has no transcript in fewer.tsv, left out: {lines[0].split()[0].rpartition('/')[2]}" in done.out
    assert "--pattern does not go with --transcripts" in longspan(*words, "--pattern", "(?P<w>.*)").err
