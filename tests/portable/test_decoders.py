import numpy as np
import pytest
import torch

from longspan.columns import Category, MultiLabel, Text
from longspan.errors import UnknownNameError
from longspan.heads import Classify, MultiLabelClassify, Segment, Transcribe
from longspan.heads.ctc import beam_search, best_paths, pad_texts, text_losses
from longspan.portable.decoders import DECODERS, Labels, Objects, decoder_from_json
from longspan.portable.mask_decoder import ClassMask
from longspan.portable.text_decoder import CTCText, best_path, likeliest_text, log_likelihood
from longspan.vision import ResizeTransform

TEXT = Text(vocab=("a", "b", "c"), max_length=9, min_steps=2)


def probabilities(rows, steps, classes, seed=0):
    return torch.randn(rows, steps, classes, generator=torch.Generator().manual_seed(seed)).mul(2).softmax(dim=-1)


def test_best_path_is_that_of_pytorch():
    values = probabilities(6, 9, 4)
    assert [best_path(row) for row in values.numpy()] == best_paths(values)


def test_likelihood_of_a_text_is_that_of_pytorch():
    values = probabilities(5, 9, 4)
    texts = [[], [0], [1, 1], [2, 0, 2], [0, 0, 1, 1]]
    expected = text_losses(values.log(), pad_texts(texts))
    found = [-log_likelihood(row, text) for row, text in zip(values.numpy(), texts, strict=True)]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_beam_search_is_that_of_pytorch():
    values = probabilities(8, 7, 4, seed=3)
    assert [likeliest_text(row, 12) for row in values.numpy()] == beam_search(values, 12)


def test_text_that_no_path_spells_has_probability_zero():
    assert log_likelihood(np.full((2, 3), 1 / 3, np.float32), [0, 0]) < -80


@pytest.mark.parametrize("beam", [1, 5])
def test_transcripts_are_those_of_the_head(beam):
    head, values = Transcribe(beam=beam).with_column(TEXT), probabilities(4, 8, 4, seed=1)
    ours = CTCText(TEXT.to_json(), beam).decode(values.numpy(), [None] * 4)
    for one, other in zip(ours, head.decode(values), strict=True):
        assert one.value == other.value
        assert one.probability == pytest.approx(other.probability, rel=1e-4)


def test_masks_are_those_of_the_head():
    values = probabilities(2, 12, 3).permute(0, 2, 1).unsqueeze(-1).expand(2, 3, 12, 16).contiguous()
    transforms = [ResizeTransform((30, 50), (12, 16), "stretch"), ResizeTransform((12, 40), (12, 16), "pad")]
    head = Segment()
    for one, other in zip(
        ClassMask().decode(values.numpy(), transforms), head.decode_in_source(values, transforms), strict=True
    ):
        assert one.value.shape == other.shape
        assert (one.value == other).mean() > 0.999


def test_labels_reach_the_threshold():
    (found,) = Labels(("a", "b"), 0.5).decode(np.array([[0.5, 0.25]], np.float32), [])
    assert (found.value, found.probability) == (["a"], 0.375)


@pytest.mark.parametrize(
    "head",
    [
        Classify().with_column(Category(vocab=(False, True))),
        MultiLabelClassify(threshold=0.3).with_column(MultiLabel(vocab=("x", "y"))),
        Transcribe(beam=3).with_column(TEXT),
    ],
)
def test_decoders_come_back_from_json(head):
    decoder = head.value_decoder
    assert decoder_from_json(decoder.to_json()) == decoder
    assert decoder.kind in DECODERS


def test_unknown_decoder_is_named():
    with pytest.raises(UnknownNameError, match="'telepathy'"):
        decoder_from_json({"kind": "telepathy"})


def test_objects_below_the_answer_score_and_empty_rows_are_left_out():
    detections = np.zeros((2, 3, 6), np.float32)
    detections[0, 0] = [1, 2, 3, 4, 0.5, 1]
    detections[0, 1] = [5, 6, 7, 8, 0.25, 0]
    first, second = Objects(("a", "b"), 0.3).decode(detections, (None, None))
    assert first.value == [{"box": [1.0, 2.0, 3.0, 4.0], "label": "b", "score": 0.5}]
    assert second.value == []
    assert decoder_from_json(Objects(("a", "b"), 0.3).to_json()) == Objects(("a", "b"), 0.3)
