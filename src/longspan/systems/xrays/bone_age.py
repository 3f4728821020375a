"""Bone age of hand radiographs: a study of stages, regions and whole networks, with errors by age and sex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.business.table_training import block_draws
from longspan.systems.function_registry import load_with_functions
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.strategy_study import (
    largest_pipelines,
    mean_errors,
    parse_sizes,
    parse_strategies,
    run_study,
    train_seconds,
)
from longspan.systems.system import System
from longspan.systems.xrays.hand_strategies import (
    AS_TAKEN,
    END_TO_END,
    NEEDS,
    REGIONS,
    STAGED,
    TRANSFER,
    age_network,
    find_joints,
    hand_strategies,
    made_up_strategies,
)
from longspan.systems.xrays.joints import JOINT_POINTS, boxes_of_joints, name_joints
from longspan.systems.xrays.other_set import how_they_differ

if TYPE_CHECKING:
    from longspan.report import Document
    from longspan.study import StudyResults

__all__ = ["BONE_AGE_SYSTEM", "BoneAgeOptions", "age_errors", "hands_task", "joint_table", "with_sizes"]

PRICES = {"age_months": 1.0, "joints": 4.0}
"""Cost of a label: reading an age in an atlas, and marking 17 joints."""
BANDS = ((0, 60), (60, 120), (120, 168), (168, 241))
"""Ages in months, each from the first to below the second."""
_MADE_UP, _SET, _WHOLE, _HERE = "made-up", "bone-age-100", "bone-age", "auto"
_POINTED = 300  # radiographs with three key points that the joint finder learns from, beside those with joint boxes
_USUAL_HEIGHT = 1600.0  # px: the median of bone-age-100
_FINDER = "joints.safetensors"
_READINGS = 12


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class BoneAgeOptions:
    """Options of bone-age."""

    data: str = _HERE
    """bone-age-100; bone-age, the whole set, which has no joints, so only whole networks read it; made-up: drawn hands
    whose bones follow published growth; or auto: bone-age-100 if it is at hand, else bone-age, a download of 9.6 GB."""
    sizes: str = "100,400,1600,5001"
    """Numbers of training radiographs."""
    seeds: int = 3
    """Trainings of each strategy at each size."""
    strategies: str = "all"
    """Names of strategies, separated by semicolons."""
    backbone: str = "mobilenet_v2"
    """Network that reads the whole hand; see `longspan models`."""
    small: str = "squeezenet1_1"
    """Network that finds joints and reads their regions."""
    weights: str = "imagenet"
    """Weights that all but "end to end" start from: imagenet, none, or a file."""
    epochs: int = 10
    """Passes over the training radiographs; where these are few, as many as take 200 steps."""
    joint_epochs: int = 12
    """Passes of the network that finds joints over their labels."""
    lr: float = 8e-4
    """Peak learning rate of pretrained networks; fresh ones learn at three times as much."""
    size_px: int = 112
    """Height and width of the radiographs, in pixels; of made-up ones a quarter more than their height."""
    original_size: bool = True
    """Every strategy also reads the height and width of the radiograph as taken, in pixels: how large the hand is."""
    other: str | None = None
    """A folder of radiographs in the layout of the RSNA challenge, to measure the best model on, and to say how they
    differ from those of the training."""
    limit: int | None = None
    """Use only this many radiographs of each part, for a quick look."""
    jobs: int | None = None
    """Trainings at a time; default: one per core."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.backbone, self.weights)
        check_network(self.small, self.weights)
        check_at_least(
            seeds=(self.seeds, 1), epochs=(self.epochs, 1), joint_epochs=(self.joint_epochs, 1),
            size_px=(self.size_px, 32), limit=(self.limit, 20), jobs=(self.jobs, 1),
        )  # fmt: skip
        check_above_zero(lr=self.lr)
        parse_sizes(self.sizes)
        parse_strategies(self.strategies, NEEDS, ";")
        if self.data not in (_HERE, _SET, _WHOLE, _MADE_UP):
            raise ConfigError(
                f"--data must be {_HERE}, {_SET}, {_WHOLE} or {_MADE_UP}, got {self.data!r}. Other sets: --other "
                "FOLDER."
            )
        if self.data == _MADE_UP and self.other is not None:
            raise ConfigError("--other compares radiographs with radiographs; --data made-up has none.")


