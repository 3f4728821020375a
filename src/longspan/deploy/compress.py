"""A trained model made smaller and quicker in several ways, each measured beside the original on the same rows."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from longspan.data import Table
from longspan.deploy.compress_page import write_frontier
from longspan.deploy.distillation import check_teachable
from longspan.deploy.export import export
from longspan.deploy.frontier import Frontier, Loss, Variant, paired_accuracy_loss, paired_loss
from longspan.deploy.pruning import prune
from longspan.deploy.quantization import has_vnni, quantize
from longspan.deploy.retraining import fine_tuned, taught
from longspan.deploy.timing import Timed, time_files
from longspan.deploy.variants import ORIGINAL, PRUNED, Recipe, default_variants, parse_variant
from longspan.errors import ConfigError, LongspanError, unknown_name
from longspan.extras import require_extra
from longspan.heads import Head
from longspan.inference import Predictor, load
from longspan.inference.new_inputs import encode_targets
from longspan.inference.predictor import MODEL_FORMAT
from longspan.inference.source import prepare_inputs
from longspan.models import model_names
from longspan.portable import OnnxModel
from longspan.portable.new_values import EncodedValues, encode_table, with_inputs
from longspan.report import describe_environment
from longspan.storage.files import plain, write_tensors
from longspan.train import Learner
from longspan.train.designs import DESIGNS, split_weights

__all__ = ["FRONTIER", "REPORT", "compress"]

FRONTIER, REPORT = "frontier.json", "report.html"
_BATCH = 64


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
    rows = _Rows.of(predictor, table, calibration, calibration_rows, needed=_training_needed(recipes))
    tell(f"{len(rows.held_out):,} held-out rows measure, {len(rows.train):,} training rows calibrate and train.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        maker = _Maker(
            predictor, rows, work, student=student, epochs=epochs, lr=lr, student_epochs=student_epochs,
            student_lr=student_lr, batch_size=batch_size, seed=seed, progress=progress, tell=tell,
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
        frontier = _measured(predictor, rows, made, timed, maker.notes, left_out, max_drop, folder)
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


@final
@dataclass(slots=True)
class _Rows:
    """Which rows are for what."""

    train: Table
    held_out: Table
    calibration: EncodedValues
    encoded_held_out: EncodedValues
    samples: Any

    @classmethod
    def of(
        cls, predictor: Predictor, table: Table, calibration: Table | None, most: int, *, needed: Sequence[str]
    ) -> _Rows:
        table = with_inputs(table, predictor.inputs)
        for name in predictor.heads:
            table.column(name)
        parts = predictor.recognise(table)
        held = np.sort(np.concatenate([parts["valid"], parts["new"]]))
        train = table.take(parts["train"])
        if calibration is not None:
            train = with_inputs(calibration, predictor.inputs)
            _check_calibration(predictor, train)
        if needed and not len(train):
            raise ConfigError(
                f"The calibration set is empty: {' and '.join(needed)} need{'s' * (len(needed) == 1)} training rows, "
                f"and none of the {len(table):,} rows of {table.source} trained this model. Give the table that it was "
                "trained on, or its training rows with calibration= (--calibration)."
            )
        if not len(held):
            raise ConfigError(
                f"None of the {len(table):,} rows of {table.source} can measure: "
                f"{len(parts['train']):,} trained this model and {len(parts['test']):,} are its sealed test rows. Give "
                "validation rows or new rows too."
            )
        held_out = table.take(held)
        if calibration is not None and not any(map(len, (parts["train"], parts["valid"], parts["test"]))):
            _check_apart(predictor, train, held_out)
        random = np.random.default_rng(0)
        some = np.sort(random.permutation(len(train))[:most])
        return cls(
            train,
            held_out,
            encode_table(train.take(some), predictor.inputs) if len(train) else EncodedValues(),
            encode_table(held_out, predictor.inputs),
            encode_targets(held_out, predictor.inputs, predictor.heads),
        )


@final
@dataclass(slots=True)
class _Maker:
    """Makes variants; networks that several variants share are made once."""

    original: Predictor
    rows: _Rows
    work: Path
    student: str | None
    epochs: int
    lr: float
    student_epochs: int
    student_lr: float
    batch_size: int
    seed: int
    progress: bool
    tell: Callable[[str], None]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, tuple[Predictor, dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, LongspanError] = field(default_factory=dict)

    def make(self, recipe: Recipe) -> Path:
        """The file of a variant."""
        predictor, notes = self._network(recipe)
        notes = dict(notes)
        path = self.work / recipe.file
        info = {**predictor.info, "compressed": {"variant": recipe.name, **notes}}
        predictor = Predictor(
            predictor.network, predictor.inputs, predictor.heads, augment=predictor.augment, info=info, device="cpu",
            precision="bfloat16" if recipe.format == "bfloat16" else predictor.precision,
        )  # fmt: skip
        self.tell(f"{recipe.name} ...")
        if recipe.format is None:
            predictor.save(path)
        elif recipe.format == "bfloat16":
            weights = dict(predictor.network.named_parameters())
            state = {
                name: tensor.to(torch.bfloat16) if name in weights and tensor.is_floating_point() else tensor
                for name, tensor in predictor.network.state_dict().items()
            }
            write_tensors(path, state, {**MODEL_FORMAT, **predictor.describe()})
        elif recipe.format == "onnx":
            self._exported(recipe, predictor, path)
        else:
            plain_file = self.work / f".{recipe.network}.float.onnx"
            if not plain_file.exists():
                self._exported(recipe, predictor, plain_file)
            notes["integer_layers"] = quantize(plain_file, path, self.rows.calibration)
            notes["calibration_rows"] = _count(self.rows.calibration)
            notes["reduced_range"] = not has_vnni()
            plain_file.unlink()
            self.tell(f"{recipe.name}: {notes['integer_layers']} layers are computed in 8-bit integers.")
        self.notes[recipe.name] = notes
        return path

    def _exported(self, recipe: Recipe, predictor: Predictor, path: Path) -> None:
        export(predictor, path, with_inputs(self.rows.held_out, predictor.inputs).take([0]), dynamic_size=False)

    def _network(self, recipe: Recipe) -> tuple[Predictor, dict[str, Any]]:
        """The trained network below a variant's format."""
        if recipe.network in self.failed:
            raise self.failed[recipe.network]
        if recipe.network not in self.networks:
            try:
                self.networks[recipe.network] = self._made(recipe)
            except LongspanError as error:
                self.failed[recipe.network] = error
                raise
        return self.networks[recipe.network]

    def _made(self, recipe: Recipe) -> tuple[Predictor, dict[str, Any]]:
        found, notes = self.original, {}
        if recipe.student:
            assert self.student is not None
            taught_before = self.networks.get("student")
            if taught_before is None:
                self.tell(f"student: {self.student} learns from the original for {self.student_epochs} epochs ...")
                found = taught(
                    self.original, self.student, self.rows.train, epochs=self.student_epochs, lr=self.student_lr,
                    batch_size=self.batch_size, seed=self.seed, progress=self.progress,
                )  # fmt: skip
                notes = {"student": self.student, "student_epochs": self.student_epochs}
                self.networks["student"] = (found, notes)
            else:
                found, notes = taught_before
        if recipe.pruned:
            few = self.rows.train.take(np.arange(min(2, len(self.rows.train))))
            samples = encode_targets(few, found.inputs, found.heads)
            batch = next(samples.batches(torch.arange(len(few)), 2))
            found, gone = prune(found, PRUNED[recipe.pruned], prepare_inputs(batch, found.inputs))
            self.tell(
                f"{recipe.network}: {gone:.0%} of the multiply-adds are gone; {self.epochs} epochs of training ..."
            )
            found = fine_tuned(
                found, self.original, self.rows.train, epochs=self.epochs, lr=self.lr, batch_size=self.batch_size,
                seed=self.seed, progress=self.progress,
            )  # fmt: skip
            notes = {**notes, "multiply_adds_gone": round(gone, 4), "epochs": self.epochs}
        return found, notes


