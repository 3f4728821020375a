"""One run of a system, and the folder that its result goes to."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.errors import ConfigError

if TYPE_CHECKING:
    from longspan.data import Table
    from longspan.inference.estimators.boosted import BoostedTrees
    from longspan.inference.estimators.linear_text import LinearText
    from longspan.report import Document
    from longspan.storage.lock import FolderLock
    from longspan.train import Learner

__all__ = ["MODEL", "REPORT", "RESULT", "SystemRun"]

RESULT, REPORT, MODEL = "result.json", "report.html", "model.safetensors"


@final
class SystemRun:
    """Where one run writes, its seed, and what it prints.

    `result.json`, `report.html` and, where something is trained, `model.safetensors` are written when the run finishes;
    until then an earlier result of the same system stays untouched.
    """

    def __init__(
        self, system: str, folder: str | Path, *, seed: int = 0, force: bool = False, quiet: bool = False
    ) -> None:
        """Check the folder; nothing is written yet.

        Args:
            system: Name of the system.
            folder: Made if it does not exist.
            seed: Seed of everything random in the run.
            force: Replace the result of another system.
            quiet: Print nothing.

        Raises:
            ConfigError: the folder holds another system's result, is a file, or cannot be written to.
        """
        self.system = system
        self.folder = Path(folder).expanduser()
        self.seed = seed
        self.quiet = quiet
        self.force = force
        self.held_out: Table | None = None
        """Rows on which the report explains a saved model; a Learner brings its own."""
        self.when_stopped = f"Nothing new was written to {self.folder}."
        """Message after Ctrl-C; a system that keeps finished parts names them here."""
        earlier = _system_of(self.folder / RESULT)
        if earlier not in (None, system) and not force:
            raise ConfigError(
                f"--out {self.folder} holds a result of {earlier!r}. Name another folder, or replace it with --force."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--out {self.folder} cannot be made: {error.strerror or error}.") from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise ConfigError(f"--out {self.folder} cannot be written to. Name another folder.")

    def lock(self) -> FolderLock:
        """A context manager for the run: meanwhile a second run into the same folder is refused."""
        from longspan.storage.lock import FolderLock

        return FolderLock(self.folder, ".run.lock", what=f"--out {self.folder}")

    def say(self, line: str) -> None:
        """Print a line, unless the run is quiet."""
        if not self.quiet:
            print(line, flush=True)

    def finish(
        self,
        model: Learner | BoostedTrees | LinearText | Path | None,
        metrics: Mapping[str, float],
        *,
        train_seconds: float,
        options: Mapping[str, Any],
        report: Callable[[], Document] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write model, report and result.

        If the report fails, model and result are written all the same before the error is raised: hours of training
        are not lost to a failed figure.

        Args:
            model: What was trained, or the file of a saved model; None where nothing is trained.
            metrics: The metrics of the system, finite numbers by name.
            train_seconds: Wall-clock time of the training alone.
            options: The system's options, as JSON values.
            report: Makes the report of the system; by default it is that of the learner, which only learners have.
            details: More JSON values for the result.

        Raises:
            ConfigError: the folder cannot be written to any more.
        """
        from longspan.inference.precision import pick_device, pick_dtype
        from longspan.report import describe_environment
        from longspan.train import Learner

        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        assert not bad, f"metrics that are not finite: {bad}"
        learner = model if isinstance(model, Learner) else None
        device = learner.device if learner else pick_device("auto")
        dtype = learner.dtype if learner else pick_dtype("auto", device)
        result = {
            "system": self.system,
            "seed": self.seed,
            "metrics": dict(metrics),
            "seconds": {"train": round(train_seconds, 3)},
            "options": dict(options),
            "environment": describe_environment(device=str(device), precision=str(dtype).removeprefix("torch.")),
            **(details or {}),
        }
        try:
            part = Path(tempfile.mkdtemp(prefix=".finishing-", dir=self.folder))
            try:
                if isinstance(model, Path):
                    shutil.copyfile(model, part / MODEL)
                elif model is not None:
                    model.save(part / MODEL)
                (part / RESULT).write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
                self.when_stopped = f"Model and result are in {self.folder}; only the report is missing."
                try:
                    self._compose(learner, model, report).save(part / REPORT)
                finally:
                    (self.folder / REPORT).unlink(missing_ok=True)  # that of an earlier model
                    for name in (MODEL, REPORT, RESULT):  # the result last: a reader of it finds the others
                        if (part / name).exists():
                            os.replace(part / name, self.folder / name)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            raise ConfigError(f"--out {self.folder} could not be written: {error.strerror or error}.") from error
        width = max(16, *map(len, metrics)) + 2
        for name, value in metrics.items():
            self.say(f"{name:<{width}}{value:.4f}")
        self.say(f"{'training':<{width}}{train_seconds:.1f} s")
        for what, name in (("result", RESULT), ("report", REPORT), *([] if model is None else [("model", MODEL)])):
            self.say(f"{what:<{width}}{self.folder / name}")

    def _compose(self, learner: Learner | None, model: object, report: Callable[[], Document] | None) -> Document:
        """The report, with what is cheap to explain at its end."""
        from longspan.explain.report_sections import add_explanation
        from longspan.train.reports.learner_report import compose_report

        if report is not None:
            page = report()
        else:
            assert learner is not None
            page = compose_report(learner)
        if learner is not None:
            held_out = learner.task.table.take(learner.task.valid.numpy())
            add_explanation(page, learner, held_out, seed=self.seed)
        elif isinstance(model, Path) and self.held_out is not None:
            from longspan.systems.function_registry import load_with_functions

            add_explanation(page, load_with_functions(model), self.held_out, seed=self.seed)
        return page


def _system_of(path: Path) -> str | None:
    """The system whose result a file holds; "something else" for other files, None if there is no file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise ConfigError(f"--out {path.parent} is, or lies in, a file. Name a folder.") from None
    except (OSError, ValueError):
        return "something else"
    return str(found["system"]) if isinstance(found, dict) and "system" in found else "something else"
