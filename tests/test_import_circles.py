"""Files import one another without circles; those that exist for type checkers alone are small."""

import ast
from functools import cache
from pathlib import Path

import longspan

ROOT = Path(longspan.__file__).parent
STILL_CIRCULAR: tuple[str, ...] = ()
"""Rooms that still have circles; the list may only become shorter."""
LARGEST_WITH_TYPES = 3
"""Files in a circle that includes imports under TYPE_CHECKING."""


def modules():
    """Every file by its dotted name; a package is its `__init__`."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_type_checking(node):
    if not isinstance(node, ast.If):
        return False
    return getattr(node.test, "id", getattr(node.test, "attr", None)) == "TYPE_CHECKING"


def imports(name, tree, known, *, types):
    """The modules that a file imports, also inside functions; without `types` not those under TYPE_CHECKING."""
    found, stack = set(), [tree]
    while stack:
        node = stack.pop()
        if is_type_checking(node) and not types:
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        stack.extend(each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.expr))
    return {each for each in found if each in known and each != name}


def circles(graph):
    """Strongly connected sets of two files or more (Tarjan 1972)."""
    index, low, on_stack, stack, found = {}, {}, set(), [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        on_stack.add(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in on_stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            circle = set()
            while name not in circle:
                circle.add(stack.pop())
            on_stack.difference_update(circle)
            if len(circle) > 1:
                found.append(frozenset(circle))

    for name in graph:
        if name not in index:
            visit(name)
    return found


@cache
def trees():
    return {name: ast.parse(path.read_text("utf-8")) for name, path in modules().items()}


def graph(*, types):
    return {name: imports(name, tree, trees(), types=types) for name, tree in trees().items()}


def outside_of_allowed_rooms(found):
    return [sorted(each) for each in found if not any(all(f.startswith(room) for f in each) for room in STILL_CIRCULAR)]


def test_no_circles_at_run_time():
    found = circles(graph(types=False))
    assert outside_of_allowed_rooms(found) == []
    for room in STILL_CIRCULAR:
        assert any(f.startswith(room) for each in found for f in each), f"{room} has no circle: take it off the list"


def test_no_large_circles_with_types():
    found = [each for each in circles(graph(types=True)) if len(each) > LARGEST_WITH_TYPES]
    assert outside_of_allowed_rooms(found) == []


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "d"}}) == [frozenset({"b", "c"})]
    source = (
        "from longspan.a import b\nif TYPE_CHECKING:\n    from longspan import c\ndef f():\n    import longspan.d\n"
    )
    known = {"longspan", "longspan.a", "longspan.c", "longspan.d"}
    assert imports("x", ast.parse(source), known, types=False) == {"longspan.a", "longspan.d"}
    assert imports("x", ast.parse(source), known, types=True) == {"longspan.a", "longspan.c", "longspan.d"}