def _measured(
    predictor: Predictor,
    rows: _Rows,
    files: Mapping[str, Path],
    timed: Mapping[str, Timed],
    notes: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
    max_drop: float,
    folder: Path,
) -> Frontier:
    heads = predictor.heads
    columns = {name: head.column for name, head in heads.items()}
    (batch,) = rows.samples.batches(torch.arange(len(rows.held_out)), len(rows.held_out))
    targets = {name: column.prepare(batch.targets[name]) for name, column in columns.items() if column is not None}
    original: dict[str, torch.Tensor] = {}
    found = []
    for name, path in files.items():
        predictions = _predictions(path, rows, heads)
        original = original or predictions
        metrics, losses = {}, {}
        for target, head in heads.items():
            known = batch.present[target]
            true, mine, theirs = targets[target][known], predictions[target][known], original[target][known]
            metrics[target] = head.measure(mine, true)[head.metrics[0].name]
            if name != ORIGINAL:
                losses[target] = _loss(head, true, theirs, mine)
        found.append(
            Variant(
                name=name,
                file="" if name == ORIGINAL else path.name,
                metrics=metrics,
                losses=losses,
                latencies=timed[name].latencies,
                megabytes=round(path.stat().st_size / 1e6, 3),
                memory_mb=round(timed[name].memory_mb, 1),
                start_seconds=round(timed[name].start_seconds, 3),
                notes=notes.get(name, {}),
            )
        )
    return Frontier(
        variants=found,
        metrics={target: head.metrics[0].name for target, head in heads.items()},
        better={target: head.metrics[0].better for target, head in heads.items()},
        rows=len(rows.held_out),
        calibration_rows=max((each.notes.get("calibration_rows", 0) for each in found), default=0),
        max_drop=max_drop,
        left_out=left_out,
        folder=folder,
        environment={**describe_environment(), "vnni": has_vnni()},
    )


