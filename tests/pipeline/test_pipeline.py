from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

import longspan as ls
from longspan.errors import ConfigError, PipelineError, UnknownNameError
from longspan.pipeline import Pipeline, Stage


@pytest.fixture(scope="module")
def fitted(pulses):
    return pulses.pipeline().fit(pulses.table())


def by_hand(pulses, table):
    """The same pipeline without longspan."""
    pieces, names = [], []
    for row in table:
        pieces += [pulses.cut(row["signal"], start) for start in row["starts"]]
        names += row["names"]
    return pulses.classifier().fit(np.asarray(pieces), names)


# --- use ---------------------------------------------------------------------------------------------------------


def test_every_column_is_what_plain_code_gives(pulses, fitted):
    test, model = pulses.table(30, seed=1), by_hand(pulses, pulses.table())
    found = fitted.run(test)
    assert list(found) == ["starts", "pieces", "names", "word"]
    for row, sample in enumerate(test):
        starts = pulses.find(sample["signal"])
        pieces = [pulses.cut(sample["signal"], start) for start in starts]
        names = model.predict(np.asarray(pieces)).tolist()
        assert (found["starts"][row], found["pieces"][row], found["names"][row]) == (starts, pieces, names)
        assert found["word"][row] == "".join(names)


def test_figures_are_those_of_the_answers(pulses, fitted):
    test = pulses.table(100, seed=1, noise=1.5)
    words = [p["word"] for p in fitted.predict(test)]
    wrong = np.mean([word != sample["word"] for word, sample in zip(words, test, strict=True)])
    assert 0 < wrong < 1
    assert fitted.evaluate(test) == {"error": pytest.approx(wrong)}


def test_one_sample_several_and_a_table_give_the_same_answers(pulses, fitted):
    table = pulses.table(5, seed=2)
    expected = [p.value for p in fitted.predict(table)]
    signals = table.column_values("signal")
    assert [p.value for p in fitted.predict(signals_as_dicts(signals))] == expected
    assert fitted.predict({"signal": signals[0]}).value == expected[0]
    assert fitted.predict([]) == []
    with pytest.raises(UnknownNameError, match=r"There is no input 'signal'. Did you mean 'signals'"):
        fitted.predict({"signals": 1})


def signals_as_dicts(signals):
    return [{"signal": signal} for signal in signals]


def test_one_input_needs_no_name_and_several_do():
    half = Pipeline([Stage("half", lambda n: n / 2, reads="n", adds="half")])
    assert half.predict(4).value == 2
    assert [p.value for p in half.predict([4, {"n": 6}])] == [2, 3]
    both = Pipeline([Stage("add", lambda a, b: a + b, reads=["a", "b"], adds="sum")])
    assert both.predict({"a": 1, "b": 2, "c": 3})["sum"] == 3
    with pytest.raises(ConfigError, match=r"reads \['a', 'b'\]: give each sample as a dict"):
        both.predict(1)


def test_answers_are_the_columns_that_no_stage_reads_or_those_asked_for(pulses):
    stages = [
        Stage("a", lambda x: x, reads="x", adds=["one", "two"][:1]),
        Stage("b", lambda x: -x, reads="one", adds="three"),
        Stage("c", lambda x: 2 * x, reads="x", adds="four"),
    ]
    assert Pipeline(stages).outputs == ("three", "four")
    asked = Pipeline(stages, outputs=["one"])
    assert asked.predict(5).value == 5
    with pytest.raises(UnknownNameError, match=r"There is no added column 'on'. Did you mean 'one'"):
        Pipeline(stages, outputs=["on"])


def test_several_answers_are_measured_by_name():
    table = ls.Table.from_arrays(
        {"x": [1, 2, 3, 4], "sign": ["+", "-", None, "+"], "size": [1.5, None, 2.0, 3.0], "y": [1, 1, 1, 1]},
        {"x": ls.Number(), "sign": ls.Category(), "size": ls.Number(), "y": ls.Number()},
    )
    stages = [
        Stage("sign", lambda x: "+", reads="x", adds="sign"),
        Stage("size", lambda x: x if x < 4 else None, reads="x", adds="size"),
        Stage("other", lambda x: x, reads="x", adds="unmeasured"),
    ]
    figures = Pipeline(stages).evaluate(table)
    assert figures == {
        "sign.error": pytest.approx(1 / 3),
        "size.mae": pytest.approx((0.5 + 1) / 2),
        "size.unanswered": pytest.approx(1 / 3),
    }
    assert Pipeline(stages[1:2]).evaluate(table)["mae"] == pytest.approx(0.75)


