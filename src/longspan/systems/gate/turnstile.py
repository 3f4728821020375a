"""Who stands at the gate: find, align, embed and compare, against one network from the whole frame to the person."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.errors import ConfigError, check_names
from longspan.systems.gate.entrance_frames import Frame, cast, frames_of, grounds_without_people
from longspan.systems.gate.ways import (
    END_TO_END,
    POINTS_KNOWN,
    STAGED,
    WAYS,
    WITHOUT_ALIGN,
    WITHOUT_DETECT,
    embed_all,
    frame_network,
    probabilities,
    similarities,
)
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.report import Document

__all__ = ["TURNSTILE", "TurnstileOptions", "figures_at_gate"]

_FALSE_ACCEPTS = 0.01
_SHOWN = 8
_DRAWS = 2000


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TurnstileOptions:
    """Options of turnstile."""

    people: int = 40
    """People who are enrolled; each has as many photos as are enrolled at most, and two more to be looked at."""
    photos: str = "1,2,3,5,8"
    """Photos of each person who is enrolled."""
    strangers: int = 150
    """People who are not enrolled and must be refused; as many others set the threshold."""
    ways: str = "all"
    """in stages, points known, without align, without detect, end to end; separated by commas."""
    frames: int = 20
    """Made-up frames of each enrolled photo that the network from frame to person learns from."""
    backbone: str = "mobilenet_v2"
    """Of that network; see `longspan models`."""
    weights: str = "imagenet"
    """Its initial weights: imagenet, none, or a file."""
    epochs: int = 4
    """Its passes over those frames with all layers, after one in which only the new layers of a pretrained network
    learn; more where frames are few, at least 200 steps."""
    lr: float = 1e-3
    """Its peak learning rate."""
    size_px: int = 112
    """Height and width of the frames that it sees."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.backbone, self.weights)
        check_at_least(
            people=(self.people, 2), strangers=(self.strangers, 20), frames=(self.frames, 1), epochs=(self.epochs, 1),
            size_px=(self.size_px, 32),
        )  # fmt: skip
        check_above_zero(lr=self.lr)
        if min(self.counts) < 1:
            raise ConfigError(f"--photos must be at least 1 each, got {self.photos!r}.")
        if self.ways != "all":
            check_names("way", [each.strip() for each in self.ways.split(",")], WAYS)

    @property
    def counts(self) -> list[int]:
        """Numbers of photos, ascending."""
        try:
            return sorted({int(each) for each in self.photos.split(",")})
        except ValueError:
            raise ConfigError(f"--photos must be whole numbers separated by commas, got {self.photos!r}.") from None

    @property
    def chosen(self) -> list[str]:
        """Ways to measure."""
        asked = [each.strip() for each in self.ways.split(",")]
        return [way for way in WAYS if self.ways == "all" or way in asked]


def figures_at_gate(
    scores: np.ndarray, names: Sequence[str], people: Sequence[str], threshold: float
) -> dict[str, float]:
    """Named right at all (rank-1), and above the threshold (DIR); and how many strangers are let in (FAR).

    Args:
        scores: `(N, P)` of each frame for each enrolled person.
        names: `(N,)`, who is on the frame.
        people: `(P,)`, who is enrolled.
        threshold: From which on a frame is taken for the person with the highest score.
    """
    top = scores.max(axis=1)
    known = np.array([name in {*people} for name in names])
    right = named_right(scores, names, people)
    return {
        "rank-1": float(right[known].mean()),
        "dir": float((right & (top >= threshold))[known].mean()),
        "far": float((top >= threshold)[~known].mean()),
    }


def named_right(scores: np.ndarray, names: Sequence[str], people: Sequence[str]) -> np.ndarray:
    """`(N,)`: whether the highest of the scores `(N, P)` is that of the person on the frame."""
    return np.array([people[place] == name for place, name in zip(scores.argmax(axis=1), names, strict=True)])


