"""Every option of `longspan train`, as one value that is stored beside the checkpoints."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, final

from longspan.cli.formats import AnnotationFormat, annotation_format
from longspan.cli.split_by import split_columns
from longspan.errors import CheckpointError, ConfigError, unknown_name
from longspan.old_names import current_fields, current_value
from longspan.valid_values import SAMPLINGS

__all__ = ["AUGMENTS", "MODES", "TrainOptions", "read_options"]

MODES = ("fine-tune", "one-cycle", "fit")
AUGMENTS = ("none", "photos", "digits", "speech", "sounds", "words")
RESIZES = ("crop", "stretch", "pad")
_FILE = "run.json"
_PATHS = (
    "source",
    "root",
    "transcripts",
    "relabel",
    "annotations",
    "classes",
    "weights",
    "out",
    "report",
    "checkpoints",
    "tensorboard",
    "step_log",
)
_WRITTEN = (
    "out",
    "report",
    "checkpoints",
    "tensorboard",
    "step_log",
)  # these need not be there yet; the others may be no paths at all
_LISTS = ("target", "column", "ignored")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """The options of `longspan train`; those that are None are decided when the data has been read.

    What each means, and what it is when it is not given, stands once: in the help of `longspan train`.
    """

    source: str
    pattern: str | None = None
    image: str | None = None
    root: str | None = None
    suffix: str | None = None
    heading: str | None = None
    encoding: str | None = None
    stream: bool | None = None
    holidays: str | None = None
    transcripts: str | None = None
    reads: str | None = None
    corners: str | None = None
    target: tuple[str, ...] = ()
    column: tuple[str, ...] = ()
    format: str | None = None
    annotations: str | None = None
    classes: str | None = None
    mask_name: str | None = None
    ignored: tuple[str, ...] = ()
    on_error: str = "raise"
    leaks: str | None = None
    group: str | None = None
    time: str | None = None
    valid: float = 0.2
    test: float = 0.0
    split_by: str | None = None
    gap: str | None = None
    folds: int | None = None
    relabel: str | None = None
    open_vault: str | None = None
    model: str | None = None
    weights: str | None = None
    size: str | None = None
    resize: str | None = None
    mode: str | None = None
    epochs: int | None = None
    freeze_epochs: int | None = None
    lr: float | None = None
    schedule: str | None = None
    batch_size: int | None = None
    optimizer: str = "adamw"
    weight_decay: float | None = None
    clip_norm: float | None = None
    accumulate: int = 1
    mixup: float = 0.0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    class_weights: str | None = None
    sampling: str = "shuffled"
    rows_per_class: int = 4
    short_first: int = 0
    row_weights: str | None = None
    augment: str = "none"
    virtual_workers: int | None = None
    tensorboard: str | None = None
    step_log: str | None = None
    mlflow: str | None = None
    average: float | None = None
    early_stopping: int | None = None
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    out: str = "model.safetensors"
    report: str | None = None
    checkpoints: str | None = None
    checkpoint_every: str | None = None
    force: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked before anything is read."""
        if self.resize is not None:
            object.__setattr__(self, "resize", current_value("--resize", self.resize))
        for option, value, valid in (
            ("--mode", self.mode, MODES),
            ("--augment", self.augment, AUGMENTS),
            ("--on-error", self.on_error, ("raise", "skip")),
            ("--corners", self.corners, ("edges", "pixels", "xywh", "cxcywh")),
            ("--leaks", self.leaks, ("refuse", "move", "allow")),
            ("--resize", self.resize, RESIZES),
            ("--sampling", self.sampling, SAMPLINGS),
            ("--precision", self.precision, ("auto", "float32", "bfloat16")),
        ):
            if value is not None and value not in valid:
                raise unknown_name(f"{option} called", value, valid)
        if self.schedule is not None and self.mode not in (None, "fit"):
            raise ConfigError(f"--schedule belongs to --mode fit; {self.mode} has a schedule of its own.")
        if self.open_vault is not None and not self.test and "column" not in split_columns(self.split_by):
            raise ConfigError("--open-vault measures on sealed test rows, and there are none: add --test 0.1 or so.")
        if self.folds is not None:
            if self.folds < 2:
                raise ConfigError(f"--folds must be at least 2, got {self.folds}.")
            if not self.is_run:
                raise ConfigError(
                    f"--folds trains {self.folds} models: --out names a folder for them, such as "
                    f"--out {Path(self.out).stem}."
                )
            if self.open_vault is not None:
                raise ConfigError("--folds and --open-vault exclude each other.")
        # Read here, so that a slip in them is told at once.
        if self.gap is not None and "time" not in split_columns(self.split_by):
            raise ConfigError("--gap is for splits by time: add --split-by time:COLUMN.")
        _ = self.size_px, self.annotation_format, self.checkpoint_interval, self.weights_by_class
        if self.is_run and self.checkpoints is not None:
            raise ConfigError(
                f"--out {self.out} is a run folder, which keeps its checkpoints: leave out --checkpoints."
            )
        if self.freeze_epochs is not None and self.freeze_epochs < 1:
            raise ConfigError(
                f"--freeze-epochs must be at least 1, got {self.freeze_epochs}; to train all layers from the start, "
                "use --mode one-cycle."
            )

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Height and width of the images, as --size says.

        Raises:
            ConfigError: it cannot be read.
        """
        if self.size is None:
            return None
        match = re.fullmatch(r"\s*(\d+)(?:\s*x\s*(\d+))?\s*", self.size, re.IGNORECASE)
        if match is None:
            raise ConfigError(f"--size {self.size}: write a side such as 224, or height and width such as 180x240.")
        height, width = int(match[1]), int(match[2] or match[1])
        if min(height, width) < 1:
            raise ConfigError(f"--size must be at least 1 pixel, got {self.size}.")
        return height, width

    @property
    def weights_by_class(self) -> dict[str, float] | Literal["balanced"] | None:
        """What --class-weights says.

        Raises:
            ConfigError: it cannot be read.
        """
        if self.class_weights is None or self.class_weights == "balanced":
            return self.class_weights
        weights = {}
        for part in self.class_weights.split(","):
            label, equals, number = part.rpartition("=")
            try:
                weights[label.strip()] = float(number)
            except ValueError:
                equals = ""
            if not equals or not label.strip():
                raise ConfigError(
                    f"--class-weights {self.class_weights}: write balanced, or CLASS=WEIGHT for some classes, such as "
                    "--class-weights rare=5,common=0.5."
                )
        return weights

    @property
    def annotation_format(self) -> AnnotationFormat | None:
        """What --format and the options about it say."""
        return annotation_format(self.format, self.annotations, self.classes, self.mask_name, self.ignored)

    @property
    def is_run(self) -> bool:
        """Whether --out is a run folder: it has no ending, or is a folder already; a model ends in .safetensors.

        Raises:
            ConfigError: it ends as neither does.
        """
        path = Path(self.out).expanduser()
        if path.is_dir() or self.out.endswith("/"):
            return True
        if re.fullmatch(r"\.[A-Za-z]\w*", path.suffix) and path.suffix != ".safetensors":
            raise ConfigError(
                f"--out {self.out}: a model file ends in .safetensors, such as {path.stem}.safetensors; a folder for "
                "the whole run has no ending."
            )
        return path.suffix != ".safetensors"

    @property
    def checkpoint_interval(self) -> dict[str, float]:
        """What --checkpoint-every says, as fields of `Checkpoints`.

        Raises:
            ConfigError: it cannot be read.
        """
        if self.checkpoint_every is None:
            return {}
        match = re.fullmatch(r"\s*(\d+)(?:\s*(min)|(\.\d+)\s*min)?\s*", self.checkpoint_every)
        minutes = match is not None and (match[2] or match[3])
        number = 0.0 if match is None else float(match[1] + (match[3] or ""))
        if not number:
            raise ConfigError(
                f"--checkpoint-every {self.checkpoint_every}: write a number of steps such as 500, or of minutes such "
                "as 2min."
            )
        return {"minutes": number} if minutes else {"steps": int(number)}

    def save(self, folder: Path) -> None:
        """Keep the options in `folder`, with paths that hold from anywhere, so that `--resume` needs no others."""
        from longspan.storage.files import write_whole

        kept = asdict(self)
        for name in _PATHS:
            path = Path(kept[name] or "").expanduser()
            if kept[name] is not None and (path.exists() or name in _WRITTEN):
                kept[name] = str(path.absolute())
        text = json.dumps({"format": "longspan train options", "options": kept}, indent=2)

        def write(part: Path) -> None:
            part.write_text(text, encoding="utf-8")

        write_whole(folder / _FILE, write)


def read_options(folder: Path, changed: dict[str, Any]) -> TrainOptions:
    """The options that a training was started with, with those in `changed` in their place.

    Raises:
        CheckpointError: the folder has none, or they are damaged or from another longspan.
    """
    path = folder / _FILE
    if not path.is_file():
        raise CheckpointError(
            f"--resume {folder}: there is no {_FILE} in it. Name the folder that --out (or --checkpoints) had when the "
            "training was started; if it was stopped before it had read its data, start it again."
        )
    try:
        kept = current_fields(json.loads(path.read_text(encoding="utf-8"))["options"])
        known = {field.name for field in fields(TrainOptions)}
        if unknown := sorted(set(kept) - known):
            raise CheckpointError(
                f"{path} has options that this version of longspan does not know: {', '.join(unknown)}."
            )
        if kept.get("checkpoints") is None:  # a run folder, wherever it lies now
            if "out" in changed:
                raise ConfigError(f"--resume {folder} continues in this folder; leave out --out.")
            kept["out"] = f"{folder}/"
        lists = {name: tuple(kept.get(name, ())) for name in _LISTS}
        return TrainOptions(**{**kept, **lists, **changed})
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Start the training anew, in another folder.") from error