def test_measuring_without_truth_is_refused():
    pipeline = Pipeline([Stage("s", lambda x: x, reads="x", adds="size")])
    table = ls.Table.from_arrays({"x": [1, 2], "sizes": [1, 2]}, {"x": ls.Number(), "sizes": ls.Number()})
    with pytest.raises(PipelineError, match="no ground truth for 'size'; its nearest column is 'sizes'"):
        pipeline.evaluate(table)
    empty = ls.Table.from_arrays({"x": [1, 2], "size": [None, None]}, {"x": ls.Number(), "size": ls.Number()})
    with pytest.raises(PipelineError, match="'size' has no value in any row"):
        pipeline.evaluate(empty)


def test_probabilities_and_files_come_through(pulses, tmp_path):
    from PIL import Image

    table = pulses.image_table()
    pipeline = Pipeline([Stage("name", pulses.RECIPE, reads="image", adds="side")]).fit(table)
    alone = pipeline.model("name").predict(table)
    assert [p.to_json() for p in pipeline.predict(table)] == [p.to_json() for p in alone]
    Image.fromarray(table.value(0, "image")).save(tmp_path / "a.png")
    files = ls.Table.from_arrays({"image": [str(tmp_path / "a.png")]}, {"image": ls.Image()})
    assert pipeline.predict(files)[0].source == str(tmp_path / "a.png")
    assert pipeline.predict(Path(tmp_path / "a.png")).source == str(tmp_path / "a.png")
    assert pipeline.predict(Path(tmp_path / "a.png")).probability == pytest.approx(alone[0].probability, abs=1e-6)


def test_before_training_it_says_so(pulses):
    with pytest.raises(PipelineError, match=r"Stage 'name' has not been trained yet: pipeline.fit\(table\)"):
        pulses.pipeline().predict(pulses.table(2))
    with pytest.raises(PipelineError, match="'name' has not been trained yet"):
        pulses.pipeline().model("name")
    with pytest.raises(UnknownNameError, match=r"no stage 'nam'. Did you mean 'name'"):
        pulses.pipeline().model("nam")


# --- training ----------------------------------------------------------------------------------------------------


def test_true_inputs_are_computed_from_the_truth_before_them(pulses):
    """The finder is blind, and the truth makes up for it in training."""
    pipeline = pulses.pipeline(finder=lambda signal: []).fit(pulses.table())
    assert np.array_equal(pipeline.model("name").estimator.coef_, by_hand(pulses, pulses.table()).coef_)
    assert pipeline.notes == []


def test_a_table_for_each_stage(pulses):
    pieces = ls.Table.from_arrays(
        {"pieces": [[5, 1, 1], [1, 5, 1], [1, 1, 5]] * 2, "names": list("xyzxyz")},
        {"pieces": ls.Raw(), "names": ls.Raw()},
    )
    stages = pulses.stages()
    stages[2] = Stage("name", pulses.classifier(), reads="pieces", adds="names", each="pieces")
    nested = ls.Table.from_arrays(
        {"pieces": [[p] for p in pieces.column_values("pieces")], "names": [[n] for n in "xyzxyz"]},
        {"pieces": ls.Raw(), "names": ls.Raw()},
    )
    pipeline = Pipeline(stages).fit({"name": nested})
    assert pipeline.predict({"signal": [0, 5, 1, 1, 0, 1, 1, 5]}).value == "xz"


def test_tables_that_do_not_fit_the_stages_are_all_named(pulses):
    table = pulses.table(5)
    with pytest.raises(PipelineError) as caught:
        pulses.pipeline().fit({"nam": table, "cut": table})
    message = str(caught.value)
    assert "there is a table for 'nam', but no stage is called 'nam'; did you mean 'name'?" in message
    assert "there is a table for 'cut', but stage 'cut' is a function and learns nothing" in message
    assert "'name' is to be trained, but there is no table for it" in message


def test_truth_that_is_missing_is_named_with_both_cures(pulses):
    stages = [
        Stage("find", pulses.classifier(), reads="signal", adds="starts"),
        *pulses.stages()[1:3],
    ]
    table = pulses.table().select("signal", "names")
    with pytest.raises(PipelineError) as caught:
        Pipeline(stages).fit(table)
    message = str(caught.value)
    assert "'find' learns 'starts', but its table has no column of that ground truth" in message
    assert "no ground truth for 'starts', which 'find' learns to add: give the table a column 'starts'" in message
    assert "train_on='predicted'" in message
    with pytest.raises(PipelineError, match=r"neither its table has nor a stage before it adds .it has 'signal'"):
        Pipeline([Stage("x", pulses.classifier(), reads="signl", adds="names")]).fit(table)


def test_trained_on_what_is_predicted(pulses):
    """A finder that is late by one makes other pieces, and the stage after it is trained on those."""

    def late(signal):
        return [start + 1 for start in pulses.find(signal)]

    table = pulses.table()
    pipeline = pulses.pipeline(finder=late, train_on="predicted").fit(table)
    pieces = [pulses.cut(row["signal"], start + 1) for row in table for start in row["starts"]]
    names = [name for row in table for name in row["names"]]
    expected = pulses.classifier().fit(np.asarray(pieces), names)
    assert np.array_equal(pipeline.model("name").estimator.coef_, expected.coef_)


