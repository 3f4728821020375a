"""Damaged inputs read in a process of their own, with a limit on memory, and watched from outside."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, final

from damage.containers import CANARY
from damage.corpus import resumable
from damage.kinds import Cases
from damage.reading import READERS
from damage.wrong import Wrong
from longspan.errors import LongspanError

__all__ = ["HANG_S", "MEMORY_BYTES", "Outcome", "Reader", "read_case"]

HANG_S = 10.0
"""Of processor time; what waits for longer than `_WATCHED_S` on a busy machine is killed."""
_WATCHED_S = 60.0
MEMORY_BYTES = 2 << 30


@final
@dataclass(frozen=True)
class Outcome:
    """How the reading of one case ended."""

    kind: str
    number: int
    ended: str
    """"refused" or "read", which are right; else "wrong", "unnamed", "memory", "hang", "crash", "escaped", "ran"."""
    what: str
    seconds: float
    megabytes: float
    """Most memory that reading took, over what the process had before."""


@final
class Reader:
    """One worker process, used again and again; a new one takes the place of one that died or had to be killed."""

    def __init__(self, cases: Cases, scratch: Path) -> None:
        """Nothing is started yet."""
        self.cases, self.scratch = cases, scratch
        self._process: Any = None
        self._pipe: Connection | None = None

    def read(self, kind: str, number: int) -> Outcome:
        """Read one case. Where memory was short, once more in a new process: an old one has less room for addresses."""
        outcome = self._read(kind, number)
        return self._read(kind, number) if outcome.ended == "memory" else outcome

    def _read(self, kind: str, number: int) -> Outcome:
        if self._process is None:
            context = get_context("spawn")  # threads of polars and torch do not live on in a fork
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self.cases, self.scratch), daemon=True)
            self._process.start()
            theirs.close()
            self._pipe.recv()  # it is ready: imports are not reading
        assert self._pipe is not None
        started = time.monotonic()
        self._pipe.send((kind, number))
        try:
            if self._pipe.poll(_WATCHED_S):
                outcome = Outcome(**self._pipe.recv())
                if outcome.ended in ("memory", "unnamed"):
                    self.close()  # a process that has failed in ways that nobody planned for is not used again
                return outcome
            what, ended = f"no answer after {_WATCHED_S:.0f} s", "hang"
        except (EOFError, ConnectionError):
            self._process.join(5)
            code = self._process.exitcode
            what, ended = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name, "crash"
        self.close()
        return Outcome(kind, number, ended, what, round(time.monotonic() - started, 3), 0.0)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def read_case(cases: Cases, kind: str, number: int, scratch: Path) -> Outcome:
    """Read one case in this process."""
    root = Path(tempfile.mkdtemp(prefix="case-", dir=scratch))
    folder = root / "work"
    files, damaged = cases.files(kind, number)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "target").mkdir()
    before, elsewhere = _tree(root), _outside()
    _forget_peak()
    resting, started = _peak(), time.process_time()
    here = Path.cwd()
    os.chdir(folder)
    ended, what = "read", ""
    try:
        with warnings.catch_warnings(), _silence():
            warnings.simplefilter("ignore")
            READERS[kind](folder, damaged)
    except LongspanError as error:
        ended, what = "refused", f"{type(error).__name__}: {str(error)[:300]}"
        if _of_memory(error):
            ended = "memory"
    except Wrong as error:
        ended, what = "wrong", str(error)[:300]
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ended = "memory" if _of_memory(error) else "unnamed"
        what = f"{type(error).__name__}: {str(error)[:200]} ({Path(last.filename).name}:{last.lineno})"
        if os.environ.get("DAMAGED_TRACE"):
            traceback.print_exc()
    finally:
        os.chdir(here)
    seconds, megabytes = time.process_time() - started, max(0.0, (_peak() - resting) / 2**20)
    if ended in ("read", "refused", "wrong"):
        if megabytes > MEMORY_BYTES / 2**20:
            ended, what = "memory", f"{megabytes:.0f} MB; {what}"
        if seconds > HANG_S:
            ended, what = "hang", f"{seconds:.1f} s; {what}"
    after = _tree(root)
    if (folder / CANARY).exists() or (root / CANARY).exists():
        ended, what = "ran", "code in the file was run"
    theirs = [name for name in {**before, **after} if not name.startswith(("work/target/", *_OURS))]
    changed = [name for name in theirs if name in before and after.get(name) != before[name]]
    made = [name for name in theirs if name not in before]
    if changed or made or _outside() != elsewhere:
        ended, what = "escaped", f"changed {changed[:3]}, made {made[:3]} outside the target"
    shutil.rmtree(root, ignore_errors=True)
    return Outcome(kind, number, ended, what, round(seconds, 3), round(megabytes, 1))


_OURS = ("work/good", "work/again.safetensors", "work/model.safetensors", "work/renamed.safetensors", "work/run/")
"""What the readers of `damage.reading` write themselves, and checkpoints of a training that goes on."""


def _serve(pipe: Connection, cases: Cases, scratch: Path) -> None:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now = int(status["VmSize"].split()[0]) * 1024
    # Twice the bound: what goes a little beyond it is measured, what goes far beyond fails.
    resource.setrlimit(resource.RLIMIT_AS, (now + 2 * MEMORY_BYTES, now + 2 * MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        resumable().fit(1)  # torch imports a good part of itself when it first trains, which takes seconds
        pipe.send("ready")
        while True:
            pipe.send(asdict(read_case(cases, *pipe.recv(), scratch)))


def _of_memory(error: BaseException | None) -> bool:
    """Whether a lack of memory is among what led to this error, hidden or not."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Most memory of this process since `_forget_peak`, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def _tree(root: Path) -> dict[str, str]:
    """What is below a folder: a digest of each file, the kind of everything else."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith("work/target/"):
            continue
        plain = path.is_file() and not path.is_symlink()
        found[name] = (
            hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() if plain else oct(path.lstat().st_mode)
        )
    return {name: digest for name, digest in found.items() if name not in ("work", "work/target", "work/run")}


def _outside() -> list[bool]:
    """Whether files are where absolute paths in damaged files would put them."""
    return [Path(name).exists() for name in ("/tmp/longspan-escape", "/escape")]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


assert sys.platform == "linux", "limits of memory and the peak are read from /proc"
