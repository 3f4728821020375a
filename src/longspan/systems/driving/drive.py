"""Strategies to drive on a made-up road, measured in closed loop over frames of an expert."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.options import check_above_zero, check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.strategy_study import mean_errors, parse_sizes, parse_strategies, run_study, train_seconds
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.control import Episodes
    from longspan.report import Document
    from longspan.study import StudyResults
    from longspan.systems.driving.drivers import Replaced

__all__ = ["DRIVE", "DriveOptions"]

_KINDS = ("in stages", "end to end", "DAgger", "direct perception", "recovery", "three sensors")
_OFFLINE_ROWS = 400
_MOST_STEPS = 1500
_MEASURE = "faults per km"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DriveOptions:
    """Options of drive."""

    strategies: str = "in stages,end to end,DAgger,direct perception"
    """Those, recovery (the expert is pushed aside) and three sensors (in one network), or all; separated by commas."""
    sizes: str = "1000,3000,10000,30000"
    """Frames of the expert, five a second."""
    seeds: int = 5
    """Trainings of each strategy at each size."""
    episodes: int = 20
    """Roads that each trained driver drives, none of which was in a recording."""
    epochs: int = 12
    """Passes of each training over its frames."""
    length_m: float = 600.0
    """Of each road."""
    traffic: float = 1.0
    """Cars and people, as a factor; 0 for empty roads."""
    ceiling: bool = True
    """Drive again with stages of the staged driver replaced by the ground truth, and with fewer sensors."""
    jobs: int | None = None
    """Trainings at a time; one per core unless given."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        parse_strategies(self.strategies, _KINDS)
        parse_sizes(self.sizes)
        check_at_least(seeds=(self.seeds, 1), episodes=(self.episodes, 1), epochs=(self.epochs, 1), jobs=(self.jobs, 1))
        check_above_zero(length_m=self.length_m)
        if not 100 <= self.length_m <= 100_000 or not 0 <= self.traffic <= 3:
            raise ConfigError(
                f"--length-m must be in 100..100000 and --traffic in 0..3, got {self.length_m:g} and {self.traffic:g}."
            )


def measure_drive(infos: list[dict[str, Any]]) -> dict[str, float]:
    """Measures of an episode from the `info` of its steps."""
    driven_km = max(sum(info["driven_m"] for info in infos), 1.0) / 1000
    faults = sum(info["fault"] is not None for info in infos)
    off = np.array([info["off_lane_m"] for info in infos])
    return {
        _MEASURE: faults / driven_km,
        "metres": 1000 * driven_km,
        "off the lane": float((np.abs(off) > 1.75).mean()),
        "lane deviation RMS": float(np.sqrt((off**2).mean())),
        "jerk": float(np.sqrt(np.mean([info["jerk"] ** 2 for info in infos]))),
    }


def policy_of(trained: Any) -> Any:
    """What a strategy trained, as a policy."""
    return trained.policy()