def blind_to_rows_of_three(signal):
    starts = [i for i, value in enumerate(signal) if value and not signal[i - 1]]
    return starts if len(starts) < 3 else starts[1:]


def test_rows_whose_elements_do_not_match_their_truth_are_left_out_and_counted(pulses):
    table = pulses.table()
    short = [len(row["starts"]) < 3 for row in table]
    pipeline = pulses.pipeline(finder=blind_to_rows_of_three, train_on="predicted").fit(table)
    assert np.array_equal(pipeline.model("name").estimator.coef_, by_hand(pulses, table.take(np.asarray(short))).coef_)
    (note,) = pipeline.notes
    assert note.startswith(f"name: {short.count(False)} of 60 rows were left out, because the number of predicted")
    with pytest.raises(PipelineError, match=r"Stage 'name' has nothing to learn from. name: 60 of 60 rows were left"):
        pulses.pipeline(finder=lambda signal: [1] * 9, train_on="predicted").fit(table)


def test_a_label_function_says_which_truth_is_whose(pulses):
    def label(predicted, truth):
        assert set(predicted) == {"signal", "starts", "pieces"}
        assert predicted["starts"] == blind_to_rows_of_three(predicted["signal"])
        named = dict(zip(truth["starts"], truth["names"], strict=True))
        truth["names"].clear()  # its own affair
        answers = [named[start] for start in predicted["starts"]]
        return answers if len(answers) < 2 else [None, *answers[1:]]

    table = pulses.table()
    pipeline = pulses.pipeline(finder=blind_to_rows_of_three, train_on="predicted", label=label).fit(table)
    pieces, names = [], []
    for row in table:
        found = blind_to_rows_of_three(row["signal"])
        for place, (start, name) in enumerate(zip(found, row["names"][-len(found) :], strict=True)):
            if place or len(found) == 1:
                pieces.append(pulses.cut(row["signal"], start))
                names.append(name)
    expected = pulses.classifier().fit(np.asarray(pieces), names)
    assert np.array_equal(pipeline.model("name").estimator.coef_, expected.coef_)
    assert "elements of 'pieces' were left out, because label= gives them no label" in pipeline.notes[0]


def test_a_label_is_not_asked_for_where_truth_or_input_is_missing(pulses):
    table = pulses.table(20)
    names, signals = table.column_values("names"), table.column_values("signal")
    gone = table.with_column("names", ls.Raw(), [None, *names[1:]])
    gone = gone.with_column("signal", ls.Raw(), [signals[0], None, *signals[2:]])
    asked = []

    def label(predicted, truth):
        asked.append(truth["names"])
        return truth["names"]

    pulses.pipeline(train_on="predicted", label=label).fit(gone)
    assert asked == names[2:]


def test_a_label_for_a_stage_that_runs_once_per_row(pulses):
    table = pulses.table(12).with_column("count", ls.Category(), lambda row: len(row["starts"]))
    stages = [
        Stage("find", blind_to_rows_of_three, reads="signal", adds={"starts": ls.Raw()}),
        Stage("n", len, reads="starts", adds={"n": ls.Number()}),
        Stage("count", pulses.Majority(), reads="n", adds="count", train_on="predicted",
              label=lambda predicted, truth: truth["count"] if predicted["n"] == truth["count"] else None),
    ]  # fmt: skip
    pipeline = Pipeline(stages).fit(table)
    (call,) = stages[2].what.calls
    assert call.task.table.column_values("count") == [n for n in table.column_values("count") if n < 3]
    assert "left out, because label= gives them no label" in pipeline.notes[0]


def test_a_label_function_that_is_wrong_is_named(pulses):
    def fit(label):
        pulses.pipeline(train_on="predicted", label=label).fit(pulses.table(4))

    with pytest.raises(
        PipelineError, match=r"label function of stage 'name' must give a list of .* in row 0 of arrays"
    ):
        fit(lambda predicted, truth: [*truth["names"], "a"])
    with pytest.raises(PipelineError, match="label function of stage 'name' failed in row 0 of arrays: ZeroDivisionEr"):
        fit(lambda predicted, truth: 1 / 0)


def test_a_true_list_of_another_length_is_a_fault_of_the_table(pulses):
    table = pulses.table(4)
    names = table.column_values("names")
    spoilt = table.with_column("names", ls.Raw(), [*names[:3], [*names[3], "a"]])
    count = len(names[3])
    with pytest.raises(PipelineError, match=f"row 3 of arrays has {count + 1} in 'names' for {count} in 'pieces'"):
        pulses.pipeline().fit(spoilt)


