import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from longspan.errors import ModelFileError
from longspan.storage.files import read_tensors, write_tensors, write_whole

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(3)}


def test_tensors_and_values_come_back(tmp_path):
    path = tmp_path / "sub" / "m.safetensors"
    write_tensors(path, TENSORS, {"name": "x", "list": [1, {"y": None}]})
    tensors, values = read_tensors(path)
    assert values == {"name": "x", "list": [1, {"y": None}]}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())
    assert tensors["b"].dtype == torch.int64


def test_the_file_is_plain_safetensors_with_json_in_its_header(tmp_path):
    write_tensors(tmp_path / "m.safetensors", TENSORS, {"name": "x"})
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["longspan"]) == {"name": "x"}
        assert set(file.keys()) == set(TENSORS)


def test_tensors_lie_as_they_like_and_may_fraction_memory(tmp_path):
    table = torch.arange(24.0).view(1, 2, 3, 4)
    given = {
        "last": table.contiguous(memory_format=torch.channels_last),
        "turned": table[0, 0].T,
        "tied": table,
        "part": table[0, 1],
        "learning": torch.nn.Parameter(table.clone()),
        "none": torch.zeros(0, 3),
        "none too": torch.zeros(0),
    }
    write_tensors(tmp_path / "m.safetensors", given, {})
    tensors, _ = read_tensors(tmp_path / "m.safetensors")
    assert all(torch.equal(tensors[name], value) for name, value in given.items())


def test_figures_that_are_no_numbers_are_null_and_numpy_is_plain(tmp_path):
    values = {"a": float("nan"), "b": [np.float32(0.5), float("-inf")], "c": (np.int64(3), np.bool_(True))}
    write_tensors(tmp_path / "m.safetensors", {}, values)
    assert read_tensors(tmp_path / "m.safetensors")[1] == {"a": None, "b": [0.5, None], "c": [3, True]}


# --- writing that fails ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: disk full")])
def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / "m.safetensors"
    write_tensors(path, TENSORS, {"version": "old"})

    def half(tensors, part, metadata):
        part.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", half)
    with pytest.raises(ModelFileError, match=r"m.safetensors cannot be written: .*(No space|disk full)"):
        write_tensors(path, TENSORS, {"version": "new"})
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]
    assert read_tensors(path)[1] == {"version": "old"}


def test_an_interrupt_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_tensors(tmp_path / "m.safetensors", TENSORS, {})
    assert list(tmp_path.iterdir()) == []


def test_the_disk_is_full_for_real(tmp_path):
    resource = pytest.importorskip("resource")
    import signal

    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(ModelFileError, match="cannot be written"):
            write_tensors(tmp_path / "m.safetensors", {"a": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_longspan_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ModelFileError, match="cannot be written"):
        write_tensors(tmp_path / "file" / "m.safetensors", TENSORS, {})


def test_a_model_is_not_saved_under_the_name_of_a_pickle(tmp_path):
    with pytest.raises(ModelFileError, match=r"would be a pickle by its name; models are saved as .safetensors"):
        write_tensors(tmp_path / "m.pth", TENSORS, {})


def test_write_whole_replaces_at_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_whole(path, lambda part: (part.write_text("new"), None)[1])
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


# --- reading what is not whole or not ours ---------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "m.safetensors"
    write_tensors(path, TENSORS, {"name": "x"})
    return path


def test_a_file_cut_short_anywhere_is_named(whole):
    content = whole.read_bytes()
    for length in [0, 1, 7, 8, 9, 50, len(content) // 2, len(content) - 9, len(content) - 1]:
        whole.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match=r"m.safetensors is cut short, damaged or not a safetensors file"):
            read_tensors(whole)


def test_damage_in_the_header_is_named(whole):
    content = whole.read_bytes()
    for place in (0, 3, 8, 9, 20):
        whole.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        with pytest.raises(ModelFileError, match=r"m\.safetensors"):
            read_tensors(whole)


def test_other_files_are_told_apart(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelFileError, match=r"is a safetensors file, but not a longspan model: .* weights="):
        read_tensors(path)
    save_file({"a": torch.zeros(2)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match="not a longspan model"):
        read_tensors(path)
    (tmp_path / "image.safetensors").write_bytes(b"\x89PNG\r\n\x1a\n" * 100)
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        read_tensors(tmp_path / "image.safetensors")
    (tmp_path / "huge.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(ModelFileError, match="cut short"):
        read_tensors(tmp_path / "huge.safetensors")
    with pytest.raises(ModelFileError, match=r"gone.safetensors does not exist"):
        read_tensors(tmp_path / "gone.safetensors")
    with pytest.raises(ModelFileError, match="is a folder"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.pkl", "m.pickle", "m.joblib"])
def test_pickles_are_refused_unopened(tmp_path, name):
    with pytest.raises(ModelFileError, match="reading a pickle can run code"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize(("text", "words"), [("{", "JSON .* damaged"), ("[1]", "list, not an object"), ("", "damaged")])
def test_damaged_json_is_named(tmp_path, text, words):
    save_file({"a": torch.zeros(2)}, tmp_path / "m.safetensors", metadata={"longspan": text})
    with pytest.raises(ModelFileError, match=rf"m\.safetensors: .*{words}"):
        read_tensors(tmp_path / "m.safetensors")


def test_a_flipped_bit_anywhere_in_the_values_is_noticed_and_older_files_are_read(whole, tmp_path):
    good = whole.read_bytes()
    start = 8 + int.from_bytes(good[:8], "little")
    for place in (*range(start, len(good), 7), good.index(b'"name\\":') + 9):
        whole.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(ModelFileError, match="damaged"):
            read_tensors(whole)
    save_file(TENSORS, tmp_path / "older.safetensors", metadata={"longspan": "{}"})
    assert read_tensors(tmp_path / "older.safetensors")[1] == {}


def test_one_value_that_was_broadcast_is_written_like_any_other(tmp_path):
    spread = torch.tensor(2.5, dtype=torch.float64).expand(1)
    assert spread.stride() == (0,)
    write_tensors(tmp_path / "a.safetensors", {"a": spread, "none": torch.empty(0, 3)}, {})
    assert read_tensors(tmp_path / "a.safetensors")[0]["a"].tolist() == [2.5]
