import json
import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from longspan.columns import Category, Image, MultiLabel, Number
from longspan.data import Table
from longspan.data.batches import cache_file
from longspan.data.batches.build import build_store
from longspan.data.batches.store import Store, StreamedStore
from longspan.errors import DataError

COLUMN = Image(size_px=(6, 8), channels=3)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path):
    """70 images: more than twice what a thread takes at once."""
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (70, 9, 7, 3), np.uint8)
    for i, pixels in enumerate(noise):
        PILImage.fromarray(pixels).save(folder / f"{i:03}.png", compress_level=0)  # all files are as large
    return Table.from_files(folder, r"(?P<n>\d+)\.png")


def built(table, *, column=COLUMN, name="image", rows=None, memory_bytes=1 << 30, progress=None):
    rows = np.arange(len(table)) if rows is None else np.asarray(rows)
    return build_store(table, name, column, rows, memory_bytes=memory_bytes, progress=progress)


def everything(values, table):
    return values.read(torch.arange(len(table)))


def files(tmp_path):
    folder = tmp_path / "cache" / "decoded"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# --- reading ---------------------------------------------------------------------------------------------------------


def test_rows_are_read_in_the_order_asked_for_and_absent_ones_are_zero():
    values = torch.arange(1, 9).view(4, 2)
    held = Store(values, np.array([2, -1, 0, 3]), {})
    rows = torch.tensor([3, 1, 0, 3])
    assert held.read(rows).tolist() == [[7, 8], [0, 0], [5, 6], [7, 8]]
    assert held.present(rows).tolist() == [True, False, True, True]
    assert values.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]  # zeroing an absent row touches a copy


def test_a_batch_is_a_copy_whoever_writes_to_it():
    values = torch.ones(3, 2)
    Store(values, np.arange(3), {}).read(torch.arange(3)).zero_()
    assert values.min() == 1


def test_only_the_rows_asked_for_are_read(table):
    held = built(table, rows=[5, 2, 60])
    assert held.present(torch.tensor([2, 3, 5, 60])).tolist() == [True, False, True, True]
    expected = COLUMN.encode(table.value(60, "image"))
    assert np.array_equal(held.read(torch.tensor([60]))[0], expected)
    assert len(held.values) == 3


def test_every_row_holds_its_own_image(table):
    held = everything(built(table), table)
    for row in (0, 31, 32, 33, 64, 69):
        assert np.array_equal(held[row], COLUMN.encode(table.value(row, "image")))


def test_missing_values_are_absent_and_no_fault():
    cells = Table.from_arrays(
        {"a": ["x", None, "y"], "b": [["p"], None, []], "c": [None, 2.5, 3]},
        {"a": Category(vocab=("x", "y")), "b": MultiLabel(vocab=("p", "q")), "c": Number()},
    )
    rows = torch.arange(3)
    for name, expected in (("a", [0, 0, 1]), ("b", [[1, 0], [0, 0], [0, 0]]), ("c", [0, 2.5, 3])):
        held = built(cells, column=cells.columns[name], name=name)
        assert held.read(rows).tolist() == expected
        assert held.present(rows).tolist() == [cells.value(row, name) is not None for row in range(3)]
        assert held.faults == {}


def test_faults_are_kept_by_row_and_name(table):
    bad = table.column_values("image")[40]
    with open(bad, "wb") as file:
        file.write(b"no image")
    os.unlink(table.column_values("image")[41])
    held = built(table)
    assert sorted(held.faults) == [40, 41]
    assert repr(held.faults[40]) == f"{bad}: this is not an image in a format that can be read"
    assert held.faults[41].what == "the file does not exist"
    assert held.present(torch.tensor([39, 40, 41, 42])).tolist() == [True, False, False, True]
    assert not held.read(torch.tensor([40])).any()
    numbers = Table.from_arrays({"c": ["1", "x"]}, {"c": Number()})
    assert repr(built(numbers, column=Number(), name="c").faults[1]) == "arrays, row 1, column 'c': 'x' is not a number"


def test_progress_counts_every_row_once(table):
    counted = []
    built(table, progress=counted.append)
    assert sum(counted) == 70


def test_threads_give_the_same_bytes_as_one(table, monkeypatch):
    many = built(table).values
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert torch.equal(many, built(table).values)


# --- arrays in memory ------------------------------------------------------------------------------------------------


def of_arrays(pixels):
    return Table.from_arrays({"image": pixels}, {"image": Image()})


def test_arrays_of_the_right_size_are_shared_not_copied():
    pixels = np.arange(5 * 6 * 8 * 3, dtype=np.uint8).reshape(5, 6, 8, 3)
    assert np.shares_memory(built(of_arrays(pixels)).values.numpy(), pixels)
    grey = pixels[..., 0].copy()
    held = built(of_arrays(grey), column=Image(size_px=(6, 8), channels=1))
    assert held.values.shape == (5, 6, 8, 1)
    assert np.shares_memory(held.values.numpy(), grey)


@pytest.mark.parametrize(
    "change",
    [lambda x: x[::-1], lambda x: x[:, :, ::-1], lambda x: np.asfortranarray(x), lambda x: x[::2], np.frombuffer],
    ids=["backwards", "mirrored", "fortran", "stepped", "read-only"],
)
def test_arrays_lie_in_memory_as_they_like(change):
    pixels = np.arange(6 * 6 * 8 * 3, dtype=np.uint8).reshape(6, 6, 8, 3)
    if change is np.frombuffer:
        pixels = np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape)
        assert not pixels.flags.writeable
    else:
        pixels = change(pixels)
    assert np.array_equal(everything(built(of_arrays(pixels)), pixels), pixels)


