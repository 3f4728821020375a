from pathlib import Path

import numpy as np
import pytest

import longspan as ls
from longspan.errors import PipelineError
from longspan.pipeline.scoring import row_errors


def test_numbers_are_off_by_a_distance():
    errors = row_errors("age", ls.Number(), [1.0, 5, None, 2], [1.5, np.float32(3), 4, None])
    assert errors.tolist()[:2] == [0.5, 2.0]
    assert np.isnan(errors[2])
    assert np.isinf(errors[3])
    assert ls.Number().row_error.metric == "mae"


def test_other_answers_are_right_or_wrong():
    truth = ["cat", "dog", None, "cat", "dog"]
    errors = row_errors("kind", ls.Category(), truth, ["cat", "cat", "dog", None, np.str_("dog")])
    assert errors.tolist()[:2] == [0, 1]
    assert errors.tolist()[3:] == [1, 0]
    assert np.isnan(errors[2])
    assert ls.Raw().row_error.metric == ls.Category().row_error.metric == "error"


def test_lists_are_right_as_a_whole_and_in_order():
    truth = [[1, 2], [1, 2], [[1, 2], [3, 4]], [], [1]]
    answers = [(1, 2), [2, 1], np.array([[1, 2], [3, 4]]), [], [1.0]]
    assert row_errors("x", ls.Raw(), truth, answers).tolist() == [0, 1, 0, 0, 0]
    assert row_errors("x", ls.MultiLabel(), [["a", "b"], ["a"]], [["b", "a"], ["b"]]).tolist() == [0, 1]
    assert row_errors("x", ls.Category(), ["a.png", True], [Path("a.png"), np.bool_(True)]).tolist() == [0, 0]


def test_answers_that_can_never_be_right_are_refused():
    with pytest.raises(
        PipelineError, match=r"'n' is never right: the targets are numbers \(such as 3\), but .* texts \(such as '3'"
    ):
        row_errors("n", ls.Category(), [3, 4], ["3", "4"])
    with pytest.raises(PipelineError, match="'n' is of kind number in the table, but the pipeline predicts 'four'"):
        row_errors("n", ls.Number(), [3, 4], ["3", "four"])
    assert row_errors("n", ls.Category(), [3, 4], [4, 3]).tolist() == [1, 1]
    assert row_errors("n", ls.Category(), [3, 4], [None, None]).tolist() == [1, 1]
