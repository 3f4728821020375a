import numpy as np
import torch

from longspan.nn.mask_branch import MaskBranch
from longspan.portable.mask_decoder import ObjectMasks, paste_masks
from longspan.vision.rle import decode_runs

SIZE_PX = (30, 44)


def test_masks_are_pasted_as_the_network_pastes_them():
    random = np.random.default_rng(0)
    small = random.random((40, 28, 28), np.float32)
    corners = random.uniform(-5, 40, (40, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    with torch.no_grad():
        pasted = MaskBranch(4, 2, width=4, depth=0).paste(torch.from_numpy(small), torch.from_numpy(boxes), SIZE_PX)
    found = paste_masks(small.reshape(40, -1), boxes, SIZE_PX)
    assert pasted.any()
    assert (found == pasted.numpy()).mean() > 0.9999


def test_objects_have_label_score_box_and_mask():
    full, empty = np.ones(28 * 28), np.zeros(28 * 28)
    row = [
        [2.0, 3.0, 12.0, 9.0, 0.9, 1.0, *full],
        [0.0, 0.0, 5.0, 5.0, 0.8, 0.0, *empty],  # no pixel of it is left
        [0.0, 0.0, 5.0, 5.0, 0.4, 0.0, *full],  # not sure enough
        [0.0] * (6 + 28 * 28),
    ]
    decoder = ObjectMasks(("cat", "dog"), 0.5, SIZE_PX)
    (found,) = ObjectMasks.from_json(decoder.to_json()).decode(np.array([row], np.float32), ())
    (only,) = found.value
    assert only["label"] == "dog"
    assert only["box"] == [2.0, 3.0, 12.0, 9.0]
    mask = decode_runs(only["rle"]["counts"], SIZE_PX)
    assert mask[4:8, 3:11].all()
    assert not mask[:, 13:].any()


def test_an_image_without_objects():
    (found,) = ObjectMasks(("cat",), 0.5, SIZE_PX).decode(np.zeros((1, 5, 6 + 28 * 28), np.float32), ())
    assert found.value == []
