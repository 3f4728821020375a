"""Whether the facts of a study file are those of a study: names, types and sizes, before any of them is relied on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["fact_faults"]

_MOST_RUNS = 1_000_000
_Check = Callable[[Any], bool]


def fact_faults(facts: Mapping[str, Any]) -> list[str]:
    """What is missing or of another kind than it must be; empty where a study can be read from these facts."""
    faults = [
        f"{'.'.join(path)!r} {'is missing' if value is _MISSING else f'cannot be {value!r:.60}'}"
        for path, check in _EXPECTED.items()
        if not check(value := _at(facts, path))
    ]
    if faults:
        return faults
    plan, task = facts["plan"], facts["task"]
    if set(plan) != {"strategies", "sizes", "seeds"}:
        faults.append(f"'plan' has the keys {sorted(map(str, plan))!r:.80}")
    if len(plan["strategies"]) * len(plan["sizes"]) * len(plan["seeds"]) > _MOST_RUNS:
        faults.append(f"'plan' asks for more than {_MOST_RUNS:,} runs")
    if facts.get("evaluator") is not None:
        return faults
    for target in task["targets"]:
        column = task["columns"].get(target)
        if not isinstance(column, dict) or not _is_text(column.get("kind")) or not _is_text(column.get("unit", "")):
            faults.append(f"'task.columns' does not describe the target {target!r:.60}")
        if target not in facts["measures"]:
            faults.append(f"'measures' does not name the error of {target!r:.60}")
    return faults


def _at(facts: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(facts, dict) or name not in facts:
            return _MISSING
        facts = facts[name]
    return facts


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:  # half of a pair, which no file and no terminal takes
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )


def _list_of(check: _Check, least: int = 0) -> _Check:
    return lambda value: isinstance(value, list) and len(value) >= least and all(map(check, value))


def _dict_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(map(_is_text, value)) and all(map(check, value.values()))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _is_text(value) or _is_number(value)


def _are_prices(value: Any) -> bool:
    if value is None:
        return True
    needs = _dict_of(_list_of(_is_text))
    return isinstance(value, dict) and _dict_of(_is_number)(value.get("cost")) and needs(value.get("needs"))


def _is_evaluator(value: Any) -> bool:
    if not _dict_of(_is_plain)(value) or not {"name", "unit", "largest"} <= set(value):
        return False
    return (
        _is_text(value["name"])
        and _is_text(value["unit"])
        and (value["largest"] is None or _is_number(value["largest"]))
    )


_DECISION = frozenset({"target", "decide_at", "worth", "reason", "choose", "wrong", "rows_wrong", "says"})


def _is_decision(value: Any) -> bool:
    if not _dict_of(_is_plain)(value) or not set(value) >= _DECISION:
        return False
    chances = all(value[name] is None or _is_number(value[name]) for name in ("wrong", "rows_wrong"))
    named = value["choose"] is None or _is_text(value["choose"])
    words = all(_is_text(value[name]) for name in ("target", "reason", "says"))
    return chances and named and words and _is_number(value["decide_at"]) and _is_number(value["worth"])


_MISSING = object()
_EXPECTED: dict[tuple[str, ...], _Check] = {
    ("plan", "strategies"): _list_of(_is_text),
    ("plan", "sizes"): _list_of(_is_whole),
    ("plan", "seeds"): _list_of(_is_whole),
    ("task", "targets"): _list_of(_is_text, 1),
    ("task", "columns"): _dict_of(lambda value: isinstance(value, dict)),
    ("task", "rows"): _dict_of(_is_whole),
    ("task", "rows", "evaluated"): _is_whole,
    ("task_words",): _is_text,
    ("measures",): _dict_of(_is_text),
    ("guess",): lambda value: value is _MISSING or _dict_of(_is_number)(value),
    ("decision",): lambda value: value is _MISSING or value is None or _is_decision(value),
    ("evaluator",): lambda value: value is _MISSING or value is None or _is_evaluator(value),
    ("settings",): _dict_of(lambda value: isinstance(value, dict) or _is_plain(value)),
    ("settings", "evaluate_on"): lambda value: value in ("valid", "test"),
    ("settings", "threads"): lambda value: value is None or _is_whole(value),
    ("prices",): _are_prices,
    ("vault",): _list_of(_dict_of(lambda value: isinstance(value, list | dict) or _is_plain(value))),
    ("environment",): _dict_of(_is_plain),
    ("created",): _is_text,
    ("library",): _is_text,
}
