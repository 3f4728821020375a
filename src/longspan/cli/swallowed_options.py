"""An option that has taken the next option for its value: `--out --seed 3`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longspan.errors import ConfigError

__all__ = ["check_no_option_is_a_value"]


def check_no_option_is_a_value(command: Any, words: Sequence[str]) -> None:
    """Refuse an option of `command` where the value of another one is expected.

    The parser would take it: `--out --seed 3` would write into a folder called `--seed`.

    Args:
        command: A command of Typer, or a group of them.
        words: What follows its name.

    Raises:
        ConfigError: an option has no value; with how a value that looks like an option is written.
    """
    if words and words[0] in getattr(command, "commands", {}):
        check_no_option_is_a_value(command.commands[words[0]], words[1:])
        return
    options = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts) if name[:1] == "-"}
    place = 0
    while place < len(words) and words[place] != "--":
        option = options.get(words[place])
        takes_value = option is not None and not option.is_flag and not getattr(option, "count", False)
        if takes_value and words[place + 1 : place + 2] and words[place + 1] in options:
            option_word, value = words[place : place + 2]
            written = f"{option_word}={value}" if option_word.startswith("--") else f"{option_word}{value}"
            raise ConfigError(
                f"{option_word} has no value: {value} is the next option. If {value} is the value, write {written}."
            )
        place += 2 if takes_value else 1
