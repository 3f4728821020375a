"""Trainings killed with SIGKILL at random moments and resumed, beside undisturbed ones: the same bits, or not.

python benchmarks/kill.py --kills 100 --out benchmarks/results/kill.json

Four small trainings by the command line, `longspan train ... --out RUN` and `longspan train --resume RUN`: classes of
digits with a running average, early stopping and augmentation; the same fine-tuned, frozen and then unfrozen; numbers
of several digits read with CTC; boxes in drawn scenes. Each is killed again and again, at a moment drawn between its
start and its usual end, or as soon as a checkpoint is seen being written, and finished after one to four kills.
Weights, the best epoch's weights, metrics and history must then equal those of the undisturbed training, bit for bit.

The killed processes are forks of this one, which has imported everything: so kills meet trainings, not imports.
`--cost` measures instead what fraction of a training's time its checkpoints take, as often as they are written by
default.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

EVERY = {"digits": "3", "fine-tuned": "2", "numbers": "3", "scenes": "3"}
"""Steps between checkpoints."""

LONGER = {"digits": 80, "fine-tuned": 80, "numbers": 60, "scenes": 10}
"""Times as many epochs when the cost of checkpoints is measured: half a minute and more."""


def commands(data: Path, longer: int = 1) -> dict[str, list[str]]:
    """The words of every training, `longer` times as long, without its folder."""
    digits = [f"{data}/digits", "--pattern", r"(?P<digit>\d)_\d+\.png", "--model", "lenet5", "--size", "28"]
    digits += ["--batch-size", "40", "--valid", "0.25", "--augment", "digits", "--leaks", "allow"]
    return {
        "digits": [
            *digits, "--epochs", f"{4 * longer}", "--average", "0.9", "--early-stopping", "2", "--dropout", "0.2",
        ],
        "fine-tuned": [
            *digits[:-4], "--leaks", "allow", "--weights", f"{data}/source.safetensors", "--mode", "fine-tune",
            "--freeze-epochs", f"{2 * longer}", "--epochs", f"{2 * longer}", "--mixup", "0.2", "--accumulate", "2",
        ],
        "numbers": [
            f"{data}/numbers/numbers.csv", "--image", "file", "--column", "number=text", "--target", "number",
            "--epochs", f"{2 * longer}", "--batch-size", "16", "--clip-norm", "1", "--leaks", "allow",
        ],
        "scenes": [
            f"{data}/scenes", "--format", "coco", "--annotations", f"{data}/coco.json", "--target", "boxes",
            "--model", "retinanet:squeezenet1_1", "--weights", "none", "--size", "32x48", "--epochs", f"{2 * longer}",
            "--batch-size", "4", "--leaks", "allow",
        ],
    }  # fmt: skip


def make_data(folder: Path) -> None:
    """Images and tables of all trainings, and the network that one of them starts from."""
    from PIL import Image

    import longspan as ls
    from longspan.data.annotations import write_coco
    from longspan.datasets.numbers import make_numbers
    from longspan.datasets.scenes import SHAPES, ScenesConfig, make_scenes

    for name in ("digits", "numbers", "scenes"):
        (folder / name).mkdir()
    digits = ls.datasets.load("digits").sample(240, seed=0)
    for row in range(len(digits)):
        Image.fromarray(digits.value(row, "image")).save(folder / "digits" / f"{digits.value(row, 'digit')}_{row}.png")
    numbers = make_numbers(digits, 80, seed=0)
    lines = ["file,number"]
    for row in range(len(numbers)):
        Image.fromarray(numbers.value(row, "image")).save(folder / "numbers" / f"{row}.png")
        lines.append(f"{row}.png,{numbers.value(row, 'number')}")
    (folder / "numbers" / "numbers.csv").write_text("\n".join(lines) + "\n")
    scenes = make_scenes(40, seed=1, config=ScenesConfig(size_px=(32, 48), side_px=(8, 16)))
    files = [folder / "scenes" / f"{row}.png" for row in range(len(scenes))]
    for row, file in enumerate(files):
        Image.fromarray(scenes.value(row, "image")).save(file)
    write_coco(folder / "coco.json", files, scenes.column_values("boxes"), labels=SHAPES)
    task = ls.Task(digits.split(seed=0), "image", "digit", size_px=28, allow_leaks=True)
    ls.Learner(task, "lenet5", progress=False).fit(1).save(folder / "source.safetensors")
    for name, words in commands(folder).items():  # what a training imports on its way
        train([*words, "--out", f"{folder}/warm-{name}", "--quiet"])
    names = [name for name in sys.modules if name.partition(".")[0] not in ("__main__", "__mp_main__")]
    (folder / "modules.json").write_text(json.dumps(names))


def train(words: list[str]) -> None:
    """`longspan train ...` in this process."""
    from longspan.cli import main

    sys.argv = ["longspan", "train", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def start(words: list[str], log: Path) -> int:
    """`longspan train ...` in a fork of this process; its number."""
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        train(words)
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def ended(child: int) -> int | None:
    """Its exit code, negative for a signal; None while it runs."""
    number, status = os.waitpid(child, os.WNOHANG)
    return None if not number else os.waitstatus_to_exitcode(status)


def finish(words: list[str], log: Path) -> None:
    """Run to the end; what went wrong otherwise."""
    child = start(words, log)
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"longspan train {' '.join(words)} failed:\n{log.read_text()[-3000:]}")


def what_came_out(run: Path) -> dict[str, Any]:
    """Everything that must be the same: weights by their bytes, metrics and history without what a clock says."""
    from longspan.storage.files import read_tensors

    result = json.loads((run / "result.json").read_text())
    found: dict[str, Any] = {"metrics": result["metrics"], "steps": result["steps"]}
    found["history"] = [{k: v for k, v in record.items() if k != "seconds"} for record in result["history"]]
    for name in ("model", "checkpoints/best"):
        tensors, values = read_tensors(run / f"{name}.safetensors")
        found[name] = {key: (str(tensor.dtype), tensor.numpy().tobytes()) for key, tensor in tensors.items()}
        values["training"]["last_epoch"].pop("seconds")
        found[f"{name}, header"] = values
    return found


def kill(words: list[str], run: Path, log: Path, moment: float, aimed: bool) -> str | None:
    """Start, kill at the moment or at the first write after it, and say what it met; None if it had ended before."""
    folder, begun = run / "checkpoints", time.monotonic()
    child = start(words, log)
    while True:
        code = ended(child)
        if code is not None:
            if code:
                raise RuntimeError(f"longspan train {' '.join(words)} ended with {code}:\n{log.read_text()[-3000:]}")
            return None
        if time.monotonic() - begun >= moment and (not aimed or any(folder.glob(".*.part"))):
            break
        time.sleep(0.0005 if aimed else 0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if any(folder.glob(".*.part")):
        return "while a checkpoint or best model was written"
    if (run / "model.safetensors").exists():
        return "after the training"
    if any(folder.glob("step-*")):
        return "between checkpoints"
    return "before the first checkpoint" if (run / "run.json").exists() else "while data was read"


def attack(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill until there were as many kills, and compare every training that was finished after some."""
    draws, data, log = random.Random(seed), folder / "data", folder / "log"
    words = commands(data)
    expected, seconds = {}, {}
    for name, command in words.items():
        begun = time.monotonic()
        finish([*command, "--out", f"{folder}/whole-{name}", "--quiet"], log)
        seconds[name] = time.monotonic() - begun
        expected[name] = what_came_out(folder / f"whole-{name}")
    again = [*words["digits"], "--out", f"{folder}/again", "--quiet"]
    finish(again, log)
    assert what_came_out(folder / "again") == expected["digits"], "undisturbed trainings differ"
    finish([*again[:-2], f"{folder}/other", "--quiet", "--seed", "1"], log)
    assert what_came_out(folder / "other")["model"] != expected["digits"]["model"], "the comparison sees nothing"
    done, met, trainings, differing, in_a_row = 0, Counter(), Counter(), [], 0
    names = list(words)
    while done < kills:
        name = names[sum(trainings.values()) % len(names)]
        run, wanted, mine = folder / "run", draws.randint(1, 4), 0
        fresh = [*words[name], "--out", str(run), "--checkpoint-every", EVERY[name], "--quiet"]
        for _ in range(wanted):
            begun = (run / "run.json").exists()
            aimed, moment = draws.random() < 0.4, draws.uniform(0.02, 1.0) * seconds[name]
            at = kill(
                ["--resume", str(run), "--quiet"] if begun else fresh, run, log, moment * (1 - 0.6 * aimed), aimed
            )
            if at is None:
                break
            met[at] += 1
            mine += 1
        if not (run / "result.json").exists():
            finish(["--resume", str(run), "--quiet"] if (run / "run.json").exists() else fresh, log)
        if mine:
            done += mine
            in_a_row += mine > 1
            trainings[name] += 1
            found = what_came_out(run)
            if found != expected[name]:
                wrong = [key for key in found if found[key] != expected[name][key]]
                differing.append({"training": name, "after_kills": mine, "differs": wrong})
            print(f"{done} kills, {sum(trainings.values())} trainings compared, {len(differing)} differ", flush=True)
        shutil.rmtree(run)
    return {
        "kills": done,
        "trainings_compared": sum(trainings.values()),
        "differing": len(differing),
        "differences": differing,
        "killed_twice_or_more_in_a_row": in_a_row,
        "kills_met_a_training": dict(met.most_common()),
        "trainings": dict(trainings),
        "seconds_undisturbed": {name: round(value, 2) for name, value in seconds.items()},
        "compared": "weights, weights of the best epoch, headers of both files, metrics, history; bit by bit",
    }


