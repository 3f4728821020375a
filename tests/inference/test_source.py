import pytest
import torch

from longspan.inference.source import prepare_targets, sum_losses, whole_source

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def learner(small):
    return small.learner(small.task(["side", "light", "lit"], missing=True))


def batch_of(learner, rows=6):
    return next(learner.task.samples.batches(learner.task.train[:rows], rows))


def source_of(learner, dtype=torch.float32):
    return whole_source(learner.task.samples, learner.inputs, CPU, dtype)


def loss_of(learner, batch, source):
    outputs = source.forward(learner.network, source.prepare(batch))
    return sum_losses(learner.heads, outputs, prepare_targets(batch, learner.task.targets), batch.present)


def test_the_loss_of_a_batch_is_summed_over_targets_of_the_mean_over_known_rows(learner):
    batch = batch_of(learner)
    outputs = learner.network(learner.inputs["image"].prepare(batch.inputs["image"]))
    expected = 0.0
    for name, head in learner.heads.items():
        losses = head.loss(outputs[name], batch.targets[name])
        expected += losses[batch.present[name]].mean()
    torch.testing.assert_close(loss_of(learner, batch, source_of(learner)), expected)


def test_a_batch_without_any_target_has_no_loss(learner):
    batch = batch_of(learner)
    outputs = learner.network(learner.inputs["image"].prepare(batch.inputs["image"]))
    nowhere = {name: torch.zeros_like(known) for name, known in batch.present.items()}
    total = sum_losses(learner.heads, outputs, batch.targets, nowhere)
    total.backward()
    assert total == 0
    assert all(p.grad is None or not p.grad.any() for p in learner.network.parameters())
    learner.network.zero_grad()


def test_bfloat16_runs_layers_in_half_and_losses_in_single_precision(learner):
    source, batch = source_of(learner, torch.bfloat16), batch_of(learner)
    outputs = source.forward(learner.network, source.prepare(batch))
    assert all(output.dtype == torch.bfloat16 for output in outputs.values())
    assert all(p.dtype == torch.float32 for p in learner.network.parameters())
    loss = loss_of(learner, batch, source)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, loss_of(learner, batch, source_of(learner)), rtol=0.05, atol=0.05)
