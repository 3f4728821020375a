"""YAML files of data sets, read with PyYAML; every scalar stays the text that the file holds.

YAML 1.1 reads `no` as False, `1.10` as 1.1 and `2020-01-01` as a date. Class names must not change like that, so the
file is only composed into nodes and never constructed into Python values; no tag in the file has any effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from longspan.data.annotations.files import read_text
from longspan.errors import DataError
from longspan.extras import require_extra

__all__ = ["YamlValue", "read_yaml"]

_LIMIT_BYTES = 16 << 20


@final
@dataclass(frozen=True, slots=True)
class YamlValue:
    """A text, a list of values or a list of (key, value) pairs, with the line where it begins."""

    line: int
    content: str | list[YamlValue] | list[tuple[YamlValue, YamlValue]]
    kind: str
    """"text", "list" or "mapping"."""

    @property
    def text(self) -> str | None:
        """The text, None for lists and mappings."""
        return self.content if isinstance(self.content, str) else None

    def items(self) -> Iterator[Any]:
        """The values of a list, or the (key, value) pairs of a mapping; nothing for a text."""
        return iter(()) if isinstance(self.content, str) else iter(self.content)

    def get(self, name: str) -> YamlValue | None:
        """The value of a key of a mapping."""
        if self.kind != "mapping":
            return None
        return next((value for key, value in self.items() if key.text == name), None)


def read_yaml(path: Path) -> YamlValue:
    """The content of a YAML file.

    Raises:
        DataError: the file cannot be read, is not YAML, or has a key twice.
        DependencyError: PyYAML is not installed.
    """
    require_extra("yaml", f"Reading {path}")
    import yaml

    try:
        node = yaml.compose(read_text(path, limit_bytes=_LIMIT_BYTES), Loader=yaml.SafeLoader)
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    except RecursionError:
        raise DataError(f"{path} is nested too deeply for a data set's YAML file.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(f"{path}{where}: not valid YAML ({problem}).") from None
    return _value(path, node, ())


def _value(path: Path, node: Any, above: tuple[int, ...]) -> YamlValue:
    """A node without its tags; an alias that contains itself, or aliases that multiply, are refused."""
    import yaml

    if node is None:
        return YamlValue(1, "", "text")
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return YamlValue(line, str(node.value), "text")
    if id(node) in above or len(above) > 16:
        raise DataError(f"{path}, line {line}: nested too deeply for a data set's YAML file.")
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        return YamlValue(line, [_value(path, each, above) for each in node.value], "list")
    pairs = [(_value(path, key, above), _value(path, value, above)) for key, value in node.value]
    seen: set[str | None] = set()
    for key, _ in pairs:
        if key.text in seen:
            raise DataError(f"{path}, line {key.line}: the key {key.text!r} occurs twice; delete one of them.")
        seen.add(key.text)
    return YamlValue(line, pairs, "mapping")