def joint_table(limit: int | None = None) -> ls.Table:
    """`bone-age-100` with columns `joints`, 17 joints and three key points of those that have some, and `boxes`.

    Args:
        limit: Radiographs of each part; None: all. Those with joint boxes come first.
    """
    from longspan.datasets.radiographs import HAND_POINTS, joint_boxes

    table = ls.datasets.load(_SET)
    boxes = joint_boxes(ls.datasets.fetch(_SET))
    named = dict(zip(boxes.column_values("image"), map(name_joints, boxes.column_values("boxes")), strict=True))
    joints = []
    for image, points in zip(table.column_values("image"), table.column_values("points"), strict=True):
        found = {**(named.get(image) or {}), **(points or {})}
        joints.append(found or None)
    column = ls.Keypoints(names=(*JOINT_POINTS, *HAND_POINTS), pairs=())
    table = table.with_column("joints", column, joints)
    marked = dict(zip(boxes.column_values("image"), boxes.column_values("boxes"), strict=True))
    cells = [marked.get(image) for image in table.column_values("image")]
    table = table.with_column("boxes", boxes.columns["boxes"], cells)
    if limit is None:
        return table
    parts = np.asarray(table.column_values("part"))
    known = np.array([0 if each is not None and "MCP middle" in each else 1 for each in joints])
    kept = [np.flatnonzero(parts == part) for part in ("train", "valid", "test")]
    return table.take(np.sort(np.concatenate([rows[np.argsort(known[rows], kind="stable")][:limit] for rows in kept])))


