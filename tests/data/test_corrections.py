import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.data.corrections import label_text, read_corrections
from longspan.errors import DataError


@pytest.fixture
def table(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(10):
            PILImage.fromarray(np.full((8, 8), 10 * number, np.uint8)).save(tmp_path / label / f"{number}, x.png")
    return ls.Table.from_folder(tmp_path)


def write(folder, *lines, head="row,file,target,given,action,label"):
    path = folder / "corrections.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_rows_are_relabelled_and_dropped_and_keep_their_parts(table, tmp_path):
    split = table.split(valid=0.3, test=4)
    row, gone = int(split.train[2]), int(split.valid[0])
    files, labels = table.frame["image"].to_list(), table.column_values("label")
    other = {"cat": "dog", "dog": "cat"}[labels[row]]
    path = write(
        tmp_path, f'{row},"{files[row]}",label,{labels[row]},relabel,{other}',
        f'{gone},"{files[gone]}",label,{labels[gone]},drop,', f'0,"{files[0]}",label,{labels[0]},keep,',
    )  # fmt: skip
    corrected = split.relabel(path)
    assert corrected.table.column_values("label") == [*labels[:row], other, *labels[row + 1 :]]
    assert corrected.train.tolist() == split.train.tolist()
    assert corrected.valid.tolist() == split.valid[1:].tolist()
    assert corrected.vault is split.vault
    assert corrected.how["corrections"] == {"file": "corrections.csv", "dropped": 1}
    assert table.column_values("label") == labels, "the table itself is as it was"
    again = corrected.relabel(path)
    assert again.table.column_values("label") == corrected.table.column_values("label"), "twice is as once"


def test_what_does_not_fit_is_refused_all_at_once(table, tmp_path):
    path = write(
        tmp_path,
        "0,gone.png,label,cat,drop,",
        '1,"cat/1, x.png",label,dog,drop,',
        "99,,label,,drop,",
        "3,,breed,,drop,",
    )
    with pytest.raises(DataError) as refused:
        table.split().relabel(path)
    for words in (
        "0 rows with gone.png",
        "the label is 'cat' now, not 'dog'",
        "there is no row 99",
        "no column 'breed'",
    ):
        assert words in str(refused.value)


def test_files_that_are_not_corrections(tmp_path):
    with pytest.raises(DataError, match="lacks the columns target, action, label"):
        read_corrections(write(tmp_path, "1", head="row"))
    bad = write(tmp_path, "1,,k,a,mend,b", ",,k,a,drop,", "2,,k,a,relabel,")
    with pytest.raises(DataError) as refused:
        read_corrections(bad)
    for words in ("line 2", "'mend'", "line 3", "neither a file nor a row number", "line 4", "relabel without a label"):
        assert words in str(refused.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_corrections(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("column", "cells", "label", "expected"),
    [
        (ls.Category(), [1, 2, 1], "2", 2),
        (ls.Category(), [1, 2, 1], "7", 7),
        (ls.Category(), ["1", "2", "1"], "7", "7"),
        (ls.Category(), [True, False, True], "False", False),
        (ls.MultiLabel(), [["a"], ["b"], []], '["b", "a"]', ["b", "a"]),
        (ls.MultiLabel(separator=";"), ["a", "b;a", ""], '["b", "c"]', "b;c"),
    ],
)
def test_labels_come_back_as_the_column_has_them(tmp_path, column, cells, label, expected):
    images = np.zeros((3, 8, 8), np.uint8)
    table = ls.Table.from_arrays({"x": images, "k": cells}, {"x": ls.Image(), "k": column})
    quoted = label.replace('"', '""')
    corrected = table.split(valid=0).relabel(write(tmp_path, f'0,,k,,relabel,"{quoted}"'))
    value = corrected.table.column_values("k")[0]
    assert value == expected
    assert type(value) is type(expected)


def test_a_word_among_numbers_is_refused(tmp_path):
    table = ls.Table.from_arrays(
        {"x": np.zeros((3, 8, 8), np.uint8), "k": [1, 2, 1]}, {"x": ls.Image(), "k": ls.Category()}
    )
    with pytest.raises(DataError, match="line 2"):
        table.split(valid=0).relabel(write(tmp_path, "0,,k,1,relabel,two"))


def test_labels_as_text():
    assert [label_text(value) for value in ("a", 3, True, None, ["a", 2])] == ["a", "3", "True", "", '["a", "2"]']
