import numpy as np
import pytest

from longspan.errors import ConfigError, WeightsError
from longspan.people.ultra_light import _known_places, ultra_light


def test_places_are_those_of_the_published_code():
    """4,420 boxes from four maps of 40 x 30 to 5 x 4; the first and the last by hand."""
    places = _known_places()
    assert places.shape == (4420, 4)
    np.testing.assert_allclose(places[0], [4 / 320, 4 / 240, 10 / 320, 10 / 240], rtol=1e-6)
    np.testing.assert_allclose(places[-1], [288 / 320, 224 / 240, 256 / 320, 1], rtol=1e-6)


def test_most_faces_of_the_wider_pack_are_found(data_folder, tmp_path):
    """Faces of 48 px and more, by overlap of boxes: right only if every tensor is where it belongs."""
    import longspan as ls
    from longspan.datasets import unpack
    from longspan.metrics.iou import box_iou

    unpack(data_folder / "wider_face_subset.tar.gz", tmp_path / "pack")
    table = ls.Table.from_wider(
        tmp_path / "pack/wider_face_split/wider_face_val_bbx_gt.txt", tmp_path / "pack/WIDER_val/images"
    )
    find, found, count, false = ultra_light(), 0, 0, 0
    for row in range(0, len(table), 3):
        boxes = [each["box"] for each in table.value(row, "boxes")]
        large = [box for box in boxes if box[2] - box[0] >= 48]
        faces = [each["box"] for each in find(table.value(row, "image"))]
        if faces and boxes:
            overlap = box_iou(boxes, faces)
            false += int((overlap.max(axis=0) < 0.3).sum())
            found += int((box_iou(large, faces).max(axis=1) >= 0.5).sum()) if large else 0
        count += len(large)
    assert count >= 20
    assert found / count > 0.75
    assert false <= 3


def test_options_that_cannot_be_and_weights_that_are_not_there(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="threshold"):
        ultra_light(threshold=0)
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path))
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"The weights of the Ultra-Light face detector are not here"):
        ultra_light()
