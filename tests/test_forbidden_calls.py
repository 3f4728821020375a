"""No file of longspan can run what stands in a file: calls that would are not in `src/`; exceptions are named."""

import ast
from pathlib import Path

import pytest

import longspan

SOURCE = Path(longspan.__file__).parent
FORBIDDEN = {
    "pickle": {"load", "loads", "dump", "dumps", "Unpickler", "Pickler"},
    "marshal": {"load", "loads"},
    "shelve": {"open"},
    "dill": {"load", "loads"},
    "cloudpickle": {"load", "loads"},
    "joblib": {"load", "dump"},
    "torch": {"load", "save"},
    "torch.jit": {"load"},
    "yaml": {"load", "load_all", "unsafe_load", "full_load"},
    "os": {"system", "popen", "execv", "execve", "execvp", "spawnv", "spawnl"},
    "importlib": {"import_module"},
    "runpy": {"run_path", "run_module"},
    "pandas": {"read_pickle", "eval"},
}
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "runpy"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
ALLOWED = {
    ("__init__.py", "importlib.import_module"): "the public names of the package, each from a table in that file",
    (
        "cli/first_checks.py",
        "importlib.import_module",
    ): "the options of longspan's own systems, from its table of names",
    ("people/__init__.py", "importlib.import_module"): "the public names of the room, each from a table in that file",
    ("train/estimators/boosting.py", "importlib.import_module"): "one of four modules, from a table in that file",
    ("old_names.py", "importlib.import_module"): "the former public names, each from a table in that file",
}
"""By file and call: why it is harmless there."""


def faults_in(source):
    """Every forbidden call or import in a program's text: (line, what)."""
    tree = ast.parse(source)
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                aliases[each.asname or each.name.split(".")[0]] = each.name if each.asname else each.name.split(".")[0]
                if each.name.split(".")[0] in MODULES:
                    yield node.lineno, f"import {each.name}"
        elif isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                aliases[each.asname or each.name] = f"{node.module}.{each.name}"
                if node.module.split(".")[0] in MODULES or each.name in FORBIDDEN.get(node.module, ()):
                    yield node.lineno, f"{node.module}.{each.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in BUILTINS and node.id not in aliases:
            yield node.lineno, node.id  # named at all: an alias would call it by another name
        if isinstance(node, ast.Attribute):
            owner, _, name = dotted(node, aliases).rpartition(".")
            if name in FORBIDDEN.get(owner, ()) and not literal_import(tree, node):
                yield node.lineno, f"{owner}.{name}"
            if owner == "builtins" and name in BUILTINS:
                yield node.lineno, f"builtins.{name}"
        if isinstance(node, ast.Call):
            called = dotted(node.func, aliases)
            options = {each.arg: each.value for each in node.keywords}
            for option, where in (("allow_pickle", ""), ("shell", "subprocess.")):
                value = options.get(option)
                off = value is None or (isinstance(value, ast.Constant) and not value.value)
                if not off and called.startswith(where):
                    yield node.lineno, f"{called}({option}=)"
            if called in ("numpy.load", "np.load") and "allow_pickle" not in options and len(node.args) > 2:
                yield node.lineno, "numpy.load with allow_pickle by place"


def dotted(node, aliases):
    """`a.b.c` with what `a` was imported as; "" for anything else."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, aliases)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def literal_import(tree, attribute):
    """Whether this attribute is the function of a call import_module("words that stand here")."""
    if attribute.attr != "import_module":
        return False
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.func is attribute]
    return bool(calls) and all(isinstance(argument, ast.Constant) for argument in calls[0].args)


def test_no_file_holds_a_call_that_could_run_what_stands_in_a_file():
    found, used = [], set()
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        for line, what in faults_in(path.read_text(encoding="utf-8")):
            if (name, what) in ALLOWED:
                used.add((name, what))
            else:
                found.append(f"{name}:{line} {what}")
    assert not found, "; ".join(found)
    assert used == set(ALLOWED), "an exception that nothing needs any more"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads as read",
        "import torch\ntorch.load(path)",
        "import torch as t\nf = t.load",
        "from torch import save",
        "eval('1')",
        "run = exec",
        "import builtins\nbuiltins.eval('1')",
        "__import__(name)",
        "compile(text, '', 'exec')",
        "import importlib\nimportlib.import_module(name)",
        "import importlib\nload = importlib.import_module",
        "from importlib import import_module",
        "import yaml\nyaml.load(text)",
        "import joblib\njoblib.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=maybe)",
        "import numpy as np\nnp.load(path, None, True)",
        "import subprocess\nsubprocess.run(words, shell=True)",
        "import os\nos.system(words)",
    ],
)
def test_the_walk_finds_each_of_them(source):
    assert list(faults_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('x')",
        "import importlib\nimportlib.import_module('ray')",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['ls'])",
        "import pickletools",
        "network.eval()",
        "import copyreg\ncopyreg.pickle(Store, reduce)",
    ],
)
def test_what_is_harmless_is_left_alone(source):
    assert not list(faults_in(source))
