"""Images and files of annotations, written into the test's own folder."""

import json

import numpy as np
import pytest
from PIL import Image as PILImage


@pytest.fixture
def image(tmp_path):
    """Writes an image of a size (height, width) below the folder `images` and gives its path."""

    def write(name, size_px=(20, 30), folder="images"):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PILImage.fromarray(np.zeros((*size_px, 3), np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def mask(tmp_path):
    """Writes a mask of numbers below the folder `masks` and gives its path."""

    def write(name, numbers, folder="masks", mode=None):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = PILImage.fromarray(np.asarray(numbers, np.uint8))
        (made if mode is None else made.convert(mode)).save(path)
        return path

    return write


@pytest.fixture
def coco(tmp_path):
    """Writes a COCO file; images are (id, name, height, width), categories (id, name)."""

    def write(annotations, images=((1, "a.png", 20, 30),), categories=((1, "cat"), (3, "dog")), **more):
        common = {"image_id": 1, "category_id": 1}
        content = {
            "images": [dict(zip(("id", "file_name", "height", "width"), each, strict=True)) for each in images],
            "categories": [{"id": key, "name": name} for key, name in categories],
            "annotations": [
                {"id": number, **common, **each} if isinstance(each, dict) else each
                for number, each in enumerate(annotations)
            ],
            **more,
        }
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(content))
        return path

    return write
