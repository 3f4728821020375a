"""Pages of the API reference: one per room, with the public names that the room lists, written for Sphinx's autodoc."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

__all__ = ["ROOMS", "write_api_pages"]

ROOMS = {
    "columns": ("Columns", "How one kind of value is read, checked, encoded and shown."),
    "vision": ("Images", "Augmentation and resizing of images."),
    "audio": ("Sound", "Features and augmentation of recordings."),
    "text": ("Text", "Tokenizers, vocabularies, language models."),
    "data": ("Data", "Tables, splits, tasks, leaks and the vault."),
    "datasets": ("Data sets", "Public data by name."),
    "models": ("Models", "Networks, one paper each."),
    "heads": ("Heads", "What a target means to a network."),
    "metrics": ("Metrics", "Measures of predictions."),
    "inference": ("Inference", "Trained models, ensembles, intervals."),
    "portable": ("Portable", "Predictions and models that need no PyTorch."),
    "train": ("Training", "Learners, settings, schedules, callbacks."),
    "pipeline": ("Pipelines", "Stages, their training, ceiling analysis."),
    "study": ("Studies", "Strategies, sizes and seeds; decisions."),
    "deploy": ("Deployment", "Compression and export."),
    "explain": ("Explaining", "What a model relies on and where its errors are."),
    "generative": ("Generative", "Style transfer."),
    "people": ("People", "Faces: detection, galleries, doors."),
    "control": ("Control", "Environments, episodes, agents."),
    "report": ("Reports", "HTML pages, figures and tables."),
    "systems": ("Systems", "Ready-made systems."),
}
"""By room: title and what it holds."""


def write_api_pages(folder: Path) -> None:
    """Write a page for each room and `index.rst`; files that would not change are left as they are.

    Args:
        folder: Where they go; pages of rooms that are gone are removed.
    """
    folder.mkdir(exist_ok=True)
    pages = {f"{room}.rst": _page(room, *about) for room, about in ROOMS.items()}
    pages["index.rst"] = _index()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    for path in folder.glob("*.rst"):
        if path.name not in pages:
            path.unlink()


def _index() -> str:
    rows = "\n".join(f"   * - :doc:`{title} <{room}>`\n     - {about}" for room, (title, about) in ROOMS.items())
    listed = "\n".join(f"   {room}" for room in ROOMS)
    return (
        f"{_heading('API reference', '=')}"
        "The public names, by room. ``import longspan as ls`` has most of them: ``ls.Learner`` is "
        "``longspan.train.Learner``. A name that no page here lists may change without notice.\n\n"
        f".. list-table::\n   :widths: 25 75\n\n{rows}\n\n"
        f".. toctree::\n   :hidden:\n\n{listed}\n"
    )


def _page(room: str, title: str, about: str) -> str:
    module = importlib.import_module(f"longspan.{room}")
    kinds: dict[str, list[str]] = {"Classes": [], "Functions": [], "Values": []}
    elsewhere = []
    for name in sorted(module.__all__, key=str.lower):
        value = getattr(module, name)
        if inspect.ismodule(value):
            continue
        home = _home(room, name, value)
        if home != room:
            elsewhere.append(f":py:obj:`{name} <longspan.{home}.{name}>`")
            continue
        kind = "Classes" if inspect.isclass(value) else "Functions" if inspect.isroutine(value) else "Values"
        directive = {"Classes": "autoclass", "Functions": "autofunction", "Values": "autodata"}[kind]
        options = "   :no-value:\n" if kind == "Values" else ""
        kinds[kind].append(f".. {directive}:: longspan.{room}.{name}\n{options}\n")
    parts = [f"{_heading(kind, '-')}{''.join(found)}" for kind, found in kinds.items() if found]
    if elsewhere:
        parts.append(f"Also here: {', '.join(elsewhere)}.\n")
    return f"{_heading(title, '=')}{about} ``longspan.{room}``.\n\n{''.join(parts)}"


def _home(room: str, name: str, value: object) -> str:
    """The room whose page describes a name: where it is defined, if that room lists it; else this one."""
    defined = str(getattr(value, "__module__", "")).split(".")
    own = defined[1] if defined[0] == "longspan" and len(defined) > 1 else room
    if own == room or own not in ROOMS or name not in importlib.import_module(f"longspan.{own}").__all__:
        return room
    return own


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"
