import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

import longspan as ls
from longspan.errors import ConfigError, PipelineError, UnknownNameError
from longspan.metrics.row_errors import CHARACTER_EDITS
from longspan.pipeline import Ceiling, Pipeline, Stage, StageCeiling
from longspan.pipeline.ceiling import _intervals


def sometimes(fraction, right, wrong):
    """A function that is wrong for about this fraction of signals, always the same ones."""

    def run(signal, *rest):
        drawn = np.random.default_rng(int(abs(sum(map(float, signal))) * 1e6)).random()
        return wrong(signal, *rest) if drawn < fraction else right(signal, *rest)

    return run


def spoilt_finder(pulses, fraction=0.3):
    return sometimes(fraction, pulses.find, lambda signal: pulses.find(signal)[1:])


@pytest.fixture(scope="module")
def test_table(pulses):
    return pulses.table(300, seed=5)


def error_of(words, table):
    return np.mean([word != row["word"] for word, row in zip(words, table, strict=True)])


def test_a_faulty_finder_is_to_blame(pulses, test_table):
    pipeline = pulses.pipeline(finder=spoilt_finder(pulses)).fit(pulses.table())
    ceiling = pipeline.ceiling(test_table)
    assert ceiling.worst == "find"
    by_stage = {stage.stage: stage for stage in ceiling.stages}
    assert by_stage["find"].gain_low > 0.2
    for name in ("name", "join"):
        assert by_stage[name].gain_low <= 0 <= by_stage[name].gain_high
    assert "no ground truth for 'pieces' in the table" in by_stage["cut"].note


def test_a_faulty_classifier_is_to_blame(pulses, test_table):
    generator = np.random.default_rng(0)
    spoilt = pulses.table().with_column(
        "names", ls.Raw(), lambda row: [str(generator.choice(list("abc"))) for _ in row["names"]]
    )
    ceiling = pulses.pipeline().fit(spoilt).ceiling(test_table)
    assert ceiling.worst == "name"
    assert next(s for s in ceiling.stages if s.stage == "find").gain == 0


def test_a_faulty_last_step_is_to_blame(pulses, test_table):
    pipeline = pulses.pipeline(joiner=lambda names: "".join(sorted(names))).fit(pulses.table())
    assert pipeline.ceiling(test_table).worst == "join"


def test_figures_are_those_of_plain_code(pulses):
    """Every variant once more, without the pipeline."""
    finder, table = spoilt_finder(pulses), pulses.table(300, seed=5, noise=1.5)
    pipeline = pulses.pipeline(finder=finder).fit(pulses.table())
    model = pipeline.model("name").estimator

    def words(starts_of, names_of=None):
        found = []
        for row in table:
            pieces = [pulses.cut(row["signal"], start) for start in starts_of(row)]
            names = model.predict(np.asarray(pieces)).tolist() if pieces else []
            found.append("".join(names_of(row) if names_of else names))
        return found

    expected = [
        error_of(words(lambda row: finder(row["signal"])), table),
        error_of(words(lambda row: row["starts"]), table),
        error_of(words(lambda row: row["starts"], lambda row: row["names"]), table),
        0.0,
    ]
    ceiling = pipeline.ceiling(table)
    left = [ceiling.error, *(stage.error for stage in ceiling.stages if stage.error is not None)]
    assert left == pytest.approx(expected)
    gains = [stage.gain for stage in ceiling.stages if stage.gain is not None]
    assert gains == pytest.approx((-np.diff(expected)).tolist())
    assert sum(gains) == pytest.approx(ceiling.error)
    assert expected[0] > expected[1] > expected[2]
    found = words(lambda row: finder(row["signal"]))
    by_letter = pipeline.ceiling(table, error=CHARACTER_EDITS)
    edits = [CHARACTER_EDITS(row["word"], word) for row, word in zip(table, found, strict=True)]
    assert by_letter.error == pytest.approx(np.mean(edits))
    assert by_letter.error < ceiling.error
    assert by_letter.measure == "edits per character"