def test_grey_arrays_for_a_colour_column_are_repeated():
    pixels = np.arange(5 * 6 * 8, dtype=np.uint8).reshape(5, 6, 8)
    assert np.array_equal(everything(built(of_arrays(pixels)), pixels), pixels[..., None].repeat(3, axis=3))


def test_arrays_of_another_size_are_resized():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 16, 3), np.uint8)
    held = built(of_arrays(pixels))
    assert np.array_equal(held.values[3], COLUMN.encode(pixels[3]))


def test_rows_find_their_image_after_a_filter():
    pixels = np.arange(5 * 6 * 8, dtype=np.uint8).reshape(5, 6, 8)
    few = of_arrays(pixels).take([4, 1])
    held = built(few, column=Image(size_px=(6, 8), channels=1))
    assert np.array_equal(held.read(torch.tensor([0, 1]))[..., 0], pixels[[4, 1]])


# --- memory-mapped ---------------------------------------------------------------------------------------------------


def test_mapped_values_are_the_same_bytes_and_the_file_is_found_again(table, tmp_path, monkeypatch):
    in_memory = built(table)
    assert files(tmp_path) == []
    mapped = built(table, memory_bytes=1000)
    assert torch.equal(mapped.values, in_memory.values)
    assert [name.rsplit(".", 1)[1] for name in files(tmp_path)] == ["bin", "json"]
    monkeypatch.setattr(Image, "encode", lambda *_: pytest.fail("decoded again"))
    assert torch.equal(built(table, memory_bytes=1000).values, in_memory.values)


def test_what_is_written_to_mapped_values_does_not_reach_the_file(table):
    before = built(table, memory_bytes=0).values.clone()
    built(table, memory_bytes=0).values.zero_()
    assert torch.equal(built(table, memory_bytes=0).values, before)


def test_faults_are_found_again_with_the_file(table):
    with open(table.column_values("image")[40], "wb") as file:
        file.write(b"no image")
    first = built(table, memory_bytes=0)
    again = built(table, memory_bytes=0)
    assert [repr(fault) for fault in again.faults.values()] == [repr(fault) for fault in first.faults.values()]
    assert again.present(torch.tensor([40])).tolist() == [False]


def test_an_image_that_changed_is_decoded_again(table, tmp_path):
    built(table, memory_bytes=0)
    path = table.column_values("image")[7]
    status = os.stat(path)
    PILImage.new("RGB", (7, 9), "red").save(path, compress_level=0)
    assert os.stat(path).st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert np.array_equal(built(table, memory_bytes=0).values[7], COLUMN.encode(path))
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("column", [Image(size_px=(6, 7), channels=3), Image(size_px=(6, 8), channels=3, resize="pad")])
def test_other_settings_have_a_file_of_their_own(table, tmp_path, column):
    built(table, memory_bytes=0)
    other = built(table, memory_bytes=0, column=column)
    assert np.array_equal(other.values[0], column.encode(table.value(0, "image")))
    assert len(files(tmp_path)) == 4


def test_statistics_learnt_later_do_not_change_the_file(table, tmp_path):
    built(table, memory_bytes=0)
    built(table, memory_bytes=0, column=Image(size_px=(6, 8), channels=3, mean=(0.5,) * 3, std=(0.2,) * 3))
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("harm", ["gone", "short"])
def test_a_mapped_file_that_is_gone_or_cut_short_is_made_again(table, tmp_path, harm):
    expected = built(table, memory_bytes=0).values.clone()
    data = tmp_path / "cache" / "decoded" / files(tmp_path)[0]
    data.unlink() if harm == "gone" else data.write_bytes(data.read_bytes()[:-1])
    assert torch.equal(built(table, memory_bytes=0).values, expected)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 30])
def test_an_interrupt_stops_soon_and_leaves_no_part_file(table, tmp_path, monkeypatch, memory_bytes):
    done = []

    def encode(column, value):
        done.append(value)
        if threading.current_thread() is not threading.main_thread() and len(done) == 10:
            raise KeyboardInterrupt
        return np.zeros(column.shape, np.uint8)

    monkeypatch.setattr(Image, "encode", encode)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        built(table, memory_bytes=memory_bytes)
    assert len(done) < 64  # the chunk at work at most, not all of them
    assert files(tmp_path) == []
    monkeypatch.undo()
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    assert np.array_equal(built(table, memory_bytes=memory_bytes).values[0], COLUMN.encode(table.value(0, "image")))


def test_an_interrupt_before_the_note_leaves_nothing_that_looks_complete(table, tmp_path, monkeypatch):
    real = os.replace

    def replace(part, path):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(part, path)

    monkeypatch.setattr(cache_file.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        built(table, memory_bytes=0)
    assert [name.rsplit(".", 1)[1] for name in files(tmp_path)] == ["bin"]
    monkeypatch.undo()
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    assert torch.equal(built(table, memory_bytes=0).values, built(table).values)


def test_with_a_full_disk_values_are_encoded_when_they_are_read(table, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    expected = built(table).values
    monkeypatch.setattr(cache_file.os, "posix_fallocate", full)
    with pytest.warns(UserWarning, match="fit neither in memory"):
        streamed = built(table, memory_bytes=0)
    assert isinstance(streamed, StreamedStore)
    rows = torch.tensor([3, 40, 3])
    assert torch.equal(streamed.read(rows), expected[rows])
    assert files(tmp_path) == []


def test_a_cache_folder_that_cannot_be_made_is_a_longspan_error(table, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept in .*LONGSPAN_CACHE"):
        built(table, memory_bytes=0)


def test_the_note_is_plain_json(table, tmp_path):
    built(table, memory_bytes=0)
    assert json.loads((tmp_path / "cache" / "decoded" / files(tmp_path)[1]).read_text()) == {"bad": {}}
