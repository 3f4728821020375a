"""What several processes give: speed-up measured here, exactness counted, and a computed curve to a hundred GPUs."""

from __future__ import annotations

import json
import random
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from longspan.errors import ConfigError, unknown_name
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.scaling.curve import PUBLISHED, Cluster, speedup
from longspan.systems.scaling.trainings import Trained, can_kill, same_weights, trained, trained_apart
from longspan.systems.system import System
from longspan.valid_values import stored_networks

if TYPE_CHECKING:
    from longspan.report import Document

__all__ = ["SCALE_OUT", "ScaleOutOptions"]

_RUNS = "trainings"
_DONE = "measured.json"
_VERSION = 2  # of what that file holds
_TARGETS = {"pneumonia": "finding"}
"""Of data sets with several columns that could be one."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleOutOptions:
    """Options of scale-out."""

    data: str = "pneumonia"
    """What is trained on: anything that `longspan train` takes."""
    target: str | None = None
    """What is predicted; None: what the data set is for."""
    model: str = "resnet20"
    """The network that is trained."""
    size: int | None = None
    """Side of the images in pixels, where they are to be resized."""
    epochs: int = 4
    """Of every training."""
    batch_size: int = 64
    """Rows of a step, over all processes together."""
    processes: int = 2
    """How many are measured against one."""
    seeds: int = 5
    """Pairs of trainings, one process against several; 3 or more give an interval, 0 leaves them out."""
    workers: int = 4
    """Virtual workers of the exact trainings."""
    exact_runs: int = 3
    """How often exact trainings are compared, each time with every number of processes that divides the workers."""
    kill: bool = True
    """Also kill one process of an exact training at random, and let it go on."""
    network: str = "inception_v3"
    """The network of the computed curve."""
    gpu_batch: int = 32
    """Rows of one GPU in a step, for the curve."""
    tflops: float = 2.0
    """What a GPU of the curve reaches, in 10^12 operations a second; half the peak of a Tesla K40 of 2013."""
    link_gbit: float = 10.0
    """What a GPU of the curve sends, in 10^9 bits a second."""
    latency_us: float = 50.0
    """Of a message on the curve's network, in microseconds."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            epochs=(self.epochs, 1), batch_size=(self.batch_size, 2), processes=(self.processes, 2),
            seeds=(self.seeds, 0), workers=(self.workers, 1), exact_runs=(self.exact_runs, 0),
            gpu_batch=(self.gpu_batch, 1), size=(self.size, 1),
        )  # fmt: skip
        check_above_zero(tflops=self.tflops, link_gbit=self.link_gbit)
        check_network(self.model)
        known = [each["name"] for each in stored_networks()]
        if self.network not in known:
            raise unknown_name("network for the curve", self.network, known)
        if self.workers % self.processes:
            raise ConfigError(
                f"--workers {self.workers} cannot be shared evenly by --processes {self.processes}: choose "
                f"{self.processes * max(1, self.workers // self.processes)}."
            )

    def words(self) -> list[str]:
        """SOURCE and options of every training."""
        size = [] if self.size is None else ["--size", str(self.size)]
        target = self.target or _TARGETS.get(self.data)
        return [
            self.data, *([] if target is None else ["--target", target]), *size, "--model", self.model, "--weights",
            "none", "--epochs", str(self.epochs), "--batch-size", str(self.batch_size), "--precision", "float32",
            "--device", "cpu",
        ]  # fmt: skip


