"""Where `longspan train` writes: one model file, or a run folder with everything in it."""

from __future__ import annotations

import contextlib
import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.cli.shell import new_file, writing
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from longspan.storage.lock import FolderLock
    from longspan.train import Checkpoints, Learner

__all__ = ["RUN_FILES", "OutputPaths", "check_places", "places_for"]

RUN_FILES = ("model.safetensors", "report.html", "result.json")
"""What a finished run leaves in its folder, the last of them last; beside `run.json` and the checkpoints."""

_CHECKPOINTS = "checkpoints"
_FOLD = "fold-{}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class OutputPaths:
    """The files and folders of one call of `longspan train`."""

    model: Path
    report: Path
    result: Path | None = None
    """Figures and history; in a run folder only."""
    home: Path | None = None
    """The folder that `--resume` takes, where there is one."""
    checkpoints: Checkpoints | None = None
    resumed: bool = False
    """Whether a training goes on."""

    @property
    def finished(self) -> bool:
        """Whether a run that goes on has ended already."""
        return self.resumed and self.result is not None and self.result.exists()

    @property
    def has_checkpoints(self) -> bool:
        """Whether there is something to go on from."""
        if self.checkpoints is None:
            return False
        return _holds_checkpoints(self.checkpoints.path)

    def lock(self) -> FolderLock | None:
        """For `with`: two runs into one folder would spoil each other's."""
        from longspan.storage.lock import FolderLock

        return None if self.home is None else FolderLock(self.home, ".run.lock", what=f"The run folder {self.home}")

    def begin(self, options: TrainOptions) -> None:
        """Keep the options in the folder; of a run that is replaced take away what would not be written again."""
        import shutil

        if self.home is None or self.resumed:
            return
        with writing(self.home, "--out"):
            if self.result is not None:
                assert self.checkpoints is not None
                for old in (self.home / "run.json", self.result):
                    old.unlink(missing_ok=True)
                shutil.rmtree(self.checkpoints.path, ignore_errors=True)
            options.save(self.home)

    def fold_checkpoints(self, number: int) -> Checkpoints:
        """Where the checkpoints of one fold of a cross-validation are, in a run folder."""
        assert self.checkpoints is not None
        return replace(self.checkpoints, folder=self.checkpoints.path / _FOLD.format(number))

    def drop_checkpoints(self) -> None:
        """Remove the checkpoints of a cross-validation that is finished: they have the size of all of its models."""
        import shutil

        if self.checkpoints is not None:
            shutil.rmtree(self.checkpoints.path, ignore_errors=True)

    def write_result(self, learner: Learner, seconds: float) -> None:
        """Figures and history, at the very end: where this file is, the run is finished."""
        from longspan.report import describe_environment
        from longspan.storage.files import plain, write_whole

        if self.result is None:
            return
        precision = str(learner.dtype).removeprefix("torch.")
        values: dict[str, Any] = {
            "format": "longspan run",
            "metrics": learner.evaluations,
            "history": learner.history,
            "epochs": learner.epochs_done,
            "steps": learner.steps_done,
            "vault": learner.task.split.vault.to_json(),
            "seconds": {"training": round(seconds, 3)},
            "environment": describe_environment(device=str(learner.device), precision=precision),
        }
        text = json.dumps(plain(values), indent=1, allow_nan=False) + "\n"

        def write(part: Path) -> None:
            part.write_text(text, encoding="utf-8")

        with writing(self.result, "--out"):
            write_whole(self.result, write)

    def interrupted(self) -> str:
        """What a person reads after Ctrl-C."""
        if self.home is None:
            return "Nothing is kept; with --out RUN, a folder, a training can be resumed later."
        if self.has_checkpoints:
            return f"The checkpoints in {self.home} are kept; continue with: {self.go_on}"
        if (self.home / "run.json").exists():
            return f"There was no checkpoint yet in {self.home}; start again with: {self.go_on}"
        return "Nothing had started yet."

    def undo(self) -> None:
        """Take back what `begin` wrote, where no checkpoint was made: there is nothing to go on from."""
        if self.home is None or self.resumed or self.has_checkpoints:
            return
        (self.home / "run.json").unlink(missing_ok=True)  # the lock takes an empty folder away
        if self.checkpoints is not None and self.checkpoints.path != self.home:
            with contextlib.suppress(OSError):  # it was not made yet
                self.checkpoints.path.rmdir()

    @property
    def go_on(self) -> str:
        """The command that goes on."""
        return _go_on(self.home)

    def failed(self, error: TrainingError, learner: Learner) -> TrainingError:
        """The same error, with the file that the last good weights were saved in, if epochs were finished."""
        if not learner.history:
            self.undo()
            return error
        kept = self.model.with_name(f"{self.model.stem}.last_good.safetensors")
        with writing(kept, "--out"):
            learner.save(kept)
        best = None if self.checkpoints is None else self.checkpoints.path / "best.safetensors"
        more = f", those of the best epoch in {best}" if best is not None and best.exists() else ""
        return TrainingError(
            f"{error}\nThe last good weights are kept in {kept}{more}. A new training starts from them with --weights "
            f"{shlex.quote(str(kept))}."
        )


