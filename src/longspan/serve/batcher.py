"""Requests that come at the same time are computed together: a queue and a few threads for each model."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, final

from longspan.errors import LongspanError
from longspan.serve.problem import Problem

__all__ = ["Batcher"]


@final
class Batcher:
    """Puts single values together into batches, and hands each caller the prediction of its own value.

    While one batch is computed others wait, so under load batches grow by themselves. A batch that takes all that wait
    (`share` 1) is computed as soon as it is full, or as the first of its values has waited for `wait_ms`; after a batch
    of one value nobody waits, as requests come one by one. One that takes a smaller share is computed at once: batches
    are small while few wait, so that the first value does not wait for the last. If a batch fails, its values are
    computed one by one: a value that cannot be read is the error of one caller only. Values are read and results are
    written in the same thread, because each time that a request changes threads costs it a fifth of a millisecond.

    Example:
        >>> batcher = Batcher(lambda values: [value + 1 for value in values])
        >>> batcher.submit(1).result(), batcher.close()
        (2, None)
    """

    def __init__(
        self,
        predict: Callable[[list[Any]], Sequence[Any]],
        *,
        max_batch: int = 32,
        max_queue: int = 256,
        wait_ms: float = 2,
        threads: int = 1,
        share: float = 1.0,
    ) -> None:
        """Start the threads.

        Args:
            predict: From values to as many predictions, in order.
            max_batch: Most values of a batch.
            max_queue: Most values that wait.
            wait_ms: How long the first value of a batch waits for others, where the batch before had several; with a
                `share` below 1 it does not wait.
            threads: That take values from the queue; `predict` is called from as many at once.
            share: Fraction of what waits that a batch takes.
        """
        self._predict = predict
        self._max_batch = max_batch
        self._wait_s = wait_ms / 1000
        self._max_queue = max_queue
        self._jobs: deque[_Job] = deque()
        self._idle: list[threading.Semaphore] = []
        """What idle threads wait for. The one that has been idle least is woken: its core still knows the model."""
        self._lock = threading.Lock()  # of both, of `_closed` and of `batches`
        self._closed = False
        self.batches = 0
        """Computed so far."""
        self._share = share
        self._threads = [
            threading.Thread(target=self._run, name="longspan batches", daemon=True) for _ in range(threads)
        ]
        for each in self._threads:
            each.start()

    @property
    def waiting(self) -> int:
        """Values in the queue."""
        return len(self._jobs)

    def submit(
        self,
        value: Any,
        *,
        read: Callable[[Any], Any] | None = None,
        write: Callable[[Any, Any], Any] | None = None,
    ) -> Future[Any]:
        """The prediction for a value, once it is there.

        Args:
            value: To predict.
            read: Makes what is predicted of the value, in the batcher's thread; an error is this caller's alone.
            write: Makes the result of what was predicted and of its prediction, in the batcher's thread.

        Raises:
            Problem: 503, where too many wait or the server is stopping.
        """
        job = _Job(value, read, write, Future())
        with self._lock:
            if self._closed:
                raise _stopping()
            if len(self._jobs) >= self._max_queue:
                raise Problem(503, "Too many requests are waiting for this model. Try again.", retry_after_s=1)
            self._jobs.append(job)
            if self._idle:
                self._idle.pop().release()
        return job.future

    def close(self) -> None:
        """Take no more values, compute those that wait, and end the threads."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().release()
        for each in self._threads:
            each.join()

    def _most(self, waiting: int) -> int:
        """Values of a batch that has or could have `waiting`."""
        return self._max_batch if self._share == 1 else min(self._max_batch, max(1, int(waiting * self._share)))

    def _run(self) -> None:
        several, woken = False, threading.Semaphore(0)
        while (first := self._next(woken)) is not None:
            batch, ends = [first], time.monotonic() + (self._wait_s if several else 0)
            while len(batch) < self._most(len(batch) + len(self._jobs)) and (more := self._next(woken, ends)):
                batch.append(more)
            several = len(batch) > 1
            self._compute([job for job in batch if job.future.set_running_or_notify_cancel() and job.is_read()])
            first = batch = more = None  # what a client sent is not kept until the next one sends something

    def _next(self, woken: threading.Semaphore, ends: float = math.inf) -> _Job | None:
        """A job as soon as there is one; None if there is none at `ends`, or none will come."""
        while True:
            with self._lock:
                if self._jobs:
                    return self._jobs.popleft()
                left_s = ends - time.monotonic()
                if self._closed or left_s <= 0:
                    return None
                self._idle.append(woken)
            if not woken.acquire(timeout=None if math.isinf(left_s) else left_s):
                with self._lock:
                    if woken in self._idle:
                        self._idle.remove(woken)
                        continue
                woken.acquire()  # it was woken just now

    def _compute(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        with self._lock:
            self.batches += 1
        try:
            predictions = self._predict([job.value for job in jobs])
            for job, prediction in zip(jobs, predictions, strict=True):
                job.end(prediction)
        except LongspanError as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._compute([job])
        except BaseException as error:  # a caller must never wait for ever
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(error)


def _stopping() -> Problem:
    return Problem(503, "The server is stopping. Send the request again.", retry_after_s=5)


@final
@dataclass(eq=False, slots=True)
class _Job:
    """One value on its way."""

    value: Any
    read: Callable[[Any], Any] | None
    write: Callable[[Any, Any], Any] | None
    future: Future[Any]

    def is_read(self) -> bool:
        """Read the value; False where it cannot be, which its caller is told."""
        if self.read is not None:
            try:
                self.value = self.read(self.value)
            except BaseException as error:
                self.future.set_exception(error)
                return False
        return True

    def end(self, prediction: Any) -> None:
        """Give the caller its result."""
        try:
            self.future.set_result(prediction if self.write is None else self.write(self.value, prediction))
        except BaseException as error:
            self.future.set_exception(error)
