"""The reader of paintings and photos."""

from PIL import Image

from longspan import datasets


def test_paintings_are_read_by_folder(tmp_path):
    for below, name in (("styles", "wave"), ("content", "town"), ("content", "sea")):
        folder = tmp_path / "style_transfer" / below
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), "navy").save(folder / f"{name}.jpg")
    table = datasets.info("paintings").sources[0].load(tmp_path)
    assert table.select("name", "kind").frame.rows() == [("wave", "painting"), ("sea", "photo"), ("town", "photo")]
    assert table[0]["image"].endswith("wave.jpg")
