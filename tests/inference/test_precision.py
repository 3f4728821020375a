import pytest
import torch

from longspan.errors import ConfigError, UnknownNameError
from longspan.inference import precision
from longspan.inference.precision import pick_device, pick_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_where_the_processor_has_it(monkeypatch, native, expected):
    monkeypatch.setattr(precision, "native_bfloat16", lambda device: native)
    assert pick_dtype("auto", CPU) == expected
    assert pick_dtype("float32", CPU) == torch.float32
    assert pick_dtype("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(
    ("known", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True, "avx2": True}, False), ({}, False)],
)
def test_a_processor_has_bfloat16_if_it_multiplies_it_itself(monkeypatch, known, expected):
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert precision.native_bfloat16(CPU) is expected
    monkeypatch.setattr(precision.platform, "machine", lambda: "aarch64")
    assert precision.native_bfloat16(CPU) is False


def test_a_misspelt_precision_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'bfloat16'"):
        pick_dtype("bfloat1", CPU)


def test_devices_that_are_not_there_are_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"This machine has no device 'cuda'. It has cpu"):
        pick_device("cuda")
    with pytest.raises(ConfigError, match="no device 'mps'"):
        pick_device("mps")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ConfigError, match=r"no device 'cuda:1'. It has cpu, cuda"):
        pick_device("cuda:1")


def test_what_is_no_device_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"There is no device 'gpu'. Valid: auto, cpu, cuda"):
        pick_device("gpu")
    with pytest.raises(ConfigError, match="no device 'meta'"):
        pick_device("meta")


def test_auto_takes_a_gpu_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == CPU
