"""Strategies to drive on a made-up road or a racetrack, measured in closed loop over frames of an expert."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

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
    from longspan.systems.driving.world import DrivingWorld

__all__ = ["DRIVE", "DriveOptions", "TimedPolicy"]

_KINDS = {
    "road": ("in stages", "end to end", "DAgger", "direct perception", "recovery", "three sensors"),
    "racetrack": ("in stages", "end to end", "DAgger", "recovery"),
}
_MAIN = ("in stages", "end to end", "DAgger", "direct perception")
_OFFLINE_ROWS = 400
_MEASURE = "faults per km"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DriveOptions:
    """Options of drive."""

    world: Literal["road", "racetrack"] = "road"
    """road: made up here, with traffic and three sensors. racetrack: highway-env's, a car alone, seen from above."""
    strategies: str = "main"
    """main: in stages, end to end, DAgger and, on the road, direct perception. There are recovery (the expert is pushed
    aside) and, on the road, three sensors (in one network) too: all, or names separated by commas."""
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
        _kinds(self)
        parse_sizes(self.sizes)
        check_at_least(seeds=(self.seeds, 1), episodes=(self.episodes, 1), epochs=(self.epochs, 1), jobs=(self.jobs, 1))
        check_above_zero(length_m=self.length_m)
        if not 100 <= self.length_m <= 100_000 or not 0 <= self.traffic <= 3:
            raise ConfigError(
                f"--length-m must be in 100..100000 and --traffic in 0..3, got {self.length_m:g} and {self.traffic:g}."
            )
        if self.world == "racetrack" and (self.length_m, self.traffic) != (600.0, 1.0):
            raise ConfigError(
                "--length-m and --traffic are of the made-up road: leave them out with --world racetrack."
            )


def _kinds(options: DriveOptions) -> list[str]:
    """The strategies of a run, which its world has."""
    known = _KINDS[options.world]
    if options.strategies == "main":
        return [name for name in _MAIN if name in known]
    return parse_strategies(options.strategies, known)


def _world(options: DriveOptions) -> DrivingWorld:
    if options.world == "racetrack":
        from longspan.systems.driving.racetrack_world import Racetrack

        return Racetrack()
    from longspan.control.road import RoadConfig
    from longspan.systems.driving.road_world import MadeUpRoad

    return MadeUpRoad(config=RoadConfig(length_m=options.length_m, traffic=options.traffic))


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
    from longspan.systems.driving.drivers import LearnToDrive

    world, names, sizes = _world(options), _kinds(options), parse_sizes(options.sizes)
    run.say(
        f"The expert drives {sizes[-1]:,} frames on {'made-up roads' if options.world == 'road' else 'two tracks'}."
    )
    recorded = world.record(sizes[-1], seed=run.seed)
    other = world.record(_OFFLINE_ROWS, seed=run.seed + 10_000)
    table = recorded.concat(other)
    part = ["train"] * len(recorded) + ["test"] * len(other)
    inputs = tuple(dict.fromkeys(name for columns in world.reads.values() for name in columns))
    targets = tuple(dict.fromkeys(name for columns in world.says.values() for name in columns))
    task = ls.Task(
        table.with_column("part", ls.Category(), part).split(column="part", valid=0), inputs=inputs, targets=targets,
        size_px=world.size_px, allow_leaks=True,
    )  # fmt: skip
    evaluator = episode_evaluator(
        world.make, policy_of, episodes=options.episodes, seed=run.seed, measure=_MEASURE, unit="1/km",
        max_steps=world.most_steps, measures=measure_drive,
    )  # fmt: skip
    strategies = {name: LearnToDrive(kind=name, epochs=options.epochs, world=world) for name in names}
    results = run_study(
        run, task, strategies, sizes=sizes, seeds=options.seeds, budget=None, jobs=options.jobs, cost={"steer": 1.0},
        needs={name: ("steer",) for name in names}, error=evaluator,
    )  # fmt: skip
    errors = mean_errors(results)
    metrics = {f"faults per km, {name}, {size} frames": error for (name, size), error in errors.items()}
    details: dict[str, Any] = {"made_up": True, "study": results.to_json()}
    driven = {"expert": _expert_drives(world, options, run)}
    films, decisions = {}, {}
    for name in names:
        model = _kept(results, name)
        if model is None:
            continue
        network = ls.load(model)
        policy = TimedPolicy(world.policy(name, network))
        driven[name], films[name] = _drives(world, policy, options, run)
        metrics[f"offline steering error, {name}"] = _offline(world, name, network, other)
        decisions[name] = policy.milliseconds()
        metrics |= {f"ms a decision, {name}, {part}": each for part, each in decisions[name].items()}
    details["closed loop"] = {
        name: {**_summary(episodes), "ms a decision": decisions.get(name)} for name, episodes in driven.items()
    }
    metrics["faults per km, expert"] = details["closed loop"]["expert"]["faults per km"]
    if options.ceiling and "in stages" in names and (model := _kept(results, "in stages")) is not None:
        details["ceiling"] = _ceiling(world, ls.load(model), options, run)
        metrics |= {f"faults per km, in stages, {row['driver']}": row["faults per km"] for row in details["ceiling"]}
    best = min((name for name in names if _kept(results, name)), key=lambda name: errors.get((name, sizes[-1]), 1e9))
    run.finish(
        _kept(results, best), metrics, train_seconds=train_seconds(results), options=asdict(options), details=details,
        report=lambda: _report(world, results, details, films),
    )  # fmt: skip


