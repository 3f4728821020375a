"""The only test that writes PyTorch's own files: they are what the reader must understand."""

import collections
import os
import pickle
import struct
import zipfile

import pytest
import torch
from torch import nn

from longspan.errors import WeightsError
from longspan.models.pth import read_pth

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def _save(value, path, zipped):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMATS
def test_state_dict_of_a_network_is_read_exactly(tmp_path, zipped):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 6).double())
    read = read_pth(_save(net.state_dict(), tmp_path / "net.pth", zipped))
    assert list(read) == list(net.state_dict())
    for name, value in net.state_dict().items():
        assert read[name].dtype == value.dtype
        assert read[name].equal(value), name


@FORMATS
@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8],
)
def test_every_number_type(tmp_path, zipped, dtype):
    state = {"a": torch.arange(6).to(dtype).view(2, 3), "flag": torch.tensor([True, False])}
    read = read_pth(_save(state, tmp_path / "a.pth", zipped))
    assert read["a"].dtype == dtype
    assert read["a"].equal(state["a"])
    assert read["flag"].equal(state["flag"])


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_views_parameters_and_shared_storage(tmp_path, zipped, protocol):
    base = torch.randn(6, 8)
    state = collections.OrderedDict(
        turned=base.t(),
        part=base[2:4, 1::3],
        same=base,
        parameter=nn.Parameter(torch.randn(3)),
        scalar=torch.tensor(7),
        empty=torch.empty(0, 3),
    )
    path = tmp_path / "views.pth"
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    read = read_pth(path)
    for name, value in state.items():
        assert read[name].equal(value.detach()), name
        assert read[name].is_contiguous()
    read["same"].zero_()
    assert read["turned"].equal(base.t())


class _Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@FORMATS
def test_pickle_that_runs_a_command_is_refused_and_not_run(tmp_path, zipped):
    marker = tmp_path / "was-run"
    path = _save({"weight": torch.zeros(2), "trap": _Malicious(marker)}, tmp_path / "trap.pth", zipped)
    with pytest.raises(WeightsError, match=r"names (posix|nt)\.system.*Nothing was run"):
        read_pth(path)
    assert not marker.exists()


def test_a_bare_malicious_pickle_is_refused_and_not_run(tmp_path):
    marker = tmp_path / "was-run"
    for protocol in range(6):
        path = tmp_path / f"trap{protocol}.pth"
        path.write_bytes(pickle.dumps(_Malicious(marker), protocol=protocol))
        with pytest.raises(WeightsError, match=r"\.system"):
            read_pth(path)
    assert not marker.exists()


@FORMATS
def test_a_whole_module_is_refused_by_the_name_of_its_class(tmp_path, zipped):
    with pytest.raises(WeightsError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_pth(_save(nn.Linear(2, 2), tmp_path / "module.pth", zipped))


@FORMATS
def test_other_values_than_tensors_are_named(tmp_path, zipped):
    path = _save({"epoch": 3, "weight": torch.zeros(1), "names": ["a"]}, tmp_path / "checkpoint.pth", zipped)
    with pytest.raises(WeightsError, match=r"'epoch' \(int\), 'names' \(list\) are not a tensor"):
        read_pth(path)
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_pth(_save([torch.zeros(1)], tmp_path / "list.pth", zipped))


@FORMATS
def test_every_truncation_is_reported(tmp_path, zipped):
    whole = _save({"w": torch.randn(20)}, tmp_path / "whole.pth", zipped).read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            read_pth(path)


@FORMATS
def test_flipped_bytes_never_leave_the_reader_with_another_error(tmp_path, zipped):
    whole = bytearray(_save({"w": torch.randn(2, 3)}, tmp_path / "whole.pth", zipped).read_bytes())
    path = tmp_path / "damaged.pth"
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        damaged = bytearray(whole)
        place = int(torch.randint(len(whole), (1,), generator=generator))
        damaged[place] ^= int(torch.randint(1, 256, (1,), generator=generator))
        path.write_bytes(damaged)
        try:
            read_pth(path)
        except WeightsError as error:
            assert str(path) in str(error)  # noqa: PT017  (many are read fine: the flip hit a number)


def test_a_view_beyond_its_storage_is_refused(tmp_path):
    path = _save({"w": torch.zeros(4)}, tmp_path / "w.pth", True)
    patched = tmp_path / "patched.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(patched, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith("data.pkl"):
                # The size (4,) is the one-byte integer 4 before its tuple; make it 200.
                content = content.replace(b"K\x04\x85", b"K\xc8\x85", 1)
            target.writestr(info.filename, content)
    with pytest.raises(WeightsError, match="reaches beyond its storage of 4 values"):
        read_pth(patched)


def test_a_storage_of_another_length_is_refused(tmp_path):
    path = _save({"w": torch.zeros(4)}, tmp_path / "w.pth", False)
    content = path.read_bytes()
    length = struct.pack("<q", 4)
    path.write_bytes(content[: content.rindex(length)] + struct.pack("<q", 5) + content[content.rindex(length) + 8 :])
    with pytest.raises(WeightsError, match="has 5 values, its tensors were made for 4"):
        read_pth(path)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.pth"
    text.write_text("<html>not found</html>")
    with pytest.raises(WeightsError, match="not a PyTorch file"):
        read_pth(text)
    archive = tmp_path / "archive.pth"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(WeightsError, match=r"no data\.pkl"):
        read_pth(archive)