def test_a_perfect_pipeline_has_nobody_to_blame(pulses):
    pipeline = pulses.pipeline().fit(pulses.table(noise=0.05))
    ceiling = pipeline.ceiling(pulses.table(50, seed=1, noise=0.05))
    assert ceiling.error == 0
    assert ceiling.worst is None


def numbers_pipeline(table):
    """Guesses a length too short by one, then doubles it; on every other row."""
    return Pipeline(
        [
            Stage("guess", lambda x: x - (x % 2), reads="x", adds="length"),
            Stage("double", lambda n: 2 * n, reads="length", adds="twice"),
        ]
    ).ceiling(table)


def test_numbers_are_measured_in_their_unit():
    n = np.arange(40)
    cells = {"x": n.tolist(), "length": n.tolist(), "twice": (2 * n + 1).tolist()}
    ceiling = numbers_pipeline(ls.Table.from_arrays(cells, dict.fromkeys(cells, ls.Number())))
    assert (ceiling.measure, ceiling.error) == ("mae", pytest.approx((1 + 3) / 2))
    assert [s.error for s in ceiling.stages] == pytest.approx([1, 0])
    assert [s.gain for s in ceiling.stages] == pytest.approx([1, 1])
    double = ceiling.stages[1]
    assert (double.gain_low, double.gain_high) == (1, 1)  # the same in every row: nothing to resample


def test_intervals_are_those_of_the_paired_bootstrap():
    generator = np.random.default_rng(0)
    gains = generator.normal([[0.5], [0.0]], [[1.0], [0.2]], (2, 80))
    low, high = _intervals(gains, 0.9, 0, 4000)
    for i, gain in enumerate(gains):
        other = stats.bootstrap(
            (gain,), np.mean, confidence_level=0.9, n_resamples=4000, method="percentile", rng=generator
        ).confidence_interval
        assert (low[i], high[i]) == pytest.approx((other.low, other.high), abs=0.15 * gain.std())


def test_intervals_hold_the_true_gain_as_often_as_they_say():
    generator = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        gain = (generator.random((1, 150)) < 0.3).astype(float) - (generator.random((1, 150)) < 0.1)
        low, high = _intervals(gain, 0.9, seed, 400)
        held += low[0] <= 0.2 <= high[0]
    assert 0.84 <= held / 200 <= 0.96


def test_many_rows_are_drawn_in_parts_with_the_same_result(monkeypatch):
    gains = np.random.default_rng(0).normal(size=(2, 50))
    whole = _intervals(gains, 0.95, 3, 1000)
    monkeypatch.setattr("longspan.pipeline.ceiling._CELLS", 50 * 7)
    assert np.array_equal(whole, _intervals(gains, 0.95, 3, 1000))


