"""Ctrl-C while a training runs: the first ends it after the step it is in, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["interrupts_noted"]

_SAID = b"\nStopping after this step, with a checkpoint. Ctrl-C again stops at once.\n"


@contextlib.contextmanager
def interrupts_noted() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C is only noted, for a place where nothing is half done; gives whether there was one.

    The second raises KeyboardInterrupt wherever the program is, as Python does by itself; so does the end of the block
    after one that nobody asked about. Programs with a handler of their own for Ctrl-C, and threads, which have none,
    keep theirs.
    """
    noted: list[bool] = []
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            signal.default_int_handler(number, frame)
        noted.append(True)
        with contextlib.suppress(OSError):
            os.write(2, _SAID)  # not print: the signal may have come in the middle of one

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if noted:  # after the last place that asks
        raise KeyboardInterrupt