def cost(folder: Path) -> dict[str, Any]:
    """Seconds within the writer of checkpoints, beside those of the whole training, at the default settings."""
    from longspan.train import Learner
    from longspan.train.checkpoints.checkpoint import CheckpointWriter

    spent = {"writing": 0.0, "training": 0.0}
    files: list[str] = []

    def timed(what: str, function: Any) -> Any:
        def call(*words: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*words, **named)
            finally:
                spent[what] += time.perf_counter() - begun

        return call

    for event in ("step_end", "epoch_end", "close"):
        setattr(CheckpointWriter, event, timed("writing", getattr(CheckpointWriter, event)))
    write = CheckpointWriter._write
    CheckpointWriter._write = lambda self, state: (files.append(""), write(self, state))[1]  # type: ignore[method-assign]
    Learner.run = timed("training", Learner.run)  # type: ignore[method-assign]
    result = {}
    for name, times in LONGER.items():
        command = commands(folder / "data", longer=times)[name]
        if "--early-stopping" in command:
            command[command.index("--early-stopping") + 1] = "10000"
        spent.update(writing=0.0, training=0.0)
        files.clear()
        train([*command, "--out", f"{folder}/cost-{name}", "--quiet"])
        result[name] = {
            "training_seconds": round(spent["training"], 2),
            "checkpoints": len(files),
            "checkpoint_seconds": round(spent["writing"], 3),
            "share_percent": round(100 * spent["writing"] / spent["training"], 2),
        }
        print(name, result[name], flush=True)
    return {"by_training": result, "largest_share_percent": max(each["share_percent"] for each in result.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--cost", action="store_true", help="measure the cost of checkpoints, without kills")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data:
        make_data(options.data)
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before numpy starts threads, which do not survive a fork
    begun = time.monotonic()
    warnings.filterwarnings("ignore")  # of modules that are imported out of their order
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        # In a process of its own: threads that making data starts would be missing in the forks.
        subprocess.run([sys.executable, __file__, "--data", str(folder / "data")], check=True)
        for name in json.loads((folder / "data" / "modules.json").read_text()):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        result = cost(folder) if options.cost else attack(folder, options.kills, options.seed)
    from longspan.report import describe_environment

    result |= {"seed": options.seed, "seconds": round(time.monotonic() - begun), "environment": describe_environment()}
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(1 if result.get("differing") or result.get("largest_share_percent", 0) > 2 else 0)


if __name__ == "__main__":
    main()
