import json

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score
from torch import nn
from torch.nn import functional as F

from longspan.columns import Mask
from longspan.errors import ConfigError, UnknownNameError
from longspan.heads import Segment, head_for, head_from_json
from longspan.models import FeatureMaps, FeatureShapes
from longspan.vision import AugmentParams
from longspan.vision.augment_params import affine_matrices, warp_images

K = 3
SIZE = (8, 10)
MASK = Mask(vocab=("road", "sky", "car"), size_px=SIZE)
HEAD = Segment(column=MASK)


def logits(rows=2):
    return torch.randn(rows, K, *SIZE, generator=torch.Generator().manual_seed(1)) * 2


def truth(rows=2, ignored=0.2):
    generator = torch.Generator().manual_seed(2)
    drawn = torch.randint(0, K, (rows, *SIZE), generator=generator)
    drawn[torch.rand(drawn.shape, generator=generator) < ignored] = 255
    return drawn.to(torch.uint8)


# --- loss ------------------------------------------------------------------------------------------------------------


def test_loss_of_a_row_is_the_mean_over_the_pixels_that_are_not_ignored():
    outputs, targets = logits(), truth()
    for row, loss in enumerate(HEAD.loss(outputs, targets).tolist()):
        there = (targets[row] != 255).numpy()
        log_probs = outputs[row].log_softmax(dim=0).numpy()[:, there]
        wanted = -log_probs[targets[row].numpy()[there], np.arange(there.sum())].mean()
        assert loss == pytest.approx(wanted, rel=1e-5)


def test_a_row_where_all_is_ignored_loses_nothing_and_has_no_gradient():
    outputs, targets = logits().requires_grad_(), truth()
    targets[1] = 255
    losses = HEAD.loss(outputs, targets)
    assert losses[1] == 0
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    assert gradient.isfinite().all()
    assert not gradient[1].any()


def test_answers_take_the_class_weights_back():
    logits = torch.randn(2, 3, 4, 5)
    weights = (1.0, 0.25, 0.0)
    plain = Segment(class_weights=weights, column=MASK).postprocess(logits)
    taken = Segment(class_weights=weights, logit_adjustment=0.5, column=MASK).postprocess(logits)
    expected = plain / torch.tensor([1.0, 0.5, 1.0]).view(1, 3, 1, 1)  # square roots of the weights; 0 is left alone
    torch.testing.assert_close(taken, expected / expected.sum(dim=1, keepdim=True))
    torch.testing.assert_close(Segment(logit_adjustment=0.5, column=MASK).postprocess(logits), plain)
    with pytest.raises(ConfigError, match="logit_adjustment must be at least 0 and at most 1, got 2"):
        Segment(logit_adjustment=2)


def test_class_weights_say_what_a_pixel_counts_and_not_what_it_is_divided_by():
    outputs, targets = logits(), truth()
    weighted = Segment(class_weights=(1.0, 0.5, 4.0), column=MASK).loss(outputs, targets)
    losses = F.cross_entropy(outputs, targets.long(), ignore_index=255, reduction="none")
    weight = torch.tensor([1.0, 0.5, 4.0])[targets.where(targets != 255, 0).long()]
    wanted = (losses * weight).sum((1, 2)) / (targets != 255).sum((1, 2))
    torch.testing.assert_close(weighted, wanted)


def test_gradients_equal_finite_differences():
    outputs, targets = logits().double().requires_grad_(), truth()
    head = Segment(class_weights=(1.0, 0.5, 4.0), column=MASK)
    (gradient,) = torch.autograd.grad(head.loss(outputs, targets).sum(), outputs)
    nudge = torch.zeros_like(outputs)
    nudge[1, 2, 3, 4] = 1e-2
    with torch.no_grad():
        rise = (head.loss(outputs + nudge, targets) - head.loss(outputs - nudge, targets)).double().sum()
    assert float(rise) / 2e-2 == pytest.approx(float(gradient[1, 2, 3, 4]), abs=1e-4)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_probabilities_then_class_numbers_then_answers():
    outputs = logits()
    predictions = HEAD.postprocess(outputs.to(torch.bfloat16))
    assert predictions.dtype == torch.float32
    torch.testing.assert_close(predictions.sum(dim=1), torch.ones(2, *SIZE))
    compact = HEAD.reduce(HEAD.postprocess(outputs))
    assert compact.dtype == torch.uint8
    assert compact.equal(outputs.argmax(dim=1).to(torch.uint8))
    answers = HEAD.decode(compact)
    assert [answer.value.shape for answer in answers] == [SIZE, SIZE]
    np.testing.assert_array_equal(answers[1].value, outputs[1].argmax(dim=0).numpy())
    assert HEAD.decode(compact[:0]) == []


