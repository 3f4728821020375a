"""Against facenet-pytorch 2.6.0, whose weights these are: what it finds on photos of the WIDER pack (tests/files)."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.errors import ConfigError, WeightsError
from longspan.people.mtcnn import POINTS, mtcnn

REFERENCE = json.loads((Path(__file__).parents[1] / "files" / "mtcnn_reference.json").read_text())


@pytest.fixture(scope="module")
def photos(data_folder, tmp_path_factory):
    from longspan.datasets import unpack

    folder = tmp_path_factory.mktemp("wider") / "pack"
    unpack(data_folder / "wider_face_subset.tar.gz", folder)
    return folder


def test_boxes_and_points_are_those_of_the_published_code(photos):
    pipeline = mtcnn()
    found = pipeline.predict([{"image": str(photos / name)} for name in REFERENCE])
    count = 0
    for expected, prediction in zip(REFERENCE.values(), found, strict=True):
        faces = prediction["faces"]
        assert len(faces) == len(expected)
        for face in expected:
            nearest = min(faces, key=lambda each: np.abs(np.subtract(each["box"], face["box"])).max())
            # The published boxes count from 1, and include their last pixel.
            np.testing.assert_allclose(nearest["box"], np.subtract(face["box"], [1, 1, 0, 0]), atol=0.5)
            assert nearest["score"] == pytest.approx(face["score"], abs=2e-3)
            points = [nearest["points"][name] for name in POINTS]
            np.testing.assert_allclose(points, np.add(face["points"], 0.5), atol=0.5)
            count += 1
        assert [face["label"] for face in faces] == ["face"] * len(faces)
    assert count == 15


def test_nothing_is_found_where_nothing_is(data_folder):
    pipeline = mtcnn()
    noise = np.random.default_rng(0).integers(100, 140, (90, 120, 3)).astype(np.uint8)
    found = pipeline.predict([{"image": noise}, {"image": noise[:8, :8]}, {"image": noise[..., 0]}])
    assert [each["faces"] for each in found] == [[], [], []]


def test_a_photo_that_lies_on_its_side_by_exif(photos, tmp_path):
    name = next(name for name, faces in REFERENCE.items() if len(faces) == 1)
    upright = PILImage.open(photos / name).convert("RGB")
    exif = PILImage.Exif()
    exif[0x0112] = 6
    upright.transpose(PILImage.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    found = mtcnn().predict([{"image": str(tmp_path / each)} for each in ("upright.png", "turned.png")])
    assert found[0]["faces"] == found[1]["faces"]


def test_options_that_cannot_be_and_weights_that_are_not_there(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="min_face_px"):
        mtcnn(min_face_px=5)
    with pytest.raises(ConfigError, match="thresholds"):
        mtcnn(thresholds=(0.6, 0.7, 2))
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path))
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"The weights of MTCNN are not here: put mtcnn_pnet.safetensors into"):
        mtcnn()
