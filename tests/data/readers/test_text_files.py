import pytest

import longspan as ls
from longspan.errors import ConfigError, DataError


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_a_text_in_each_file_of_a_folder_for_each_class(tmp_path):
    write(tmp_path, {"train/pos/1.txt": "good\nfilm\n", "train/neg/1.txt": "caf\u00e9", "test/pos/9.txt": "\ufeffoh"})
    for table in (ls.Table.from_texts(tmp_path), ls.Table.read(tmp_path)):
        assert sorted(zip(table["text"], table["label"], table["split"], strict=True)) == [
            ("caf\u00e9", "neg", "train"),
            ("good\nfilm", "pos", "train"),
            ("oh", "pos", "test"),
        ]
        assert table.columns["text"] == ls.Text()


def test_files_that_are_no_texts_are_all_named(tmp_path):
    write(tmp_path, {"a/1.txt": b"x\n\xff", "a/2.txt": "x\0y", "b/3.txt": "fine"})
    with pytest.raises(DataError, match="2 text files cannot be read") as caught:
        ls.Table.from_texts(tmp_path)
    assert "line 2: byte 0xff is not UTF-8" in str(caught.value)
    assert "line 1 holds a NUL byte" in str(caught.value)
    with pytest.raises(DataError, match="holds no text file"):
        ls.Table.from_texts(write(tmp_path / "none", {"a/1.png": b""}))


def test_lines_of_parallel_files_belong_together(tmp_path):
    write(tmp_path, {"a.en": "A dog.\r\nA cat.\n", "a.fr": "Un chien.\nUn chat.\n", "b.fr": "Un chien.\n"})
    table = ls.Table.from_parallel({"en": tmp_path / "a.en", "fr": tmp_path / "a.fr"})
    assert (table["en"], table["fr"]) == (["A dog.", "A cat."], ["Un chien.", "Un chat."])
    with pytest.raises(DataError, match=r"equally many lines, .*a\.en 2, .*b\.fr 1"):
        ls.Table.from_parallel({"en": tmp_path / "a.en", "fr": tmp_path / "b.fr"})
    write(tmp_path, {"b.en": "\n", "c.en": b"a\xe9"})
    with pytest.warns(UserWarning, match="1 line is empty in at least one file"):
        assert ls.Table.from_parallel({"en": tmp_path / "b.en", "fr": tmp_path / "b.fr"})["en"] == [None]
    with pytest.raises(DataError, match=r"c\.en: line 1: byte 0xe9"):
        ls.Table.from_parallel({"en": tmp_path / "c.en"})
    with pytest.raises(DataError, match="the file does not exist"):
        ls.Table.from_parallel({"en": tmp_path / "d.en"})


def test_an_encoding_can_be_given(tmp_path):
    (tmp_path / "a.fr").write_bytes("été\nnoël\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 1: byte 0xe9 is not UTF-8"):
        ls.Table.from_parallel({"fr": tmp_path / "a.fr"})
    assert ls.Table.from_parallel({"fr": tmp_path / "a.fr"}, encoding="latin-1")["fr"] == ["été", "noël"]
    with pytest.raises(DataError, match="there is no encoding 'latin-99'"):
        ls.Table.from_parallel({"fr": tmp_path / "a.fr"}, encoding="latin-99")
    write(tmp_path, {"texts/pos/1.txt": "été".encode("latin-1"), "texts/neg/1.txt": "non"})
    with pytest.raises(DataError, match=r"or name its encoding: --encoding NAME"):
        ls.Table.read(tmp_path / "texts")
    for read in (ls.Table.read, ls.Table.from_texts):
        assert set(read(tmp_path / "texts", encoding="latin-1")["text"]) == {"été", "non"}
    write(tmp_path, {"images/pos/1.png": b""})
    with pytest.raises(ConfigError, match=r"--encoding\) is for .csv and .tsv files and for texts"):
        ls.Table.read(tmp_path / "images", encoding="latin-1")


def test_texts_are_kept_exactly_and_a_line_may_have_a_megabyte(tmp_path):
    lines = ["שלום עולם", "e\N{COMBINING ACUTE ACCENT}", "word " * 250_000]
    (tmp_path / "a.en").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    assert ls.Table.from_parallel({"en": tmp_path / "a.en"})["en"] == [line.strip() for line in lines]