def test_metrics_are_sklearns_over_all_rows_together():
    said, targets = HEAD.reduce(logits(5)), truth(5)
    there = (targets != 255).numpy()
    true, given = targets.numpy()[there], said.numpy()[there]
    by_class = [jaccard_score(true, given, labels=[k], average="macro") for k in range(K)]
    figures = HEAD.measure(said, targets)
    assert figures == pytest.approx(
        {
            "mean_iou": jaccard_score(true, given, average="macro"),
            "pixel_accuracy": accuracy_score(true, given),
            "iou.road": by_class[0],
            "iou.sky": by_class[1],
            "iou.car": by_class[2],
        },
        abs=1e-6,
    )
    assert all(type(figure) is float for figure in figures.values())


def test_an_absent_class_is_in_no_figure_and_nothing_gives_none():
    targets = torch.zeros(1, *SIZE, dtype=torch.uint8)
    targets[0, 0] = 1
    assert HEAD.measure(targets, targets) == {"mean_iou": 1.0, "pixel_accuracy": 1.0, "iou.road": 1.0, "iou.sky": 1.0}
    assert HEAD.measure(targets, torch.full_like(targets, 255)) == {}


# --- views -----------------------------------------------------------------------------------------------------------


def drawn(geometry, **changes):
    values = {
        "rotate_deg": torch.zeros(2),
        "zoom": torch.ones(2),
        "shift": torch.zeros(2, 2),
        "crop_size": torch.ones(2, 2),
        "crop_offset": torch.zeros(2, 2),
        "flip": torch.tensor([True, False]),
        **changes,
    }
    matrix = affine_matrices((40, 48), **values)
    return AugmentParams(matrix, torch.full((2,), 1.5), torch.full((2,), 0.2), geometry=geometry)


def smooth_probabilities():
    coarse = torch.randn(2, K, 5, 6, generator=torch.Generator().manual_seed(3))
    return F.interpolate(coarse, size=(40, 48), mode="bicubic").softmax(dim=1)


def test_undoing_a_mirror_is_exact():
    there = smooth_probabilities()
    for geometry in ("flip", "affine"):
        augment_params = drawn(geometry)
        mirrored = torch.stack([there[0].flip(-1), there[1]])
        back = HEAD.invert_augmentation(mirrored, augment_params)
        if geometry == "flip":
            assert back.equal(there)
        torch.testing.assert_close(back, there, rtol=1e-4, atol=1e-4)
    assert HEAD.invert_augmentation(there, AugmentParams.identity(2)) is there


def test_undoing_a_warp_brings_probabilities_back_to_their_pixels():
    augment_params = drawn(
        "affine",
        rotate_deg=torch.tensor([12.0, -20.0]),
        zoom=torch.tensor([1.0, 1.2]),
        shift=torch.tensor([[0.05, -0.1], [0.0, 0.1]]),
    )
    there = smooth_probabilities()
    viewed = warp_images(
        there, AugmentParams(augment_params.matrix, augment_params.gain, augment_params.bias, colour=False), fill=0.0
    )
    back = HEAD.invert_augmentation(viewed, augment_params)
    torch.testing.assert_close(back[..., 16:24, 19:29], there[..., 16:24, 19:29], rtol=0, atol=0.05)
    assert (viewed[..., 16:24, 19:29] - there[..., 16:24, 19:29]).abs().max() > 0.2


