"""What processes send each other, and which rows each of them reads."""

import pytest
import torch

from longspan import LongspanError
from longspan.train.distributed.processes import Processes, _packed, _unpacked, join_processes, one_thread, peers_named


def test_a_message_comes_back():
    tensors = {
        "bool": torch.tensor([[True, False]]), "bf16": torch.randn(3, 0, 2).bfloat16(), "scalar": torch.tensor(7),
        "turned": torch.arange(6.0).reshape(2, 3).T,
    }  # fmt: skip
    values, found = _unpacked(_packed({"a": [1, None, "ä"], "nan": float("nan")}, tensors))
    assert values == {"a": [1, None, "ä"], "nan": None}
    assert list(found) == list(tensors)
    assert all(torch.equal(found[name], each) and found[name].dtype == each.dtype for name, each in tensors.items())


@pytest.mark.parametrize(("size", "parts"), [(48, 4), (50, 4), (7, 6), (6, 6), (64, 1)])
def test_the_rows_of_all_processes_are_the_batch(size, parts):
    cuts = [part.tolist() for part in torch.arange(size).tensor_split(parts)]
    for count in (n for n in range(1, parts + 1) if parts % n == 0):
        read = [list(range(size))[Processes(rank, count).rows(size, parts)] for rank in range(count)]
        assert [row for rows in read for row in rows] == list(range(size))
        assert read[0] == [row for cut in cuts[: parts // count] for row in cut]


def test_one_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_processes().count == 1
    monkeypatch.setenv("WORLD_SIZE", "2")  # but nobody says where the others are
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert join_processes().count == 1
    with pytest.raises(LongspanError, match="distributed"):
        join_processes("on")


def test_processes_that_cannot_be_reached_are_named(monkeypatch):
    for name, value in {
        "RANK": "x",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "h",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LongspanError, match=r"cannot be connected at h:1 .*torchrun"):
        join_processes()


def test_a_lost_connection_is_an_error_in_words_and_other_errors_stay():
    with pytest.raises(LongspanError, match="Process 1 of 2 has lost the connection"), peers_named(Processes(1, 2)):
        raise RuntimeError("[enforce fail] Connection closed by peer [127.0.0.1]:4711")
    with pytest.raises(RuntimeError, match="shape"), peers_named(Processes(1, 2)):
        raise RuntimeError("shape mismatch")


def test_threads_come_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
