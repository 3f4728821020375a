"""Damaged inputs given to longspan's own programs: exit code 0 or 2, words on standard error, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from damage.kinds import Cases
from damage.worker import Outcome

__all__ = ["run_programs"]

_LIMIT_S = 120.0
_KINDS = ("jpeg", "model", "coco", "png", "csv", "voc", "pth", "masks", "webp", "yolo", "study", "parquet")


def run_programs(cases: Cases, count: int, scratch: Path) -> list[Outcome]:
    """`count` cases, the kinds in turn; numbers are those of the cases."""
    sound = {kind: cases.corpus[kind][0] for kind in ("model", "jpeg")}
    return [
        _run(cases, _KINDS[i % len(_KINDS)], i // len(_KINDS), scratch / f"program{i}", sound) for i in range(count)
    ]


def _run(cases: Cases, kind: str, number: int, folder: Path, sound: dict) -> Outcome:  # type: ignore[type-arg]
    files, damaged = cases.files(kind, number)
    for name, content in {
        **files,
        "sound.safetensors": sound["model"].content,
        "sound.jpg": sound["jpeg"].content,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    command = [sys.executable, "-c", "from longspan.cli import main; main()", *_words(kind, damaged)]
    started = time.monotonic()
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_LIMIT_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return Outcome(f"cli-{kind}", number, "hang", " ".join(_words(kind, damaged)), _LIMIT_S, 0.0)
    said = done.stderr.decode("utf-8", "replace")
    ended, what = ("read" if done.returncode == 0 else "refused"), said[-300:]
    if (
        done.returncode not in (0, 2)
        or "Traceback" in said
        or (done.returncode == 2 and not said.startswith("longspan: error: "))
    ):
        ended, what = "unnamed", f"exit code {done.returncode}: {said[-300:]}"
    return Outcome(f"cli-{kind}", number, ended, what, round(time.monotonic() - started, 2), 0.0)


def _words(kind: str, damaged: str) -> list[str]:
    """The command line for a damaged file of this kind."""
    train = ["--model", "resnet20", "--size", "32", "--epochs", "1", "--out", "out.safetensors", "--quiet"]
    if kind in ("jpeg", "png", "webp"):
        return ["predict", "sound.safetensors", damaged, "sound.jpg"]
    if kind in ("model", "pth"):
        return ["predict", damaged, "sound.jpg"]
    if kind in ("csv", "parquet"):
        return ["evaluate", "sound.safetensors", damaged]
    if kind == "study":
        return ["study", "--out", "."]
    if kind == "masks":
        return ["train", "images", "--format", "masks", "--annotations", "masks", *train]
    folder = {"coco": "coco.json", "voc": "voc", "yolo": "yolo"}[kind]
    images = "." if kind == "coco" else "images"
    return ["train", images, "--format", kind, "--annotations", folder, *train]
