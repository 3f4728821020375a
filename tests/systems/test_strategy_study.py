"""Studies of systems: what their strategies share, and what only some of them need."""

import longspan as ls
from longspan.systems import SystemRun
from longspan.systems.strategy_study import run_study


def test_a_label_that_no_chosen_strategy_needs_has_no_price(tmp_path):
    digits = ls.datasets.load("digits").sample(60, seed=0).split(valid=0, test=20, seed=0)
    task = ls.Task(digits, inputs="image", targets="digit", size_px=16, allow_leaks=True)
    needs = {"whole": ("digit",), "in stages": ("digit", "place")}
    results = run_study(
        SystemRun("some", str(tmp_path), quiet=True), task, {"whole": ls.Recipe("lenet5", epochs=1)}, sizes=[20],
        seeds=1, budget=ls.Budget(steps=1), jobs=1, cost={"digit": 1.0, "place": 4.0}, needs=needs,
    )  # fmt: skip
    assert results.cost_per_row() == {"whole": 1.0}
