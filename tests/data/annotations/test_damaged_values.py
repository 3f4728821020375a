"""Any value in any field of an annotation file: a DataError, or boxes that lie in their images."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from longspan.data import Table
from longspan.errors import DataError

HEIGHT, WIDTH = 20, 30
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["../x", "/etc/passwd", "1e999"]),
    st.lists(st.integers(-50, 50), max_size=6), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        PILImage.fromarray(np.full((HEIGHT, WIDTH, 3), 60 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


def sound():
    boxes = [
        {"id": 1, "image_id": 0, "category_id": 5, "bbox": [2, 3, 10, 9], "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 5, "bbox": [0, 0, 30, 20], "segmentation": [[1, 1, 20, 2, 9, 18]]},
        {"id": 3, "image_id": 1, "category_id": 6, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [20, 40, 540]}},
    ]
    images = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in range(2)]
    return {"images": images, "categories": [{"id": 5, "name": "a"}, {"id": 6, "name": "b"}], "annotations": boxes}


def places(value, path=()):
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def check(read):
    """A table whose boxes lie in their images, or a DataError; with "skip" too."""
    for on_error in ("raise", "skip"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                table = read(on_error)
            except DataError:
                continue
        for cell in table.frame["boxes"].to_list():
            for thing in cell or ():
                x0, y0, x1, y1 = thing["box"]
                assert 0 <= x0 < x1 <= WIDTH
                assert 0 <= y0 < y1 <= HEIGHT


@SETTINGS
@given(st.lists(st.tuples(st.sampled_from(list(places(sound()))), ODD), min_size=1, max_size=3))
def test_coco(images, changes):
    content = sound()
    for path, value in changes:
        holder = content
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = value
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    file = images.parent / "coco.json"
    file.write_text(json.dumps(content))
    check(lambda on_error: Table.from_coco(file, images, on_error=on_error))


WORDS = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(["", "x", "0x1", "1e999", "-0", "\u0661", "1_0", "1" * 30]),
)


@SETTINGS
@given(st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=5).map("\n".join))
def test_yolo(images, text):
    folder = images.parent / "labels"
    folder.mkdir(exist_ok=True)
    (folder / "0.txt").write_text(text)
    check(lambda on_error: Table.from_yolo(folder, images, on_error=on_error))


@SETTINGS
@given(
    st.lists(st.one_of(WORDS, st.sampled_from(["0.png", "1.png", "2 3 4 5 0 0 0 0 0 0"])), max_size=8).map("\n".join)
)
def test_wider(images, text):
    (images.parent / "faces.txt").write_text(text)
    check(lambda on_error: Table.from_wider(images.parent / "faces.txt", images, on_error=on_error))


@SETTINGS
@given(st.dictionaries(st.sampled_from(["xmin", "ymin", "xmax", "ymax", "name", "difficult"]), WORDS), WORDS, WORDS)
def test_voc(images, changed, width, height):
    folder = images.parent / "voc"
    folder.mkdir(exist_ok=True)
    fields = {"xmin": "2", "ymin": "3", "xmax": "9", "ymax": "12"} | changed
    box = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items() if key in ("xmin", "ymin", "xmax", "ymax"))
    thing = f"<object><name>{fields.get('name', 'cat')}</name><bndbox>{box}</bndbox></object>"
    size = f"<size><width>{width}</width><height>{height}</height></size>" if "difficult" in changed else ""
    (folder / "0.xml").write_text(f"<annotation>{size}{thing}</annotation>")
    check(lambda on_error: Table.from_voc(folder, images, on_error=on_error))


CELLS = st.one_of(
    WORDS, st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters='",\r\n\0'), max_size=6)
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # cells with two meanings are said aloud
@SETTINGS
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6))
def test_csv_gives_the_rows_that_are_there_or_a_data_error(images, rows):
    file = images.parent / "a.csv"
    file.write_text("one,two\n" + "\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    try:
        table = Table.from_csv(file)
    except DataError:
        return
    assert len(table) == len(rows)
    for column, place in (("one", 0), ("two", 1)):
        for cell, row in zip(table.frame[column].to_list(), rows, strict=True):
            # Blanks around cells are left out, with a warning.
            assert cell is None or not isinstance(cell, str) or cell in (row[place], row[place].strip(" \t"))