def places_for(options: TrainOptions, resume: Path | None, *, checked: bool = True) -> OutputPaths:
    """Where everything goes, checked before any work is done.

    Args:
        options: Of the training.
        resume: The folder of the training that goes on.
        checked: Whether to check; of several processes the first does.

    Raises:
        ConfigError: a file or run is there already and is not to be replaced, or a folder cannot be written to.
    """
    if checked:
        check_places(options, resume)
    if not options.is_run:
        found = OutputPaths(
            model=Path(options.out).expanduser(), report=_report_of(options), resumed=resume is not None
        )
        if options.checkpoints is None:
            return found
        home = resume or Path(options.checkpoints).expanduser()
        return replace(found, home=home, checkpoints=_checkpoints(home, options))
    home = resume or Path(options.out).expanduser()
    model, report, result = (home / name for name in RUN_FILES)
    return OutputPaths(
        model=model, report=Path(options.report) if options.report else report, result=result, home=home,
        checkpoints=_checkpoints(home / _CHECKPOINTS, options), resumed=resume is not None,
    )  # fmt: skip


def check_places(options: TrainOptions, resume: Path | None) -> None:
    """The checks of `places_for`, which import no PyTorch; raises what it raises."""
    if not options.is_run:
        new_file(options.out, "--out", force=options.force)
        new_file(_report_of(options), "--report", force=options.force)
        if options.checkpoints is not None and resume is None:
            home = Path(options.checkpoints).expanduser()
            if _holds_checkpoints(home):
                raise ConfigError(
                    f"--checkpoints {home} holds a training already. Continue it: {_go_on(home)}; or name another "
                    "folder."
                )
        return
    home = resume or Path(options.out).expanduser()
    model, report, result = (home / name for name in RUN_FILES)
    if resume is None and not options.force and (home / "run.json").exists():
        if result.exists():
            raise ConfigError(
                f"--out {home} holds a finished run. Name another folder, or replace the run with --force."
            )
        raise ConfigError(
            f"--out {home} holds a run that is not finished. Continue it: {_go_on(home)}; or name another folder, or "
            "replace the run with --force."
        )
    force = options.force or resume is not None
    for path in (model, Path(options.report) if options.report else report, result):
        new_file(path, "--out", force=force)


def _report_of(options: TrainOptions) -> Path:
    """Where the report goes, beside a model file."""
    return Path(options.report or Path(options.out).with_suffix(".html")).expanduser()


def _go_on(home: Path | None) -> str:
    """The command that continues the training in a folder."""
    return f"longspan train --resume {shlex.quote(str(home))}"


def _holds_checkpoints(folder: Path) -> bool:
    return any(next(folder.glob(found), None) for found in ("step-*", f"{_FOLD.format('*')}/step-*"))


def _checkpoints(folder: Path, options: TrainOptions) -> Checkpoints:
    from longspan.train import Checkpoints

    return Checkpoints(folder, **options.checkpoint_interval)  # type: ignore[arg-type]
