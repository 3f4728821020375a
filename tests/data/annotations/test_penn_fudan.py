import numpy as np
import pytest

from longspan.data import Table
from longspan.data.annotations import read_penn_fudan
from longspan.errors import DataError


def penn_fudan_of(folder, **options):
    return Table.of(read_penn_fudan(folder, **options))


TEXT = """# Compatible with PASCAL Annotation Version 1.00
Image filename : "PennFudanPed/PNGImages/a.png"
Image size (X x Y x C) : 30 x 20 x 3
Objects with ground truth : 2 { "PASpersonWalking" "PASpersonWalking" }
Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (4, 3) - (7, 5)
Pixel mask for object 1 "PASpersonWalking" : "../../etc/passwd"

Bounding box for object 2 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (20, 11) - (30, 12)
"""


@pytest.fixture
def write(tmp_path, image, mask):
    numbers = np.zeros((20, 30), np.uint8)
    numbers[2:5, 3:7] = 1
    numbers[10:12, 20:30] = 2
    image("a.jpg", folder="PNGImages")
    mask("a_mask.png", numbers, folder="PedMasks")
    (tmp_path / "Annotation").mkdir()

    def write(text):
        (tmp_path / "Annotation" / "a.txt").write_text(text)
        return tmp_path

    return write


def test_boxes_as_written_and_people_as_masked(write):
    table = penn_fudan_of(write(TEXT))
    assert [box["box"] for box in table[0]["boxes"]] == [[3, 2, 7, 5], [19, 10, 30, 12]]
    assert [thing["label"] for thing in table[0]["instances"]] == ["person", "person"]
    assert list(table.columns) == ["image", "boxes", "instances"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(4, 3) - (7, 5)", "(4, 3) - (2, 5)", "a.txt, line 5: the box x0=3, y0=2, x1=2, y1=5 has x1 < x0"),
        ("(4, 3) - (7, 5)", "(4, 3)", "a.txt, line 5: 'Bounding box"),
        ("30 x 20 x 3", "60 x 40 x 3", "a.txt, line 3: the image is 30 x 20 px, but the file says 60 x 40"),
        ("Bounding box for object 2", "# 2", "a.txt: it has 1 boxes, the mask 2 people"),
    ],
)
def test_faults_are_named_with_their_line(write, old, new, words):
    with pytest.raises(DataError) as caught:
        penn_fudan_of(write(TEXT.replace(old, new)))
    assert any(words in repr(fault) for fault in caught.value.faults), caught.value
    with pytest.warns(UserWarning, match="fault"):
        assert len(penn_fudan_of(write(TEXT.replace(old, new)), on_error="skip")) == 1


def test_a_text_file_that_is_not_there(write, tmp_path):
    write(TEXT)
    (tmp_path / "Annotation" / "a.txt").unlink()
    with pytest.raises(DataError, match=r"a.txt: the file does not exist"):
        penn_fudan_of(tmp_path)
    with pytest.warns(UserWarning, match="1 fault"):
        assert penn_fudan_of(tmp_path, on_error="skip").column_values("boxes") == [None]
