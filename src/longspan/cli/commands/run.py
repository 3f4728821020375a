"""`longspan run` and `longspan quickstart`: ready-made systems."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from longspan.cli.first_checks import check_system_words
from longspan.cli.known_names import names_are_known, stored_names
from longspan.cli.shell import interruptible
from longspan.errors import ConfigError

if TYPE_CHECKING:
    from longspan.systems import System

__all__ = ["quickstart", "run"]

Opt = typer.Option
_Out = Annotated[str | None, Opt("--out", metavar="DIR", help="Folder for result.json, report.html and the model.")]
_Seed = Annotated[int, Opt(metavar="N", help="Random seed.")]
_Force = Annotated[bool, Opt("--force", help="Replace the result of another system.")]
_Quiet = Annotated[bool, Opt("--quiet", "-q", help="Print nothing but errors.")]


def run(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="`longspan systems` lists them.")] = None,
    out: _Out = None,
    seed: _Seed = 0,
    force: _Force = False,
    quiet: _Quiet = False,
    show_help: Annotated[
        bool, Opt("--help", "-h", help="Show this message, or with NAME the system's own options, and exit.")
    ] = False,
) -> None:
    """Run a ready-made system.

    Writes its result, report and model into a folder.
    Options that are not listed here are the system's own: `longspan run NAME --help`.
    """
    if name is None and show_help:
        print(ctx.get_help())
        return
    if name is None:
        raise ConfigError("Name a system: longspan run NAME --out DIR; `longspan systems` lists them.")

    if not show_help:
        check_system_words(name, ctx.args)
    elif names_are_known() and name in stored_names()["systems"]:
        stored = stored_names()["systems"][name]
        _print_help(name, stored["summary"], stored["needs"], stored["help"])
        return
    if out is None and not show_help:
        raise ConfigError(f"--out is missing: longspan run {name} --out DIR, a folder for result, report and model.")

    from longspan.systems import find_system
    from longspan.systems.options import describe_options, parse_options

    system = find_system(name)
    if show_help:
        _print_help(name, system.summary, system.needs, describe_options(system.options))
        return
    options = parse_options(system.options, ctx.args)
    assert out is not None
    _run(system, options, out, seed, force, quiet)


def quickstart(
    out: Annotated[str, Opt("--out", metavar="DIR", help="Folder for result.json, report.html and the model.")],
    seed: _Seed = 0,
    force: _Force = False,
    quiet: _Quiet = False,
) -> None:
    """Read handwritten numbers, in stages and end to end, and see which wins.

    Trains both strategies on growing numbers of images with three seeds each. The images are composed of real digits
    and need no download. Measures them on sealed test images, writes a report and the best model, and reads an image
    with it. Takes about a minute and a half on two cores; stop it and call it again, and it continues.
    """
    from longspan.systems import find_system

    system = find_system("quickstart")
    _run(system, system.options(), out, seed, force, quiet)


def _run(system: System, options: object, out: str, seed: int, force: bool, quiet: bool) -> None:
    from longspan.systems import SystemRun

    started = SystemRun(system.name, out, seed=seed, force=force, quiet=quiet)
    with interruptible(lambda: started.when_stopped), started.lock():
        system.run(options, started)


def _print_help(name: str, summary: str, needs: str, options: Sequence[Sequence[str]]) -> None:
    print(f"Usage: longspan run {name} --out DIR [OPTIONS]\n\n  {summary}\n  Needs {needs}.\n")
    own = [
        ("--out DIR", "Folder for result.json, report.html and the model."),
        ("--seed N", "Random seed.  [default: 0]"),
        ("--force", "Replace the result of another system."),
        ("--quiet", "Print nothing but errors."),
    ]
    print("Options:")
    for written, text in [*options, *own]:
        lines = textwrap.wrap(text, 76)
        print(f"  {written:<24}  {lines[0]}" if len(written) <= 24 else f"  {written}\n{'':28}{lines[0]}")
        for line in lines[1:]:
            print(f"{'':28}{line}")