def test_missing_truth_and_inputs_are_left_out_and_counted(pulses):
    table = pulses.table(40)
    names, signals = table.column_values("names"), table.column_values("signal")
    names[0] = None
    names[1] = [None, *names[1][1:]]
    signals[2] = None
    gone = table.with_column("names", ls.Raw(), names).with_column("signal", ls.Raw(), signals)
    pipeline = pulses.pipeline().fit(gone)
    kept = table.take(range(3, 40))
    pieces = [pulses.cut(r["signal"], s) for r in kept for s in r["starts"]]
    first = table[1]
    pieces += [pulses.cut(first["signal"], s) for s in first["starts"][1:]]
    labels = [name for r in kept for name in r["names"]] + first["names"][1:]
    expected = pulses.classifier().fit(np.asarray(pieces), labels)
    assert pipeline.model("name").estimator.coef_ == pytest.approx(expected.coef_, abs=1e-3)
    left_out = 1 + len(table[0]["starts"])
    assert f"{left_out} elements of 'pieces' were left out, because their target is missing" in pipeline.notes[0]
    assert "1 of 40 rows hold nothing to learn from" in pipeline.notes[0]
    assert pipeline.predict({"signal": None}).value is None


def test_outputs_of_finished_stages_are_computed_once(pulses):
    runs = []

    def counted(signal):
        runs.append(1)
        return pulses.find(signal)

    stages = pulses.stages(finder=counted, train_on="predicted")
    again = Stage("again", pulses.classifier(), reads="pieces", adds="others", each="pieces", train_on="predicted")
    table = pulses.table(30).with_column("others", ls.Raw(), lambda row: row["names"])
    Pipeline([*stages, again]).fit(table)
    assert len(runs) == 30


class Fails:
    """A strategy that fails until it is told not to."""

    broken = True

    def __init__(self, then):
        self.then = then

    def train(self, task, *, seed=0, budget=None):
        if self.broken:
            raise RuntimeError("no power")
        return self.then.train(task, seed=seed, budget=budget)


def test_what_is_trained_stays_so_when_a_later_stage_fails(pulses):
    first, second = pulses.Majority(), pulses.Majority()
    table = pulses.table(6).with_column("kind", ls.Category(), ["x", "y"] * 3).with_column("n", ls.Number(), range(6))
    table = table.with_column("last", ls.Category(), ["u", "v"] * 3)
    fails = Fails(second)
    stages = [
        Stage("one", first, reads="n", adds="kind"),
        Stage("two", fails, reads="kind", adds="last"),
    ]
    pipeline = Pipeline(stages)
    with pytest.raises(PipelineError, match="Stage 'two' could not be trained: RuntimeError: no power"):
        pipeline.fit(table, budget=ls.Budget(steps=10))
    assert isinstance(pipeline.model("one"), pulses.Constant)
    fails.broken = False
    pipeline.fit(table, skip_fitted=True, budget=ls.Budget(steps=10))
    assert len(first.calls) == 1
    assert second.calls[0].budget == ls.Budget(steps=5)  # the fraction it would have had
    assert pipeline.fit(table).predict(table)[0]["last"] == "u"
    assert len(first.calls) == 2  # fit always trains anew


# --- strategies --------------------------------------------------------------------------------------------------


def test_a_strategy_gets_a_task_of_elements(pulses):
    majority = pulses.Majority(steps=11)
    stages = pulses.stages(finder=lambda signal: [])
    stages[1] = Stage(
        "cut", lambda s, i: s[i + 1], reads=["signal", "starts"], adds={"middle": ls.Number()}, each="starts"
    )
    stages[2] = Stage("name", majority, reads="middle", adds={"names": ls.Category()}, each="middle")
    table = pulses.table(12)
    pipeline = Pipeline(stages).fit(table, seed=3, budget=ls.Budget(steps=40))
    (call,) = majority.calls
    assert (call.seed, call.budget) == (3, ls.Budget(steps=40))
    assert repr(call.task) == f"Task(middle -> names; {sum(len(r['names']) for r in table)} train, 0 valid)"
    assert call.task.table.column_values("middle") == [r["signal"][s + 1] for r in table for s in r["starts"]]
    assert call.task.table.column_values("names") == [name for r in table for name in r["names"]]
    assert pipeline.steps_done == 11
    assert pipeline.model("name").steps_done == 11


def test_a_budget_is_shared_by_the_stages_that_count_steps(pulses):
    table = pulses.table(6).with_column("n", ls.Number(), range(6)).with_column("k", ls.Category(), ["x", "y"] * 3)
    table = table.with_column("l", ls.Category(), ["x", "y"] * 3)
    strategies = [pulses.Majority(1), pulses.Majority(2)]
    stages = [
        Stage("one", strategies[0], reads="n", adds="k"),
        Stage("two", strategies[1], reads="n", adds="l"),
        *pulses.stages(),
    ]
    pipeline = Pipeline(stages).fit(table, budget=ls.Budget(seconds=9))
    assert [s.calls[0].budget for s in strategies] == [ls.Budget(seconds=4.5)] * 2
    assert pipeline.steps_done == 3


