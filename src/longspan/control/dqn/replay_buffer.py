"""The replay buffer: every frame once, as bytes, in memory or in a file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from longspan.control.dqn.priorities import Priorities
from longspan.errors import CheckpointError, ConfigError
from longspan.storage.files import write_whole

__all__ = ["ReplayBuffer", "Transitions"]

_SEGMENT = 1024
"""Rows that share a checksum."""
_PARTS = ("frames", "actions", "rewards", "ends", "ages")
_TERMINATED, _TRUNCATED = 1, 2


@final
class Transitions(NamedTuple):
    """B transitions of a buffer."""

    observations: np.ndarray
    """`(B, H, W, C)`, frames of a stack behind each other along the channels; or `(B, F)`."""
    actions: np.ndarray
    """`(B,)` int64."""
    returns: np.ndarray
    """`(B,)` float32: the discounted rewards of the next steps, up to n."""
    discounts: np.ndarray
    """`(B,)` float32: what the value of `next_observations` counts; 0 where the episode came to its end."""
    next_observations: np.ndarray
    """As `observations`, n steps later."""
    places: np.ndarray
    """`(B,)`: where each stands, for new priorities."""
    weights: np.ndarray | None
    """`(B,)` float32 importance weights of prioritised replay."""


@final
class ReplayBuffer:
    """The last `size` frames of N environments that step together: a row of N frames per step.

    A frame is stored once, whatever the stack; stacks are put together when they are drawn. Beyond `size` there is room
    for `spare` frames: what is written between two checkpoints overwrites nothing that the first of them needs, so a
    killed training goes on from its files as if it had not been killed.
    """

    def __init__(
        self,
        size: int,
        *,
        shape: Sequence[int],
        dtype: Any = np.uint8,
        environments: int = 1,
        stack: int = 1,
        n_step: int = 1,
        discount: float = 0.99,
        prioritized: float = 0.0,
        spare: int = 0,
        folder: str | Path | None = None,
        resume: bool = False,
    ) -> None:
        """Make room.

        Args:
            size: Frames.
            shape: Of a frame, (H, W, C) or (F,).
            dtype: Of a frame.
            environments: N.
            stack: Frames that an observation has.
            n_step: Rewards that a transition adds up.
            discount: Of rewards, per step.
            prioritized: Exponent of priorities; 0 draws uniformly.
            spare: Frames between two checkpoints.
            folder: Where the files go (they are mapped into memory); None: in memory.
            resume: Whether the files are there already.

        Raises:
            CheckpointError: the files cannot be made, or are not those of this buffer.
        """
        self.shape, self.stack, self.n_step = tuple(shape), stack, n_step
        self.environments, self.discount = environments, discount
        self.rows = -(-size // environments)  # that can be drawn
        if self.rows <= n_step + stack:
            raise ConfigError(f"A replay buffer of {size:,} frames is too small for {environments} environments.")
        whole = self.rows + stack + n_step + -(-spare // environments) + 1
        self.capacity = -(-whole // _SEGMENT) * _SEGMENT if folder is not None else whole
        self.head = 0
        """Rows that were ever written."""
        self.folder = None if folder is None else Path(folder)
        row = (self.capacity, environments)
        self._arrays = {
            "frames": self._room("frames", np.dtype(dtype), (*row, *self.shape), resume),
            "actions": self._room("actions", np.dtype(np.uint8), row, resume),
            "rewards": self._room("rewards", np.dtype(np.float32), row, resume),
            "ends": self._room("ends", np.dtype(np.uint8), row, resume),
            "ages": self._room("ages", np.dtype(np.uint8), row, resume),
        }
        self.frames = self._arrays["frames"]
        self.cut_short: dict[tuple[int, int], np.ndarray] = {}
        """The last frame of each episode that a time limit ended, by row (counted from the first ever) and
        environment: it is the only one that no row holds."""
        self.priorities = Priorities(self.capacity * environments, prioritized) if prioritized else None
        self._sums: dict[int, int] = {}
        self._summed_to = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    @property
    def drawable(self) -> int:
        """Rows whose n steps are all there."""
        return max(0, min(self.rows, self.head) - self.n_step)

    def add(
        self,
        frames: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        ages: np.ndarray,
        last: dict[int, np.ndarray] | None = None,
    ) -> None:
        """One step of every environment.

        Args:
            frames: `(N, ...)`: what each saw before it acted; the newest frame alone.
            actions: `(N,)`: what each did.
            rewards: `(N,)`: what each got.
            terminated: `(N,)` bool.
            truncated: `(N,)` bool.
            ages: `(N,)`: steps since the episode began.
            last: By environment: the frame after the last step, of episodes that were truncated.
        """
        row = self.head % self.capacity
        self.frames[row] = frames
        self._arrays["actions"][row] = actions
        self._arrays["rewards"][row] = rewards
        self._arrays["ends"][row] = terminated * _TERMINATED + (truncated & ~terminated) * _TRUNCATED
        self._arrays["ages"][row] = np.minimum(ages, 255)
        for number in np.nonzero(truncated & ~terminated)[0].tolist():
            self.cut_short[self.head, number] = np.array((last or {})[number])
        self.head += 1
        if self.cut_short:
            gone = self.head - self.capacity
            for key in [key for key in self.cut_short if key[0] < gone]:
                del self.cut_short[key]
        if self.priorities is not None:
            self._let_in_and_out()

    def draw(self, numbers: np.ndarray, *, importance: float = 1.0) -> Transitions:
        """The transitions that numbers in [0, 1) stand for.

        Args:
            numbers: `(B,)` float64.
            importance: Exponent of importance weights, with priorities.
        """
        newest = self.head - self.n_step  # the first row that cannot be drawn
        oldest = newest - self.drawable
        weights = None
        if self.priorities is None:
            flat = (numbers * (self.drawable * self.environments)).astype(np.int64)
            rows, envs = oldest + flat // self.environments, flat % self.environments
        else:
            leaves, weights = self.priorities.draw(numbers, importance, self.drawable * self.environments)
            places, envs = leaves // self.environments, leaves % self.environments
            # The one row, of those that can be drawn, which lies at this place of the ring.
            rows = newest - 1 - (newest - 1 - places) % self.capacity
        returns, discounts, steps = self._returns(rows, envs)
        return Transitions(
            observations=self._stacked(rows, envs),
            actions=self._arrays["actions"][rows % self.capacity, envs].astype(np.int64),
            returns=returns,
            discounts=discounts,
            next_observations=self._stacked_after(rows, envs, steps),
            places=(rows % self.capacity) * self.environments + envs,
            weights=weights,
        )

    def _returns(self, rows: np.ndarray, envs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns, discounts of what follows, and how many steps they span."""
        returns = np.zeros(len(rows), np.float32)
        discounts = np.ones(len(rows), np.float32)
        steps = np.zeros(len(rows), np.int64)
        going = np.ones(len(rows), bool)
        for step in range(self.n_step):
            at = (rows + step) % self.capacity
            returns += np.where(going, discounts * self._arrays["rewards"][at, envs], 0).astype(np.float32)
            ends = self._arrays["ends"][at, envs]
            discounts[going] *= np.float32(self.discount)
            discounts[going & (ends == _TERMINATED)] = 0
            steps += going
            going &= ends == 0
        return returns, discounts, steps

    def _stacked_after(self, rows: np.ndarray, envs: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """What is seen `steps` after each row; after the end of an episode that was not truncated it is not used."""
        found = self._stacked(rows + steps, envs)
        last = rows + steps - 1
        for place in np.nonzero(self._arrays["ends"][last % self.capacity, envs] == _TRUNCATED)[0].tolist():
            row, number = int(last[place]), int(envs[place])
            before = self._stacked(last[place : place + 1], envs[place : place + 1])[0]
            found[place] = next_stack(before, self.cut_short[row, number], self.stack)
        return found

    def _stacked(self, rows: np.ndarray, envs: np.ndarray) -> np.ndarray:
        at = rows % self.capacity
        if self.stack == 1:
            return self.frames[at, envs]
        ages = self._arrays["ages"][at, envs].astype(np.int64)
        # Before the first frame of an episode stands that frame itself.
        back = [np.minimum(ages, self.stack - 1 - place) for place in range(self.stack)]
        return np.concatenate([self.frames[(rows - each) % self.capacity, envs] for each in back], axis=-1)

    def newest_stack(self, frames: np.ndarray, ages: np.ndarray) -> np.ndarray:
        """What is seen now, `frames` being the newest ones, which are in no row yet."""
        if self.stack == 1:
            return frames
        envs = np.arange(self.environments)
        parts = []
        for place in range(self.stack):
            back = np.minimum(ages, self.stack - 1 - place)
            stored = self.frames[(self.head - back) % self.capacity, envs]
            parts.append(np.where((back == 0).reshape(-1, *[1] * len(self.shape)), frames, stored))
        return np.concatenate(parts, axis=-1)

    def _let_in_and_out(self) -> None:
        """A row can be drawn once its n steps are there, and until it is too old."""
        assert self.priorities is not None
        envs = np.arange(self.environments)
        ready = self.head - self.n_step - 1
        if ready >= 0:
            self.priorities.add((ready % self.capacity) * self.environments + envs)
        old = ready - (self.rows - self.n_step)
        if old >= 0:
            self.priorities.remove((old % self.capacity) * self.environments + envs)

    # --- files ----------------------------------------------------------------------------------------------------

    def _room(self, name: str, kind: np.dtype[Any], shape: tuple[int, ...], resume: bool) -> np.ndarray:
        if self.folder is None:
            return np.zeros(shape, kind)
        path = self.folder / f"{name}.bin"
        wanted = int(np.prod(shape)) * kind.itemsize
        try:
            if not resume:
                self.folder.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    # Take the room now: a disk that fills up later would end the program in the middle of a store.
                    os.posix_fallocate(file.fileno(), 0, wanted) if hasattr(os, "posix_fallocate") else file.truncate(
                        wanted
                    )
            if path.stat().st_size != wanted:
                raise CheckpointError(f"{path} has {path.stat().st_size:,} bytes and should have {wanted:,}.")
            return np.memmap(path, dtype=kind, mode="r+", shape=shape)
        except OSError as error:
            raise CheckpointError(
                f"The replay buffer in {self.folder} ({wanted:,} bytes for {name}) cannot be "
                f"{'opened' if resume else 'made'}: {error.strerror or error}."
            ) from error

    def flush(self) -> None:
        """Write everything to disk, with checksums of what was written since."""
        if self.folder is None:
            return
        for array in self._arrays.values():
            array.flush()  # type: ignore[attr-defined]
        first = self._summed_to // _SEGMENT * _SEGMENT
        for start in range(first, self.head, _SEGMENT):
            self._sums[start] = self._checksum(start, min(start + _SEGMENT, self.head))
        self._summed_to = self.head
        self._sums = {start: crc for start, crc in self._sums.items() if start > self.head - self.capacity}
        listed = json.dumps({"head": self.head, "sums": [[start, crc] for start, crc in sorted(self._sums.items())]})
        write_whole(self.folder / f"checksums-{self.head}.json", lambda part: _write(part, listed))

    def _checksum(self, start: int, stop: int) -> int:
        crc = 0
        begin = start % self.capacity
        for name in _PARTS:
            crc = zlib.crc32(self._arrays[name][begin : begin + stop - start].data, crc)
        return crc

    def restore(self, head: int) -> None:
        """Be what was flushed when `head` rows had been written.

        Raises:
            CheckpointError: a file was damaged since.
        """
        assert self.folder is not None
        path = self.folder / f"checksums-{head}.json"
        try:
            listed = json.loads(path.read_text("utf-8"))
            sums = {int(start): int(crc) for start, crc in listed["sums"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path}, the checksums of the replay buffer, cannot be read: {error}.") from error
        needed = head - self.rows - self.stack - self.n_step
        for start, crc in sums.items():
            if start >= needed and self._checksum(start, min(start + _SEGMENT, head)) != crc:
                raise CheckpointError(
                    f"The replay buffer in {self.folder} is damaged (rows {start:,} to {start + _SEGMENT:,}), so the "
                    "training cannot go on exactly. The model of the last checkpoint is whole and can be played."
                )
        self.head = self._summed_to = head
        self._sums = sums

    def forget_older_checksums(self, head: int) -> None:
        """Of flushes before the one at `head`."""
        if self.folder is not None:
            for path in self.folder.glob("checksums-*.json"):
                if path.stem != f"checksums-{head}":
                    path.unlink(missing_ok=True)


def next_stack(stacked: np.ndarray, frame: np.ndarray, stack: int) -> np.ndarray:
    """The stack one frame later."""
    if stack == 1:
        return frame
    channels = stacked.shape[-1] // stack
    return np.concatenate([stacked[..., channels:], frame], axis=-1)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