def test_pixels_that_a_view_does_not_show_have_no_say():
    shifted = drawn("affine", shift=torch.tensor([[0.5, 0.0], [0.5, 0.0]]), flip=torch.zeros(2, dtype=torch.bool))
    certain = F.one_hot(torch.full((2, 40, 48), 2), K).permute(0, 3, 1, 2).float()
    back = HEAD.invert_augmentation(certain, shifted)  # the right half of the image was moved out of the frame
    torch.testing.assert_close(back[..., 30:], torch.full((2, K, 40, 18), 1 / K))
    torch.testing.assert_close(back[:, 2, :, :20], torch.ones(2, 40, 20))


# --- layers ----------------------------------------------------------------------------------------------------------

SHAPES = FeatureShapes(num_features=9, channels=(4, 8, 8), strides=(8, 16, 32), in_channels=3, size_px=(64, 64))


def maps():
    return FeatureMaps(
        torch.randn(2, 3, 64, 64), [torch.randn(2, c, 64 // s, 64 // s) for c, s in ((4, 8), (8, 16), (8, 32))]
    )


@pytest.mark.parametrize("decoder", ["unet", "fcn8s", "fcn16s", "fcn32s", "fcn", "deeplabv3", "linear"])
def test_every_decoder_gives_logits_of_every_pixel_and_learns(decoder):
    column = Mask(vocab=MASK.vocab, size_px=(64, 64))
    head = Segment(decoder=decoder, width=4, dropout=0.1, column=column)
    layers = head.layers(SHAPES)
    outputs = layers(maps())
    assert outputs.shape == (2, K, 64, 64)
    assert head.outputs_fault(outputs, 2) is None
    head.loss(outputs, torch.zeros(2, 64, 64, dtype=torch.uint8)).sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())


def test_what_does_not_fit_the_backbone_is_refused():
    with pytest.raises(ConfigError, match=r"unet makes a mask from maps, but this backbone has none\. Use"):
        HEAD.layers(FeatureShapes(num_features=768))
    with pytest.raises(ConfigError, match="fcn32s reads a map at stride 32"):
        Segment(decoder="fcn32s", column=MASK).layers(FeatureShapes(num_features=9, channels=(4, 8), strides=(8, 16)))


def test_outputs_of_another_shape_are_refused_in_words():
    for shape in ((), (2, K), (3, K, *SIZE), (2, K + 1, *SIZE), (2, K, 8, 9), (2, K, 8, 10, 1)):
        fault = HEAD.outputs_fault(torch.empty(shape), 2)
        assert fault is not None
        assert fault.startswith("whose head needs (2, 3, 8, 10): logits of 3 classes at every pixel.")
    assert HEAD.outputs_fault(object(), 2) is not None


def test_options_are_checked():
    with pytest.raises(UnknownNameError, match=r"There is no decoder 'u-net'. Did you mean 'unet'\?"):
        Segment(decoder="u-net")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match=r"Segment\.width must be"):
        Segment(width=0)
    with pytest.raises(ConfigError, match=r"Segment\.dropout must be"):
        Segment(dropout=1.0)
    for weights in ((1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (float("nan"), 1.0, 1.0)):
        with pytest.raises(ConfigError, match="finite, 0 or more and not all 0"):
            Segment(class_weights=weights)
    with pytest.raises(ConfigError, match="2 numbers for 3 classes: road, sky, car"):
        head_for(MASK, Segment(class_weights=(1.0, 2.0)))


def test_it_is_the_head_of_masks_and_comes_back_from_json():
    assert head_for(MASK) == HEAD
    head = Segment(decoder="fcn8s", class_weights=(1.0, 2.0, 3.0), dropout=0.25, column=MASK)
    again = head_from_json(json.loads(json.dumps(head.to_json(), allow_nan=False)))
    assert again == head
    assert isinstance(again, Segment)
    assert type(again.class_weights) is tuple


def test_a_network_of_ones_own_can_be_learnt_with_it():
    """Overfits one image of two halves by a network that gives the logits itself."""
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, K, 1))
    image = torch.zeros(1, 1, *SIZE)
    image[..., 5:] = 1
    mask = (2 * image[:, 0]).to(torch.uint8)
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        HEAD.loss(net(image), mask).sum().backward()
        optimizer.step()
    assert HEAD.measure(HEAD.reduce(net(image)), mask)["mean_iou"] > 0.95