def _run(options: DriveOptions, run: SystemRun) -> None:
    from longspan.extras import require_extra

    require_extra("control", "The system drive")
    from longspan.control import episode_evaluator
    from longspan.control.road import RoadConfig, make_road
    from longspan.systems.driving.drivers import LearnToDrive
    from longspan.systems.driving.frames import ACTIONS, AFFORDANCES, record_frames, to_table

    config = RoadConfig(length_m=options.length_m, traffic=options.traffic)
    names, sizes = parse_strategies(options.strategies, _KINDS), parse_sizes(options.sizes)
    run.say(f"The expert drives {sizes[-1]:,} frames on made-up roads.")
    recorded = to_table(record_frames(sizes[-1], seed=run.seed, config=config))
    other = to_table(record_frames(_OFFLINE_ROWS, seed=run.seed + 10_000, config=config))
    table = recorded.concat(other)
    part = ["train"] * len(recorded) + ["test"] * len(other)
    task = ls.Task(
        table.with_column("part", ls.Category(), part).split(column="part", valid=0),
        inputs=("camera", "above", "speed", "limit"), targets=(*ACTIONS, *AFFORDANCES), size_px=(48, 96),
        allow_leaks=True,
    )  # fmt: skip
    make = functools.partial(make_road, config)
    evaluator = episode_evaluator(
        make, policy_of, episodes=options.episodes, seed=run.seed, measure=_MEASURE, unit="1/km",
        max_steps=_MOST_STEPS, measures=measure_drive,
    )  # fmt: skip
    strategies = {name: LearnToDrive(kind=name, epochs=options.epochs, config=config) for name in names}
    results = run_study(
        run, task, strategies, sizes=sizes, seeds=options.seeds, budget=None, jobs=options.jobs, cost={"steer": 1.0},
        needs={name: ("steer",) for name in names}, error=evaluator,
    )  # fmt: skip
    errors = mean_errors(results)
    metrics = {f"faults per km, {name}, {size} frames": error for (name, size), error in errors.items()}
    details: dict[str, Any] = {"made_up": True}
    driven = {"expert": _expert_drives(make, options, run)}
    films = {}
    for name in names:
        model = _kept(results, name)
        if model is None:
            continue
        policy = _policy_from(name, model)
        driven[name], films[name] = _drives(make, policy, options, run)
        metrics[f"offline steering error, {name}"] = _offline(name, model, other)
    details["closed loop"] = {name: _summary(episodes) for name, episodes in driven.items()}
    metrics["faults per km, expert"] = details["closed loop"]["expert"]["faults per km"]
    if options.ceiling and "in stages" in names and (model := _kept(results, "in stages")) is not None:
        details["ceiling"] = _ceiling(ls.load(model), config, options, run)
    best = min((name for name in names if _kept(results, name)), key=lambda name: errors.get((name, sizes[-1]), 1e9))
    run.finish(
        _kept(results, best), metrics, train_seconds=train_seconds(results), options=asdict(options), details=details,
        report=lambda: _report(results, details, films),
    )  # fmt: skip


def _kept(results: StudyResults, name: str) -> Path | None:
    """The file of the first training at the largest size; None where it failed."""
    size, seed = results.plan.sizes[-1], results.plan.seeds[0]
    if any((each.strategy, each.size, each.seed) == (name, size, seed) for each in results.missing()):
        return None
    return results.model(name, size, seed)


def _policy_from(name: str, path: Path) -> Any:
    from longspan.systems.driving.drivers import driver_policy

    return driver_policy(name, ls.load(path))


def _drives(make: Any, policy: Any, options: DriveOptions, run: SystemRun) -> tuple[Episodes, Any]:
    """Episodes, and a strip of frames of the first."""
    from longspan.control import Recording, film_strip, run_episodes

    episodes = run_episodes(
        make, policy, episodes=options.episodes, seed=run.seed, max_steps=_MOST_STEPS, measure=measure_drive
    )
    film = Recording(frames=True, observations=False)
    run_episodes(functools.partial(make, render=True), policy, episodes=1, seed=run.seed, max_steps=300, recording=film)
    return episodes, film_strip(film.images(), count=8, columns=4)


def _expert_drives(make: Any, options: DriveOptions, run: SystemRun) -> Episodes:
    from longspan.control import run_episodes
    from longspan.control.road.expert import Expert

    environment, expert = make(sensors=()), Expert()
    return run_episodes(
        environment, _ByTruth(environment, expert), episodes=options.episodes, seed=run.seed, max_steps=_MOST_STEPS,
        measure=measure_drive,
    )  # fmt: skip


@final
class _ByTruth:
    """The expert as a policy of an environment whose ground truth it may see."""

    def __init__(self, environment: Any, expert: Any) -> None:
        self.environment, self.expert = environment, expert

    def reset(self) -> None:
        self.expert.reset()

    def __call__(self, seen: Any) -> np.ndarray:
        del seen
        return self.expert(self.environment.world.ground_truth())


def _summary(episodes: Episodes) -> dict[str, Any]:
    """Metres between faults over all episodes, and the means of the other measures."""
    metres = float(episodes.values("metres").sum())
    faults = int(episodes.values("faults").sum())
    kinds: dict[str, int] = {}
    for episode in episodes:
        for fault in episode.faults:
            kinds[fault] = kinds.get(fault, 0) + 1
    low, high = episodes.interval(_MEASURE)
    return {
        "km": round(metres / 1000, 3),
        "faults": faults,
        "kinds": kinds,
        # Without a fault, at least all that was driven.
        "metres between faults": round(metres / max(1, faults), 1),
        "faults per km": 1000 * faults / metres,
        "faults per km, interval over episodes": [low, high],
        "off the lane": episodes.mean("off the lane"),
        "lane deviation RMS, m": episodes.mean("lane deviation RMS"),
        "jerk RMS, m/s3": episodes.mean("jerk"),
    }