def _loss(head: Head, true: torch.Tensor, original: torch.Tensor, variant: torch.Tensor) -> Loss:
    """Of the main metric of a head."""
    metric = head.metrics[0]
    if metric.name == "accuracy" and (classes := head.class_targets(true)) is not None:
        right = [(head.class_predictions(each) == classes).all(dim=1).numpy() for each in (original, variant)]
        return paired_accuracy_loss(*right)

    def measure(rows: np.ndarray) -> tuple[float, float]:
        chosen = torch.from_numpy(rows)
        one, other = (head.measure(each[chosen], true[chosen]).get(metric.name) for each in (original, variant))
        return (float("nan") if one is None else one, float("nan") if other is None else other)

    return paired_loss(measure, len(true), metric.better)


def _predictions(path: Path, rows: _Rows, heads: Mapping[str, Head]) -> dict[str, torch.Tensor]:
    """What a saved model predicts for the held-out rows, reduced as heads measure it."""
    if path.suffix != ".onnx":
        model: Any = load(path, device="cpu")
        return model.predict_rows(rows.samples, torch.arange(len(rows.held_out)), batch_size=_BATCH)
    exported, parts = OnnxModel.load(path), []
    for start in range(0, len(rows.held_out), _BATCH):
        parts.append(exported.run(rows.encoded_held_out, slice(start, start + _BATCH)))
    found = {}
    for name, head in heads.items():
        each = [torch.from_numpy(np.array(part[name])) for part in parts]
        found[name] = head.join([head.from_exported(part) for part in each])
    return found


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


def _check_calibration(predictor: Predictor, calibration: Table) -> None:
    """ConfigError for rows to calibrate on that are not training rows, where the model file knows them."""
    if not len(calibration):
        raise ConfigError(f"The calibration set {calibration.source} is empty: it has no row.")
    parts = predictor.recognise(calibration)
    wrong = {
        "sealed test rows": len(parts["test"]),
        "validation rows": len(parts["valid"]),
        "rows that did not train it": len(parts["new"]) if predictor.info.get("row_hashes", {}).get("train") else 0,
    }
    if any(wrong.values()):
        found = " and ".join(f"{count:,} {what}" for what, count in wrong.items() if count)
        raise ConfigError(
            f"The calibration set {calibration.source} holds {found} of this model: only training rows may calibrate, "
            "or measurements on held-out rows would be too good."
        )


def _check_apart(predictor: Predictor, calibration: Table, held_out: Table) -> None:
    """ConfigError where rows calibrate and measure, of a model that does not know its rows."""
    from longspan.data import encode_rows
    from longspan.data.batches.row_hashes import hash_rows

    hashes = [
        hash_rows(encode_rows(table, np.arange(len(table)), predictor.inputs, {}), torch.arange(len(table)))
        for table in (calibration, held_out)
    ]
    if both := int(np.isin(hashes[1], hashes[0]).sum()):
        raise ConfigError(
            f"{both:,} rows are in the calibration set and in the rows to measure on: give rows that did not train."
        )


def _count(read: EncodedValues) -> int:
    return len(next(iter(read.encoded.values()), []))


def _name(predictor: Predictor) -> str:
    backbone = predictor.network.backbone
    return str(getattr(backbone, "name", type(backbone).__name__))
