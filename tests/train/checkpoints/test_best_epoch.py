import pytest

import longspan as ls
from longspan.errors import UnknownNameError
from longspan.train import Callback, EarlyStopping


class Keep(Callback):
    """The weights after every epoch."""

    def __init__(self, small):
        self.small, self.kept = small, {}

    def epoch_end(self, state):
        self.kept[state.history[-1]["epoch"]] = self.small.weights(state.evaluated)


def trained(small, *callbacks, keep="best", epochs=8, **options):
    """With a rate at which the last epoch is not the best one."""
    config = ls.TrainConfig(batch_size=5, precision="float32", keep=keep)
    return small.learner(config=config, callbacks=callbacks).fit(epochs, lr=0.15, schedule="constant", **options)


def best_of(learner):
    return min(learner.history, key=lambda record: record["valid_loss"])["epoch"]


def test_the_network_has_the_weights_of_the_best_epoch(small, tmp_path):
    keep = Keep(small)
    learner = trained(small, keep)
    best = best_of(learner)
    assert best < 8
    assert learner.best_epoch == best
    assert small.same(learner, keep.kept[best])
    assert learner.evaluate()["loss"] == pytest.approx(learner.history[best - 1]["valid_loss"], rel=1e-5)
    assert ls.load(learner.save(tmp_path / "m.safetensors")).info["training"]["best_epoch"] == best
    page = learner.report(tmp_path / "report.html").read_text()
    assert f"best: epoch {best}, whose weights the model has" in page
    assert "after the last epoch" in page


def test_training_is_the_same_whatever_is_kept(small):
    keep = Keep(small)
    last, best = trained(small, keep, keep="last"), trained(small, Callback())
    assert small.records(last) == small.records(best)
    assert last.best_epoch is None
    assert small.same(last, keep.kept[8])
    with pytest.raises(UnknownNameError, match="There is no choice of keep 'first'"):
        ls.TrainConfig(keep="first")


def test_over_all_phases_of_one_training(small):
    keep = Keep(small)
    learner = small.learner(callbacks=[keep])
    learner.run([ls.Phase(epochs=2, lr=0.05), ls.Phase(epochs=3, lr=0.5, schedule="constant")])
    best = best_of(learner)
    assert small.same(learner, keep.kept[best])
    assert learner.best_epoch == (None if best == 5 else best)


def test_early_stopping_makes_its_own_choice(small):
    keep = Keep(small)
    learner = trained(small, keep, EarlyStopping("train_loss", patience=99))
    chosen = min(learner.history, key=lambda record: record["train_loss"])["epoch"]
    assert learner.best_epoch is None
    assert small.same(learner, keep.kept[chosen])


@pytest.mark.parametrize("moment", [(4, 2), (7, 1)])
def test_killed_and_resumed_it_is_the_same_epoch(small, tmp_path, moment):
    class Stop(Callback):
        armed = False

        def step_end(self, state):
            if self.armed and (state.epoch, state.batch) == moment:
                raise KeyboardInterrupt

    whole = trained(small, Stop())
    folder, stop = ls.Checkpoints(tmp_path, steps=1), Stop()
    stop.armed = True
    with pytest.raises(KeyboardInterrupt):
        trained(small, stop, checkpoints=folder)
    config = ls.TrainConfig(batch_size=5, precision="float32")
    again = small.learner(config=config, callbacks=[Stop()]).resume(folder)
    assert small.same(whole, again)
    assert again.best_epoch == whole.best_epoch is not None


def test_without_validation_rows_the_last_weights_stay(small):
    task = ls.Task(small.table().split(valid=0), "image", "side")
    keep = Keep(small)
    learner = small.learner(task, callbacks=[keep]).fit(2, lr=0.1)
    assert learner.best_epoch is None
    assert small.same(learner, keep.kept[2])