def test_the_same_seed_gives_the_same_intervals(pulses, test_table):
    pipeline = pulses.pipeline(finder=spoilt_finder(pulses)).fit(pulses.table(noise=1))
    one, again, other = (pipeline.ceiling(test_table, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.stages[0].gain == other.stages[0].gain
    assert one != other
    wide = pipeline.ceiling(test_table, level=0.99).stages[0]
    narrow = pipeline.ceiling(test_table, level=0.5).stages[0]
    assert wide.gain_low < narrow.gain_low < narrow.gain < narrow.gain_high < wide.gain_high


def test_a_stage_without_truth_says_so_and_the_rest_goes_on(pulses, test_table):
    pipeline = pulses.pipeline(finder=spoilt_finder(pulses)).fit(pulses.table())
    whole = pipeline.ceiling(test_table)
    less = pipeline.ceiling(test_table.select("signal", "names", "word"))
    find, cut, name, join = less.stages
    assert find.error is find.gain is cut.gain is None
    assert "no ground truth for 'starts'" in find.note
    assert name.gain == pytest.approx(whole.stages[0].gain + whole.stages[2].gain)
    assert join.gain == whole.stages[3].gain
    empty = test_table.with_column("starts", ls.Raw(), [None] * 300)
    assert "no ground truth for 'starts'" in pipeline.ceiling(empty).stages[0].note


def test_rows_without_truth_are_left_out_of_all_variants(pulses, test_table):
    pipeline = pulses.pipeline(finder=spoilt_finder(pulses)).fit(pulses.table())
    gone = test_table.with_column("starts", ls.Raw(), [None if i < 40 else s for i, s in enumerate(
        test_table.column_values("starts"))])  # fmt: skip
    ceiling = pipeline.ceiling(gone)
    kept = pipeline.ceiling(test_table.take(range(40, 300)))
    assert ceiling.num_rows == 260
    assert ceiling.stages == kept.stages
    assert ceiling.notes == ("40 of 300 rows were left out: they lack ground truth or a prediction.",)


def test_numbers_that_are_not_answered_are_left_out_of_all_variants():
    cells = {"x": [0, 1, 2, 3, 4], "length": [0, 1, 2, 3, 4], "twice": [0, 2, 4, 6, 8]}
    table = ls.Table.from_arrays(cells, dict.fromkeys(cells, ls.Number()))
    stages = [
        Stage("guess", lambda x: None if x == 2 else x + 1, reads="x", adds="length"),
        Stage("double", lambda n: 2 * n, reads="length", adds="twice"),
    ]
    ceiling = Pipeline(stages).ceiling(table)
    assert (ceiling.num_rows, ceiling.error) == (4, 2)
    assert ceiling.notes


def test_truth_can_make_it_worse():
    """Two faults that cancel out: with the first mended, the second shows."""
    x = list(range(30))
    cells = {"x": x, "a": [v + 1 for v in x], "b": [v + 2 for v in x]}
    stages = [
        Stage("one", lambda x: x, reads="x", adds="a"),
        Stage("two", lambda a: a + 2, reads="a", adds="b"),
    ]
    ceiling = Pipeline(stages).ceiling(ls.Table.from_arrays(cells, dict.fromkeys(cells, ls.Number())))
    assert [s.gain for s in ceiling.stages] == [-1, 1]
    assert ceiling.worst == "two"


def test_a_variant_that_cannot_be_run_is_noted(pulses, test_table):
    """True names for predicted starts: not as many."""
    stages = [
        *pulses.stages(finder=spoilt_finder(pulses))[:3],
        Stage("pair", lambda starts, names: "".join(n for _, n in zip(starts, names, strict=True)),
              reads=["starts", "names"], adds="word"),
    ]  # fmt: skip
    ceiling = Pipeline(stages).fit(pulses.table()).ceiling(test_table.select("signal", "names", "word"))
    assert "not measured: Stage 'pair' failed in row" in ceiling.stages[2].note
    assert ceiling.stages[3].gain == pytest.approx(ceiling.error)


def test_stages_before_stay_replaced(pulses, test_table):
    """The last stage reads what two stages add: both are true by then, and of one length."""
    stages = [
        *pulses.stages(finder=spoilt_finder(pulses))[:3],
        Stage("pair", lambda starts, names: "".join(n for _, n in zip(starts, names, strict=True)),
              reads=["starts", "names"], adds="word"),
    ]  # fmt: skip
    ceiling = Pipeline(stages).fit(pulses.table()).ceiling(test_table)
    assert [s.note == "" for s in ceiling.stages] == [True, False, True, True]
    assert ceiling.stages[2].error == 0


def test_one_of_several_targets_is_chosen(pulses):
    cells = {"x": [1, 2, 3], "a": [1, 2, 4], "b": [2, 3, 4], "c": [0, 0, 0]}
    table = ls.Table.from_arrays(cells, dict.fromkeys(cells, ls.Category()))
    stages = [
        Stage("one", lambda x: x, reads="x", adds="a"),
        Stage("two", lambda a: a + 1, reads="a", adds="b"),
        Stage("three", lambda x: 0, reads="x", adds="c"),
    ]
    pipeline = Pipeline(stages)
    with pytest.raises(PipelineError, match=r"ground truth for \['b', 'c'\]: choose one with target="):
        pipeline.ceiling(table)
    ceiling = pipeline.ceiling(table, target="b")
    assert [s.note for s in ceiling.stages] == ["", "", "does not lead to 'b'"]
    assert pipeline.ceiling(table, target="a").error == pytest.approx(1 / 3)  # read by others, and still a target
    assert pipeline.ceiling(table.select("x", "c")).target == "c"
    with pytest.raises(UnknownNameError, match="no added column 'x'"):
        pipeline.ceiling(table, target="x")
    with pytest.raises(PipelineError, match="no ground truth for 'b', so there is no error"):
        pipeline.ceiling(table.select("x"), target="b")
    with pytest.raises(PipelineError, match="no ground truth for 'b', 'c': no error to analyse"):
        pipeline.ceiling(table.select("x"))


def test_what_cannot_be_measured_is_refused(pulses):
    pipeline = pulses.pipeline().fit(pulses.table())
    with pytest.raises(PipelineError, match=r"needs at least two rows .* the table has 1"):
        pipeline.ceiling(pulses.table(1))
    with pytest.raises(PipelineError, match=r"needs at least two rows .* the table has 0"):
        pipeline.ceiling(pulses.table(3).with_column("word", ls.Raw(), ["a", None, None]).take([1, 2]))
    with pytest.raises(ConfigError, match="level must lie between 0 and 1, got 95"):
        pipeline.ceiling(pulses.table(5), level=95)
    with pytest.raises(ConfigError, match="bootstrap must be at least 100"):
        pipeline.ceiling(pulses.table(5), bootstrap=10)
    with pytest.raises(PipelineError, match="'find' reads 'signal', which neither the data has"):
        pipeline.ceiling(pulses.table(5).select("word"))


def test_it_can_be_read_as_frame_json_text_and_image(pulses, test_table):
    ceiling = pulses.pipeline(finder=spoilt_finder(pulses)).fit(pulses.table()).ceiling(test_table)
    assert isinstance(ceiling, Ceiling)
    frame = ceiling.frame()
    assert frame.columns == ["stage", "error", "gain", "gain_low", "gain_high", "note"]
    assert frame["stage"].to_list() == ["find", "cut", "name", "join"]
    assert frame.filter(pl.col("gain").is_null())["stage"].to_list() == ["cut"]
    described = ceiling.to_json()
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert (described["worst"], described["stages"][0]["adds"]) == ("find", ["starts"])
    lines = repr(ceiling).splitlines()
    assert lines[0].startswith("Ceiling of 'word': error 0.")
    assert lines[0].endswith("over 300 rows")
    assert lines[2].endswith("<- the largest")
    assert "no ground truth for 'pieces'" in lines[3]
    axes = ceiling.figure().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["find", "cut", "name", "join"]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx(frame["gain"].drop_nulls().to_list())
    spans = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "|"]
    assert spans[0] == pytest.approx([frame["gain_low"][0], frame["gain_high"][0]])


def test_a_first_stage_without_a_figure_has_its_row():
    stages = (
        StageCeiling(stage="look", adds=("a",), note="no truth for 'a' in the table"),
        StageCeiling(stage="find", adds=("b",), error=0.1, gain=0.2, gain_low=0.1, gain_high=0.3),
    )
    found = Ceiling(target="b", measure="error", error=0.3, stages=stages, level=0.95, num_rows=10)
    (axes,) = found.figure().axes
    bottom, top = axes.get_ylim()
    assert top < 0 < 1 < bottom
