"""The speed that `longspan doctor` compares with: its speed test on one thread, by the time that the thread computed.

Run: OMP_NUM_THREADS=1 python benchmarks/doctor_speed.py
"""

import json
import os
import statistics
import time
from pathlib import Path
from unittest.mock import patch

import torch

from longspan.cli import speed_test
from longspan.report import describe_environment

ROUNDS = 5


def main():
    torch.set_num_threads(1)
    with patch.object(speed_test.time, "perf_counter", time.process_time):  # others may use the machine too
        tests = [speed_test.speed_test("cpu").to_json() for _ in range(ROUNDS)]
    keys = ("trained_images_per_s", "predicted_images_per_s")
    result = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/doctor_speed.py",
        "environment": describe_environment(device="cpu"),
        "load_average": round(os.getloadavg()[0], 1),
        "rounds": ROUNDS,
        "network": {key: tests[0][key] for key in ("model", "size_px", "batch_size", "precision", "threads")},
        **{key: round(statistics.median(test[key] for test in tests), 2) for key in keys},
        "all": {key: [test[key] for test in tests] for key in keys},
    }
    path = Path(__file__).parent / "results" / "doctor_speed.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
