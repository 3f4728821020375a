import math

import pytest
import torch

from longspan.errors import UnknownNameError
from longspan.train.optimization.schedules import SCHEDULES, lr_factor, momentum_at

STEPS = 40


def by_torch(make):
    """Rates of torch's own scheduler, one per step, at a peak of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def fastai_cosine(start, end, position):
    """fastai.callback.schedule.SchedCos."""
    return start + (1 + math.cos(math.pi * (1 - position))) * (end - start) / 2


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0)),
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=STEPS)),
        ("step", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [STEPS // 2, STEPS * 3 // 4], gamma=0.1)),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0, total_iters=STEPS)),
    ],
)
def test_schedules_equal_those_of_torch(schedule, make):
    found = [lr_factor(schedule, step / STEPS, 0.0) for step in range(STEPS)]
    assert found == pytest.approx(by_torch(make), abs=1e-9)


@pytest.mark.parametrize("warmup", [0.25, 0.4])
def test_one_cycle_equals_fastai(warmup):
    for step in range(STEPS):
        progress = step / STEPS
        if progress < warmup:
            lr = fastai_cosine(1 / 25, 1.0, progress / warmup)
            momentum = fastai_cosine(0.95, 0.85, progress / warmup)
        else:
            lr = fastai_cosine(1.0, 1 / 1e5, (progress - warmup) / (1 - warmup))
            momentum = fastai_cosine(0.85, 0.95, (progress - warmup) / (1 - warmup))
        assert lr_factor("one_cycle", progress, warmup) == pytest.approx(lr)
        assert momentum_at("one_cycle", progress, warmup) == pytest.approx(momentum)


def test_one_cycle_by_value():
    assert lr_factor("one_cycle", 0.0, 0.25) == pytest.approx(0.04)
    assert lr_factor("one_cycle", 0.125, 0.25) == pytest.approx(0.52)
    assert lr_factor("one_cycle", 0.25, 0.25) == pytest.approx(1.0)
    assert lr_factor("one_cycle", 1.0, 0.25) == pytest.approx(1e-5)
    assert momentum_at("one_cycle", 0.25, 0.25) == pytest.approx(0.85)


@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if s not in ("one_cycle", "coslog4")])
def test_warmup_rises_evenly_from_nothing_and_momentum_rests(schedule):
    assert [lr_factor(schedule, p, 0.5) for p in (0, 0.1, 0.25)] == pytest.approx([0, 0.2, 0.5])
    if schedule != "step":
        assert lr_factor(schedule, 0.5, 0.5) == pytest.approx(1.0)
    assert momentum_at(schedule, 0.3, 0.5) is None


def test_coslog4_is_that_of_realmlp():
    # 1/2 (1 - cos(2 pi log2(1 + 15 t))): up and down four times, back at nothing where 1 + 15 t is a power of two.
    assert [lr_factor("coslog4", t / 15, 0.0) for t in (0, 1, 3, 7, 15)] == pytest.approx([0] * 5, abs=1e-9)
    assert [lr_factor("coslog4", (2**0.5 * k - 1) / 15, 0.0) for k in (1, 2, 4, 8)] == pytest.approx([1] * 4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_stay_between_nothing_and_the_peak(schedule):
    for warmup in (0.0, 0.3, 0.9):
        assert all(0 <= lr_factor(schedule, p / 100, warmup) <= 1 for p in range(101))


def test_an_unknown_schedule_gets_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'cosine'"):
        lr_factor("cosin", 0.5, 0.0)
