"""MNIST's files."""

import gzip
import struct

import numpy as np
import pytest

from longspan.data import Table
from longspan.errors import DataError


def idx(array, code):
    """An idx file's bytes, by the description on MNIST's page."""
    head = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_read_packed_or_not_whatever_it_is_called(tmp_path, packed, suffix):
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    labels = np.array([7, 2], np.uint8)
    pack = gzip.compress if packed else bytes
    (tmp_path / f"x{suffix}").write_bytes(pack(idx(images, 0x08)))
    (tmp_path / f"y{suffix}").write_bytes(pack(idx(labels, 0x08)))
    table = Table.from_idx(tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", label="digit")
    assert np.array_equal(table.arrays["image"], images)
    assert table.column_values("digit") == [7, 2]
    assert len(Table.from_idx(tmp_path / f"x{suffix}")) == 2


def test_idx_numbers_are_big_endian(tmp_path):
    images = np.zeros((2, 3, 4), np.uint8)
    (tmp_path / "x").write_bytes(idx(images, 0x08))
    (tmp_path / "y").write_bytes(idx(np.array([1, 70000], np.int32), 0x0C))
    assert Table.from_idx(tmp_path / "x", tmp_path / "y").column_values("label") == [1, 70000]


def test_an_idx_bomb_is_stopped_by_what_comes_out(tmp_path):
    head = bytes((0, 0, 8, 3)) + (1_000_000).to_bytes(4, "big") + (20).to_bytes(4, "big") * 2
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(head + bytes(400_000_000), compresslevel=1))
    with pytest.raises(DataError, match="unpacks to more than"):
        Table.from_idx(tmp_path / "bomb.gz")


def test_idx_faults_name_the_file(tmp_path):
    images = idx(np.zeros((2, 3, 4), np.uint8), 0x08)
    good = tmp_path / "x"
    good.write_bytes(images)
    packed = gzip.compress(images * 50, mtime=0)
    faults = {
        "cut": (images[:-1], "39 bytes, but its header .* needs 40"),
        "long": (images + b"\0", "needs 40"),
        "text": (b"hello there", "not an idx file .*: it begins with '68 65 6c 6c'"),
        "empty": (b"", "not an idx file"),
        "header": (images[:9], "but its header|not an idx file"),
        "huge": (b"\0\0\x08\x04" + b"\xff" * 16, "but its header"),
        "one_axis": (idx(np.zeros(3, np.uint8), 0x08), "not images"),
        "floats": (idx(np.zeros((2, 3, 4), np.float32), 0x0D), "not images"),
        "gz_cut": (packed[:-10], "cut short or damaged"),
        "gz_damaged": (packed[:15] + b"\xff\xff\xff" + packed[18:], "cut short or damaged"),
    }
    for name, (content, words) in faults.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=words) as caught:
            Table.from_idx(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
    (tmp_path / "three").write_bytes(idx(np.zeros(3, np.uint8), 0x08))
    with pytest.raises(DataError, match="3 labels for 2 images"):
        Table.from_idx(good, tmp_path / "three")
    with pytest.raises(DataError, match="not one label per image"):
        Table.from_idx(good, good)
