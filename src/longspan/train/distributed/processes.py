"""The processes of one training: how many there are, which one this is, and what they tell each other."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, final

import torch
import torch.distributed as dist

from longspan.errors import ConfigError, LongspanError, TrainingError, unknown_name
from longspan.inference.precision import pick_device
from longspan.storage.files import plain

__all__ = [
    "ALONE",
    "Distributed",
    "Processes",
    "device_of",
    "join_processes",
    "one_thread",
    "peers_named",
    "was_restarted",
]

Distributed = Literal["auto", "off"]

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_MINUTES = 30
# Of gloo and NCCL, when the process at the other end is gone.
_GONE = ("Connection closed", "Connection reset", "Broken pipe", "connection was closed", "Timed out waiting", "NCCL")


def _never() -> bool:
    return False


@final
class Processes:
    """The processes of one training; what is sent between them are tensors and JSON, never pickles."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        """Process number `rank` of `count`; more than one are connected already."""
        self.rank = rank
        self.count = count
        self.interrupted: Callable[[], bool] = _never
        """Whether this process was asked to stop."""
        self._told = False
        """Whether all processes know that one has failed."""
        self.stopping = False
        """Whether any process was asked to stop, as the last step has told all of them."""

    def is_stopping(self) -> bool:
        """Whether all processes stop after this step."""
        return self.stopping

    def forget_interrupts(self) -> None:
        """Nobody is asked any more whether to stop."""
        self.interrupted, self.stopping = _never, False

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, parts: int) -> range:
        """Which of `parts` equal parts of every batch this process computes."""
        each = parts // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def rows(self, size: int, parts: int) -> slice:
        """Which rows of a batch of `size` rows, cut into `parts` parts, this process reads."""
        own = self.share(parts)
        return slice(_start(own.start, size, parts), _start(own.stop, size, parts))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place; the same bits in each of them."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def gather(
        self, values: Any, tensors: Mapping[str, torch.Tensor] | None = None
    ) -> list[tuple[Any, dict[str, torch.Tensor]]]:
        """What every process gives, in the order of their ranks: JSON values, and tensors on the CPU.

        Raises:
            ConfigError: another process has told of an error instead; see `together`.
        """
        if self.count == 1:
            return [(values, dict(tensors or {}))]
        found = self._exchanged(_packed({"given": values}, tensors or {}))
        for values, _ in found:
            if "fault" in values:
                self._told = True
                raise ConfigError(values["fault"])
        return [(values["given"], each) for values, each in found]

    def _exchanged(self, message: torch.Tensor) -> list[tuple[Any, dict[str, torch.Tensor]]]:
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        dist.all_gather(sizes, torch.tensor([len(message)]))
        longest = int(max(sizes))
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(message)] = message
        received = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.count)]
        dist.all_gather(received, padded)
        return [_unpacked(each[: int(size)]) for each, size in zip(received, sizes, strict=True)]

    def from_first(
        self, values: Any, tensors: Mapping[str, torch.Tensor] | None = None
    ) -> tuple[Any, dict[str, torch.Tensor]]:
        """What the first process gives; the others' arguments are ignored."""
        if self.count == 1:
            return values, dict(tensors or {})
        message = _packed(values, tensors or {}) if self.is_first else torch.empty(0, dtype=torch.uint8)
        size = torch.tensor([len(message)])
        dist.broadcast(size, 0)
        message = message if self.is_first else torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(message, 0)
        return _unpacked(message)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """An error inside in one process is one in all of them, so that none waits for another that is gone.

        Raises:
            LongspanError: this process's own, or with the same words that of the first that has one.
        """
        if self.count == 1:
            yield
            return
        try:
            yield
        except LongspanError as error:
            if not self._told:  # or the others know
                self._told = True
                self._exchanged(_packed({"fault": str(error)}, {}))
            raise
        self.gather(None)


ALONE = Processes()
_joined: list[Processes] = []


