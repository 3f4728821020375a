import numpy as np
import pytest
from PIL import Image as PILImage

from longspan import datasets
from longspan.datasets.fetching.integrity import contents_digest
from longspan.datasets.people import lfw_pairs
from longspan.errors import DataError

POINTS = (
    "left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y"
)


def photo(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    PILImage.fromarray(np.zeros(size, np.uint8)).save(path)


def test_lfw_faces_half_is_read_with_points_and_pairs(tmp_path):
    folder = tmp_path / "lfw_faces"
    for name in ("Ada/Ada_0001.webp", "Ada/Ada_0002.webp", "Alan/Alan_0001.webp"):
        photo(folder / "images" / name, (128, 112, 3))
    numbers = ",".join(str(each) for each in range(30, 40))
    rows = "".join(
        f"{name},1,0.99,{numbers}\n" for name in ("Ada/Ada_0001.webp", "Ada/Ada_0002.webp", "Alan/Alan_0001.webp")
    )
    (folder / "landmarks.csv").write_text(f"file,in_pairs,score,{POINTS}\n{rows}")
    (folder / "people.csv").write_text("name,images,fold\nAda,2,3\nAlan,1,0\n")
    (folder / "pairs.csv").write_text("fold,same,first,second\n3,1,Ada/Ada_0001.webp,Ada/Ada_0002.webp\n")
    table = datasets.info("lfw-faces-half").sources[0].load(tmp_path)
    assert table.column_values("person") == ["Ada", "Ada", "Alan"]
    assert table.column_values("fold") == [3, 3, 0]
    assert table.value(0, "points")["left eye"] == [30.5, 31.5]
    assert table.value(0, "points")["right mouth"] == [38.5, 39.5]
    ((fold, same, first, second),) = lfw_pairs(tmp_path)
    assert (fold, same) == (3, True)
    assert (first, second) == tuple(table.column_values("image")[:2])


def test_lfw_is_read_as_it_is_published(tmp_path):
    for name in ("Alan/Alan_0001.jpg", "Ada/Ada_0002.jpg", "Ada/Ada_0001.jpg"):
        photo(tmp_path / "lfw" / name, (250, 250, 3))
    table = datasets.info("lfw").sources[0].load(tmp_path)
    assert table.column_values("person") == ["Ada", "Ada", "Alan"]
    assert [path.rpartition("/")[2] for path in table.column_values("image")[:2]] == ["Ada_0001.jpg", "Ada_0002.jpg"]
    with pytest.raises(DataError, match="holds no PERSON"):
        datasets.info("lfw").sources[0].load(tmp_path / "nowhere")


def test_att_faces_are_read_in_the_order_of_their_numbers(tmp_path):
    for person in (1, 2, 10):
        for number in (1, 2, 10):
            photo(tmp_path / "att_faces" / f"s{person}" / f"{number}.pgm", (112, 92))
    table = datasets.info("att-faces").sources[0].load(tmp_path)
    assert table.column_values("person") == ["s1"] * 3 + ["s2"] * 3 + ["s10"] * 3
    assert [path.rpartition("/")[2] for path in table.column_values("image")[:3]] == ["1.pgm", "2.pgm", "10.pgm"]
    with pytest.raises(DataError, match="holds no sPERSON"):
        datasets.info("att-faces").sources[0].load(tmp_path / "nowhere")


def test_the_packs_are_whole(data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    faces = datasets.load("lfw-faces-half", tell=lambda line: None)
    assert (len(faces), len({*faces.column_values("person")})) == (4654, 2086)
    pairs = lfw_pairs(datasets.fetch("lfw-faces-half"))
    assert (len(pairs), sum(same for _, same, *_ in pairs)) == (3000, 1500)
    fold_of = dict(zip(faces.column_values("image"), faces.column_values("fold"), strict=True))
    assert all(fold_of[first] == fold_of[second] == fold for fold, _, first, second in pairs)
    assert len(datasets.load("att-faces", tell=lambda line: None)) == 400
    ((pattern, digest),) = datasets.info("att-faces").sources[0].contents
    assert contents_digest(datasets.fetch("att-faces"), pattern) == digest, "the pack has the published files"
