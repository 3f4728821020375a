import numpy as np
import polars as pl

import longspan as ls


def test_a_network_is_explained_as_trees_are():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=300), rng.normal(size=300)
    frame = pl.DataFrame({"x": x, "noise": noise, "y": np.where(x > 0, "up", "down")})
    table = ls.Table.from_frame(frame, {"y": ls.Category()}).with_features("y")
    task = ls.Task(table.split(valid=0.5), "features", "y", allow_leaks=True)
    config = ls.TrainConfig(batch_size=16, precision="float32")
    learner = ls.Learner(task, "mlp", config=config, progress=False).fit(6, 1e-2)
    held_out = table.take(task.valid.numpy())
    found = ls.explain.importance(learner, held_out)
    assert found[0].column == "x"
    assert found[0].certain
    assert ls.explain.dependence(learner, held_out, "x", outcome="up", rows=50).mean[-1] > 0.7