@final
class TimedPolicy:
    """A policy, and how long each of its decisions takes, from what the sensors see to the action."""

    def __init__(self, policy: Any) -> None:
        """Time a policy."""
        self.policy = policy
        self.seconds: list[float] = []

    def reset(self) -> None:
        """A new drive."""
        if hasattr(self.policy, "reset"):
            self.policy.reset()

    def __call__(self, seen: Any) -> Any:
        """What the policy decides."""
        begun = time.perf_counter()
        action = self.policy(seen)
        self.seconds.append(time.perf_counter() - begun)
        return action

    def milliseconds(self) -> dict[str, float]:
        """The median, and what one decision in a hundred exceeds."""
        p50, p99 = np.percentile(self.seconds, (50, 99))
        return {"p50": round(1000 * float(p50), 2), "p99": round(1000 * float(p99), 2)}


def _kept(results: StudyResults, name: str) -> Path | None:
    """The file of the first training at the largest size; None where it failed."""
    size, seed = results.plan.sizes[-1], results.plan.seeds[0]
    if any((each.strategy, each.size, each.seed) == (name, size, seed) for each in results.missing()):
        return None
    return results.model(name, size, seed)


def _drives(world: DrivingWorld, policy: Any, options: DriveOptions, run: SystemRun) -> tuple[Episodes, Any]:
    """Episodes, and a strip of frames of the first."""
    from longspan.control import Recording, film_strip, run_episodes

    episodes = run_episodes(
        world.make, policy, episodes=options.episodes, seed=run.seed, max_steps=world.most_steps, measure=measure_drive
    )
    film = Recording(frames=True, observations=False)
    run_episodes(
        functools.partial(world.make, render=True), policy, episodes=1, seed=run.seed, max_steps=300, recording=film
    )
    return episodes, film_strip(film.images(), count=8, columns=4)


def _expert_drives(world: DrivingWorld, options: DriveOptions, run: SystemRun) -> Episodes:
    from longspan.control import run_episodes

    environment = world.make()
    return run_episodes(
        environment, world.expert(environment), episodes=options.episodes, seed=run.seed, max_steps=world.most_steps,
        measure=measure_drive,
    )  # fmt: skip


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


def _offline(world: DrivingWorld, name: str, model: Any, frames: ls.Table) -> float:
    """Mean absolute steering error on frames of the expert: the network's, or its controller's from what it says."""
    found = world.steering(name, model.predict(frames.select(*model.inputs)), frames)
    return float(np.abs(np.array(found) - np.array(frames.column_values("steer"), float)).mean())


def _ceiling(world: DrivingWorld, model: Any, options: DriveOptions, run: SystemRun) -> list[dict[str, Any]]:
    """The staged driver with stages replaced by the ground truth, and with fewer sensors."""
    from longspan.control import run_episodes

    rows = []
    for says, policy_for in world.replaced(model):
        environment = world.make()
        episodes = run_episodes(
            environment, policy_for(environment), episodes=options.episodes, seed=run.seed, max_steps=world.most_steps,
            measure=measure_drive,
        )  # fmt: skip
        rows.append({"driver": says, **_summary(episodes)})
        run.say(f"{says}: {rows[-1]['faults']} faults in {rows[-1]['km']:.1f} km")
    return rows


def _report(
    world: DrivingWorld, results: StudyResults, details: Mapping[str, Any], films: Mapping[str, Any]
) -> Document:
    from longspan.report import CaptionedImage
    from longspan.report.document import Document

    page = Document("Drive: strategies in closed loop, in a made-up world")
    page.section("What this is").text(world.about)
    page.section("Faults per kilometre over frames of the expert")
    page.figure(results.figure(), label="Learning curves in closed loop")
    for line in results.advice():
        page.text(line)
    page.section("Closed loop, with the most frames and the first seed")
    page.table([_row(name, each) for name, each in details["closed loop"].items()])
    page.text(
        "The time of a decision is from what the sensors see to the action: the median, and what one in a hundred "
        "exceeds."
    )
    if "ceiling" in details:
        page.section("Ceiling: stages replaced by the ground truth, and fewer sensors")
        page.table([_row(each["driver"], each) for each in details["ceiling"]])
    for name, film in films.items():
        page.section(f"Film strip: {name}").images([CaptionedImage(np.asarray(film), caption="the first drive")])
    return page


def _row(name: str, each: Mapping[str, Any]) -> dict[str, object]:
    ms = each.get("ms a decision")
    return {
        "driver": name, "km": f"{each['km']:.1f}", "faults": each["faults"],
        "metres between faults": f"{each['metres between faults']:.0f}",
        "off the lane": f"{100 * each['off the lane']:.1f} %",
        "lane deviation RMS, m": f"{each['lane deviation RMS, m']:.2f}",
        "jerk RMS, m/s3": f"{each['jerk RMS, m/s3']:.1f}",
        **({"ms a decision, p50": f"{ms['p50']:.1f}", "p99": f"{ms['p99']:.1f}"} if ms else {}),
    }  # fmt: skip


DRIVE = System(
    name="drive",
    summary="Drives on a made-up road or racetrack: in stages, end to end, DAgger, direct perception, in closed loop.",
    needs="no download, and hours on two cores for all sizes and seeds; minutes for a few",
    extras=("control",),
    options=DriveOptions,
    run=_run,
)
"""Made up from road to sensors; `steer` has real frames."""
