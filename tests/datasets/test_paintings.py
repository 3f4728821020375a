"""The reader of paintings and photos, in the published layout and in that of the copy."""

import pytest
from PIL import Image

from longspan import datasets


@pytest.mark.parametrize(("source", "folder"), [(0, "repository/images"), (1, "style_transfer")])
def test_paintings_are_read_by_folder(source, folder, tmp_path):
    for below, name in (("styles", "wave"), ("styles", "candy"), ("content", "town"), ("content", "sea")):
        (tmp_path / folder / below).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), "navy").save(tmp_path / folder / below / f"{name}.jpg")
    table = datasets.info("paintings").sources[source].load(tmp_path)
    assert table.select("name", "kind").frame.rows() == [("wave", "painting"), ("sea", "photo"), ("town", "photo")]
    assert table[0]["image"].endswith("wave.jpg")
