"""Randomness as a function: every draw is computed from (seed, what for, epoch or step, row), never from earlier draws.

So shuffling and augmentation do not depend on batch size, number of workers or processes, and a resumed run needs
only its step number. The numbers are the same on every machine and device: only 64-bit integer arithmetic is used.

Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", with
Stafford's constants, variant 13, as in the public reference code). Differs: used as a hash of counters and not as a
stream; the start is keyed with BLAKE2b over seed and purpose, and each counter is mixed in by one more round.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["hash64", "permutation", "seed_generators", "step_seed", "uniform"]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)


def _signed(value: int) -> int:
    """The int64 with the same 64 bits as `value`: torch has no arithmetic on unsigned 64-bit tensors."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical right shift: torch's `>>` copies the sign bit, so the copies are masked away."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64 of any shape: one to one, each input bit flips about half of the output bits."""
    x = (x ^ _shift_right(x, _SHIFTS[0])) * _signed(_FACTORS[0])
    x = (x ^ _shift_right(x, _SHIFTS[1])) * _signed(_FACTORS[1])
    return x ^ _shift_right(x, _SHIFTS[2])


def _mix_int(x: int) -> int:
    """`_mix` for one Python integer: epoch and step are the same for a whole batch, so they need no tensor."""
    x = ((x ^ (x >> _SHIFTS[0])) * _FACTORS[0]) & _MASK
    x = ((x ^ (x >> _SHIFTS[1])) * _FACTORS[1]) & _MASK
    return x ^ (x >> _SHIFTS[2])


def _hash_int(seed: int, purpose: str, *counters: Any) -> int:
    """`hash64` of integers alone, in 0..2^64-1: a step of a small network has no time for tensors of one number."""
    digest = hashlib.blake2b(f"{int(seed)}:{purpose}".encode(), digest_size=8).digest()
    state = int.from_bytes(digest, "little")
    for counter in counters:
        state = _mix_int(((state + _GOLDEN) & _MASK) ^ _mix_int((int(counter) + _GOLDEN) & _MASK))
    return state


def hash64(seed: int, purpose: str, *counters: int | Tensor) -> Tensor:
    """64 well-mixed bits for each combination of counters: int64, of the shape the counters broadcast to.

    For a fixed prefix of counters the map from the next counter to the result is one to one: no two rows collide.

    Args:
        seed: any integer; the run's seed.
        purpose: what the number is for ("shuffle", "augment"); different purposes are independent.
        counters: integers or integer tensors (epoch, row, number of the draw); order matters, as does their number.
    """
    leading = next((place for place, each in enumerate(counters) if isinstance(each, torch.Tensor)), len(counters))
    start = _hash_int(seed, purpose, *counters[:leading])
    state = torch.tensor(_signed(start), dtype=torch.int64)
    for counter in counters[leading:]:
        if isinstance(counter, torch.Tensor):
            state = state.to(counter.device)
            mixed = _mix(counter.long() + _signed(_GOLDEN))
        else:
            mixed = _signed(_mix_int((counter + _GOLDEN) & _MASK))
        state = _mix((state + _signed(_GOLDEN)) ^ mixed)
    return state


def uniform(seed: int, purpose: str, epoch: int, rows: Tensor, n: int) -> Tensor:
    """`n` numbers in [0, 1) for each row: `(len(rows), n)` float64, on the device of `rows`.

    Args:
        seed: the run's seed.
        purpose: what the numbers are for; different purposes are independent.
        epoch: epoch, step or view; another epoch gives other numbers for the same row.
        rows: `(B,)` integer row numbers; a row's numbers do not depend on the other rows, nor on `n`.
        n: numbers a row.
    """
    bits = hash64(seed, purpose, epoch, rows.reshape(-1, 1), torch.arange(n, device=rows.device))
    return _shift_right(bits, 11).double() * 2.0**-53  # the 53 bits a double holds: evenly spaced, never 1


def permutation(seed: int, purpose: str, epoch: int, n: int) -> Tensor:
    """The numbers 0..n-1 in an order that depends on (seed, purpose, epoch) alone: `(n,)` int64 on the CPU."""
    return torch.argsort(hash64(seed, purpose, epoch, torch.arange(n)))


def step_seed(seed: int, purpose: str, step: int) -> int:
    """A seed in 0..2^63-1 for `torch.manual_seed`, so that dropout at `step` does not depend on the steps before."""
    return _hash_int(seed, purpose, step) & ((1 << 63) - 1)


def seed_generators(seed: int, device: torch.device) -> None:
    """Set the default generators of the processor and of `device`, as `torch.manual_seed` does for all devices.

    That one also visits the devices that are not used, and keeps a stack trace for each: a third of a millisecond,
    which matters in every step of a small network.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed_all(seed)