@pytest.mark.parametrize(
    ("reads", "adds", "options", "message"),
    [
        (
            "pieces",
            {"names": ls.Category()},
            {"each": "pieces"},
            "reads 'pieces', but nothing says what one element of it",
        ),
        ("middle", "names", {"each": "middle"}, r"learns 'names', .* adds=\{'names': ...\} in the stage does"),
        ("middle", "word", {}, "reads 'middle', a list in every sample: say each='middle'"),
        ("signal", {"names": ls.Category()}, {}, "reads 'signal', raw values, which no network reads"),
        ("count", "word", {}, "reads 'count', but nothing says what it means .* columns={'count': ...}"),
    ],
)
def test_a_network_must_know_what_it_reads_and_learns(pulses, reads, adds, options, message):
    stages = [
        *pulses.stages()[:2],
        Stage("middle", lambda s, i: s[i + 1], reads=["signal", "starts"], adds={"middle": ls.Number()}, each="starts"),
        Stage("count", len, reads="starts", adds="count"),
        Stage("name", pulses.Majority(), reads=reads, adds=adds, **options),
    ]
    with pytest.raises(PipelineError, match=message):
        Pipeline(stages).fit(pulses.table(6).with_column("word", ls.Category()))


def test_a_table_with_another_kind_than_the_stage_before_adds_is_refused(pulses):
    table = ls.Table.from_arrays({"n": ["a", "b"], "k": ["x", "y"]}, {"n": ls.Category(), "k": ls.Category()})
    stages = [
        Stage("count", len, reads="signal", adds={"n": ls.Number()}),
        Stage("name", pulses.Majority(), reads="n", adds="k"),
    ]
    with pytest.raises(
        PipelineError, match="trained on 'n' as its table has it, category, but 'count' adds it as number"
    ):
        Pipeline(stages).fit(table)


def test_what_a_stage_learns_means_what_its_truth_means_to_stages_after_it(pulses):
    first, second = pulses.Majority(), pulses.Majority()
    table = pulses.table(6).with_column("n", ls.Number(), range(6))
    table = table.with_column("k", ls.Category(vocab=("x", "y")), ["x", "y"] * 3)
    table = table.with_column("l", ls.Category(), ["x", "y"] * 3)
    stages = [
        Stage("one", first, reads="n", adds="k"),
        Stage("two", second, reads="k", adds="l", train_on="predicted"),
    ]
    Pipeline(stages).fit({"one": table.select("n", "k"), "two": table.select("n", "l")})
    assert second.calls[0].task.table.columns["k"].kind == "category"
    assert set(second.calls[0].task.table.column_values("k")) == {"x"}


def test_predicted_classes_are_read_with_all_classes_that_could_have_been(pulses):
    """A network that says the same of every row, and a stage after it that must still know both classes."""
    second = pulses.Majority()
    pixels, sides = pulses.images()
    table = pulses.image_table().with_column("kind", ls.Category(), ["x", "y"] * 12)
    same = table.with_column("image", ls.Image(), np.stack([pixels[0]] * 24))
    stages = [
        Stage("one", pulses.RECIPE, reads="image", adds="side"),
        Stage("two", second, reads="side", adds="kind", train_on="predicted"),
    ]
    Pipeline(stages).fit({"one": table, "two": same})
    task = second.calls[0].task
    assert set(task.table.column_values("side")) == {sides[0]}
    assert task.inputs["side"].vocab == ("left", "right")


