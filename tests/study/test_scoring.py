"""Errors against values worked by hand."""

import pytest

import longspan as ls
from longspan.errors import StudyError
from longspan.study.scoring import largest_error, measure_for, present_name

DIGIT = ls.Category(vocab=(0, 1, 2))


def test_classes_count_by_fraction_of_wrong_and_missing_truths_count_for_nothing():
    measure = measure_for("digit", DIGIT)
    assert measure([0, 1, None, 2], [0, 2, 1, 2])[0] == pytest.approx(1 / 3)
    assert measure([0, 1], [0, None])[0] == 0.5, "no answer is a wrong one"
    assert measure.name == "error rate"


def test_numbers_count_by_mean_absolute_error_in_their_unit():
    measure = measure_for("age", ls.Number(unit="months"))
    assert measure([10.0, 20.0, None], [13.0, 19.0, 99.0])[0] == 2.0
    assert measure.name == "mean absolute error (months)"
    with pytest.raises(StudyError, match="1 of 2 predictions of 'age' are missing"):
        measure([1.0, 2.0], [1.0, None])


def test_sets_of_labels_are_right_as_a_whole_in_any_order_and_form():
    measure = measure_for("tags", ls.MultiLabel(vocab=("a", "b", "c"), separator=" "))
    assert measure(["a b", "c", ""], [["b", "a"], ["c", "a"], []])[0] == pytest.approx(1 / 3)


def test_fractions_end_at_one_and_other_errors_nowhere():
    boxes = ls.Boxes(vocab=("a",), max_boxes=1, size_px=(8, 8))
    for column in (DIGIT, boxes, ls.Text(vocab=("1",), max_length=2)):
        assert largest_error(measure_for("y", column).name) == 1
    for column, error in ((ls.Number(), None), (ls.Text(vocab=("1",), max_length=2), "character"), (DIGIT, max)):
        assert largest_error(measure_for("y", column, error).name) == float("inf")


def test_strings_count_whole_or_by_characters():
    text = ls.Text(vocab=tuple("0123456789"), max_length=4)
    truths, said = ["1234", "56"], ["1243", "56"]
    assert measure_for("number", text)(truths, said)[0] == 0.5
    assert measure_for("number", text, "character")(truths, said)[0] == pytest.approx(2 / 6)
    assert measure_for("number", text, "character")(["12"], [None])[0] == 1.0
    assert measure_for("digit", DIGIT, "character").name == "error rate", "other kinds keep their own"


def test_a_function_of_ones_own():
    def squared(truths, predictions):
        return sum((t - p) ** 2 for t, p in zip(truths, predictions, strict=True))

    measure = measure_for("age", ls.Number(), squared)
    assert measure([1, None, 3], [2, 7, 5])[0] == 5.0
    assert measure.name == "squared"
    with pytest.raises(StudyError, match="gave 'bad' for 'age', which is not a number"):
        measure_for("age", ls.Number(), lambda truths, predictions: "bad")([1], [1])  # pyright: ignore


def test_an_error_that_is_no_finite_number_is_no_result():
    with pytest.raises(StudyError, match="is nan, not a finite number"):
        measure_for("age", ls.Number())([1.0], [float("nan")])


def test_predictions_of_another_number_or_type_are_refused():
    with pytest.raises(StudyError, match="1 predictions for 2 rows"):
        measure_for("digit", DIGIT)([0, 1], [0])
    with pytest.raises(
        StudyError,
        match=r"No prediction of 'digit' is right: the targets are numbers .*0.*, but the predictions are texts",
    ):
        measure_for("digit", DIGIT)([0, 1], ["0", "1"])


def test_what_has_no_error_of_its_own_says_what_to_give():
    with pytest.raises(StudyError, match="Target 'boxes', a column of kind raw, has no default error"):
        measure_for("boxes", ls.Raw())
    with pytest.raises(StudyError, match="error='accuracy' is not one of"):
        measure_for("digit", DIGIT, "accuracy")


def test_names_of_errors_in_earlier_files_are_understood():
    assert present_name("share of wrong") == present_name("fraction of wrong") == "error rate"
    assert present_name("share of wrong pixels") == "fraction of wrong pixels"
    assert present_name("metres off the lane (m)") == "metres off the lane (m)"
