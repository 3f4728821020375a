"""Whether a study file belongs to the study that is to continue it; every difference is named, with its remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longspan.errors import StudyError

__all__ = ["check_same_study"]

_SETTINGS = {
    "budget": "the budget",
    "evaluate_on": "the rows that are measured on",
    "error": "the error",
    "tuning": "the tuning",
    "threads": "threads",
    "torch": "the version of PyTorch",
}


def check_same_study(
    path: Path, facts: Mapping[str, Any], described: Mapping[str, str], now: Mapping[str, Any], new: Mapping[str, str]
) -> None:
    """Compare a file with the study that is to continue it.

    Args:
        path: The file.
        facts: What it holds.
        described: Its strategies, as `describe_strategy` described them.
        now: The same facts of the study at hand.
        new: Its strategies.

    Raises:
        StudyError: something that results depend on has changed.
    """
    faults = [*_task_faults(facts["task"], now["task"]), *_setting_faults(facts, now)]
    for name, description in new.items():
        if name in described and described[name] != description:
            faults.append(f"strategy {name!r} is another one now: {_difference(described[name], description)}")
    if not faults:
        return
    lines = [f"{path} holds a study that this one cannot continue:", *(f"  {fault}" for fault in faults)]
    cure = "Finished runs would not compare with new ones. Restore it, or start a new file: path= (--out)."
    if any(fault.startswith("strategy ") for fault in faults):
        cure += " A changed strategy can also stand beside the old one, under a new name."
    raise StudyError("\n".join([*lines, cure]))


def _task_faults(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    faults = []
    for part in ("inputs", "targets"):
        if before[part] != now[part]:
            faults.append(f"the task's {part} were {', '.join(before[part])}, now they are {', '.join(now[part])}.")
    if faults:
        return faults
    for part, what in (("train", "training rows"), ("evaluated", "rows that are measured on")):
        if before["rows"][part] != now["rows"][part]:
            faults.append(f"there were {before['rows'][part]:,} {what}, now there are {now['rows'][part]:,}.")
    if not faults and before["split"] != now["split"]:
        faults.append("the split is another one: other rows train, or are measured on.")
    if not faults:
        # Columns that only one of them has are for strategies that the other has not.
        both = [name for name in before["cells"] if name in now["cells"]]
        faults += [f"column {n!r} holds other values." for n in both if before["cells"][n] != now["cells"][n]]
    if not faults:
        for name, column in before["columns"].items():
            if column != now["columns"].get(name):
                faults.append(f"column {name!r} is read in another way: {_changed(column, now['columns'].get(name))}")
    return faults


def _setting_faults(facts: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    faults = []
    if facts["library"] != now["library"]:
        faults.append(f"longspan was {facts['library']}, now it is {now['library']}.")
    for name, what in _SETTINGS.items():
        before, after = facts["settings"].get(name), now["settings"].get(name)
        if before != after and not (name == "threads" and after is None):  # None: as many as the file has
            faults.append(f"{what}: it was {_word(before)}, now it is {_word(after)}.")
    return faults


def _difference(before: str, after: str) -> str:
    """The first entries of two descriptions that differ."""
    try:
        was, now = json.loads(before), json.loads(after)
    except ValueError:
        was, now = before, after
    return _changed(was, now)


def _changed(before: Any, after: Any, where: str = "") -> str:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                return _changed(before.get(name), after.get(name), f"{where}.{name}" if where else str(name))
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (was, now) in enumerate(zip(before, after, strict=True)):
            if was != now:
                return _changed(was, now, f"{where}[{place}]")
    return f"{where + ' ' if where else ''}was {_word(before)}, is {_word(after)}."


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = "none" if value is None else text
    return text if len(text) <= 120 else text[:117] + "..."