def test_the_pipeline_of_one_stage_is_end_to_end(pulses):
    """Bit for bit what the recipe alone gives, images shared and not copied."""
    table = pulses.image_table()
    pipeline = Pipeline([Stage("all", pulses.RECIPE, reads="image", adds="side")]).fit(table, seed=4)
    alone = pulses.RECIPE.train(ls.Task(table.split(valid=0, stratify=None), "image", "side"), seed=4)
    weights = [m.network.state_dict() for m in (pipeline.model("all"), alone)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert pipeline.model("all").task.table.arrays["image"] is table.arrays["image"]
    assert pipeline.steps_done == alone.steps_done > 0
    assert pipeline.evaluate(table)["error"] == pytest.approx(1 - alone.evaluate("train")["accuracy"])


def strips(pulses, rows=12):
    """Images side by side, with boxes of several sizes: the cuts are of several sizes too."""
    pixels, sides = pulses.images(2 * rows)
    cells = {"strip": [], "boxes": [], "sides": []}
    for i in range(rows):
        cells["strip"].append(np.concatenate([pixels[2 * i], pixels[2 * i + 1]], axis=1))
        cells["boxes"].append([[0, 8], [8, 16]] if i % 2 else [[0, 7], [8, 15]])
        cells["sides"].append(sides[2 * i : 2 * i + 2])
    return ls.Table.from_arrays(cells, {"strip": ls.Image(), "boxes": ls.Raw(), "sides": ls.Raw()})


def cut_box(strip, box):
    return strip[:, box[0] : box[1]]


def strip_stages(pulses, size_px=8):
    return [
        Stage("cut", cut_box, reads=["strip", "boxes"], adds={"cuts": ls.Image()}, each="boxes"),
        Stage("name", pulses.RECIPE, reads="cuts", adds={"sides": ls.Category()}, each="cuts", size_px=size_px),
    ]


def test_a_network_learns_from_cuts_of_several_sizes(pulses):
    table = strips(pulses)
    pipeline = Pipeline(strip_stages(pulses)).fit(table, seed=1)
    assert pipeline.evaluate(table) == {"error": 0.0}
    assert pipeline.model("name").inputs["cuts"].size_px == (8, 8)
    with pytest.raises(PipelineError, match=r"'name' could not be trained: The images have different sizes .*size_px="):
        Pipeline(strip_stages(pulses, None)).fit(table)


# --- models that are trained already -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learner(pulses):
    return pulses.RECIPE.train(ls.Task(pulses.image_table().split(valid=0), "image", "side"))


def test_a_trained_model_is_kept_and_matched_by_order(pulses, learner):
    table = strips(pulses)
    for model in (learner, learner.predictor(), ls.Ensemble([learner, learner])):
        pipeline = Pipeline([strip_stages(pulses)[0], Stage("name", model, reads="cuts", adds="sides", each="cuts")])
        assert pipeline.evaluate(table) == {"error": 0.0}
        assert pipeline.fit(table).model("name") is model
        assert pipeline.steps_done == 0


def test_a_learner_is_trained_again_where_a_table_is_named_for_it(pulses, learner):
    table = strips(pulses)
    cut = strip_stages(pulses)[0]
    stage = Stage("name", learner, reads="cuts", adds={"sides": ls.Category()}, each="cuts")
    before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    pipeline = Pipeline([cut, stage]).fit({"name": table}, seed=1)
    again = pipeline.model("name")
    assert again is not learner
    assert list(again.heads) == ["sides"]
    assert again.task.size_px == (8, 8)
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.network.state_dict().items())
    assert pipeline.steps_done == again.steps_done > 0
    with pytest.raises(PipelineError, match="'name' holds a Predictor, which cannot be trained again: give a Recipe"):
        Pipeline(
            [cut, Stage("name", learner.predictor(), reads="cuts", adds={"sides": ls.Category()}, each="cuts")]
        ).fit({"name": table})


def test_a_learner_trained_again_keeps_its_heads(pulses):
    table = pulses.image_table()
    task = ls.Task(table.split(valid=0), "image", "side")
    recipe = ls.Recipe(pulses.RECIPE.model, epochs=1, heads={"side": ls.Classify(label_smoothing=0.2)})
    stage = Stage("name", recipe.train(task), reads="photo", adds="where")
    renamed = ls.Table.from_arrays(
        {"photo": table.arrays["image"], "where": table.column_values("side")},
        {"photo": ls.Image(), "where": ls.Category()},
    )
    again = Pipeline([stage]).fit({"name": renamed}).model("name")
    assert again.heads["where"].label_smoothing == 0.2


def test_a_learner_that_was_not_trained_is_refused(pulses):
    fresh = pulses.RECIPE.learner(ls.Task(pulses.image_table().split(valid=0), "image", "side"))
    pipeline = Pipeline([Stage("name", fresh, reads="image", adds="side")])
    with pytest.raises(
        PipelineError, match="the Learner of 'name' has not been trained yet: train it first, or give a Reci"
    ):
        pipeline.fit(pulses.image_table())
    with pytest.raises(PipelineError, match="'name' has not been trained yet"):
        pipeline.predict(pulses.image_table())


# --- as a strategy -----------------------------------------------------------------------------------------------