@final
@dataclass(slots=True)
class _Measured:
    """What trainings were made, by name; kept in a file, so that a run that was stopped goes on."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)

    def keep(self, name: str, value: Any) -> None:
        from longspan.storage.files import write_whole

        self.values[name] = value
        text = json.dumps(self.values)

        def write(part: Path) -> None:
            part.write_text(text, encoding="utf-8")

        write_whole(self.path, write)


def _run(options: ScaleOutOptions, run: SystemRun) -> None:
    from longspan import datasets

    if options.data in datasets.DATASETS:
        datasets.load(options.data)  # once, and not in every training
    started = time.perf_counter()
    folder = run.folder / _RUNS
    folder.mkdir(exist_ok=True)
    measured = _begun(folder / _DONE, options, run.seed)
    run.when_stopped = f"Finished trainings are kept in {folder}; the same command goes on."
    pairs = [_pair(options, run, folder, measured, seed) for seed in range(run.seed, run.seed + options.seeds)]
    exact = [_exact(options, run, folder, measured, seed) for seed in range(run.seed, run.seed + options.exact_runs)]
    curves = _curves(options)
    metrics = {**_speed(options, pairs), **_exactness(options, exact), **_computed(options, curves)}
    run.finish(
        None, metrics, train_seconds=time.perf_counter() - started, options=asdict(options),
        report=lambda: _report(options, metrics, pairs, exact, curves),
        details={"pairs": pairs, "exact": exact, "curves": curves},
    )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)


def _begun(path: Path, options: ScaleOutOptions, seed: int) -> _Measured:
    """What an earlier call with the same options has measured."""
    own = {"options": json.loads(json.dumps(asdict(options))), "seed": seed, "version": _VERSION}
    if path.is_file():
        try:
            kept = json.loads(path.read_text("utf-8"))
        except ValueError:
            kept = {}
        if kept.get("of") == own:
            return _Measured(path, kept)
    found = _Measured(path)
    found.keep("of", own)
    return found


def _training(folder: Path, name: str, words: list[str], **options: Any) -> Trained:
    """A training into a folder of its own; what a stopped call left there goes."""
    return trained(words, _home(folder, name), **options)


def _home(folder: Path, name: str) -> Path:
    shutil.rmtree(folder / name, ignore_errors=True)
    return folder / name


def _pair(options: ScaleOutOptions, run: SystemRun, folder: Path, measured: _Measured, seed: int) -> dict[str, Any]:
    """One process, several that share the work, and as many at once that share nothing, with the same seed."""
    name = f"pair {seed}"
    if name not in measured.values:
        one, several = (
            _training(folder, f"{count}-{seed}", options.words(), seed=seed, processes=count)
            for count in (1, options.processes)
        )
        homes = [_home(folder, f"apart-{number}-{seed}") for number in range(options.processes)]
        slowed = statistics.mean(each.seconds for each in trained_apart(options.words(), homes, seed=seed))
        measured.keep(
            name,
            {"seed": seed, "one": one.to_json(), "several": several.to_json(), "apart_epoch_seconds": round(slowed, 4)},
        )
    found = measured.values[name]
    ratio = found["one"]["epoch_seconds"] / found["several"]["epoch_seconds"]
    run.say(
        f"seed {seed}: {found['one']['epoch_seconds']:.2f} s an epoch in one process, "
        f"{found['several']['epoch_seconds']:.2f} s in {options.processes} ({ratio:.2f} times as quick; "
        f"{_limit(options, found):.2f} if they shared nothing); validation "
        f"loss {found['one']['loss']:.4f} and {found['several']['loss']:.4f}"
    )
    return found


def _limit(options: ScaleOutOptions, pair: dict[str, Any]) -> float:
    """The speed-up if processes had nothing to tell one another: as much as this machine gives."""
    return options.processes * pair["one"]["epoch_seconds"] / pair["apart_epoch_seconds"]


def _exact(options: ScaleOutOptions, run: SystemRun, folder: Path, measured: _Measured, seed: int) -> dict[str, Any]:
    """Virtual workers on one process and on every other number that divides them, and on some of which one dies."""
    name = f"exact {seed}"
    if name not in measured.values:
        counts = [count for count in range(1, options.workers + 1) if options.workers % count == 0]
        runs: dict[str, Trained] = {}
        for count in counts:
            runs[str(count)] = _training(
                folder, f"exact-{count}-{seed}", options.words(), seed=seed, processes=count, workers=options.workers
            )
        if options.kill and can_kill():
            whole = runs[str(options.processes)]
            moment = random.Random(f"moment {seed}").uniform(0.0, 0.8 * whole.seconds * options.epochs)
            runs["killed"] = _training(
                folder, f"exact-killed-{seed}", options.words(), seed=seed, processes=options.processes,
                workers=options.workers, kill_after=moment,
            )  # fmt: skip
        equal = {each: same_weights(runs["1"].folder, found.folder) for each, found in runs.items() if each != "1"}
        for found in runs.values():
            shutil.rmtree(found.folder, ignore_errors=True)
        measured.keep(
            name, {"seed": seed, "equal": equal, "runs": {each: found.to_json() for each, found in runs.items()}}
        )
    found = measured.values[name]
    said = ", ".join(f"{each}: {'the same bits' if same else 'DIFFERENT'}" for each, same in found["equal"].items())
    run.say(f"virtual workers, seed {seed}, against one process: {said}")
    return found


def _speed(options: ScaleOutOptions, pairs: Sequence[dict[str, Any]]) -> dict[str, float]:
    if not pairs:
        return {}
    from longspan.study.statistics.t_distribution import mean_interval

    ratios = [each["one"]["epoch_seconds"] / each["several"]["epoch_seconds"] for each in pairs]
    mean, low, high = mean_interval([each["several"]["loss"] - each["one"]["loss"] for each in pairs])
    return {
        f"speed-up, {options.processes} processes": statistics.median(ratios),
        f"speed-up, {options.processes} processes that share nothing": statistics.median(
            _limit(options, each) for each in pairs
        ),
        "loss, several minus one": mean,
        "loss, several minus one, low": low,
        "loss, several minus one, high": high,
    }


def _exactness(options: ScaleOutOptions, exact: Sequence[dict[str, Any]]) -> dict[str, float]:
    if not exact:
        return {}
    compared = [same for each in exact for same in each["equal"].values()]
    one = statistics.median(each["runs"]["1"]["epoch_seconds"] for each in exact)
    several = statistics.median(each["runs"][str(options.processes)]["epoch_seconds"] for each in exact)
    return {
        "exact trainings compared": float(len(compared)),
        "with the same bits": float(sum(compared)),
        "of these killed once": float(sum(each["runs"].get("killed", {}).get("killed", False) for each in exact)),
        f"exact: processor time of {options.processes} processes, of one": options.processes * several / one,
    }


def _curves(options: ScaleOutOptions) -> dict[str, Any]:
    """Speed-up by number of GPUs, with gradients sent during the backward pass and after it."""
    network = next(each for each in stored_networks() if each["name"] == options.network)
    cluster = Cluster(tflops=options.tflops, link_gbit=options.link_gbit, latency_us=options.latency_us)
    gpus = [1, 2, 4, 8, 16, 25, 32, 50, 64, 75, 100]
    found = {
        name: speedup(
            cluster, parameters=network["parameters"], multiply_adds=network["multiply_adds"], batch=options.gpu_batch,
            gpus=gpus, overlapped=overlapped,
        )
        for name, overlapped in (("sent during the backward pass", True), ("sent after it", False))
    }  # fmt: skip
    return {"gpus": gpus, **found}


def _computed(options: ScaleOutOptions, curves: dict[str, Any]) -> dict[str, float]:
    place = curves["gpus"].index(100)
    return {
        "computed for 100 GPUs, sent during the backward pass": curves["sent during the backward pass"][place],
        "computed for 100 GPUs, sent after it": curves["sent after it"][place],
        "published for 100 GPUs, TensorFlow 0.8": PUBLISHED[100],
    }


def _report(
    options: ScaleOutOptions, metrics: dict[str, float], pairs: Sequence[dict[str, Any]],
    exact: Sequence[dict[str, Any]], curves: dict[str, Any],
) -> Document:  # fmt: skip
    from longspan.report import Document

    count = options.processes
    page = Document("scale-out", subtitle=f"{options.model} on {options.data}, in one process and in {count}.")
    if pairs:
        page.headline(f"speed-up, {count} processes", metrics[f"speed-up, {count} processes"], "measured here")
    if exact:
        same, of = metrics["with the same bits"], metrics["exact trainings compared"]
        page.headline("exact trainings with the same bits", f"{same:.0f} of {of:.0f}", "counted here")
    page.headline(
        "speed-up, 100 GPUs", metrics["computed for 100 GPUs, sent after it"], "computed, gradients sent after backward"
    )
    if pairs:
        page.section("One process against several").table(
            {
                "seed": each["seed"],
                "s an epoch, one": each["one"]["epoch_seconds"],
                f"s an epoch, {count}": each["several"]["epoch_seconds"],
                f"s an epoch, {count} that share nothing": each["apart_epoch_seconds"],
                "loss, one": each["one"]["loss"],
                f"loss, {count}": each["several"]["loss"],
            }
            for each in pairs
        )
        low, high = metrics["loss, several minus one, low"], metrics["loss, several minus one, high"]
        limit = metrics[f"speed-up, {count} processes that share nothing"]
        page.text(
            f"{count} trainings at once that share nothing, each in one process, learn from {limit:.2f} times as many "
            "rows a second as one alone: no speed-up on this machine can be larger."
        )
        page.text(
            "Gradients are averaged over processes, so weights differ, and losses should not. The mean difference of "
            f"the losses is {metrics['loss, several minus one']:.4f} (95 % interval: {low:.4f} to {high:.4f}; paired "
            "by seed)."
        )
    if exact:
        page.section("Virtual workers: the same bits").table(
            {"seed": each["seed"], **{f"against {name}": "same" if same else "different" for name, same in
                                      each["equal"].items()}}
            for each in exact
        ).text(
            f"{options.workers} virtual workers on one process, against the same on other numbers of processes, and on "
            f"{count} of which one was killed at a random moment and all went on from the last checkpoint."
        )  # fmt: skip
    page.section("To a hundred GPUs (computed)").figure(
        _figure(curves), caption="Rows a second as a multiple of one GPU's. Lines are computed; the cross is published."
    ).text(
        f"{options.network}, {options.gpu_batch} rows on each GPU, {options.tflops:g} x 10^12 operations a second, a "
        f"link of {options.link_gbit:g} Gbit/s and {options.latency_us:g} microseconds. The lines are a formula and no "
        "measurement. TensorFlow 0.8 (2016) used parameter servers; its speed-up of 56 with 100 GPUs is the authors'."
    )
    return page


def _figure(curves: dict[str, Any]) -> Any:
    from longspan.report.canvas import COLOURS, new_axes

    sheet, (axes,) = new_axes(width_px=680, height_px=360)
    axes.plot(
        [1, 100], [1, 100], color=COLOURS[7 % len(COLOURS)], linewidth=0.9, linestyle=":", label="as many as GPUs"
    )
    for place, name in enumerate(("sent during the backward pass", "sent after it")):
        axes.plot(curves["gpus"], curves[name], color=COLOURS[place], linewidth=1.8, label=f"computed: {name}")
    axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "x", color=COLOURS[3], markersize=9, label="TensorFlow 0.8")
    axes.set(xlabel="GPUs", ylabel="speed-up")
    axes.legend(frameon=False)
    return sheet


SCALE_OUT = System(
    name="scale-out",
    summary="Trains in several processes: speed-up measured, exactness counted, a computed curve to a hundred GPUs.",
    needs="the data set pneumonia (4 MB), several processor cores, and about half an hour",
    options=ScaleOutOptions,
    run=_run,
)
