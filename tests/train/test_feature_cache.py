import numpy as np
import pytest
import torch

import longspan as ls
from longspan.inference.source import whole_source
from longspan.train.feature_cache import FeatureCache


@pytest.fixture(scope="module")
def learner():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 48, 48, 3), np.uint8)
    table = ls.Table.from_arrays({"photo": pixels, "kind": [0, 1] * 12}, {"photo": ls.Image(), "kind": ls.Category()})
    task = ls.Task(table.split(valid=8), inputs="photo", targets="kind")
    return ls.Learner(task, "squeezenet1_1", pool="avg_max", progress=False)


def layers(learner, dtype=torch.float32, cache_gb=1.0):
    task = learner.task
    whole = whole_source(task.samples, learner.inputs, torch.device("cpu"), dtype)
    rows = torch.cat([task.train, task.valid])
    return FeatureCache(whole, learner.network, rows, batch_size=5, cache_gb=cache_gb), whole, rows


@pytest.mark.parametrize("frozen", [1.0, 0.75, 0.5, 0.25])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_stored_outputs_lead_to_what_the_whole_network_says(learner, frozen, dtype, tolerance):
    stored, whole, rows = layers(learner, dtype)
    source = stored.source(frozen)
    learner.network.eval()
    with torch.no_grad():
        for one, other in zip(
            source.samples.batches(rows.flip(0), 7), whole.samples.batches(rows.flip(0), 7), strict=True
        ):
            found = source.forward(learner.network, source.prepare(one))
            expected = whole.forward(learner.network, whole.prepare(other))
            torch.testing.assert_close(found["kind"], expected["kind"], atol=tolerance, rtol=0)
            assert torch.equal(one.targets["kind"], other.targets["kind"])


def test_texts_are_stored_with_little_padding_and_found_by_their_rows():
    texts = [" ".join("abcde"[(row + i) % 5] for i in range(1 + 7 * row % 24)) for row in range(24)]
    table = ls.Table.from_arrays({"text": texts, "even": [0, 1] * 12}, {"text": ls.Text(), "even": ls.Category()})
    task = ls.Task(table.split(valid=8, seed=0), "text", "even", allow_leaks=True)
    learner = ls.Learner(task, "text_gru", progress=False)
    widths = []
    hook = learner.network.backbone.register_forward_hook(lambda m, given, out: widths.append(given[0].values.shape[1]))
    source, whole, rows = layers(learner)[0].source(1.0), *layers(learner)[1:]
    hook.remove()
    assert widths == [5, 10, 15, 20, 24]
    learner.network.eval()
    with torch.no_grad():
        for one, other in zip(source.samples.batches(rows, 7), whole.samples.batches(rows, 7), strict=True):
            expected = whole.forward(learner.network, whole.prepare(other))["even"]
            torch.testing.assert_close(source.forward(learner.network, source.prepare(one))["even"], expected)


def test_what_rests_in_two_phases_runs_once_over_each_row(learner):
    seen = []
    first = next(m for m in learner.network.backbone.modules() if isinstance(m, torch.nn.Conv2d))
    hook = first.register_forward_hook(lambda m, i, o: seen.append(len(o)))
    stored, _, rows = layers(learner)
    heads_only = stored.source(1.0, [0.5])
    upper_too = stored.source(0.5)
    hook.remove()
    assert sum(seen) == len(rows)
    assert heads_only.samples.inputs["outputs"].values.ndim == 2
    assert upper_too.samples.inputs["outputs"].values.ndim == 4


def test_another_network_answers_for_itself(learner):
    stored, _, rows = layers(learner)
    source = stored.source(0.5)
    other = ls.Learner(learner.task, "squeezenet1_1", pool="avg_max", seed=1, progress=False).network
    batch = source.prepare(next(source.samples.batches(rows, 4)))
    with torch.no_grad():
        assert not torch.allclose(source.forward(other, batch)["kind"], source.forward(learner.network, batch)["kind"])


@pytest.mark.parametrize(("frozen", "pool", "cache_gb"), [(0.0, "avg_max", 1), (0.5, None, 1), (0.5, "avg_max", 1e-5)])
def test_there_is_none_without_frozen_layers_a_chain_or_memory(learner, frozen, pool, cache_gb):
    if pool is None:
        learner = ls.Learner(learner.task, "squeezenet1_1", progress=False)
    assert layers(learner, cache_gb=cache_gb)[0].source(frozen) is None


def test_training_on_stored_outputs_gives_the_network_that_running_all_layers_gives(learner, monkeypatch):
    phases = [ls.Phase(epochs=1, frozen=1.0), ls.Phase(epochs=1, frozen=0.75), ls.Phase(epochs=1, frozen=0.25),
              ls.Phase(epochs=1, frozen=0.75)]  # fmt: skip

    def train():
        config = ls.TrainConfig(batch_size=8, optimizer="sgd")
        trained = ls.Learner(learner.task, "squeezenet1_1", pool="avg_max", config=config, progress=False).run(phases)
        return trained.network.state_dict(), trained.history[-1]["valid_loss"]

    stored, loss = train()
    monkeypatch.setattr(FeatureCache, "source", lambda *_: None)
    running, expected = train()
    assert loss == pytest.approx(expected, rel=1e-4)
    for name, value in running.items():
        torch.testing.assert_close(stored[name], value, atol=1e-5, rtol=1e-4)


def test_rows_with_the_same_image_run_once(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), np.uint8)[[0, 1, 0, 2, 3, 1, 4, 5, 5, 2, 0, 4]]
    table = ls.Table.from_arrays({"photo": pixels, "kind": [0, 1] * 6}, {"photo": ls.Image(), "kind": ls.Category()})
    task = ls.Task(table.split(valid=4, seed=0), inputs="photo", targets="kind", allow_leaks=True)
    repeated = ls.Learner(task, "squeezenet1_1", pool="avg_max", progress=False)
    stored, _, rows = layers(repeated)
    source = stored.source(1.0)
    assert len(source.samples.inputs["outputs"].values) == 6
    monkeypatch.setattr("longspan.train.feature_cache._COMPARED_BYTES", 10**9)
    apart, _, _ = layers(repeated)
    for one, other in zip(source.samples.batches(rows, 5), apart.source(1.0).samples.batches(rows, 5), strict=True):
        torch.testing.assert_close(one.inputs["outputs"], other.inputs["outputs"], atol=1e-5, rtol=0)


def test_places_of_a_map_are_stored_for_heads_that_attend_to_them():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 48, 48, 3), np.uint8)
    cells = {"photo": pixels, "caption": ["a dog", "a cat", "two cats"] * 4}
    columns = {"photo": ls.Image(), "caption": ls.Text(tokenizer=ls.WordTokens(min_count=1))}
    task = ls.Task(ls.Table.from_arrays(cells, columns).split(valid=4, seed=0), inputs="photo", targets="caption")
    head = ls.Generate(decoder="gru", visual_attention=True, width=8)
    attending = ls.Learner(task, "squeezenet1_1", heads={"caption": head}, progress=False)
    stored, whole, rows = layers(attending)
    source = stored.source(1.0)
    assert stored.source(0.5) is None
    batch = next(source.samples.batches(rows, 4))
    assert batch.inputs["outputs"].ndim == 3
    attending.network.eval()
    with torch.no_grad():
        found = source.forward(attending.network, source.prepare(batch))["caption"]
        wanted = whole.forward(attending.network, whole.prepare(next(whole.samples.batches(rows, 4))))["caption"]
    torch.testing.assert_close(found.log_probs, wanted.log_probs, atol=1e-5, rtol=0)
