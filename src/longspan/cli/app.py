"""Every command by its name, and what becomes of an error."""

from __future__ import annotations

import contextlib
import copy
import errno
import functools
import io
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException
from typer.main import get_command
from typer.models import CommandInfo

from longspan.cli.commands.compress import compress
from longspan.cli.commands.doctor import doctor
from longspan.cli.commands.evaluate import evaluate
from longspan.cli.commands.explain import explain
from longspan.cli.commands.export import export
from longspan.cli.commands.generate import generate
from longspan.cli.commands.layers import layers
from longspan.cli.commands.leaks import leaks
from longspan.cli.commands.listen import listen
from longspan.cli.commands.lists import datasets, models, systems
from longspan.cli.commands.plan import plan
from longspan.cli.commands.play import play
from longspan.cli.commands.predict import predict
from longspan.cli.commands.report import report
from longspan.cli.commands.run import quickstart, run
from longspan.cli.commands.search import search
from longspan.cli.commands.serve import serve
from longspan.cli.commands.study import study
from longspan.cli.commands.train import train
from longspan.cli.commands.transcribe import transcribe
from longspan.cli.commands.turnstile import turnstile
from longspan.cli.shell import fail
from longspan.cli.swallowed_options import check_no_option_is_a_value
from longspan.errors import LongspanError
from longspan.version import __version__

__all__ = ["app", "main"]

# Unboxed help: typer's boxes need rich, whose import takes longer than all the rest together. And a help option of our
# own below: for the built-in one typer 0.29 imports pydantic whatever the command, which doubles the time of an answer.
app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    add_help_option=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
)

_COMMANDS = (
    quickstart, train, evaluate, explain, layers, predict, export, compress, serve, transcribe, listen, play, generate,
    study, search, plan, leaks, report, models, datasets, systems,
)  # fmt: skip
for _command in _COMMANDS:
    app.command()(_command)
# A system brings options of its own, which `run` reads itself.
app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)
app.command()(doctor)
app.add_typer(turnstile, name="turnstile")


@app.callback(invoke_without_command=True)
def _longspan(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    show_help: Annotated[bool, typer.Option("--help", "-h", help="Show this message and exit.")] = False,
) -> None:
    """Deep learning, end to end or in stages: measure which.

    New here? `longspan quickstart --out demo` reads handwritten numbers two ways, in a few minutes.
    """
    if version:
        print(f"longspan {__version__}")
        raise typer.Exit
    if show_help or ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit


def main() -> None:
    """What `longspan` on the command line does.

    Exit codes: 0; 2 for a `LongspanError` or wrong usage, told in words on standard error; 130 when interrupted; 1 with
    a traceback for anything else, which is a fault of longspan's own.
    """
    warnings.formatwarning = _sentence
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console without UTF-8 shows \u732b instead of ending the command
            stream.reconfigure(errors="backslashreplace")
    try:
        words = sys.argv[1:]
        parser = _parser(words[0] if words else "")
        check_no_option_is_a_value(parser, words)
        code = parser(words, prog_name="longspan", standalone_mode=False)
        if sys.stdout is not None:  # None: a program without a console
            sys.stdout.flush()
    except LongspanError as error:
        code = fail(str(error))
    except TyperException as error:
        code = fail(_usage(error))
    except (KeyboardInterrupt, Abort):
        code = 130
    except BrokenPipeError:
        _drop_output()  # the reader has had enough: `longspan models | head`
        code = 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        code = fail(f"No space left on the disk{f' of {error.filename}' if error.filename else ''}. Make room there.")
    if code == 130:
        fail("interrupted; nothing half-written is left behind.", mark="")
    sys.exit(code if isinstance(code, int) else 0)


@functools.cache
def _parser(word: str) -> Any:
    """Of the command that is called so alone, which is ten times quicker than of all; of all where none is."""
    alone = copy.copy(app)
    alone.registered_commands = [each for each in app.registered_commands if _called(each) == word]
    alone.registered_groups = [each for each in app.registered_groups if each.name == word]
    return get_command(alone if alone.registered_commands or alone.registered_groups else app)


def _called(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def _drop_output() -> None:
    """Write what is still to be printed to nowhere; otherwise Python complains again when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(message: Warning | str, category: type[Warning], *_: object, **__: object) -> str:
    """A warning as a person at a terminal reads it: without file, line and code."""
    del category
    return f"longspan: note: {message}\n"


def _usage(error: TyperException) -> str:
    """What was wrong with the words on the command line, and where to read how they go."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "longspan"
    message = error.format_message().rstrip(".")
    return f"{message}{'' if message.endswith('?') else '.'} See {command} --help."