def hands_task(options: BoneAgeOptions, seed: int) -> ls.Task:
    """Radiographs with sex and age; those for testing in the vault."""
    size = (options.size_px, options.size_px)
    if options.data == _MADE_UP:
        train, test = parse_sizes(options.sizes)[-1], options.limit or 300
        table = ls.datasets.make_hands(train, seed=2 * seed).concat(ls.datasets.make_hands(test, seed=2 * seed + 1))
        table = table.with_column("part", ls.Category(), ["train"] * train + ["test"] * test)
        column, size = ls.Image(channels=1, resize="stretch"), (size[0] * 5 // 4, size[1])
    else:
        table = joint_table(options.limit) if options.data == _SET else _whole_set(options.limit, seed)
        table = with_sizes(table)
        column = ls.Image(channels=1, resize="stretch")
    table = table.with_column("image", column)
    split = table.split(column="part", valid=0) if options.data == _MADE_UP else table.split(column="part")
    # Patients are not published; nearly equal radiographs lie on one side of the published split.
    return ls.Task(split, inputs=_inputs(options), targets="age_months", size_px=size, allow_leaks=True)


def _inputs(options: BoneAgeOptions) -> list[str]:
    return ["image", "sex", *(AS_TAKEN if options.original_size and options.data != _MADE_UP else ())]


def with_sizes(table: ls.Table) -> ls.Table:
    """The same radiographs; where their size as taken is not known, it is that of their shape at the usual height."""
    from longspan.vision.image_io import MAX_PIXELS, read_pixels

    cells = zip(*(table.column_values(name) for name in ("image", *AS_TAKEN)), strict=True)
    heights, widths = list[float](), list[float]()
    for image, height, width in cells:
        if height is None or width is None:
            pixels = read_pixels(image, "L", MAX_PIXELS)
            height, width = _USUAL_HEIGHT, _USUAL_HEIGHT * pixels.width / pixels.height
        heights.append(height)
        widths.append(width)
    for name, found in zip(AS_TAKEN, (heights, widths), strict=True):
        table = table.with_column(name, table.columns[name], found)
    return table


def _whole_set(limit: int | None, seed: int) -> ls.Table:
    """`bone-age` with a column `part`, drawn by lot: 1,000 radiographs for testing, as many for validation."""
    table = ls.datasets.load(_WHOLE)
    table = table.sample(len(table), seed=seed)
    held_out = min(1000, len(table) // 5)
    parts = ["test"] * held_out + ["valid"] * held_out + ["train"] * (len(table) - 2 * held_out)
    table = table.with_column("part", ls.Category(), parts)
    if limit is None:
        return table
    kept = [np.flatnonzero(np.asarray(parts) == part)[:limit] for part in ("train", "valid", "test")]
    return table.take(np.concatenate(kept))


def age_errors(
    true: Sequence[float], predicted: Sequence[float], sexes: Sequence[str], *, seed: int = 0
) -> list[dict[str, Any]]:
    """Mean absolute error in months by age band and sex, each with a 95 % interval over radiographs drawn anew.

    Args:
        true: Ages in months.
        predicted: The same.
        sexes: "female" or "male".
        seed: Of the draws.
    """
    ages, wrong = np.asarray(true, float), np.abs(np.asarray(predicted, float) - np.asarray(true, float))
    signed, sex = np.asarray(predicted, float) - ages, np.asarray(sexes)
    rows = []
    groups = [("all ages", 0, 1e9), *((f"{low // 12} to {high // 12} years", low, high) for low, high in BANDS)]
    for name, low, high in groups:
        for who in ("both", "female", "male"):
            chosen = (ages >= low) & (ages < high) & ((sex == who) | (who == "both"))
            count = int(chosen.sum())
            if count < 2:
                continue
            draws = block_draws(wrong[chosen], np.arange(count), seed)
            a, b = np.quantile(draws, [0.025, 0.975])
            rows.append(
                {
                    "ages": name, "sex": who, "radiographs": count, "months": round(float(wrong[chosen].mean()), 2),
                    "low": round(float(a), 2), "high": round(float(b), 2),
                    "bias": round(float(signed[chosen].mean()), 2),
                }
            )  # fmt: skip
    return rows


def _run(options: BoneAgeOptions, run: SystemRun) -> None:
    if options.data == _HERE:
        at_hand = ls.datasets.where(ls.datasets.info(_SET)) is not None
        options = replace(options, data=_SET if at_hand else _WHOLE)
    sizes = parse_sizes(options.sizes)
    task = hands_task(options, run.seed)
    weights = None if options.weights == "none" else options.weights
    details: dict[str, Any] = {}
    known: dict[str, ls.Strategy]
    if options.data == _MADE_UP:
        known = made_up_strategies(
            backbone=options.backbone, weights=weights, epochs=options.epochs, small=options.small, lr=options.lr
        )
        run.say("Made-up hands, not radiographs of children: their bones follow published growth.")
    elif options.data == _WHOLE or not {STAGED, REGIONS} & {*parse_strategies(options.strategies, NEEDS, ";")}:
        known = _whole_networks(options, weights)
    else:
        finder, details["joints"] = _finder(task.table, options, run)
        known = hand_strategies(
            finder, backbone=options.backbone, weights=weights, epochs=options.epochs, small=options.small,
            lr=options.lr, original_size=options.original_size,
        )  # fmt: skip
    asked = parse_strategies(options.strategies, NEEDS, ";")
    strategies = {name: known[name] for name in asked if name in known}
    if not strategies:
        raise ConfigError(
            f"--strategies {options.strategies}: with --data {options.data} there are {'; '.join(known)}."
        )
    sizes = [size for size in sizes if size <= len(task.train)] or [len(task.train)]
    run.say(f"{len(strategies)} strategies x {len(sizes)} sizes x {options.seeds} seeds.")
    joints = "points" if options.data == _MADE_UP else "joints"
    results = run_study(
        run, task, strategies, sizes=sizes, seeds=options.seeds, budget=None, jobs=options.jobs,
        cost={"age_months": PRICES["age_months"], joints: PRICES["joints"]},
        needs={name: tuple(joints if each == "joints" else each for each in NEEDS[name]) for name in NEEDS},
    )  # fmt: skip
    for sentence in results.advice():
        run.say(sentence)
    _finish(run, results, task, options, details)


def _whole_networks(options: BoneAgeOptions, weights: str | None) -> dict[str, ls.Strategy]:
    """The strategies that need no joints."""
    return {
        END_TO_END: age_network(options.backbone, None, epochs=options.epochs, lr=3 * options.lr),
        TRANSFER: age_network(options.backbone, weights, epochs=options.epochs, lr=options.lr),
    }


def _finder(table: ls.Table, options: BoneAgeOptions, run: SystemRun) -> tuple[ls.Predictor, dict[str, float]]:
    """The network that finds joints, and its errors on validation radiographs; kept, and found again by a later run.

    It learns from the training radiographs with joint boxes or key points; none of the test radiographs is among them.
    """
    parts = np.asarray(table.column_values("part"))
    joints = table.column_values("joints")
    boxed = np.array([_is_whole(each, "joints") for each in joints])
    pointed = np.array([each is not None for each in joints]) & ~boxed
    train = np.concatenate(
        [np.flatnonzero((parts == "train") & boxed), np.flatnonzero((parts == "train") & pointed)[:_POINTED]]
    )
    valid = np.flatnonzero((parts == "valid") & boxed)
    path = run.folder / _FINDER
    weights = None if options.weights == "none" else options.weights
    recipe = find_joints(options.small, weights, epochs=options.joint_epochs)
    if path.exists() and not run.force:
        found = ls.load(path)
        assert isinstance(found, ls.Predictor)
    else:
        run.say(f"Joints: {len(train):,} radiographs with points for training.")
        some = table.take(np.concatenate([train, valid]))
        part = ["train"] * len(train) + ["valid"] * len(valid)
        split = some.with_column("part", ls.Category(), part).split(column="part")
        size = (options.size_px, options.size_px)
        learner = recipe.train(
            ls.Task(split, inputs="image", targets="joints", size_px=size, allow_leaks=True), seed=run.seed
        )
        learner.save(path)
        found = learner.predictor()
    return found, _joint_errors(found, table.take(valid))


def _joint_errors(finder: ls.Predictor, held_out: ls.Table) -> dict[str, float]:
    """How well joints are found: distances of points, and AP50 of boxes of the usual sizes around them."""
    from longspan.metrics.average_precision import value_figures

    if not len(held_out):
        return {}
    predicted = [each["joints"] for each in finder.predict(held_out.select("image"))]
    figures = finder.evaluate(held_out)
    ours = [boxes_of_joints(points) for points in predicted]
    ap = value_figures(held_out.column_values("boxes"), ours)
    return {"radiographs": float(len(held_out)), **figures, "ap50 of usual boxes": ap["ap50"]}


def _finish(
    run: SystemRun,
    results: StudyResults,
    task: ls.Task,
    options: BoneAgeOptions,
    details: dict[str, Any],
) -> None:
    from longspan.study.reports.study_report import compose_report

    hands = "made-up hands" if options.data == _MADE_UP else "radiographs"
    metrics = {f"months, {name}, {size} {hands}": error for (name, size), error in mean_errors(results).items()}
    test = task.table.take(task.open_vault("errors by age and sex, ceiling analysis").numpy())
    true, sexes = test.column_values("age_months"), test.column_values("sex")
    ages = np.array(task.table.take(task.train.numpy()).column_values("age_months"), float)
    baseline = float(np.abs(np.asarray(true, float) - ages.mean()).mean())
    metrics["months, mean of the training ages" + (f", {hands}" if options.data == _MADE_UP else "")] = baseline
    best = load_with_functions(results.best())
    predicted = [each["age_months"] for each in best.predict(test.select(*_inputs(options)))]
    bands = age_errors(true, predicted, sexes, seed=run.seed)
    joints = "points" if options.data == _MADE_UP else "joints"
    cells = test.column_values(joints) if joints in test.columns else []
    marked = [row for row, points in enumerate(cells) if _is_whole(points, joints)]
    ceilings = {
        name: pipeline.ceiling(test.take(marked)).frame().to_dicts()
        for name, pipeline in (largest_pipelines(results, (STAGED, REGIONS)) if len(marked) >= 5 else ())
    }
    other, said = _other(best, task, options, run)
    details |= {"study": results.to_json(), "bands": bands, "ceiling": ceilings, "other": other, "differences": said}
    for sentence in said:
        run.say(f"Other radiographs: {sentence}")

    def add_sections(page: Document) -> None:
        if options.data == _MADE_UP:
            page.section("Made up").text(
                "These hands are drawn, not radiographs of children. Their bones follow published growth and its "
                "spread; the errors say nothing about patients."
            )
        page.section("Errors by age and sex").text(
            "Mean absolute error in months of the best model on test radiographs, with its 95 % interval. Patients are "
            "not known, so radiographs are drawn, not patients: if a child was seen twice, intervals are too narrow."
        )
        page.table(bands)
        for name, ceiling in ceilings.items():
            page.section(f"Ceiling analysis: {name}").text(
                f"On the {len(marked)} test radiographs with marked joints: the error, and what is left of it when the "
                "output of each stage in turn is replaced by the ground truth."
            )
            page.table(ceiling)
        if other:
            page.section("Other radiographs").text(" ".join(said) or "Nothing was found that differs.")
            page.table(other)
        page.section("Readings")
        page.table(
            [
                {"sex": sex, "age, months": age, "read": round(float(found), 1)}
                for sex, age, found in zip(sexes, true, predicted, strict=True)
            ][:_READINGS]
        )

    run.finish(
        results.best(), metrics, train_seconds=train_seconds(results), options=asdict(options),
        report=lambda: compose_report(results, add_sections), details=details,
    )  # fmt: skip


def _is_whole(points: Mapping[str, Any] | None, column: str) -> bool:
    return points is not None and (column == "points" or all(points.get(name) is not None for name in JOINT_POINTS))


def _other(best: Any, task: ls.Task, options: BoneAgeOptions, run: SystemRun) -> tuple[list[dict[str, Any]], list[str]]:
    """Errors on another set, and how it differs: by default the larger radiographs that the training set lacks."""
    from longspan.datasets.radiographs import large_radiographs, read_bone_age

    if options.data == _MADE_UP or (options.data == _WHOLE and options.other is None):
        return [], []
    if options.other is not None:
        other = read_bone_age(Path(options.other))
    else:
        other = large_radiographs(ls.datasets.fetch(_SET)).filter(lambda row: not row["known"])
    known = task.table.take(task.train.numpy())
    said = how_they_differ(known.select("image", "sex", "age_months"), other, seed=run.seed)
    predicted = [each["age_months"] for each in best.predict(with_sizes(other).select(*_inputs(options)))]
    errors = age_errors(other.column_values("age_months"), predicted, other.column_values("sex"), seed=run.seed)
    return errors, said


BONE_AGE_SYSTEM = System(
    name="bone-age",
    summary="Tells the bone age of a hand radiograph in stages, by regions and end to end; which is best at which "
    "amount of data.",
    needs="the data set bone-age-100 (10 MB), ImageNet weights of the network, and two to three hours on two cores",
    options=BoneAgeOptions,
    run=_run,
)
