"""What it saves that freed memory stays with the process (`longspan.allocator`), on one thread.

Run: OMP_NUM_THREADS=1 python benchmarks/allocator.py

Each task runs in a process of its own, with glibc's defaults and with longspan's settings in turn, ROUNDS times; a
variable that glibc reads and that changes nothing, MALLOC_PERTURB_=0, leaves its defaults. Processor seconds are the
median over steps; ratios are of the two processes of a round.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 5
STEPS = {"train a ResNet-18, 32 images of 64 px": 15, "predict by a SqueezeNet, 16 photos of 224 px": 15,
         "predict by a SqueezeNet, 1 photo of 224 px": 100}  # fmt: skip


def measure(task):
    """Processor milliseconds of a step and fresh pages, in this process."""
    import torch
    import torchvision

    import longspan  # noqa: F401 - sets it

    torch.set_num_threads(1)
    if task.startswith("train"):
        network = torchvision.models.resnet18(num_classes=10)
        images, labels = torch.randn(32, 3, 64, 64), torch.randint(10, (32,))
        optimizer = torch.optim.SGD(network.parameters(), 0.1)

        def step():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    else:
        network = torchvision.models.squeezenet1_1().eval()
        images = torch.randn(int(task.split(",")[1].split()[0]), 3, 224, 224)
        network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)

        def step():
            with torch.inference_mode():
                network(images)

    times, before = [], 0
    for number in range(STEPS[task] + 3):
        if number == 3:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.process_time()
        step()
        times.append((time.process_time() - start) * 1000)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    print(json.dumps({"ms": statistics.median(times[3:]), "fresh_pages": pages / STEPS[task],
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))  # fmt: skip


def child(task, **environment):
    done = subprocess.run([sys.executable, __file__, task], check=True, capture_output=True, text=True,
                          env={**os.environ, **environment})  # fmt: skip
    return json.loads(done.stdout)


def main():
    from longspan.report import describe_environment

    tasks = {}
    for task in STEPS:
        rounds = [(child(task, MALLOC_PERTURB_="0"), child(task)) for _ in range(ROUNDS)]
        sides = {}
        for place, side in enumerate(("glibc", "longspan")):
            sides[side] = {
                key: round(statistics.median(pair[place][key] for pair in rounds), 1) for key in rounds[0][place]
            }
        ratios = sorted(ours["ms"] / theirs["ms"] for theirs, ours in rounds)
        tasks[task] = {**sides, "time_ratio": round(statistics.median(ratios), 3),
                       "lowest_and_highest": [round(ratios[0], 3), round(ratios[-1], 3)]}  # fmt: skip
        print(task, tasks[task], flush=True)
    result = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/allocator.py", "rounds": ROUNDS,
        "environment": describe_environment(device="cpu"), "load_average": round(os.getloadavg()[0], 1), "tasks": tasks,
    }  # fmt: skip
    path = Path(__file__).parent / "results" / "allocator.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
