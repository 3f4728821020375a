"""Work done ahead by threads, handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, workers: int, ahead: int
) -> Iterator[_Result]:
    """`function` of each item, in the order of the items, computed by threads.

    Args:
        function: Called in other threads; an exception in it is raised here, in its place.
        items: As many as there are.
        workers: Threads.
        ahead: Results that may wait, or be at work, before one of them is taken: a bound on memory.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:  # also when the caller stops early: Ctrl-C must not wait for all that was planned
            pool.shutdown(wait=False, cancel_futures=True)
            raise
