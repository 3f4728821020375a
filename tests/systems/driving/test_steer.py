"""steer: a recording in Udacity's layout, split by runs."""

import json

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.driving.steer import SteerOptions


def recording(folder, runs=5, frames=12):
    """Frames whose brightness on the left says how far to steer."""
    (folder / "IMG").mkdir(parents=True)
    draws, lines = np.random.default_rng(0), []
    for run in range(runs):
        for number in range(frames):
            angle = float(draws.uniform(-1, 1))
            pixels = draws.integers(0, 40, (24, 32, 3))
            pixels[:, :16] += int(80 + 80 * angle)
            pixels[:, 16:] += int(80 - 80 * angle)
            name = f"IMG/center_2016_12_01_13_{run:02d}_{number:02d}_500.jpg"
            PILImage.fromarray(pixels.astype(np.uint8)).save(folder / name)
            lines.append(f"{name},{name},{name},{angle},0.5,0,20")
    (folder / "driving_log.csv").write_text("\n".join(lines) + "\n")
    return folder


def steer(folder, out, **options):
    settings = {"data": str(folder), "size": "32x40", "batch_size": 8, "seeds": 2, **options}
    find_system("steer").run(SteerOptions(**settings), SystemRun("steer", out, quiet=True))
    return json.loads((out / "result.json").read_text())


def test_it_is_measured_on_runs_it_has_not_seen_over_seeds_and_together(tmp_path):
    result = steer(recording(tmp_path / "drive"), tmp_path / "out", epochs=15)
    metrics, seeds = result["metrics"], [each["test"]["r2"] for each in result["seeds"]]
    assert metrics["R2 on the test run"] == pytest.approx(np.mean(seeds))
    assert (metrics["lowest R2 of a seed"], metrics["highest R2 of a seed"]) == (min(seeds), max(seeds))
    # The mean of two networks errs less than they do on average, whatever they say (Krogh and Vedelsby 1995).
    assert metrics["R2 of the mean of all networks"] >= np.mean(seeds)
    assert metrics["R2 on the test run"] > 0.5
    assert "Steering over the test run" in (tmp_path / "out" / "report.html").read_text()


def test_too_few_runs_are_told(tmp_path):
    with pytest.raises(ConfigError, match="has 2 runs"):
        steer(recording(tmp_path / "drive", runs=2), tmp_path / "out")
    with pytest.raises(ConfigError, match="weight-decay"):
        SteerOptions(weight_decay=-1.0)