def test_as_a_strategy_it_trains_a_fresh_copy_on_the_training_rows(pulses):
    table = pulses.table(20).with_column("n", ls.Number(), range(20)).with_column("k", ls.Category(), list("xxxyy") * 4)
    majority = pulses.Majority(steps=5)
    pipeline = Pipeline([Stage("one", majority, reads="n", adds="k"), Stage("two", str, reads="k", adds="text")])
    task = ls.Task(table.split(valid=0.2, test=0.2, seed=1), "n", "k")
    task.prepare()
    part = task.subset(task.train[:6])
    trained = pipeline.train(part, seed=9, budget=ls.Budget(steps=3))
    (call,) = majority.calls
    assert call.task.table.column_values("n") == [float(row) for row in part.train]
    assert (call.seed, call.budget) == (9, ls.Budget(steps=3))
    assert call.task.targets["k"].vocab == ("x", "y")
    assert trained is not pipeline
    assert trained.steps_done == 5
    assert trained.predict(table.take([0]))[0]["k"] == "x"  # a target of the task, although another stage reads it
    with pytest.raises(PipelineError, match="'one' has not been trained yet"):
        pipeline.model("one")
    with pytest.raises(UnknownNameError, match="no added column 'starts'"):
        pipeline.train(ls.Task(table.with_column("starts", ls.Category(), list("ab") * 10), "n", "starts"))


def test_classes_stay_those_of_the_task_in_small_subsets(pulses):
    table = pulses.image_table(12)
    task = ls.Task(table.split(valid=0), "image", "side")
    task.prepare()
    one_class = [row for row in task.train.tolist() if table.value(row, "side") == "left"]
    trained = Pipeline([Stage("all", pulses.RECIPE, reads="image", adds="side")]).train(task.subset(one_class))
    assert trained.model("all").heads["side"].column.vocab == ("left", "right")


def test_estimators_of_the_user_stay_unfitted(pulses):
    own = pulses.classifier()
    pipeline = pulses.pipeline(namer=own)
    first, second = pipeline.fit(pulses.table()).model("name"), pipeline.fit(pulses.table(seed=1)).model("name")
    assert not hasattr(own, "coef_")
    assert first is not second
    assert clone(own).get_params() == own.get_params()


def test_progress_is_a_line_a_stage(pulses, capsys):
    pulses.pipeline().fit(pulses.table(10), progress=True)
    out = capsys.readouterr().out
    count = sum(len(names) for names in pulses.table(10).column_values("names"))
    assert out == f"name: LogisticRegression learns from 10 rows ({count} elements of 'pieces')\n"


def test_repr_shows_the_way_of_a_sample(pulses):
    assert repr(pulses.pipeline()) == (
        "Pipeline(find: signal -> starts; cut: signal, starts -> pieces, each starts; "
        "name: pieces -> names, each pieces; join: names -> word)"
    )


def shifted(signal):
    """Starts as a poor finder sees them: those that are there, and a place too far to the right of each."""
    starts = [i for i, value in enumerate(signal) if value and (i == 0 or not signal[i - 1])]
    return sorted({*starts, *(min(start + 1, 17) for start in starts)})


def kinds_of_starts(predicted, truth):
    named = dict(zip(truth["starts"], truth["names"], strict=True))
    return [named.get(start, "none") for start in predicted["starts"]]


def test_trained_on_both_a_stage_learns_from_true_and_from_predicted_inputs(pulses):
    asked = []

    def label(predicted, truth):
        asked.append(predicted["starts"])
        return kinds_of_starts(predicted, truth)

    table = pulses.table(20)
    pipeline = pulses.pipeline(finder=shifted, train_on="both", label=label).fit(table)
    assert asked[:20] == table.column_values("starts")
    assert asked[20:] == [shifted(row["signal"]) for row in table]
    pieces = [pulses.cut(row["signal"], start) for row in table for start in row["starts"]]
    names = [name for row in table for name in row["names"]]
    for row in table:
        for start in shifted(row["signal"]):
            pieces.append(pulses.cut(row["signal"], start))
            names.append(kinds_of_starts({"starts": [start]}, row)[0])
    expected = pulses.classifier().fit(np.asarray(pieces), names)
    assert np.array_equal(pipeline.model("name").estimator.coef_, expected.coef_)
    assert pipeline.notes == []


def test_trained_on_both_without_a_label_elements_are_matched_by_their_number(pulses):
    table = pulses.table(30)
    short = [len(row["starts"]) < 3 for row in table]
    pipeline = pulses.pipeline(finder=blind_to_rows_of_three, train_on="both").fit(table)
    double = table.concat(table.take(np.asarray(short)))
    assert pipeline.model("name").estimator.coef_ == pytest.approx(by_hand(pulses, double).coef_, abs=1e-3)
    assert pipeline.notes[0].startswith(f"name: {short.count(False)} of 30 rows were left out")


def test_a_network_learns_from_both_as_well(pulses):
    table = pulses.table(12)
    strategy = pulses.Majority()
    stages = pulses.stages(finder=shifted, namer=strategy, train_on="both", label=kinds_of_starts)
    stages[2].columns.update(pieces=ls.Text(), names=ls.Category())
    stages[1] = Stage(
        "cut", lambda signal, start: "x" * start, reads=["signal", "starts"], adds="pieces", each="starts"
    )
    Pipeline(stages).fit(table)
    (call,) = strategy.calls
    starts = [s for row in table for s in row["starts"]] + [s for row in table for s in shifted(row["signal"])]
    assert call.task.table.column_values("pieces") == ["x" * start for start in starts]


