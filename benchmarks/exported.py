"""An exported model beside the model it was made of: outputs, speed, and the environment that it needs.

Run: OMP_NUM_THREADS=1 python benchmarks/exported.py MODEL.safetensors IMAGES... [--environment]

With --environment a virtual environment is made in a temporary folder, with longspan but without PyTorch, as the guide
says; its size is measured, by package, and the time from the command to the first prediction in it and in this one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import torch

from longspan.cli.commands.predict import files_of
from longspan.deploy import export
from longspan.pipeline import load
from longspan.portable import OnnxModel
from longspan.report import describe_environment

NEEDS = ("onnxruntime", "numpy", "pillow", "polars", "narwhals", "typer")
ROOT = Path(__file__).parent.parent
CALLS = 200
STARTS = 5
_LARGEST = 8  # packages that are listed


def percentiles(predict, files):
    """Milliseconds of a call with one image, from the file to the prediction: median and 99th percentile."""
    predict(files[0])
    times = []
    for number in range(CALLS):
        start = time.perf_counter()
        predict(files[number % len(files)])
        times.append((time.perf_counter() - start) * 1000)
    return {"p50_ms": round(statistics.median(times), 2), "p99_ms": round(statistics.quantiles(times, n=100)[98], 2)}


def start_s(python, model, file, **environment):
    """Seconds from the command to the printed prediction, the median of several."""
    times = []
    for _ in range(STARTS):
        start = time.perf_counter()
        command = [python, "-m", "longspan", "predict", str(model), str(file)]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 2)


def folder_mb(folder):
    return round(sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6)


def package_mb(folder):
    """Megabytes of the largest packages of an environment, with the libraries beside them (`NAME.libs`)."""
    found = {}
    for each in next(Path(folder).glob("lib/python3*/site-packages")).iterdir():
        if each.is_dir() and not each.name.endswith(".dist-info"):
            name = {"PIL": "pillow", "_polars_runtime_32": "polars"}.get(each.name, each.name.removesuffix(".libs"))
            found[name] = found.get(name, 0) + folder_mb(each)
    return dict(sorted(found.items(), key=lambda item: -item[1])[:_LARGEST])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--environment", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    files = [file for each in given.images for file in files_of(each)][: given.rows]
    model = load(given.model, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        written = export(model, path, files)
        exported = OnnxModel.load(path, threads=1)
        result = {
            "command": "OMP_NUM_THREADS=1 python benchmarks/exported.py MODEL IMAGES --environment",
            "environment": describe_environment(device="cpu"),
            "load_average": round(os.getloadavg()[0], 1),
            "model": repr(model),
            "rows": written.comparison.rows,
            "largest_relative_difference": written.comparison.largest_difference,
            "same_prediction": written.comparison.agreement,
            "megabytes": {"safetensors": round(Path(given.model).stat().st_size / 1e6, 2), "onnx": written.megabytes},
            "one_image": {"pytorch": percentiles(model.predict, files), "onnx": percentiles(exported.predict, files)},
        }
        if given.environment:
            small = Path(folder) / "small"
            venv.create(small, with_pip=True)
            pip = [small / "bin" / "python", "-m", "pip", "install", "--quiet"]
            without = folder_mb(small)
            subprocess.run([*pip, *NEEDS], check=True)
            subprocess.run([*pip, "--no-deps", str(ROOT)], check=True)
            result["without_pytorch"] = {
                "packages_mb": folder_mb(small) - without,
                "largest_mb": package_mb(small),
                "start_s": start_s(small / "bin" / "python", path, files[0], PYTHONPATH=""),
            }
            result["with_pytorch"] = {"start_s": start_s(sys.executable, given.model, files[0])}
    out = Path(__file__).parent / "results" / "exported.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
