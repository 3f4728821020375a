"""Detectors by name, the embedder, and what a photo must show to be enrolled; on faces of the packs."""

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.datasets import unpack
from longspan.errors import DataError, UnknownNameError, WeightsError
from longspan.models import create
from longspan.people.door import Door
from longspan.people.embedder import face_embedder
from longspan.people.faces import FaceReader, face_detector
from longspan.people.gallery import Gallery

SIZE = (240, 320)


@pytest.fixture(scope="module")
def crops(data_folder, tmp_path_factory):
    """By name, aligned crops `(128, 112, 3)` of a few people with several photos."""
    folder = tmp_path_factory.mktemp("lfw") / "pack"
    unpack(data_folder / "lfw_faces_half.tar.gz", folder)
    people = [each for each in sorted((folder / "lfw_faces" / "images").iterdir()) if len([*each.iterdir()]) >= 5][:6]
    return {
        each.name: [np.asarray(PILImage.open(p).convert("RGB")) for p in sorted(each.iterdir())[:5]] for each in people
    }


@pytest.fixture(scope="module")
def reader(data_folder):
    return FaceReader()


def frame(*crops, at=((100, 60),), side=1.0):
    """Crops pasted into a grey image."""
    ground = PILImage.new("RGB", SIZE[::-1], (120, 125, 130))  # pyright: ignore
    for crop, place in zip(crops, at, strict=True):
        face = PILImage.fromarray(crop)
        ground.paste(face.resize((round(face.width * side), round(face.height * side))), place)
    return np.asarray(ground)


def test_people_are_told_apart(crops):
    embedder = face_embedder()
    assert embedder.dim == 128
    vectors = {name: embedder.many([each[:112] for each in photos]) for name, photos in crops.items()}
    same = [float(v[i] @ v[j]) for v in vectors.values() for i in range(5) for j in range(i)]
    names = [*vectors]
    other = [float(vectors[a][0] @ vectors[b][0]) for i, a in enumerate(names) for b in names[:i]]
    assert np.mean(same) > 0.5 > 0.25 > np.mean(other)
    assert np.allclose(np.linalg.norm(vectors[names[0]], axis=1), 1, atol=1e-5)
    assert embedder(crops[names[0]][0][:112]) == pytest.approx(vectors[names[0]][0].tolist(), abs=1e-5)
    with pytest.raises(ValueError, match="uint8"):
        embedder.many([crops[names[0]][0]])
    assert embedder.many([]).shape == (0, 128)


def test_the_published_weights_are_for_one_network_and_size(data_folder):
    with pytest.raises(WeightsError, match="'faces' are those of mobilefacenet"):
        create("resnet18", weights="faces")
    with pytest.raises(WeightsError, match="gdconv"):
        create("mobilefacenet", size_px=(96, 96), weights="faces")


def test_faces_are_found_aligned_and_embedded_in_a_picture(crops, reader):
    for photos in list(crops.values())[:3]:
        (face,) = reader.read(frame(photos[0]))
        direct = reader.embedder.many([photos[0][:112]])[0]
        assert float(face.vector @ direct) > 0.8, "as if it had been cut out by hand"
        assert abs(face.box[0] - 110) < 25
        assert face.quality.eyes_px == pytest.approx(35, abs=5)


@pytest.mark.parametrize("name", ["mtcnn", "ultra-light"])
def test_detectors_by_name(crops, data_folder, name):
    find = face_detector(name)
    (face,) = find(frame(next(iter(crops.values()))[0]))
    x0, y0, x1, y1 = face["box"]
    assert x0 < 156 < x1
    assert y0 < 120 < y1
    assert face["score"] > 0.7
    assert find(np.zeros((120, 160, 3), np.uint8)) == []
    with pytest.raises(UnknownNameError, match="Did you mean 'mtcnn'"):
        face_detector("mtcn")


