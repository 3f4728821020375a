"""`longspan models`, `datasets`, `systems`: what there is to choose from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longspan.cli.known_names import names_are_known, stored_names
from longspan.cli.shell import label, print_table
from longspan.errors import unknown_name
from longspan.old_names import DATASETS
from longspan.registry import plugin_names
from longspan.valid_values import stored_networks

if TYPE_CHECKING:
    from longspan.datasets import Source

__all__ = ["datasets", "models", "systems"]

_MEGA = 1_000_000


def models(
    word: Annotated[
        str | None, typer.Option("--filter", metavar="WORD", help="Show only those whose name or paper contains WORD.")
    ] = None,
) -> None:
    """List the networks and designs that --model takes.

    Parameters and multiply-adds are those of the published network, for one image of the size shown; "imagenet" marks
    those that --weights imagenet has weights for. A design puts layers for masks, boxes or instances on a network: on
    the one shown, or on another that is named after a colon, as in unet:squeezenet1_1.
    """
    known, stored = _known_networks(), stored_names()["designs"]
    found, designs = _with_word(known, word), _with_word(stored, word)
    if not found and not designs:
        names = [info["name"] for info in (*known, *stored)]
        raise unknown_name("model with the word", word or "", names)
    rows = [
        [
            info["name"],
            f"{info['parameters'] / _MEGA:,.2f} M",
            f"{info['multiply_adds'] / _MEGA:,.0f} M",
            "x".join(str(side) for side in info["size_px"]),
            "imagenet" if info["imagenet"] else "",
            info["source"],
        ]
        for info in found
    ]
    if rows:
        print_table(["name", "parameters", "multiply-adds", "pixels", "weights", "source"], rows, right=(1, 2, 3))
    if rows and designs:
        print()
    if designs:
        fields = ("name", "backbone", "predicts", "source")
        print_table(["design", "network", "predicts", "source"], [[row[key] for key in fields] for row in designs])


def datasets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Describe this data set.")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch it now, or with no name all of them.")] = False,
) -> None:
    """List the named data sets, or describe one: its rows, licence, sources and checksums.

    A set is looked for in the cache, then in the folder or at the address that LONGSPAN_DATA names, then at its public
    address. A download that breaks off is continued the next time.
    """
    if name is not None and names_are_known() and name not in (*stored_names()["data sets"], *DATASETS):
        raise unknown_name("data set", name, stored_names()["data sets"])

    from longspan import datasets as named

    if name is None:
        every = [named.info(each) for each in named.names()]
        print_table(
            ["name", "rows", "here", "task", "licence", "title"],
            [[d.name, f"{d.rows:,}", named.status(d.name), d.task, _short(d.licence), d.title] for d in every],
            right=(1,),
        )
        print("\nlongspan datasets NAME tells where a set comes from; --fetch gets it now.")
    else:
        data = named.info(name)
        for what, text in (
            ("name", data.name), ("title", data.title), ("rows", f"{data.rows:,}"), ("task", data.task),
            ("here", named.status(name)), ("licence", data.licence), ("home", data.home), ("note", data.note),
            ("smaller", data.small or ""), *(("source", _source(source)) for source in data.sources if source.files),
        ):  # fmt: skip
            if text:
                print(label(what, text))
    if fetch:
        for each in named.names() if name is None else [name]:
            needed = named.info(each).files
            where = named.fetch(each, tell=print) if needed else "needs no download"
            print(label("fetched", f"{each}: {where}"), flush=True)


def systems() -> None:
    """List the ready-made systems and what each needs."""
    for name, system in _known_systems().items():
        print(f"{name}\n  {system['summary']}\n  Needs {system['needs']}.")
    print("\nlongspan run NAME --out DIR runs one; longspan run NAME --help lists its options.")


def _known_networks() -> list[dict[str, Any]]:
    """Every network with its size; without plug-ins from the stored table alone, which brings no PyTorch."""
    if not plugin_names():
        return stored_networks()
    from longspan.models import catalogue

    return [asdict(info) for info in catalogue()]


def _known_systems() -> dict[str, dict[str, Any]]:
    """Summary and needs of every system."""
    if names_are_known():
        return stored_names()["systems"]
    from longspan.systems import SYSTEMS

    return {system.name: {"summary": system.summary, "needs": system.needs} for system in SYSTEMS.values()}


def _with_word(rows: list[dict[str, Any]], word: str | None) -> list[dict[str, Any]]:
    """The rows whose name or source, or what a design predicts, contains the word."""
    searched = ("name", "source", "predicts")
    return [
        row for row in rows if word is None or word.lower() in " ".join(row.get(key, "") for key in searched).lower()
    ]


def _short(licence: str) -> str:
    """A licence without its holders."""
    return licence.partition(" (")[0].partition(";")[0]


def _source(source: Source) -> str:
    """The files of one copy, line by line, with the addresses and what is checked."""
    lines = [f"differs: {source.differs}"] if source.differs else ["the published set"]
    for file in source.files:
        about = "" if file.exact else "about "
        checked = f", checked by {file.checked_by}" if file.checked_by else ""
        lines.append(f"  {file.path}, {about}{file.size / _MEGA:,.2f} MB{checked}")
        lines += [f"    {url}" for url in file.urls] or ["    only from the folder or address in LONGSPAN_DATA"]
        if file.stated_by:
            lines.append(f"    as stated by: {file.stated_by}")
    if source.checked_by:
        lines.append(f"  what it unpacks to is checked by {source.checked_by}")
    return "\n".join(lines)
