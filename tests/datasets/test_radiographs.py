"""Radiographs in the layouts of their sets, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan import datasets
from longspan.datasets.radiographs import joint_boxes, large_radiographs, read_bone_age
from longspan.errors import DataError


def write(folder, rows, *, images=(1, 2), heading="id,boneage,male", name="boneage-training-dataset.csv"):
    (folder / "boneage-training-dataset").mkdir(parents=True, exist_ok=True)
    for each in images:
        PILImage.fromarray(np.zeros((8, 6), np.uint8)).save(folder / "boneage-training-dataset" / f"{each}.png")
    (folder / name).write_text("\n".join([heading, *rows]) + "\n")
    return folder


def test_the_layout_of_the_challenge_is_read(tmp_path):
    table = read_bone_age(write(tmp_path, ["1,94,True", "2,120.5,False", "3,60,True"]))
    assert table.column_values("age_months") == [94.0, 120.5]  # 3 has no image
    assert table.column_values("sex") == ["male", "female"]
    assert [Path(each).name for each in table.column_values("image")] == ["1.png", "2.png"]
    assert (table["height_px"], table["width_px"]) == ([8.0, 8.0], [6.0, 6.0])


def test_a_radiograph_that_cannot_be_read_has_no_size(tmp_path):
    folder = write(tmp_path, ["1,94,True", "2,120.5,False"])
    (folder / "boneage-training-dataset" / "2.png").write_bytes(b"no image")
    assert read_bone_age(folder)["height_px"] == [8.0, None]


def test_the_table_of_all_is_taken_beside_a_sample(tmp_path):
    write(tmp_path, ["1,94,True"], name="sample.csv")
    assert len(read_bone_age(write(tmp_path, ["1,94,True", "2,96,True"]))) == 2
    with pytest.raises(DataError, match="2 CSV files"):
        read_bone_age(
            write(tmp_path / "twice", ["1,94,True"], name="a.csv") and write(tmp_path / "twice", [], name="b.csv")
        )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["1,-3,True"], "line 2: boneage '-3' is not a number of months of 0 to 240"),
        (["1,94,True", "2,old,maybe"], "line 3: boneage 'old'.*; line 3: male 'maybe' is neither True nor False"),
        (["9,94,True"], "holds no ID.png or ID.jpg of the 1 ids"),
        ([f"{each},{1 + each % 17},True" for each in range(20)], "look like years, and months are meant"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(rows, said, tmp_path):
    with pytest.raises(DataError, match=said):
        read_bone_age(write(tmp_path, rows))


def test_other_columns_are_refused(tmp_path):
    with pytest.raises(DataError, match="no CSV file with the columns id, boneage, male"):
        read_bone_age(write(tmp_path, ["1,94,True"], heading="id,age,sex"))
    with pytest.raises(DataError, match="no column 'boneage'"):
        read_bone_age(tmp_path, tmp_path / "boneage-training-dataset.csv")


def test_bone_age_is_read_from_its_two_archives(tmp_path):
    write(tmp_path / "images", [], name="unused.txt")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "train.csv").write_text("id,boneage,male\n1,94,True\n2,120,False\n")
    table = datasets.info("bone-age").sources[0].load(tmp_path)
    assert table.column_values("age_months") == [94.0, 120.0]


@pytest.mark.slow
def test_the_packs_are_whole(data_folder, places, monkeypatch):
    monkeypatch.setenv("LONGSPAN_DATA", str(data_folder))
    hands = datasets.load("bone-age-100", tell=lambda line: None)
    assert len(hands) == 7000
    assert sum(each is not None for each in hands.column_values("points")) == 4644
    assert [hands[side].count(None) for side in ("height_px", "width_px")] == [1, 1]
    assert min(size for size in hands["height_px"] if size) > 400
    root = datasets.fetch("bone-age-100")
    boxes = joint_boxes(root)
    assert sum(len(each) for each in boxes.column_values("boxes")) == 239 * 17 + 89 * 17 - 3
    assert boxes.column_values("koitka").count("eval") == 89
    large = large_radiographs(root)
    assert (len(large), sum(large.column_values("known"))) == (39, 13)
    assert [size is not None for size in large["width_px"]] == large["known"]
    datasets.unpack(data_folder / "rsna_bone_age_sample.tar.gz", places / "sample")
    assert len(read_bone_age(places / "sample")) == 10  # of the published table of 11,995 ids
    chests = datasets.load("pneumonia", tell=lambda line: None)
    parts = list(zip(chests.column_values("part"), chests.column_values("finding"), strict=True))
    assert [parts.count(("test", each)) for each in ("normal", "pneumonia")] == [234, 390]
    assert len(datasets.load("breast-ultrasound", tell=lambda line: None)) == 780