def test_both_needs_a_truth_that_is_not_what_is_predicted(pulses):
    table = pulses.table(8).select("signal", "names")
    with pytest.raises(
        PipelineError, match="no ground truth of what the stages before it add: the two would be the same"
    ):
        pulses.pipeline(train_on="both").fit(table)


def test_with_a_label_the_table_needs_no_column_of_what_is_learnt(pulses):
    table = pulses.table(30)
    stage = Stage("sort", pulses.classifier(), reads="pieces", adds="kinds", each="pieces", train_on="both",
                  label=kinds_of_starts)  # fmt: skip
    pipeline = Pipeline([*pulses.stages(finder=shifted)[:2], stage]).fit(table)
    found = pipeline.run(table)["kinds"]
    assert np.mean([a == b for row, kinds in zip(table, found, strict=True)
                    for a, b in zip(kinds, kinds_of_starts({"starts": shifted(row["signal"])}, row), strict=True)
                    ]) > 0.9  # fmt: skip


def test_an_estimator_may_answer_with_its_margins(pulses):
    from sklearn.svm import LinearSVC

    def is_a(predicted, truth):
        return [int(kind == "a") for kind in kinds_of_starts(predicted, truth)]

    table = pulses.table(40)
    options = {"reads": "pieces", "adds": "margins", "each": "pieces", "train_on": "predicted", "label": is_a}
    margins = Stage("margins", LinearSVC(random_state=0), method="decision_function", **options)
    pipeline = Pipeline([*pulses.stages()[:2], margins]).fit(table)
    found = pipeline.run(table)["margins"]
    estimator = pipeline.model("margins").estimator
    for row, values in zip(table, found, strict=True):
        pieces = [pulses.cut(row["signal"], start) for start in row["starts"]]
        assert values == pytest.approx(estimator.decision_function(pieces).tolist())
        assert [value > 0 for value in values] == [name == "a" for name in row["names"]]


def test_margins_of_an_estimator_need_a_label(pulses):
    stages = pulses.stages(method="predict_proba")
    with pytest.raises(
        PipelineError, match="by method='predict_proba', is not what it learns: give its targets with label="
    ):
        Pipeline(stages).fit(pulses.table(8))


def test_many_rows_are_predicted_in_parts_and_named_as_in_the_whole(pulses, monkeypatch):
    table = pulses.table(30)
    pipeline = pulses.pipeline().fit(table)
    whole = [prediction.value for prediction in pipeline.predict(table)]
    held = []

    def join(names):
        held.append(1)
        if len(held) > 27:
            raise ValueError("enough")
        return "".join(names)

    monkeypatch.setattr("longspan.pipeline.pipeline._TOGETHER", 7)
    assert [prediction.value for prediction in pipeline.predict(table)] == whole
    signals = [{"signal": row["signal"]} for row in table]
    assert [prediction.value for prediction in pipeline.predict(signals)] == whole
    stages = [*pipeline.stages[:3], Stage("join", join, reads="names", adds="word")]
    failing = Pipeline.restored(stages, pipeline.fitted, outputs=["word"], notes=[])
    with pytest.raises(PipelineError, match="Stage 'join' failed in row 27 of arrays"):
        failing.predict(table)
    assert pipeline.predict(table.take([])) == []


def test_a_function_takes_recordings_as_its_stage_declares_them(tmp_path):
    """With a rate, samples at that rate, of files and arrays alike; without one, what was given."""
    sf = pytest.importorskip("soundfile")
    samples = (1000 * np.sin(np.arange(1600) / 5)).astype(np.int16)
    path = str(tmp_path / "a.wav")
    sf.write(path, samples, 16_000, subtype="PCM_16")
    given = ls.Stage("given", lambda sound: sound, reads="sound", adds="as it is", columns={"sound": ls.Audio()})
    at_rate = ls.Stage(
        "heard", lambda sound, n: sound[:n], reads=["sound", "n"], adds="heard", each="n",
        columns={"sound": ls.Audio(rate_hz=16_000)},
    )  # fmt: skip
    pipeline = ls.Pipeline([given, at_rate], outputs=["as it is", "heard"])
    rows = [{"sound": path, "n": [3, 1600]}, {"sound": samples, "n": [3, 1600]}]
    first, second = pipeline.predict(rows)
    assert first["as it is"] == path
    for found in (first, second):
        assert [len(each) for each in found["heard"]] == [3, 1600]
        np.testing.assert_array_equal(found["heard"][1], samples)
    np.testing.assert_array_equal(pipeline.start().step(rows[0])["heard"][1], samples)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(PipelineError, match="Stage 'heard' cannot read 'sound' in sample 1: "):
        pipeline.predict([rows[1], rows[0]])
