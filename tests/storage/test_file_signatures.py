"""Pickles by name and by content, archives, and headers that are none: refused by their first bytes."""

import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file

import longspan as ls
from longspan.errors import ModelFileError
from longspan.storage.file_signatures import MAX_HEADER_BYTES, check_file_header, check_file_name


class Runs:
    """A pickle of this makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["m.pkl", "m.pt", "m.pth", "M.PTH", "m.ckpt", "m.bin", "m.joblib", "m.pickle"])
def test_a_pickle_by_name_is_refused_with_the_reason_and_the_way_out(tmp_path, name):
    with pytest.raises(ModelFileError, match=r"pickle by its name, and reading a pickle can run code .* weights="):
        check_file_name(tmp_path / name)
    with pytest.raises(ModelFileError, match="pickle by its name"):
        ls.load(tmp_path / name)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_was_renamed_is_refused_and_not_run(tmp_path, protocol):
    path = tmp_path / "m.safetensors"
    path.write_bytes(pickle.dumps(Runs(tmp_path / "ran"), protocol=protocol) + bytes(100))
    with pytest.raises(ModelFileError, match=r"pickle by its content, whatever its name, .* can run code"):
        ls.load(path)
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(ModelFileError, match=r"zip archive, which is how PyTorch packs pickles, .* weights="):
        ls.load(path)
    torch.save({"a": Runs(tmp_path / "ran")}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelFileError, match="pickle by its content"):
        ls.load(path)
    assert not (tmp_path / "ran").exists()


def test_a_header_that_begins_like_a_pickle_is_none(tmp_path):
    """640 is 80 02 as bytes, and so is the head of a pickle of protocol 2."""
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata={"x": "y"})
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    save_file({"a": torch.zeros(2)}, path, metadata={"x": "y" * (641 - length)})
    assert path.read_bytes()[:2] == b"\x80\x02"
    check_file_header(path)


def test_a_header_of_enormous_size_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{")
        file.truncate(2 * MAX_HEADER_BYTES)
    with pytest.raises(ModelFileError, match="header of 67,108,865 bytes"):
        ls.load(path)


@pytest.mark.parametrize("content", [b"", b"x", b"\x89HDF\r\n\x1a\n" * 9, b"GGUF" * 9, bytes(50)])
def test_other_files_are_no_models(tmp_path, content):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"m\.safetensors"):
        check_file_header(tmp_path / "m.safetensors")