def difference_by_person(
    first: np.ndarray, second: np.ndarray, names: Sequence[str], seed: int
) -> tuple[float, float, float]:
    """By how much the mean of `first` `(N,)` is above that of `second`, with a 95 % interval over people, paired.

    People are drawn anew with all their frames, `names` `(N,)`.
    """
    gains = np.asarray(first, float) - np.asarray(second, float)
    people = sorted({*names})
    sums = np.array([[gains[place], 1.0] for place in range(len(names))])
    by_person = np.stack([sums[[name == person for name in names]].sum(axis=0) for person in people])
    drawn = by_person[np.random.default_rng([seed, 21]).integers(0, len(people), (_DRAWS, len(people)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(gains.mean()), float(low), float(high)


def _run(options: TurnstileOptions, run: SystemRun) -> None:
    from longspan.metrics.verification import wilson

    started = time.perf_counter()
    random = np.random.default_rng([run.seed, 18])
    who = cast(random, people=options.people, photos=max(options.counts), strangers=options.strangers)
    grounds = grounds_without_people()
    groups = {"looked at": who.looked_at, "strangers": who.strangers, "setters": who.setters}
    frames = {name: frames_of(photos, grounds, random) for name, photos in groups.items()}
    people = sorted(who.enrolled)
    run.say(
        f"{len(people)} people enrolled, {len(frames['looked at'])} frames of them, {len(frames['strangers'])} of "
        f"strangers; {len(frames['setters'])} of others set the threshold for {_FALSE_ACCEPTS:.0%} false accepts."
    )
    rows: list[dict[str, Any]] = []
    right: dict[tuple[str, int], np.ndarray] = {}
    learner = None
    views = [way for way in options.chosen if way != END_TO_END]
    embedded = embed_all(views, who.enrolled, frames, grounds, run.seed, max(options.counts))
    for way in options.chosen:
        for count in options.counts:
            if way == END_TO_END:
                learner = frame_network(who.enrolled, grounds, count, options, run)
                scored = {name: probabilities(learner, each, people) for name, each in frames.items()}
            else:
                scored = similarities(embedded[way], people, count)
            threshold = float(np.quantile(scored["setters"].max(axis=1), 1 - _FALSE_ACCEPTS, method="higher")) + 1e-6
            names = [each.person for each in (*frames["looked at"], *frames["strangers"])]
            right[way, count] = named_right(scored["looked at"], names[: len(frames["looked at"])], people)
            scores = np.concatenate([scored["looked at"], scored["strangers"]])
            figures = figures_at_gate(scores, names, people, threshold)
            low, high = wilson(figures["dir"] * len(frames["looked at"]), len(frames["looked at"]))
            rows.append({"way": way, "photos": count, **figures, "dir low": low, "dir high": high})
            run.say(f"{way}, {count} photos: rank-1 {figures['rank-1']:.1%}, DIR {figures['dir']:.1%}, FAR "
                    f"{figures['far']:.1%}")  # fmt: skip
    metrics = {
        f"{what}, {row['way']}, {row['photos']} photos": row[what] for row in rows for what in ("rank-1", "dir", "far")
    }
    ahead = {
        count: difference_by_person(
            right[STAGED, count], right[END_TO_END, count], [each.person for each in frames["looked at"]], run.seed
        )
        for count in options.counts
        if (STAGED, count) in right and (END_TO_END, count) in right
    }
    said = _sentences(rows, ahead)
    for sentence in said:
        run.say(sentence)
    run.finish(
        learner, metrics, train_seconds=time.perf_counter() - started, options=asdict(options),
        report=_report(rows, said, options, frames["looked at"]), 
        details={
            "rows": rows, "says": said,
            "stages ahead of one network": [
                {"photos": count, "difference": value, "low": low, "high": high}
                for count, (value, low, high) in ahead.items()
            ],
        },
    )  # fmt: skip


def _sentences(rows: Sequence[Mapping[str, Any]], ahead: Mapping[int, tuple[float, float, float]]) -> list[str]:
    """The crossover of stages and network or its absence, the ceiling of the stages, and what each stage is worth."""
    found = {(row["way"], row["photos"]): row for row in rows}
    counts = sorted({row["photos"] for row in rows})
    said = []
    if ahead:
        most = counts[-1]
        overtakes = [count for count in counts if ahead[count][0] < 0]
        _, low, high = ahead[most]
        said.append(
            f"One network names more people right than the stages from {overtakes[0]} photos on."
            if overtakes
            else f"No crossover up to {most} photos a person: there the stages name "
            f"{found[STAGED, most]['rank-1']:.1%} right, one network {found[END_TO_END, most]['rank-1']:.1%} (stages "
            f"ahead by {100 * low:.0f} to {100 * high:.0f} points, 95 % over people)."
        )
    for way, words in (
        (POINTS_KNOWN, "with perfect points, the ceiling of find and align,"),
        (WITHOUT_ALIGN, "without align"),
        (WITHOUT_DETECT, "without detect"),
    ):
        if (way, counts[-1]) in found and (STAGED, counts[-1]) in found:
            here, there = found[way, counts[-1]]["rank-1"], found[STAGED, counts[-1]]["rank-1"]
            said.append(f"{counts[-1]} photos a person: {words} {here:.1%} are named right, in stages {there:.1%}.")
    return said


def _curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Rank-1 over photos of each person; one line for each way."""
    from longspan.report.canvas import COLOURS, INK, SMALL, heading, new_axes

    sheet, (axes,) = new_axes(width_px=680, height_px=320)
    ways = list(dict.fromkeys(row["way"] for row in rows))
    for way, colour in zip(ways, COLOURS, strict=False):
        points = [(row["photos"], row["rank-1"]) for row in rows if row["way"] == way]
        line = "--" if way == POINTS_KNOWN else "-"  # it often lies on that of the stages
        axes.plot(*zip(*points, strict=True), line, color=colour, marker="o", markersize=4, linewidth=1.8, label=way)
    axes.set_xticks(sorted({row["photos"] for row in rows}))
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("photos of each person")
    axes.set_ylabel("named right (rank-1)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=SMALL, labelcolor=INK)
    heading(axes, "Frame to person", "of the frames of people who are enrolled")
    return sheet


def _report(
    rows: Sequence[Mapping[str, Any]], said: Sequence[str], options: TurnstileOptions, frames: Sequence[Frame]
) -> Callable[[], Document]:
    from longspan.report import CaptionedImage, Document

    def make() -> Document:
        page = Document("turnstile", subtitle=f"{options.people} people, made-up entrance frames")
        page.section("Frame to person").text(
            f"{' '.join(said)} Rank-1: named right among those enrolled. DIR: named right above the threshold at which "
            f"{_FALSE_ACCEPTS:.0%} of other people's frames are let in; FAR: strangers that are let in there. DIR has "
            "Wilson's 95 % interval over frames."
        )
        page.figure(_curves(rows))
        page.table([{name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()} for row in rows])
        page.section("Frames")
        page.images([CaptionedImage(each.pixels, each.person) for each in frames[:_SHOWN]], caption="Looked at")
        page.section("Settings")
        return page.settings(asdict(options)).environment()

    return make


TURNSTILE = System(
    name="turnstile",
    summary="Says who stands at a gate: find, align, embed and compare, against one network from frame to person.",
    needs="the data sets lfw-faces-half and coco128, the weights of MobileFaceNet and MTCNN, and about half an hour",
    options=TurnstileOptions,
    run=_run,
)
