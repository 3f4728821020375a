"""COCO's key points: read by hand-made files, and written and read again."""

import json

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.data.annotations import write_coco_keypoints
from longspan.errors import DataError, UnknownNameError

NAMES = ["nose", "left_eye", "right_eye"]


@pytest.fixture
def photos(tmp_path):
    """Three images of 40 x 30 px, and the content of a file about them."""
    for number in range(3):
        PILImage.fromarray(np.full((30, 40, 3), 60 * number, np.uint8)).save(tmp_path / f"{number}.png")
    return tmp_path, {
        "images": [{"id": 7 + n, "file_name": f"{n}.png", "height": 30, "width": 40} for n in range(3)],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}, {"id": 2, "name": "ball"}],
        "annotations": [
            {"id": 1, "image_id": 8, "category_id": 1, "keypoints": [3, 4, 2, 0, 0, 0, 12.5, 6, 1]},
            {"id": 2, "image_id": 9, "category_id": 1, "keypoints": [0] * 9, "num_keypoints": 0},
            {"id": 3, "image_id": 9, "category_id": 1, "keypoints": [1, 2, 2, 5, 6, 2, 39, 29, 2]},
            {"id": 4, "image_id": 9, "category_id": 2, "bbox": [1, 1, 5, 5]},
        ],
    }


def read(photos, content=None, **options):
    folder, given = photos
    (folder / "a.json").write_text(json.dumps(content or given))
    return ls.Table.from_coco_keypoints(folder / "a.json", folder, **options)


def known(value):
    return {name: at for name, at in value.items() if at is not None}


def test_names_places_and_visibility(photos):
    table = read(photos)
    column = table.columns["points"]
    assert column.names == tuple(NAMES)
    assert column.fit([]).pairs == (("left_eye", "right_eye"),)
    values = table.column_values("points")
    assert values[0] is None
    assert known(values[1]) == {"nose": [3, 4], "right_eye": [12.5, 6, 1]}
    assert known(values[2]) == {"nose": [1, 2], "left_eye": [5, 6], "right_eye": [39, 29]}
    assert [column.check(value) for value in values[1:]] == [None, None]


def test_what_was_written_is_read_again(photos):
    folder, _ = photos
    table = read(photos)
    paths, values = table.column_values("image"), table.column_values("points")
    write_coco_keypoints(folder / "b.json", paths, values, names=NAMES, label="face")
    again = ls.Table.from_coco_keypoints(folder / "b.json", folder, label="face")
    assert [known(value) for value in again.column_values("points")] == [known(value) for value in values[1:]]
    record = json.loads((folder / "b.json").read_text())["annotations"][1]
    assert (record["num_keypoints"], record["bbox"]) == (3, [1, 2, 38, 27])
    with pytest.raises(UnknownNameError, match="no point 'ear'"):
        write_coco_keypoints(folder / "c.json", paths[:1], [{"ear": [1, 2]}], names=NAMES)


def test_the_points_train_and_a_mirrored_image_swaps_left_and_right(photos):
    task = ls.Task(read(photos).split(valid=0), inputs="image", targets="points", allow_leaks=True)
    task.prepare()
    encoded = task.samples.targets["points"].read(task.train)
    assert (encoded[..., 2] > 0).sum() == 5
    assert task.targets["points"].mirrored_order == [0, 2, 1]


def test_all_faults_are_named_and_bad_images_get_no_value(photos):
    _, content = photos
    wrong = {**content, "annotations": [
        *content["annotations"],
        {"id": 5, "image_id": 7, "category_id": 1, "keypoints": [1, 2]},
        {"id": 6, "image_id": 9, "category_id": 1, "keypoints": [1, 2, 2, 5, 6, 2, 3, 3, 2]},
        {"id": 8, "image_id": 8, "category_id": 1, "keypoints": [1, 2, 3, 5, 6, 2, 3, 3, 2]},
        {"id": 9, "image_id": 7, "category_id": 1, "keypoints": [99, 2, 2, 5, 6, 2, 3, 3, 2]},
        {"id": 10, "image_id": 70, "category_id": 1, "keypoints": [9, 2, 2, 5, 6, 2, 3, 3, 2]},
    ]}  # fmt: skip
    with pytest.raises(DataError) as error:
        read(photos, wrong)
    told = str(error.value)
    for words in (
        "list of 9 numbers",
        "another object of this image",
        "visibility of point 'nose' is 3",
        "outside its image",
        "id 70",
    ):
        assert words in told
    with pytest.warns(UserWarning, match="5 faults"):
        table = read(photos, wrong, on_error="skip")
    assert table.column_values("points") == [None, None, None]


def test_files_without_names_of_points(photos):
    _, content = photos
    with pytest.raises(DataError, match="no category lists names of key points"):
        read(photos, {**content, "categories": [{"id": 1, "name": "person"}]})
    with pytest.raises(UnknownNameError, match="persons"):
        read(photos, label="persons")
