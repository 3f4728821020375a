from collections import Counter

import longspan as ls
from longspan.pipeline import Stage
from longspan.pipeline.flow import Flow, Rows


class Counted:
    """Functions that count their runs."""

    def __init__(self):
        self.runs = Counter()

    def stage(self, name, function, reads, adds):
        def run(*values):
            self.runs[name] += 1
            return function(*values)

        return Stage(name, run, reads=reads, adds=adds)


def make_flow(**columns):
    counted = Counted()
    stages = [
        counted.stage("first", lambda x: x + 1, "x", "a"),
        counted.stage("second", lambda a: 2 * a, "a", "b"),
        counted.stage("apart", lambda x: -x, "x", "minus"),
        counted.stage("last", lambda b, minus: (b, minus), ["b", "minus"], "pair"),
    ]
    table = ls.Table.from_arrays(columns, dict.fromkeys(columns, ls.Raw()))
    return Flow(stages, lambda stage: stage.component, Rows.of_table(table)), counted.runs


def test_a_column_is_computed_or_taken():
    flow, _ = make_flow(x=[1, 2], a=[10, 20])
    assert flow.values("x") == [1, 2]
    assert flow.values("a") == [2, 3]
    assert flow.values("a", {"a"}) == [10, 20]
    assert flow.values("pair") == [(4, -1), (6, -2)]
    assert flow.values("pair", {"x", "a"}) == [(20, -1), (40, -2)]
    assert flow.values("pair", {"a"}) == [(20, -1), (40, -2)]


def test_nothing_is_computed_that_is_not_needed():
    flow, runs = make_flow(x=[1, 2])
    flow.values("b")
    assert runs == {"first": 2, "second": 2}


def test_what_two_readings_have_in_common_is_computed_once():
    flow, runs = make_flow(x=[1, 2], a=[10, 20], b=[5, 6])
    flow.values("pair")
    flow.values("pair")
    assert runs == {"first": 2, "second": 2, "apart": 2, "last": 2}
    flow.values("pair", {"a"})  # `first` is not needed, `apart` is known
    assert runs == {"first": 2, "second": 4, "apart": 2, "last": 4}
    flow.values("pair", {"a", "b"})
    flow.values("pair", {"b"})  # the same: `a` leads nowhere else
    assert runs == {"first": 2, "second": 4, "apart": 2, "last": 6}


def test_origins_say_which_columns_of_the_table_are_used():
    flow, _ = make_flow(x=[1], a=[1])
    assert flow.origins("pair") == {"x"}
    assert flow.origins("pair", {"a"}) == {"a", "x"}
    assert flow.origins("x") == {"x"}
    assert set(flow.upstream(["b"])) == {"b", "a", "x"}
    assert set(flow.upstream(["pair"])) == {"pair", "b", "minus", "a", "x"}
