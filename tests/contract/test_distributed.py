"""Every registered head trains under DistributedDataParallel: two processes, one step each, the same weights as one.

The losses of detectors too are computed inside the network's forward pass, or gradients would not be exchanged.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import longspan as ls
from longspan.datasets import make_scenes
from longspan.heads import HEADS
from longspan.inference.source import prepare_inputs, prepare_targets, sum_losses

ROWS = 8
PLAIN = {"category": "label", "multi_label": "labels", "number": "number", "text": "text", "keypoints": "points"}
IN_IMAGES = {"mask": "mask", "boxes": "boxes", "instances": "instances"}
SMALL = {
    "generate": {"width": 8, "depth": 1, "heads": 2, "inner": 8, "dropout": 0.0},
    "segment": {"width": 8},
    "heat_maps": {"width": 8},
    "detect": {"channels": 8, "box_head_dim": 8, "samples": 16, "proposals": 20},
    "segment_instances": {
        "channels": 8, "box_head_dim": 8, "samples": 16, "proposals": 20, "mask_width": 8, "mask_depth": 1
    },
}  # fmt: skip


def learner_of(kind):
    """A tiny learner for a kind of head."""
    head = HEADS[kind]
    column = head.column_kinds[0]
    config = ls.TrainConfig(batch_size=4, precision="float32")
    if column in IN_IMAGES:
        target = IN_IMAGES[column]
        task = ls.Task(make_scenes(ROWS + 2, seed=3).split(valid=2, seed=0), "image", target)
        model = "squeezenet1_1"
    else:
        target = PLAIN[column]
        labels = ["a", "b"] * (ROWS // 2)
        cells = {
            "image": np.random.default_rng(0).integers(0, 256, (ROWS, 32, 32), dtype=np.uint8),
            "label": labels,
            "labels": [[x] if i % 3 else ["a", "b"] for i, x in enumerate(labels)],
            "number": np.linspace(0, 9, ROWS).tolist(),
            "text": ["ab", "b"] * (ROWS // 2),
            "points": [{"tip": [4.0 + row, 9.0], "end": [20.0, 3.0 * row]} for row in range(ROWS)],
        }
        kinds = {
            "label": ls.Category(), "labels": ls.MultiLabel(), "number": ls.Number(), "text": ls.Text(),
            "points": ls.Keypoints(),
        }  # fmt: skip
        table = ls.Table.from_arrays(cells, {"image": ls.Image(), **kinds})
        task = ls.Task(table.split(valid=0, seed=0), "image", target, allow_leaks=True)
        # Batch statistics would differ between halves of a batch and the whole of it.
        model = ls.LineCNNConfig() if column == "text" else "squeezenet1_1" if head.reads == "maps" else "lenet5"
    heads = {target: head(**SMALL.get(kind, {}))}
    return ls.Learner(task, model, heads=heads, config=config, seed=0, progress=False, device="cpu")


def loss_of(learner, module, rows):
    batch = next(learner.task.samples.batches(rows, len(rows)))
    inputs, targets = prepare_inputs(batch, learner.inputs), prepare_targets(batch, learner.task.targets)
    outputs = module(*inputs, targets=targets)
    return sum_losses(learner.heads, outputs, targets, batch.present)


def train(rank, port):
    """What one of two processes does: one step of every head on its half of a batch; prints what came of it."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found = {}
    for kind in sorted(HEADS):
        learner = learner_of(kind)
        learner.network.train()
        module = DistributedDataParallel(learner.network)
        torch.manual_seed(rank)
        loss = loss_of(learner, module, learner.task.train[:8].tensor_split(2)[rank])
        loss.backward()
        gradients = [p.grad for p in learner.network.parameters()]
        found[kind] = {
            "missing": sum(gradient is None for gradient in gradients),
            "finite": bool(torch.stack([g.isfinite().all() for g in gradients if g is not None]).all()),
            "sums": [float(gradient.double().sum()) for gradient in gradients if gradient is not None],
            "loss": float(loss),
        }
    dist.destroy_process_group()
    print("RESULT " + json.dumps(found))


@pytest.fixture(scope="module")
def found():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_distributed as t; "
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", f"{code}t.train({rank}, {port})"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    results = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], results[0][1][-2000:] + results[1][1][-2000:]
    return [json.loads(out.split("RESULT ")[1]) for out, _ in results]


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_gradients_are_exchanged(kind, found):
    one, other = found[0][kind], found[1][kind]
    assert one["missing"] == other["missing"] == 0
    assert one["finite"]
    assert other["finite"]
    assert one["sums"] == other["sums"]
    assert any(one["sums"])
    assert one["loss"] != other["loss"]  # of different rows


@pytest.mark.parametrize("kind", ["classify", "regress"])
def test_they_are_those_of_one_process_on_the_whole_batch(kind, found):
    learner = learner_of(kind)
    learner.network.train()
    loss_of(learner, learner.network, learner.task.train[:8]).backward()
    sums = [float(torch.as_tensor(p.grad).double().sum()) for p in learner.network.parameters()]
    assert found[0][kind]["sums"] == pytest.approx(sums, abs=1e-4, rel=1e-3)
