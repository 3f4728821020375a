import pytest
from sklearn.linear_model import LogisticRegression

import longspan as ls
from longspan.errors import PipelineError
from longspan.pipeline import Pipeline, Stage


def stage(name, reads, adds, what=len, **options):
    return Stage(name, what, reads=reads, adds=adds, **options)


def test_an_unmet_need_is_named_with_the_nearest_column():
    pipeline = Pipeline([stage("find", "image", "boxes"), stage("cut", ["image", "boxs"], "cuts")])
    with pytest.raises(
        PipelineError, match=r"'cut' reads 'boxs', which neither the data has nor a stage adds; .*'boxes'"
    ):
        pipeline.check({"photo"})
    with pytest.raises(PipelineError, match=r"'find' reads 'image'.*did you mean 'images'"):
        pipeline.check(["images", "boxs"])
    assert pipeline.check({"image", "boxs"}) is None
    assert pipeline.inputs == ("image", "boxs")


def test_all_faults_are_told_at_once():
    pipeline = Pipeline([stage("find", "image", "boxes"), stage("cut", ["boxes", "sizes"], "cuts")])
    with pytest.raises(PipelineError, match=r"for 2 reasons:\n.*'image'.*\n.*'sizes'"):
        pipeline.check({"photo"})


def test_a_column_added_after_it_is_read_is_refused_at_once():
    with pytest.raises(PipelineError, match="'read' reads 'boxes', which 'find' adds only after it; put 'find' first"):
        Pipeline([stage("read", ["image", "boxes"], "text"), stage("find", "image", "boxes")])


def test_a_cycle_is_called_one():
    with pytest.raises(PipelineError, match="'find' itself needs what 'read' adds: a cycle"):
        Pipeline([stage("read", "boxes", "text"), stage("guess", "text", "place"), stage("find", "place", "boxes")])


def test_names_that_clash_are_refused():
    with pytest.raises(PipelineError, match="'a' and 'b' both add 'x'"):
        Pipeline([stage("a", "i", "x"), stage("b", "i", "x")])
    with pytest.raises(PipelineError, match="2 stages are called 'a'"):
        Pipeline([stage("a", "i", "x"), stage("a", "i", "y")])
    with pytest.raises(PipelineError, match="it has no stage"):
        Pipeline([])
    with pytest.raises(PipelineError, match="<built-in function len> is not a Stage"):
        Pipeline([len])


def test_each_over_what_is_no_list_is_refused(pulses):
    names = [stage("name", "pieces", "names", each="pieces")]
    with pytest.raises(PipelineError, match="once per element of 'pieces', which is not a list but image"):
        Pipeline(names).check({"pieces": ls.Image()})
    with pytest.raises(PipelineError, match=r"not a list but image; .*declare it as ls.Raw"):
        Pipeline([stage("cut", "image", {"pieces": ls.Image()}), *names]).check({"image"})
    with pytest.raises(PipelineError, match="once per element of 'word'"):
        Pipeline([stage("letters", "word", "x", each="word")]).check(pulses.table(3))
    Pipeline(names).check({"pieces": ls.Raw()})
    Pipeline([stage("letters", "names", "x", each="names")]).check(pulses.table(3))
    Pipeline([stage("cut", ["image", "b"], {"pieces": ls.Image()}, each="b"), *names]).check({"image", "b"})


@pytest.fixture(scope="module")
def learner(pulses):
    task = ls.Task(pulses.image_table().split(seed=1), "image", "side", allow_leaks=True)
    return pulses.RECIPE.train(task)


def test_a_trained_model_reads_the_kind_it_was_trained_on(learner):
    pipeline = Pipeline([stage("name", "photo", "where", learner)])
    pipeline.check({"photo": ls.Image()})
    with pytest.raises(PipelineError, match="'name' reads 'photo', which is category, but was trained on image values"):
        pipeline.check({"photo": ls.Category()})
    made = Pipeline([stage("count", "photo", {"n": ls.Number()}), stage("name", "n", "where", learner)])
    with pytest.raises(PipelineError, match="'name' reads 'n', which is number"):
        made.check({"photo": ls.Image()})


def test_a_trained_model_reads_elements_one_by_one(learner):
    cut = stage("cut", ["photo", "boxes"], {"cuts": ls.Image()}, each="boxes")
    Pipeline([cut, stage("name", "cuts", "where", learner, each="cuts")]).check({"photo", "boxes"})
    with pytest.raises(PipelineError, match="reads 'cuts', a list in every sample: say each='cuts'"):
        Pipeline([cut, stage("name", "cuts", "where", learner)]).check({"photo", "boxes"})
    cut = stage("cut", ["photo", "boxes"], {"cuts": ls.Number()}, each="boxes")
    with pytest.raises(PipelineError, match="reads 'cuts', which is number, but was trained on image values"):
        Pipeline([cut, stage("name", "cuts", "where", learner, each="cuts")]).check({"photo", "boxes"})


def test_what_a_trained_model_adds_is_of_its_kind(learner):
    after = Pipeline([stage("name", "photo", "where", learner), stage("again", "where", "more", learner)])
    with pytest.raises(PipelineError, match="'again' reads 'where', which is category, but was trained on image"):
        after.check({"photo"})


def test_as_many_columns_as_the_model_has(learner):
    with pytest.raises(PipelineError, match=r"'name' reads \['a', 'b'\], but its model has 1 of them: \['image'\]"):
        Pipeline([stage("name", ["a", "b"], "where", learner)]).check({"a", "b"})


def test_an_estimator_remembers_that_it_read_images(pulses):
    table = pulses.image_table()
    pipeline = Pipeline([stage("name", "image", "side", LogisticRegression())]).fit(table)
    with pytest.raises(PipelineError, match="reads 'image', which is number, but was trained on image"):
        pipeline.predict(ls.Table.from_arrays({"image": [1, 2]}, {"image": ls.Number()}))


def test_a_table_that_does_not_fit_is_refused_before_anything_runs(pulses):
    called = []
    pipeline = Pipeline([stage("a", "signal", "x", called.append), stage("b", ["x", "signl"], "y", called.append)])
    for use in (pipeline.run, pipeline.predict, pipeline.evaluate):
        with pytest.raises(PipelineError, match=r"signl|no ground truth"):
            use(pulses.table(2))
    assert not called
