"""A trained model made smaller and quicker in several ways, each measured beside the original on the same rows."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from longspan.columns.augmentation import Augmentation
from longspan.data import Table
from longspan.deploy.compress_page import write_frontier
from longspan.deploy.compress_rows import Rows
from longspan.deploy.distillation import check_teachable
from longspan.deploy.frontier import Frontier
from longspan.deploy.measuring import measured
from longspan.deploy.timing import time_files
from longspan.deploy.variant_maker import VariantMaker
from longspan.deploy.variants import ORIGINAL, Recipe, default_variants, parse_variant
from longspan.errors import ConfigError, LongspanError, unknown_name
from longspan.extras import require_extra
from longspan.inference import Predictor, load
from longspan.models import model_names
from longspan.storage.files import plain
from longspan.train import Learner
from longspan.train.designs import DESIGNS, split_weights

__all__ = ["FRONTIER", "REPORT", "compress"]

FRONTIER, REPORT = "frontier.json", "report.html"


def compress(
    model: Predictor | Learner | str | Path,
    data: Table | None = None,
    *,
    out: str | Path,
    variants: Sequence[str] | None = None,
    student: str | None = None,
    max_drop: float = 0.005,
    calibration: Table | None = None,
    calibration_rows: int = 256,
    epochs: int = 10,
    lr: float = 1e-3,
    student_epochs: int = 20,
    student_lr: float = 3e-3,
    batch_size: int = 32,
    augment: Augmentation | Mapping[str, Augmentation] | None = None,
    threads: Sequence[int] | None = None,
    runs: int = 60,
    seed: int = 0,
    force: bool = False,
    progress: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Frontier:
    """Make smaller variants of a model, measure them beside it, and say which one is worth using on this machine.

    A variant is one step or several: "bfloat16", "onnx", "int8"; "prune30", "prune50", "prune70", by the fraction of
    multiply-adds that goes, fine-tuned afterwards; "student", a smaller network that learns from the model; and
    combinations such as "prune50+int8". Training rows calibrate, fine-tune and teach; validation rows, and rows that
    the model does not know, measure; sealed test rows are not touched. A variant is recommended if it is quicker at
    batch 1 on this machine and loses at most `max_drop` of the main metric of every target.

    Args:
        model: A learner, a predictor, or a model file.
        data: Rows with inputs and targets: the table that the model was trained on; None: that of the learner.
        out: A new folder for the variants, the report and `frontier.json`.
        variants: Which ones; None: all that this model and the installed extras allow.
        student: The network of "student": a name, with weights behind it if it starts from some: "resnet18:imagenet".
        max_drop: Of the main metric; for errors, of which lower is better, as a fraction of the original's.
        calibration: Training rows, where the model file does not say which rows of `data` trained it.
        calibration_rows: At most so many calibrate quantization.
        epochs: Of fine-tuning after pruning, on the targets and on what the original says.
        lr: Its peak rate.
        student_epochs: Of teaching.
        student_lr: Its peak rate.
        batch_size: Of fine-tuning and teaching.
        augment: Of fine-tuning and teaching; None: as in the training of the model. What the model says of augmented
            rows teaches too, so this helps where the model itself was trained without.
        threads: Numbers of threads to measure with; None: 1 and 2, or 1 on a machine with one core.
        runs: Predictions of batch 1 that are timed, for each number of threads.
        seed: Of fine-tuning and teaching.
        force: Replace files in `out`.
        progress: Show bars while training.
        tell: Called with a line about each step.

    Raises:
        UnknownNameError: no such variant or student.
        ConfigError: numbers out of range; a variant that this model cannot have; no rows to calibrate or to measure on;
            rows to calibrate on that are not training rows.
        DependencyError: a library is missing that a named variant needs.
    """
    recipes = _recipes(variants, student)
    _check_numbers(
        max_drop, calibration_rows=calibration_rows, epochs=epochs, student_epochs=student_epochs,
        batch_size=batch_size, runs=runs,
    )  # fmt: skip
    counts = tuple(threads or ((1, 2) if (os.cpu_count() or 1) > 1 else (1,)))
    if min(counts) < 1:
        raise ConfigError(f"threads= must be at least 1, got {list(counts)}.")
    folder = _new_folder(Path(out), [*(each.file for each in recipes), FRONTIER, REPORT], force=force)
    named = variants is not None
    predictor, table = _opened(model, data)
    if student is not None:
        check_teachable(predictor.heads)
    rows = Rows.of(predictor, table, calibration, calibration_rows, needed=_training_needed(recipes))
    tell(f"{len(rows.held_out):,} held-out rows measure, {len(rows.train):,} training rows calibrate and train.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        maker = VariantMaker(
            predictor, rows, work, student=student, epochs=epochs, lr=lr, student_epochs=student_epochs,
            student_lr=student_lr, batch_size=batch_size, seed=seed, progress=progress, tell=tell,
            augment=predictor.augment if augment is None else augment,
        )  # fmt: skip
        predictor.save(work / f"{ORIGINAL}.safetensors")
        made: dict[str, Path] = {ORIGINAL: work / f"{ORIGINAL}.safetensors"}
        left_out: dict[str, str] = {}
        for recipe in recipes:
            try:
                made[recipe.name] = maker.make(recipe)
            except LongspanError as error:
                if named:
                    raise
                left_out[recipe.name] = str(error)
                tell(f"{recipe.name} is left out: {error}")
        tell("Measuring ...")
        timed = time_files(made, rows.encoded_held_out, threads=counts, runs=runs)
        frontier = measured(predictor, rows, made, timed, maker.notes, left_out, max_drop, folder)
        (work / f"{ORIGINAL}.safetensors").unlink()
        text = json.dumps(plain(frontier.to_json()), indent=2, allow_nan=False)
        (work / FRONTIER).write_text(text + "\n", encoding="utf-8")
        write_frontier(work / REPORT, frontier, title=f"Variants of {_name(predictor)}")
        folder.mkdir(exist_ok=True)
        for each in sorted(work.iterdir()):
            os.replace(each, folder / each.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return frontier


def _recipes(variants: Sequence[str] | None, student: str | None) -> list[Recipe]:
    names = default_variants(student is not None) if variants is None else variants
    if not names:
        raise ConfigError("No variant is named, so there is nothing to make.")
    recipes = list({each.name: each for each in map(parse_variant, names)}.values())
    taught_ones = [each.name for each in recipes if each.student]
    if student is None and taught_ones:
        raise ConfigError(f"Variant {taught_ones[0]!r} needs student= (--student): the name of a smaller network.")
    if student is not None:
        if not taught_ones:
            raise ConfigError(f"student={student!r} is given, but no variant is a student: add the variant 'student'.")
        name = student.partition(":")[0]
        if name not in (known := [*model_names(), *DESIGNS]):
            raise unknown_name("student", name, known)
        split_weights(student)
    if variants is not None:
        if any(each.format in ("onnx", "int8") for each in recipes):
            require_extra("export", "An ONNX variant")
        if any(each.pruned for each in recipes):
            require_extra("compress", "Pruning")
    return recipes


def _training_needed(recipes: Sequence[Recipe]) -> list[str]:
    return [each.name for each in recipes if each.student or each.pruned or each.format == "int8"]


def _check_numbers(max_drop: float, **whole: int) -> None:
    if not 0 <= max_drop < 1:
        raise ConfigError(f"max_drop must be at least 0 and below 1, got {max_drop}.")
    for name, value in whole.items():
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")


def _new_folder(folder: Path, files: Sequence[str], *, force: bool) -> Path:
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Name a folder; it need not exist yet.")
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise ConfigError(
            f"{folder} holds {there[0]} already. Name another folder, or replace it with force (--force)."
        )
    return folder


def _opened(model: Any, data: Table | None) -> tuple[Predictor, Table]:
    if isinstance(model, str | Path):
        model = load(model, device="cpu")
    table = data
    if table is None:
        if not isinstance(model, Learner):
            raise ConfigError("compress() needs rows with inputs and targets: give the table of the training.")
        table = model.task.table
    found = model.predictor() if isinstance(model, Learner) else model.single_network("be compressed")
    predictor = Predictor(
        found.network, found.inputs, found.heads, augment=found.augment, info=found.info, device="cpu",
        precision=found.precision,
    )  # fmt: skip
    return predictor, table


def _name(predictor: Predictor) -> str:
    backbone = predictor.network.backbone
    return str(getattr(backbone, "name", type(backbone).__name__))
