import pytest

from longspan.data.annotations.class_lists import class_colours, class_names
from longspan.errors import DataError


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_lists_and_dicts():
    assert class_names(["cat", "dog"]) == {0: "cat", 1: "dog"}
    assert class_names({7: "road", 0: "sky"}) == {0: "sky", 7: "road"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("codes.txt", "traffic light\ncar\n"),
        ("colors.txt", "# name r g b\ntraffic light 128 128 128\ncar 0\t0 255\n"),
        ("dict.csv", "name,r,g,b\ntraffic light,128,128,128\ncar,0,0,255\n"),
        ("a.yaml", "path: .\nnames:\n  0: traffic light\n  1: 'car' # red\nnc: 2\n"),
        ("b.yaml", 'names: [traffic light, "car"]\n'),
        ("c.yml", "names: ['traffic light',\n  'car']\ntrain: x\n"),
        ("d.yaml", "names:\n- traffic light\n- car\ntrain: x\n"),
        ("e.yaml", "names: {0: traffic light, 1: car}\n"),
    ],
)
def test_files_with_names(tmp_path, name, text):
    assert class_names(written(tmp_path, name, text)) == {0: "traffic light", 1: "car"}


def test_numbers_may_have_gaps(tmp_path):
    assert class_names(written(tmp_path, "a.yaml", "names:\n  1: a\n  13: 'b, c'\n")) == {1: "a", 13: "b, c"}


def test_yaml_is_read_as_a_yaml_library_reads_it(tmp_path):
    text = '# set\nnc: 4\nnames:\n  # people\n  0: person\n  1: "a b"\n  3: it\'s\n\nval: x\n'
    # What PyYAML's safe_load gives for this text.
    assert class_names(written(tmp_path, "a.yaml", text)) == {0: "person", 1: "a b", 3: "it's"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "\n", "names no class"),
        ("a.txt", "cat\ndog\ncat\n", "names 'cat' twice"),
        ("a.yaml", "nc: 2\n", "has no 'names:'"),
        ("a.yaml", "names:\n  cat\n", "line 2: 'cat' is no 'number: name'"),
        ("a.yaml", "names:\n  0: cat\n  0: dog\n", "line 3: '0: dog'"),
        ("a.yaml", "names: [a, b\n", "line 1: the list of names has no end"),
    ],
)
def test_files_that_name_nothing(tmp_path, name, text, words):
    with pytest.raises(DataError, match=words):
        class_names(written(tmp_path, name, text))
    with pytest.raises(DataError, match="does not exist"):
        class_names(tmp_path / "gone.txt")


def test_colours(tmp_path):
    assert class_colours([[1, 2, 3]]) == [(1, 2, 3)]
    assert class_colours(written(tmp_path, "a.txt", "road 0 1 2\nsky,3,4,5\n6 7 8\n")) == [
        (0, 1, 2),
        (3, 4, 5),
        (6, 7, 8),
    ]
    with pytest.raises(DataError, match=r"a.txt, line 2: \['sky', '1', '2'\] is no colour"):
        class_colours(written(tmp_path, "a.txt", "road 0 1 2\nsky 1 2\n"))
    with pytest.raises(DataError, match="Colour 0: the colour 1, 2, 300 is out of range"):
        class_colours([[1, 2, 300]])
