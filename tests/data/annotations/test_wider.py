import pytest

from longspan.data import Table
from longspan.errors import DataError


@pytest.fixture
def write(tmp_path, image):
    image("0--Parade/a.jpg")
    image("0--Parade/b.jpg")

    def write(text):
        path = tmp_path / "gt.txt"
        path.write_text(text)
        return path, tmp_path / "images"

    return write


def faults(*places):
    with pytest.raises(DataError) as caught:
        Table.from_wider(*places)
    return [repr(fault) for fault in caught.value.faults]


def test_faces_invalid_ones_and_images_without(write):
    text = "0--Parade/b.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n5 5 5 5 2 0 0 1 0 1 \n0--Parade/a.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    table = Table.from_wider(*write(text))
    assert [row["image"][-5:] for row in table] == ["b.jpg", "a.jpg"]
    assert table.column_values("boxes") == [
        [
            {"box": [1.0, 2.0, 4.0, 6.0], "label": "face", "ignore": False},
            {"box": [5.0, 5.0, 10.0, 10.0], "label": "face", "ignore": True},
        ],
        [],
    ]
    assert table.columns["boxes"].vocab == ("face",)


def test_faces_without_area_are_faults_and_can_be_left_out(write):
    places = write("0--Parade/a.jpg\n2\n1 2 0 4 0 0 0 0 0 0\n5 5 5 5 0 0 0 0 0 0\n")
    (fault,) = faults(*places)
    assert "gt.txt, line 3 (0--Parade/a.jpg): the face x=1, y=2 has width 0 and height 4: no area" in fault
    with pytest.warns(UserWarning, match="1 fault"):
        table = Table.from_wider(*places, on_error="skip")
    assert len(table[0]["boxes"]) == 1


def test_a_photo_with_bad_faces_alone_is_not_one_without_faces(write):
    places = write("0--Parade/a.jpg\n1\n1 2 0 4 0 0 0 0 0 0\n")
    with pytest.warns(UserWarning, match="1 fault"):
        assert Table.from_wider(*places, on_error="skip").column_values("boxes") == [None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0--Parade/a.jpg\n1\n1 2 3 4 0 0\n", "line 3 (0--Parade/a.jpg): a face has 10 numbers (or 4"),
        ("0--Parade/a.jpg\n1\n1 2 x 4\n", "line 3 (0--Parade/a.jpg): 'x' is not a finite number"),
        ("0--Parade/a.jpg\n1\n1 2 50 4\n", "px out of the image"),
        ("0--Parade/a.jpg\n2\n1 2 3 4\n", "line 2: '0--Parade/a.jpg' should have 2 faces, and 1 follow"),
        ("0--Parade/a.jpg\n1 2 3 4\n", "line 2: '1 2 3 4' should be the number of faces in '0--Parade/a.jpg'"),
        ("0--Parade/a.jpg", "line 2: '' should be the number of faces"),
        ("hello\n1 2\n0--Parade/a.jpg\n0\n", "line 1: 'hello' should be the path of an image"),
        ("0--Parade/c.jpg\n1\n1 2 3 4\n", "line 1: the image '0--Parade/c.jpg' is not in"),
        ("../a.jpg\n1\n1 2 3 4\n", "line 1: '../a.jpg' leads out"),
        ("0--Parade/a.jpg\n0\n0--Parade/a.jpg\n0\n", "line 3: the image '0--Parade/a.jpg' occurs twice"),
    ],
)
def test_faults_are_named_with_their_line(write, text, words):
    found = faults(*write(text))
    assert any(words in fault for fault in found), found


def test_what_is_not_there(write, tmp_path):
    with pytest.raises(DataError, match=r"gone.txt: the file does not exist"):
        Table.from_wider(tmp_path / "gone.txt", tmp_path / "images")
    with pytest.raises(DataError, match="lists no image"):
        Table.from_wider(*write(""))