def _offline(name: str, path: Path, frames: ls.Table) -> float:
    """Mean absolute steering error on frames of the expert: the network's, or its controller's from what it says."""
    from longspan.control.road.plan import Planner, control
    from longspan.systems.driving.frames import LANE, lane_path

    model = ls.load(path)
    names = list(model.inputs)
    said = model.predict(frames.select(*names))
    wanted = frames.column_values("steer")
    if name not in ("in stages", "direct perception"):
        found = [each["steer"] for each in said]
    else:  # what it would steer on an empty road
        found = []
        for each, speed, limit in zip(said, frames.column_values("speed"), frames.column_values("limit"), strict=True):
            plan = Planner()(lane_path(*(each[lane] for lane in LANE)), np.zeros((0, 17, 5)), speed, limit)
            found.append(control(plan, speed)[0])
    return float(np.abs(np.array(found, float) - np.array(wanted, float)).mean())


def _ceiling(model: Any, config: Any, options: DriveOptions, run: SystemRun) -> list[dict[str, Any]]:
    """The staged driver with stages replaced by the ground truth, and with fewer sensors."""
    from longspan.control import run_episodes
    from longspan.control.road import make_road
    from longspan.systems.driving.drivers import StagedPolicy

    both = ("lidar", "radar")
    rows = []
    replaced: tuple[tuple[str, tuple[Replaced, ...], tuple[str, ...]], ...] = (
        ("as it is", (), both),
        ("true lane", ("lane",), both),
        ("true objects", ("objects", "prediction"), both),
        ("true lane and objects", ("lane", "objects"), both),
        ("true lane, objects and prediction", ("lane", "objects", "prediction"), both),
        ("lidar alone", (), ("lidar",)),
        ("radar alone", (), ("radar",)),
    )
    for says, ground_truth, sensors in replaced:
        environment = make_road(config)
        policy = StagedPolicy(None if "lane" in ground_truth else model, ground_truth=ground_truth, sensors=sensors)
        policy.environment = environment
        episodes = run_episodes(
            environment, policy, episodes=options.episodes, seed=run.seed, max_steps=_MOST_STEPS, measure=measure_drive
        )
        rows.append({"driver": says, **_summary(episodes)})
        run.say(f"{says}: {rows[-1]['faults']} faults in {rows[-1]['km']:.1f} km")
    return rows


def _report(results: StudyResults, details: Mapping[str, Any], films: Mapping[str, Any]) -> Document:
    from longspan.report import CaptionedImage
    from longspan.report.document import Document

    page = Document("Drive: strategies on a made-up road")
    page.section("What this is").text(
        "A made-up road with made-up cars and people: nothing here says how a driver would do on a real one. Faults "
        "are collisions, leaving the road, and standing still for 40 seconds."
    )
    page.section("Faults per kilometre over frames of the expert")
    page.figure(results.figure(), label="Learning curves in closed loop")
    for line in results.advice():
        page.text(line)
    page.section("Closed loop, with the most frames and the first seed")
    page.table([_row(name, each) for name, each in details["closed loop"].items()])
    if "ceiling" in details:
        page.section("Ceiling: stages replaced by the ground truth, and fewer sensors")
        page.table([_row(each["driver"], each) for each in details["ceiling"]])
    for name, film in films.items():
        page.section(f"Film strip: {name}").images([CaptionedImage(np.asarray(film), caption="the first road")])
    return page


def _row(name: str, each: Mapping[str, Any]) -> dict[str, object]:
    return {
        "driver": name, "km": f"{each['km']:.1f}", "faults": each["faults"],
        "metres between faults": f"{each['metres between faults']:.0f}",
        "off the lane": f"{100 * each['off the lane']:.1f} %",
        "lane deviation RMS, m": f"{each['lane deviation RMS, m']:.2f}",
        "jerk RMS, m/s3": f"{each['jerk RMS, m/s3']:.1f}",
    }  # fmt: skip


DRIVE = System(
    name="drive",
    summary="Drives on a made-up road: in stages, end to end, DAgger, direct perception, in closed loop.",
    needs="no download, and hours on two cores for all sizes and seeds; minutes for a few",
    extras=("control",),
    options=DriveOptions,
    run=_run,
)
"""Made up from road to sensors; `steer` has real frames."""