def join_processes(distributed: Distributed = "auto") -> Processes:
    """The processes that `torchrun` or `longspan train --processes` has started with this one, connected; or this one.

    Args:
        distributed: "auto" joins where there are several; "off" trains in this process alone.

    Raises:
        ConfigError: what the launcher has set cannot be, or the other processes cannot be reached.
    """
    if distributed not in ("auto", "off"):
        raise unknown_name("choice of distributed", str(distributed), ("auto", "off"))
    if distributed == "off":
        return Processes()
    if _joined:
        return _joined[0]
    if dist.is_available() and dist.is_initialized():  # by the user's own program
        _joined.append(Processes(dist.get_rank(), dist.get_world_size()))
        return _joined[0]
    if not all(name in os.environ for name in _VARIABLES) or os.environ["WORLD_SIZE"] == "1":
        return Processes()
    try:
        rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        limit = datetime.timedelta(minutes=_MINUTES)
        store, _, _ = next(dist.rendezvous("env://", rank, count, timeout=limit))  # pyright: ignore[reportPrivateImportUsage]
        # A launcher may keep its store when it starts all again: addresses of processes that are gone would be read.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = dist.PrefixStore(f"longspan/{attempt}", store)  # pyright: ignore[reportPrivateImportUsage]
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=limit)
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConfigError(
            f"The processes of this training cannot be connected at {address} ({error}). Start them with torchrun or "
            "with --processes; on several machines name an address that all of them reach: torchrun --rdzv-endpoint."
        ) from error
    atexit.register(_leave)
    _joined.append(Processes(rank, count))
    return _joined[0]


def device_of(processes: Processes, wanted: str) -> torch.device:
    """The device of this process: of several GPUs of a machine the one with its number.

    Raises:
        ConfigError: there is no such device, or fewer GPUs than processes on this machine.
    """
    device = pick_device(wanted)
    if processes.count == 1 or device.type != "cuda" or device.index is not None:
        return device
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise ConfigError(
            f"Process {processes.rank} is number {number + 1} on its machine, which has {there} GPUs, and each "
            f"process needs one of its own. Start {there} processes, or train on the processor: device='cpu' (--device "
            "cpu)."
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


@contextlib.contextmanager
def peers_named(processes: Processes) -> Iterator[None]:
    """Inside, the loss of a connection becomes a TrainingError that says which process noticed it."""
    try:
        yield
    except RuntimeError as error:
        if processes.count == 1 or not any(words in str(error) for words in _GONE):
            raise
        raise TrainingError(
            f"Process {processes.rank} of {processes.count} has lost the connection to another one, which ended or "
            "cannot be reached. Its own message says why, where it had time for one; with checkpoints, the training "
            "goes on from the last of them when all processes are started again, which torchrun --max-restarts N (or "
            "--restarts N) does by itself."
        ) from error


def this_rank() -> int:
    """The number of this process among those that train together; 0 where it is alone."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def was_restarted() -> bool:
    """Whether a launcher has started this process again after one of its training died."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch computes with one thread: how a sum is shared among threads changes its last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _start(part: int, size: int, parts: int) -> int:
    """The first row of a part, as `Tensor.tensor_split` cuts: the first parts have one row more."""
    return part * (size // parts) + min(part, size % parts)


def _packed(values: Any, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A message of bytes: the length of a description, the description as JSON, the bytes of all tensors."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = [[name, str(each.dtype).removeprefix("torch."), list(each.shape)] for name, each in flat.items()]
    text = json.dumps({"values": plain(values), "tensors": described}).encode()
    head = torch.frombuffer(bytearray(len(text).to_bytes(8, "little") + text), dtype=torch.uint8)
    return torch.cat([head, *(each.reshape(-1).view(torch.uint8) for each in flat.values())])


def _unpacked(message: torch.Tensor) -> tuple[Any, dict[str, torch.Tensor]]:
    length = int.from_bytes(message[:8].numpy().tobytes(), "little")
    described = json.loads(message[8 : 8 + length].numpy().tobytes())
    tensors, at = {}, 8 + length
    for name, kind, shape in described["tensors"]:
        dtype = getattr(torch, kind)
        size = torch.Size(shape).numel() * dtype.itemsize
        tensors[name] = message[at : at + size].clone().view(dtype).reshape(shape)
        at += size
    return described["values"], tensors
