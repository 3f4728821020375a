import numpy as np
import pytest

import longspan as ls
from longspan.errors import DataError

soundfile = pytest.importorskip("soundfile")


def sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(8000) * 0.3), 8000)


def kaldi(root):
    sound(root / "one.wav")
    (root / "wav.scp").write_text(f"rec1 {root / 'one.wav'}\n")
    (root / "text").write_text("ann-1 hello there\nann-2 good day\n")
    (root / "segments").write_text("ann-1 rec1 0.0 0.5\nann-2 rec1 0.5 1.0\n")
    (root / "utt2spk").write_text("ann-1 ann\nann-2 ann\n")
    return root


def librispeech(root):
    sound(root / "train/12/7/12-7-0000.flac")
    (root / "train/12/7/12-7.trans.txt").write_text("12-7-0000 HELLO THERE\n")
    return root


def common_voice(root):
    sound(root / "clips/a.wav")
    (root / "train.tsv").write_text("client_id\tpath\tsentence\nann\ta.wav\thello there\n")
    return root / "train.tsv"


def ljspeech(root):
    sound(root / "wavs/LJ1.wav")
    (root / "metadata.csv").write_text("LJ1|Hello 2.|hello there\n")
    return root


def listed(root):
    sound(root / "a.wav")
    (root / "texts.tsv").write_text("file\ttext\na.wav\thello there\n")
    return root / "texts.tsv"


@pytest.mark.parametrize("make", [kaldi, librispeech, common_voice, ljspeech, listed])
def test_layouts_are_known_by_their_files(make, tmp_path):
    table = ls.Table.from_transcripts(make(tmp_path))
    assert table["text"][0].lower() == "hello there"
    assert table.columns["audio"].ragged
    assert len(ls.audio.read_samples(table.value(0, "audio"), 8000)) == (4000 if make is kaldi else 8000)
    if make in (kaldi, librispeech, common_voice):
        assert table["speaker"][0] in ("ann", "12")


def test_what_is_missing_is_all_named_or_left_out(tmp_path):
    path = listed(tmp_path)
    path.write_text("a.wav\thello there\ngone.wav\tgood day\na.wav\t \na.wav\n")
    with pytest.raises(DataError) as raised:
        ls.Table.from_transcripts(path)
    message = str(raised.value)
    assert "3 of 4 recordings" in message
    assert "texts.tsv, line 2: there is no recording" in message
    assert "texts.tsv, line 3: the transcript of a.wav is empty" in message
    assert "texts.tsv, line 4: there is no transcript for a.wav" in message
    told = []
    assert len(ls.Table.from_transcripts(path, on_error="skip", tell=told.append)) == 1
    assert "3 of 4 recordings" in told[0]


def test_segments_that_end_before_they_begin(tmp_path):
    kaldi(tmp_path)
    (tmp_path / "segments").write_text("ann-1 rec1 0.5 0.2\nann-2 rec1 0.5 1.0\n")
    with pytest.raises(DataError, match=r"utterance 'ann-1': the part from 0.5 s to 0.2 s ends before it begins"):
        ls.Table.from_transcripts(tmp_path)


def test_commands_in_data_are_not_run(tmp_path):
    kaldi(tmp_path)
    (tmp_path / "wav.scp").write_text("rec1 sph2pipe one.sph |\n")
    with pytest.raises(DataError, match="commands in data are not run"):
        ls.Table.from_transcripts(tmp_path)


def test_what_is_no_layout(tmp_path):
    with pytest.raises(DataError, match="no transcripts in a layout that is known"):
        ls.Table.from_transcripts(tmp_path)
    with pytest.raises(DataError, match="There is no file or folder"):
        ls.Table.from_transcripts(tmp_path / "gone")


def test_a_recording_with_two_transcripts_is_named(tmp_path):
    path = listed(tmp_path)
    path.write_text("file\ttext\na.wav\thello there\na.wav\thello there\na.wav\tgood day\n")
    with pytest.raises(DataError, match=r"texts\.tsv, line 4: a\.wav has another transcript above; keep one"):
        ls.Table.from_transcripts(path)
