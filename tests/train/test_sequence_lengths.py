import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns.ragged import pad
from longspan.data import Samples
from longspan.data.batches.order import POOL_BATCHES, epoch_order
from longspan.data.batches.store import RaggedStore, Store
from longspan.errors import DataError
from longspan.heads import Generate, Transcribe
from longspan.train.sequence_lengths import row_lengths


def table(texts, seconds, valid=(3,)):
    rng = np.random.default_rng(0)
    sounds = [0.1 * rng.standard_normal(round(each * 8000)) for each in seconds]
    parts = ["valid" if row in valid else "train" for row in range(len(texts))]
    column = ls.Audio(rate_hz=8000, layout="sequence", features=ls.AudioFeatures(mels=8))
    return ls.Table.from_arrays(
        {"sound": sounds, "text": texts, "part": parts},
        {"sound": column, "text": ls.Text(empty="fault"), "part": ls.Category()},
    )


def learner(rows, stride=4, **options):
    task = ls.Task(rows.split(column="part"), inputs="sound", targets="text", allow_leaks=True, **options)
    return ls.Learner(task, ls.QuartzNetConfig(width=8, kernels=(3,), stride=stride), progress=False)


LONG = table(["ab", "abababab", "aabb", "abbbbbbb", "ba"], [0.3, 0.2, 0.3, 0.2, 0.3])


def test_texts_that_do_not_fit_are_all_named_before_training():
    with pytest.raises(DataError) as raised:
        learner(LONG)
    message = str(raised.value)
    # 0.2 s are 21 frames, of which the network makes 6 steps.
    assert "2 rows cannot be used" in message
    assert "row 1" in message
    assert "'abababab' takes 8 steps" in message
    assert "'abbbbbbb' takes 14 steps" in message
    assert "the network makes 6 of this recording" in message
    assert "smaller stride" in message


def test_they_are_left_out_where_that_is_asked_for():
    rows = table(["ab", "abababab", "aabb", "abbbbbbb", "ba", "ab"], [0.3, 0.2, 0.3, 0.2, 0.3, 0.3], valid=(3, 5))
    trained = learner(rows, on_error="skip").fit(1)
    assert len(trained.task.skipped) == 2
    assert trained.task.train.tolist() == [0, 2, 4]
    assert trained.task.valid.tolist() == [5]


def test_a_smaller_stride_makes_room():
    assert len(learner(LONG, stride=1).task.train) == 4


def test_empty_transcripts_are_named():
    rows = table(["ab", " ", "ba", "b"], [0.3] * 4)
    with pytest.raises(DataError, match="' ' is an empty text; write what is said"):
        learner(rows)


def test_characters_that_no_training_row_has_are_named():
    rows = table(["ab", "ba", "ab", "aç"], [0.3] * 4)
    with pytest.raises(DataError, match=r"'ç'.* in 'aç' occurs in no training row"):
        learner(rows)


def test_rows_of_like_length_by_input_and_target_find_each_other():
    generator = torch.Generator().manual_seed(0)
    count = 2000
    sources, targets = (torch.randint(1, 9, (count,), generator=generator) for _ in range(2))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), sources.cumsum(0)])
    slots = np.arange(count)
    texts = pad([torch.zeros(int(n), dtype=torch.int64) for n in targets], -1).values
    samples = Samples(
        {"in": RaggedStore(torch.zeros(int(offsets[-1]), dtype=torch.int64), offsets, slots, {})},
        {"out": Store(texts, slots, {})},
    )
    rows = torch.arange(count)
    plain, pool = row_lengths(samples, rows, {"out": Transcribe()})
    assert torch.equal(plain, sources)
    assert pool == POOL_BATCHES
    both, pool = row_lengths(samples, rows, {"out": Generate()})
    order = epoch_order(rows, 0, 0, 20, both, pool)
    padded = sum(20 * int(sources[part].max() + targets[part].max()) for part in order.split(20))
    assert padded < 1.1 * int((sources + targets).sum())
    assert sorted(order.tolist()) == rows.tolist()
