"""Every command that a message, a help text or a page names is one that exists."""

import re
from pathlib import Path

from longspan.cli.app import app

ROOT = Path(__file__).parents[2]
FILES = [
    *sorted((ROOT / "src").rglob("*.py")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
COMMANDS |= {group.name for group in app.registered_groups}
# In backticks, at the beginning of a line (after a prompt), behind a colon, or before what only a command has.
NAMED = re.compile(
    r"`longspan ([a-z]\w*)"
    r"|(?:^|\\n)[ \t]*(?:\$ )?longspan ([a-z]\w*)(?= [-'\"{A-Z./]| \w+[./]|$)"
    r"|[:;] longspan ([a-z]\w*)(?= [-'\"{A-Z./])"
    r"|\blongspan ([a-z]\w*)(?= (?:--?[a-z]|[A-Z]{3,}\b))",
    re.MULTILINE,
)


def named_in(text):
    return [next(filter(None, match.groups())) for match in NAMED.finditer(text)]


def test_every_command_that_is_named_exists():
    wrong = [
        f"{path.relative_to(ROOT)}: longspan {name}"
        for path in FILES
        for name in named_in(path.read_text(encoding="utf-8"))
        if name not in COMMANDS
    ]
    assert not wrong, "\n".join(wrong)


def test_the_search_finds_commands_and_passes_prose():
    text = "Use `longspan repot DIR`.\n$ longspan tune x.csv --a\n    longspan grow DIR\nto do so: longspan swim FILE\n"
    assert named_in(text) == ["repot", "tune", "grow", "swim"]
    assert named_in('"format": "longspan model"; longspan reads files and longspan trees') == []
