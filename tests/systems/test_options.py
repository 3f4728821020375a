from dataclasses import dataclass
from typing import Literal

import pytest

from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SYSTEMS
from longspan.systems.options import describe_options, parse_options


@dataclass(frozen=True, kw_only=True)
class Options:
    size_px: int = 28
    """Side of
    the images."""
    lr: float = 1e-3
    """Rate."""
    preset: Literal["book", "fast"] = "book"
    """Which."""
    limit: int | None = None
    """How many."""
    mirror: bool = False
    """Whether."""
    name: str = "x"


def test_reads_every_kind_of_value():
    words = ["--size-px", "32", "--lr=0.5", "--preset", "fast", "--limit", "7", "--mirror", "--name", "a b"]
    assert parse_options(Options, words) == Options(size_px=32, lr=0.5, preset="fast", limit=7, mirror=True, name="a b")
    assert parse_options(Options, ["--mirror", "--no-mirror"]) == Options()
    assert parse_options(Options, ["--mirror=true"]) == Options(mirror=True)
    assert parse_options(Options, ["--lr", "-1"]).lr == -1
    assert parse_options(Options, []) == Options()


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--sizepx", "3"], UnknownNameError, "Did you mean '--size-px'?"),
        (["32"], UnknownNameError, r"option \(they begin with --\) '32'"),
        (["--preset", "book2"], UnknownNameError, "Did you mean 'book'?"),
        (["--size-px", "3.5"], ConfigError, "--size-px must be a whole number, got '3.5'"),
        (["--lr", "high"], ConfigError, "--lr must be a number"),
        (["--mirror=maybe"], ConfigError, "true or false"),
        (["--limit"], ConfigError, "--limit needs a value: --limit N"),
        (["--limit", "--mirror"], ConfigError, "--limit needs a value"),
    ],
)
def test_says_what_is_wrong(words, error, said):
    with pytest.raises(error, match=said):
        parse_options(Options, words)


def test_describes_itself():
    assert describe_options(Options) == [
        ("--size-px N", "Side of the images.  [default: 28]"),
        ("--lr X", "Rate.  [default: 0.001]"),
        ("--preset book|fast", "Which.  [default: book]"),
        ("--limit N", "How many."),
        ("--mirror", "Whether."),
        ("--name TEXT", "  [default: x]"),
    ]


def test_former_names_of_options_still_work_and_name_the_new_one():
    read_numbers = SYSTEMS["read-numbers"].options
    with pytest.warns(FutureWarning, match="--ways is now called --strategies"):
        options = parse_options(read_numbers, ["--ways", "in stages"])
    assert options == read_numbers(strategies="in stages")
    with pytest.raises(UnknownNameError):
        parse_options(Options, ["--ways", "in stages"])


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=list(SYSTEMS))
def test_every_system_describes_every_option(system):
    assert all(
        told.strip(" ").startswith(told[0]) and told[0].isalpha() for _, told in describe_options(system.options)
    )
    assert parse_options(system.options, []) == system.options()
    assert {
        "limit",
        "sizes",
        "runs",
        "people",
        "steps",
        "frames",
        "exact_runs",
    } & system.options.__dataclass_fields__.keys()  # for a quick look


def test_options_of_a_base_keep_their_words_unless_they_are_said_anew():
    @dataclass(frozen=True, kw_only=True)
    class More(Options):
        lr: float = 2e-3
        """Peak rate."""
        depth: int = 2
        """Layers."""
        augment: bool = True
        """Whether."""

    lines = dict(describe_options(More))
    assert lines["--size-px N"] == "Side of the images.  [default: 28]"
    assert lines["--lr X"] == "Peak rate.  [default: 0.002]"
    assert lines["--depth N"] == "Layers.  [default: 2]"
    assert lines["--augment / --no-augment"] == "Whether.  [default: on]"
    assert parse_options(More, ["--depth", "3", "--no-augment"]) == More(depth=3, augment=False)
