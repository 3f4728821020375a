"""What is odd is not the bytes: names of classes, consoles, nested columns, batch sizes. A case is a file of JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["CONSOLES", "ODD_NAMES", "SETTINGS", "SOUND_SETTINGS"]

ODD_NAMES = (
    "", " ", "  a", "a ", "\t", "\n", "a\nb", "\r\n", "\0", "a\0b", "nan", "NaN", "None", "null", "NA", "-", "true",
    "True", "0", "1", "01", "1.0", "-1", "1e999", "é", "e\u0301", "猫", "😀", "\U0001f468\u200d\U0001f469",
    "\u202eabc", "\u200b", "\ufeff", "ß", "SS",
    "İ", "a/b", "../up", "C:\\x", "CON", "con.txt", ".", "..", "a,b", "a;b", "a|b", '"', "'", "a\"b'c", "<b>x</b>",
    "</script><script>1</script>", "&amp;", "%s", "{0}", "{}", "$x$", "\\frac", "_", "__class__", "loss", "accuracy",
    "=1+1", "@x", "#1", "a" * 300, "word " * 200, "[bold]x[/bold]", "[/]", "\x1b[31mred", "\u2028", "\x85", "\x7f",
    "\ud800",
)  # fmt: skip
"""Labels that files, pages, consoles and formats take for something else."""

CONSOLES = ("utf-8", "ascii", "cp1252", "cp437", "latin-1", "utf-16", "shift_jis", "none", "full")
"""Encodings of standard output; no console at all; a full disk behind it."""

_COMMANDS = ("predict", "json", "csv", "models", "evaluate", "missing", "usage", "doctor", "datasets")
_NESTED = (
    "list", "struct", "array", "list of struct", "list of list", "binary", "duration", "decimal", "categorical", "enum",
    "null", "time", "datetime zone", "bool", "i128", "u64", "empty list", "object", "nan", "infinite", "long text",
)  # fmt: skip
_ROLES = ("input", "target", "feature", "group", "time", "stratify")
_NETWORKS = ("lenet5", "resnet20", "deep_cnn", "mlp", "unet:resnet20", "retinanet:resnet18", "text_cnn", "conv_gru")
_SIZES = (1, 1, 2, 3, 5, 7, 13, 64, 10**6, 0, -1, 2.5, True, None, "8", 1e9)

SOUND_SETTINGS: dict[str, list[dict[str, Any]]] = {
    "names": [{"names": ["cat", "dog"], "missing": False}],
    "console": [{"console": "utf-8", "command": "predict", "names": ["cat", "dog"]}],
    "nested": [{"columns": ["bool"], "role": "feature", "missing": False}],
    "batches": [{"network": network, "batch_size": 4, "rows": 9, "predict": 3} for network in _NETWORKS],
}
"""Cases without anything odd, by kind."""


def _names(rng: random.Random) -> dict[str, Any]:
    names = rng.sample(ODD_NAMES, rng.choice((2, 2, 3, 8)))
    return {"names": names, "missing": rng.random() < 0.3}


def _console(rng: random.Random) -> dict[str, Any]:
    names = rng.sample([name for name in ODD_NAMES if name.strip() and "\ud800" not in name], 2)
    return {"console": rng.choice(CONSOLES), "command": rng.choice(_COMMANDS), "names": names}


def _nested(rng: random.Random) -> dict[str, Any]:
    return {
        "columns": rng.sample(_NESTED, rng.choice((1, 1, 2, 3))),
        "role": rng.choice(_ROLES),
        "missing": rng.random() < 0.4,
    }


def _batches(rng: random.Random) -> dict[str, Any]:
    return {
        "network": rng.choice(_NETWORKS),
        "batch_size": rng.choice(_SIZES),
        "rows": rng.choice((4, 5, 9, 12)),
        "predict": rng.choice(_SIZES),
    }


def _case(draw: Callable[[random.Random], dict[str, Any]]) -> Callable[[random.Random], bytes]:
    return lambda rng: json.dumps(draw(rng)).encode()


SETTINGS: dict[str, Callable[[random.Random], bytes]] = {
    "names": _case(_names),
    "console": _case(_console),
    "nested": _case(_nested),
    "batches": _case(_batches),
}
"""Draws a case of each kind."""
