"""Where runs are computed: in this process, or in processes of their own that are reused.

Each backend takes runs and gives pairs of a run and how it ended, in the order in which they end. A run that takes its
process down ends as a `Failure` of kind "ProcessDied", and the other runs continue in a new process.

The processes are joblib's own (loky, through the executor that `joblib.Parallel` uses): large arrays go to them as
memory maps, so that the rows of a task are in memory once. `Parallel` itself is not used, for two reasons: asked for
one job it runs it in this process, where a crash takes the study down; and it does not report which runs had begun when
a process died.
"""

from __future__ import annotations

import contextlib
import copyreg
import os
import re
import secrets
import signal
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

import numpy as np
import torch

from longspan.data.batches.store import Store
from longspan.errors import StudyError
from longspan.study.runs.runs import Context, Failure, Run, RunResult, perform

__all__ = ["Ended", "Queue", "process_died", "run_here", "run_in_processes", "work"]

Ended = tuple[Run, RunResult | Failure]


class Queue(Protocol):
    """Runs that wait; a deque, or one that chooses the next by what is finished."""

    def __len__(self) -> int:
        """Above 0 while another run should start now."""
        ...

    def popleft(self) -> Run:
        """The next."""
        ...


_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_WATCH_SECONDS = 0.5
_held: dict[str, Context] = {}
"""In a worker process: what its study shares, by the token of the call of `run_in_processes`."""


def run_here(context: Context, runs: Sequence[Run] | Queue) -> Generator[Ended]:
    """One after the other in this process: no start-up, but a run that crashes takes everything with it."""
    waiting = deque(runs) if isinstance(runs, Sequence) else runs
    while waiting:
        run = waiting.popleft()
        yield run, perform(context, run)


def run_in_processes(context: Context, runs: Sequence[Run] | Queue, jobs: int) -> Generator[Ended]:
    """At most `jobs` at a time, each in a process that lives until all are done.

    Raises:
        StudyError: the task or a strategy cannot be sent to another process.
    """
    waiting: Queue = deque(runs) if isinstance(runs, Sequence) else runs
    suspects = deque[Run]()
    while waiting or suspects:
        if suspects:  # one at a time: whichever dies alone is the one that took the others with it
            yield from _until_a_death(context, suspects, 1, deque())
        else:
            yield from _until_a_death(context, waiting, jobs, suspects)


def process_died(reason: str) -> Failure:
    """How a run ends whose process is gone, in words."""
    codes = re.search(r"exit codes of the workers are \{(.*?)\}", reason)
    how = f" ({codes[1]})" if codes else ""
    return Failure(
        kind="ProcessDied",
        message=f"The process of this run ended{how} before the run did: a crash in compiled code, an exit on purpose, "
        "or the system killed it, as it does when memory runs out.",
        trace=reason,
    )


def _until_a_death(context: Context, waiting: Queue, jobs: int, suspects: deque[Run]) -> Generator[Ended]:
    """Work `waiting` off; when a process dies, move the runs that were under way to `suspects` and return.

    All processes of an executor end with the first one, so several runs may be lost. One that was alone is known to be
    the culprit and is given back as failed.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    jobs = min(jobs, len(waiting)) if isinstance(waiting, deque) else jobs
    token, parcels = secrets.token_hex(8), jobs
    under_way: dict[Future[Any], Run] = {}
    with _executor(jobs, context.threads) as executor:

        def submit(run: Run, *, parcel: bool) -> None:
            future: Future[Any] = Future()
            try:
                with _interrupts_held_back():
                    future = executor.submit(work, token, run, context if parcel else None)
            except TerminatedWorkerError as error:  # it died while it had nothing to do
                future.set_exception(error)
            under_way[future] = run

        while under_way or waiting:
            while len(under_way) < jobs and waiting:  # a queue that chooses is asked only where there is room
                # The first calls bring along what all runs share; a process that got none asks for it.
                submit(waiting.popleft(), parcel=parcels > 0)
                parcels -= 1
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            death = None
            ended: list[Ended] = []
            for future in done:
                run = under_way.pop(future)
                try:
                    outcome = future.result()
                except TerminatedWorkerError as error:
                    death = error
                    suspects.append(run)
                    continue
                except Exception as error:  # runs catch their own: what is left is about sending
                    raise StudyError(_cannot_be_sent(error)) from error
                if outcome is None:
                    submit(run, parcel=True)
                else:
                    ended.append((run, outcome))
            if death is not None:
                suspects.extend(under_way.values())
                if len(suspects) == 1:
                    ended.append((suspects.pop(), process_died(str(death))))
            elif isinstance(waiting, deque) and waiting and len(under_way) < jobs:
                submit(waiting.popleft(), parcel=parcels > 0)  # the process works while the caller writes down
                parcels -= 1
            yield from ended
            if death is not None:
                return


@contextlib.contextmanager
def _executor(jobs: int, threads: int) -> Iterator[Any]:
    """Processes that start when the first run is submitted, and are gone at the end, whatever happens."""
    from joblib.executor import get_memmapping_executor

    with warnings.catch_warnings():
        # loky replaces a process that has grown; the new one asks for what it needs, so nobody needs to know.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        executor: Any = get_memmapping_executor(
            jobs, timeout=None, initializer=_begin, initargs=(os.getpid(),), mmap_mode="c",
            env=dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        )  # fmt: skip
        try:
            yield executor
        finally:
            executor.terminate(kill_workers=True)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal; those started in here never see it, and this one a moment later."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- in the worker process -------------------------------------------------------------------------------------------


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def work(token: str, run: Run, context: Context | None) -> RunResult | Failure | None:
    """How the run ended; None if this process does not know yet what the runs share.

    Args:
        token: Of one call of a backend: a process that is used again keeps what that call's runs share.
        run: Which.
        context: What they share, for a process that may not have it.
    """
    if context is not None:
        _held.clear()
        _held[token] = context
    return perform(_held[token], run) if token in _held else None


# --- how encoded rows travel -----------------------------------------------------------------------------------------

_arrays: weakref.WeakKeyDictionary[Store, tuple[np.ndarray, np.ndarray]] = weakref.WeakKeyDictionary()
"""The arrays that stores were sent as: joblib maps an array into files once, and knows it by its identity."""


def _reduce_store(store: Store) -> tuple[Any, ...]:
    """As arrays, which joblib turns into memory maps; tensors would be copied for every process."""
    if store not in _arrays:
        _arrays[store] = (store.values.numpy(), store.slots.numpy())
    return _store_again, (*_arrays[store], store.faults)


def _store_again(values: np.ndarray, slots: np.ndarray, faults: dict[int, Any]) -> Store:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # batches are copies
        return Store(torch.from_numpy(values), slots, faults)


copyreg.pickle(Store, _reduce_store)  # type: ignore[arg-type]


def _cannot_be_sent(error: BaseException) -> str:
    reason = error.__cause__ if error.__cause__ is not None else error
    last = str(reason).strip().splitlines()[-1] if str(reason).strip() else type(reason).__name__
    return (
        f"The task or a strategy cannot be sent to another process: {last}. Functions and values that strategies "
        'hold must be such as pickle can send, or use backend="inline", which runs everything in this process.'
    )
