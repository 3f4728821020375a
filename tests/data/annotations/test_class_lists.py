import sys

import pytest

from longspan.data.annotations.class_lists import class_colours, class_names, has_colours
from longspan.errors import DataError, DependencyError


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
        ("a.yaml", "names:\n  cat\n", "line 2: names is 'cat'; write a list"),
        ("a.yaml", "names:\n  0: cat\n  0: dog\n", "line 3: the key '0' occurs twice"),
        ("a.yaml", "names:\n  0: cat\n  00: dog\n", "line 3: '00' is not a class number, or occurs twice"),
        ("a.yaml", "names:\n  cat: 0\n", "line 2: 'cat' is not a class number"),
        ("a.yaml", "names:\n  0:\n", "class 0 has no name"),
        ("a.yaml", "names: [a, b\n", "line 2: not valid YAML"),
        ("a.yaml", "names: [a, b]\nnc: 3\n", "line 2: nc says 3 classes, but names lists 2"),
        ("a.yaml", "names: &a [*a]\n", "nested too deeply"),
        ("a.txt", "cat\n\nbird\n", "line 2 is blank. Line n names class n - 1"),
        ("a.txt", "road 0 1 2\nsky 3 4 5\nnothing\n", "line 3: 'nothing' has no colour"),
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
    with pytest.raises(DataError, match=r"a.txt, line 2: \['sky', '1', '2'\] is not a colour"):
        class_colours(written(tmp_path, "a.txt", "road 0 1 2\nsky 1 2\n"))
    with pytest.raises(DataError, match="Colour 0: the colour 1, 2, 300 is out of range"):
        class_colours([[1, 2, 300]])


def test_every_line_is_a_name_whatever_characters_it_has(tmp_path):
    names = ["#tag", "bolt 10 20 30", "a:b", "\u2028x", "- c", "'q'", "no", "1.10", "café"]
    path = tmp_path / "classes.txt"
    path.write_bytes(("\ufeff" + "\r\n".join(names) + "\r\n\r\n").encode())
    assert list(class_names(path, colours=False).values()) == [name.strip() for name in names]


def test_a_comment_in_a_list_of_names_is_reported(tmp_path):
    path = written(tmp_path, "a.txt", "# my classes\ncat\n")
    with pytest.warns(UserWarning, match="line 1: '# my classes' is taken as the name of class 0"):
        assert class_names(path) == {0: "# my classes", 1: "cat"}


def test_yaml_words_stay_the_text_that_the_file_holds(tmp_path):
    text = "names: [no, off, 1.10, 007, 2020-01-01, null, 0x10, 'a # b', \"tab\\t\"]\n"
    assert list(class_names(written(tmp_path, "a.yaml", text)).values()) == [
        "no", "off", "1.10", "007", "2020-01-01", "null", "0x10", "a # b", "tab\t",
    ]  # fmt: skip


def test_tags_in_yaml_have_no_effect(tmp_path):
    text = "names: !!python/object/apply:os.system ['echo']\n"
    assert class_names(written(tmp_path, "a.yaml", text)) == {0: "echo"}


def test_yaml_without_pyyaml_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(DependencyError, match=r"pip install 'longspan\[yaml\]'"):
        class_names(written(tmp_path, "a.yaml", "names: [a]\n"))


def test_colour_lists_of_cvat_and_camvid(tmp_path):
    cvat = written(
        tmp_path, "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\na:b:48,112,32:x,y:z\n"
    )
    camvid = written(tmp_path, "colors.txt", "0 0 0\tbackground\n48 112 32\ta:b\n")
    quoted = written(tmp_path, "c.csv", 'name,r,g,b\nbackground,0,0,0\n"a:b",48,112,32\n')
    for path in (cvat, camvid, quoted):
        assert class_names(path) == {0: "background", 1: "a:b"}
        assert class_colours(path) == [(0, 0, 0), (48, 112, 32)]
        assert has_colours(path)
    assert not has_colours(written(tmp_path, "a.txt", "bolt 10 20 30\nnut\nscrew\n"))
