"""What is wrong in annotation files: collected while reading, then refused all at once or left out with one warning."""

from __future__ import annotations

import warnings
from typing import Any, Literal, final

from longspan.errors import ConfigError, Fault, data_error

__all__ = ["Faults", "OnError", "left_of"]

OnError = Literal["raise", "skip"]
_SHOWN = 3  # in the warning; the error shows ten


def left_of(entries: list[Any], left_out: int) -> list[Any] | None:
    """An image's objects without the bad ones; None, so that it teaches nothing, where all that was there is bad.

    An empty list would say that somebody looked and there is nothing.
    """
    return None if left_out and not entries else entries


@final
class Faults:
    """The faults of one reading. `add` each as it is found, `close` when all files are read."""

    def __init__(self, source: str, on_error: OnError) -> None:
        """Begin with none.

        Args:
            source: What is read, for the headline.
            on_error: "raise" refuses the whole reading; "skip" leaves out what is bad and warns.
        """
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
        self.source = source
        self.on_error = on_error
        self.found: list[Fault] = []

    def add(self, where: str, what: object, cure: str = "") -> None:
        """Note one fault: `where` names file and line or annotation, `what` is the sentence or the ValueError."""
        self.found.append(Fault(where, str(what), cure))

    def close(self) -> None:
        """Raise or warn if there are any.

        Raises:
            DataError: `on_error` is "raise"; `faults` lists them all.
        """
        if not self.found:
            return
        count = f"{len(self.found)} fault" + ("s" if len(self.found) > 1 else "")
        if self.on_error == "raise":
            raise data_error(
                f"{count} in {self.source}:",
                self.found,
                'Fix the files, or leave the faulty entries out: on_error="skip" (--on-error skip).',
            )
        listed = "".join(f"\n  {fault!r}" for fault in self.found[:_SHOWN])
        more = f"\n  ... and {len(self.found) - _SHOWN} more" if len(self.found) > _SHOWN else ""
        # 1 is here, 2 the reader, 3 the class method of Table, 4 who called it.
        warnings.warn(f"Left out: what has {count} in {self.source}:{listed}{more}", stacklevel=4)