def test_what_cannot_be_enrolled_is_told(crops, reader, tmp_path):
    one, two = (photos[0] for photos in list(crops.values())[:2])
    for image, words in (
        (np.full((*SIZE, 3), 128, np.uint8), "shows no face"),
        (frame(one, two, at=((20, 60), (180, 60))), "shows 2 faces; whose is it"),
        (frame(one, side=0.45), "is small"),
    ):
        PILImage.fromarray(image).save(tmp_path / "photo.png")
        with pytest.raises(DataError, match=words):
            reader.read_one(tmp_path / "photo.png")
    (tmp_path / "photo.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"photo.jpg: this is not an image"):
        reader.read_one(tmp_path / "photo.jpg")


@pytest.fixture
def door(crops, reader, tmp_path):
    gallery = Gallery.create(tmp_path / "g.sqlite", model=reader.embedder.model, dim=128, threshold=0.4)
    for name, photos in list(crops.items())[:3]:
        gallery.enrol(name, reader.embedder.many([each[:112] for each in photos[:4]]))
    yield Door(gallery, reader)
    gallery.close()


def test_the_door_opens_for_those_who_are_enrolled_and_for_nobody_else(crops, door):
    names = [*crops]
    for name in names[:3]:
        decision = door.look(frame(crops[name][4]))
        assert (decision.open, decision.name) == (True, name)
    for name in names[3:]:
        decision = door.look(frame(crops[name][4]))
        assert (decision.open, decision.name) == (False, None)
        assert "nobody enrolled is similar enough" in decision.reason
    door.gallery.remove(names[0])
    assert not door.look(frame(crops[names[0]][4])).open


def test_the_door_stays_closed_in_doubt(crops, door, tmp_path):
    names = [*crops]
    known, other = crops[names[0]][4], crops[names[1]][4]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 and no more")
    for image, words in (
        (np.zeros((*SIZE, 3), np.uint8), "no face"),
        (tmp_path / "broken.jpg", "cannot be read"),
        (tmp_path / "nowhere.jpg", "does not exist"),
        (frame(known, other, at=((20, 60), (180, 60))), "several people"),
        (frame(known, side=0.3), "too small|no face"),
        (frame(known, at=((268, 60),)), "cut off|no face|similar enough"),
    ):
        decision = door.look(image)
        assert not decision.open
        assert any(each in decision.reason for each in words.split("|")), decision.reason


def test_several_images_in_a_row_must_agree(crops, door):
    names = [*crops]
    careful = Door(door.gallery, door.reader, frames=3)
    first, second = frame(crops[names[0]][4]), frame(crops[names[1]][4])
    seen = [careful.look(each) for each in (first, first, second, first, first, first, first)]
    assert [each.open for each in seen] == [False, False, False, False, False, True, True]
    assert seen[0].reason == "seen in 1 of 3 images in a row"
    careful.reset()
    assert not careful.look(first).open


def test_a_gallery_of_another_network_is_refused(reader, tmp_path):
    gallery = Gallery.create(tmp_path / "other", model="another network", dim=128, threshold=0.4)
    with pytest.raises(DataError, match="they do not compare"):
        Door(gallery, reader)


def test_the_stages_are_a_pipeline(crops, data_folder, tmp_path):
    """Find, align, embed, compare: each a stage, each on the list in every image."""
    embedder, find = face_embedder(), face_detector("mtcnn")
    names = [*crops]
    with Gallery.create(tmp_path / "g", model=embedder.model, dim=128, threshold=0.4) as gallery:
        gallery.enrol(names[0], embedder.many([each[:112] for each in crops[names[0]][:4]]))

        def points(faces):
            return faces[0]["points"] if faces else None

        pipeline = ls.Pipeline(
            [
                ls.Stage("find", find, reads="image", adds="faces"),
                ls.Stage("points", points, reads="faces", adds="points"),
                ls.Stage("align", ls.Align(), reads=["image", "points"], adds="face"),
                ls.Stage("embed", embedder, reads="face", adds="vector"),
                ls.Stage("compare", gallery, reads="vector", adds="person"),
            ]
        )
        known, nobody = pipeline.predict(
            [{"image": frame(crops[names[0]][4])}, {"image": np.zeros((100, 100, 3), np.uint8)}]
        )
        assert known["person"]["name"] == names[0]
        assert nobody["person"] is None
