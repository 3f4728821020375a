import numpy as np
import pytest

import longspan as ls
from longspan.errors import PipelineError
from longspan.pipeline import Pipeline, Stage
from longspan.pipeline.execution import run_stage


def where(row):
    return f"row {row}"


def values(stage, *reads):
    found = run_stage(stage.spec, stage.component, reads, where)
    return {name: [each.value for each in predictions] for name, predictions in found.items()}


def test_a_function_gets_values_in_the_order_of_reads_and_adds_one_or_several():
    stage = Stage("s", lambda a, b: (a - b, a + b), reads=["a", "b"], adds=["less", "more"])
    assert values(stage, [5, 7], [1, 2]) == {"less": [4, 5], "more": [6, 9]}
    assert values(Stage("s", lambda a: (a, a), reads="a", adds="pair"), [1]) == {"pair": [(1, 1)]}


def test_each_runs_once_per_element_and_passes_the_rest_whole():
    stage = Stage("s", lambda whole, part: (sum(whole), part), reads=["whole", "part"], adds=["t", "p"], each="part")
    assert values(stage, [[1, 2], [3]], [[7, 8], [9]]) == {"t": [[3, 3], [3]], "p": [[7, 8], [9]]}


def test_empty_lists_give_empty_lists_and_arrays_are_lists():
    stage = Stage("s", lambda x: 2 * x, reads="x", adds="y", each="x")
    assert values(stage, [[], (1, 2), np.array([3])]) == {"y": [[], [2, 4], [6]]}
    assert values(stage, [[], []]) == {"y": [[], []]}
    assert values(stage) == {"y": []}


def test_what_is_missing_stays_missing():
    stage = Stage("s", lambda a, b: a + b, reads=["a", "b"], adds="c")
    assert values(stage, [1, None, 3], [1, 2, None]) == {"c": [2, None, None]}
    stage = Stage("s", lambda a, b: a + b, reads=["a", "b"], adds="c", each="b")
    assert values(stage, [1, 2, None], [[1, None, 2], None, [1]]) == {"c": [[2, None, 3], None, None]}


def test_an_error_names_stage_row_and_element():
    with pytest.raises(PipelineError, match="Stage 's' failed in row 1: ZeroDivisionError: division by zero") as caught:
        values(Stage("s", lambda x: 1 / x, reads="x", adds="y"), [1, 0])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(PipelineError, match="failed in row 1, element 2: ZeroDivisionError"):
        values(Stage("s", lambda x: 1 / x, reads="x", adds="y", each="x"), [[1], [1, 2, 0]])


def test_several_columns_need_a_tuple_of_as_many():
    stage = Stage("s", lambda x: x, reads="x", adds=["a", "b"])
    with pytest.raises(
        PipelineError, match=r"failed in row 0: it adds .* must return a tuple of 2, but it returned \(1, 2, 3\)"
    ):
        values(stage, [(1, 2, 3)])


def test_each_over_a_value_that_is_no_list_names_the_row():
    with pytest.raises(PipelineError, match="element of 'x', but in row 1 that is 5, which is not a list"):
        values(Stage("s", len, reads="x", adds="y", each="x"), [[1], 5])


def test_a_function_cannot_change_what_others_read():
    image, numbers = np.zeros((2, 2), np.uint8), [1, 2]

    def spoil(image, numbers):
        image[:] = 9
        numbers.append(3)
        return int(image.sum())

    assert values(Stage("s", spoil, reads=["p", "n"], adds="y"), [image], [numbers]) == {"y": [36]}
    assert image.sum() == 0
    assert numbers == [1, 2]


def test_the_row_is_named_by_its_file(tmp_path):
    table = ls.Table.from_arrays({"photo": [str(tmp_path / "a.png"), "b.png"]}, {"photo": ls.Image()})
    pipeline = Pipeline([Stage("size", lambda photo: 1 / (photo != "b.png"), reads="photo", adds="n")])
    with pytest.raises(PipelineError, match=r"'size' failed in row 1 of arrays \(b.png\): ZeroDivisionError"):
        pipeline.run(table)
    with pytest.raises(PipelineError, match="failed in sample 2"):
        pipeline.predict(["a", "c", "b.png"])


def test_a_model_that_fails_on_one_sample_names_its_row(pulses):
    pipeline = pulses.pipeline().fit(pulses.table())
    signal = pulses.table(1).value(0, "signal")
    broken = Pipeline(
        [pulses.stages()[0], Stage("cut", lambda s, i: "no" if s[1] == 7 else s[i : i + 3], reads=["signal", "starts"],
                                   adds="pieces", each="starts"), *pulses.stages()[2:]]
    )  # fmt: skip
    broken.fitted = pipeline.fitted
    with pytest.raises(
        PipelineError, match="'name' failed in sample 1, element 0: SampleError: scikit-learn reads num"
    ):
        broken.predict([signal, [0.0, 7.0, 1.0, 1.0]])


def test_a_learner_that_fails_on_one_sample_names_its_row(pulses):
    task = ls.Task(pulses.image_table().split(seed=1), "image", "side", allow_leaks=True)
    pipeline = Pipeline([Stage("name", pulses.RECIPE.train(task), reads="photo", adds="where")])
    good = pulses.image_table().value(0, "image")
    with pytest.raises(PipelineError, match="'name' failed in sample 1: DataError: the file does not exist"):
        pipeline.predict([good, "gone.png"])
