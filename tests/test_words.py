"""One word per idea: words and turns of phrase that must not come back, in code, messages, help texts and pages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
OLD_NAMES = {"old_names.py"}
"""Files that must name old words, to read old files and warn of old options."""

WORDS = {
    # one word per idea: the field's
    r"\bpictures?\b": "image",
    r"\blearnt\b": "learned",
    r"\bsquish\w*": "stretch",
    r"\btelltales?\b": "target leakage",
    r"\b(Draws|Placement|Located|Plain|ClassifyMany|UnshuffleCNN|SlidLeNet5)\b": "AugmentParams, Raw ...",
    r"\b(lower_rate|memory_gb|keep_best|at_rest|rested)\b": "backbone_lr_mult, cache_gb, nms, frozen",
    r"(?<![Gg]round )(?<![Gg]round-)(?<![\"'`])\btruths?\b(?![\"'`])": "target, or ground truth",
    r"\b(best constant|head'?s?|network'?s?|model'?s?) answers?\b": "prediction",
    r"\b(finds?|[Dd]raws?|many|every|each|an?|one) things?\b(?! for | to )": "object",
    r"\bgiven stages?\b": "function stage",
    r"\bdistorted\b": "stretched",
    # turns of phrase that have to be read twice
    r"\berrs? less\b": "has the lower error",
    r"\btold apart\b": "distinguished",
    r"\bcan(not)? be told\b": "can be distinguished; it is unclear whether",
    r"\b(does|do|did) not suffice\b": "is not enough",
    r"\bpart the task\b": "split the task",
    r"\bfrom how much\b": "how much data does it take",
    r"\bshall be\b": "will be; is to be",
    r"\bshow and leave\b": "",
    r"(?<![Tt]here )\b(is|are) no [a-z]+ (of|that|to)\b": "is not a",
    r"\bthe same again\b": "reproducible",
    r"\bbest guess\w* at\b": "",
    r"\bbehind (a|the) colon\b": "after a colon",
    r"\bbehind (the|its|their) (names?|first|last|ends?)\b": "after the last",
    r"\bone behind the other\b": "one after the other",
    r"\bmeasured? apart\b": "measured separately",
    r"\bsays other weights\b": "names different weights",
    r"\bby which columns not\b": "in which columns they differ",
    r"\bthese test\b": "these are the held-out rows",
    r"\b(they|which) shall\b": "are to",
    r"\bSay once for each\b": "Print each",
    r"\b[Gg]o on with the training\b": "continue the training",
    r"\ban? (images|objects|rows)\b": "a number mismatch",
    r"\bA (image|object|error|estimator|epoch|input|output|annotation)\b": "An",
    r"\ba (image|object|error|estimator|epoch|input|output|annotation)\b": "an",
    r"\bAn (picture|mask|row|head|model|network|table)\b": "A",
}
PATTERN = re.compile("|".join(f"(?P<w{i}>{word})" for i, word in enumerate(WORDS)))
INSTEAD = list(WORDS.values())


def found_in(text):
    """(line number, the words, what to write instead) for each word that must not come back."""
    return [
        (number, match.group(), INSTEAD[int(str(match.lastgroup)[1:])])
        for number, line in enumerate(text.splitlines(), start=1)
        for match in PATTERN.finditer(line)
        if not line.lstrip().startswith("@accepts_old_keywords(")
    ]


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT / "src/longspan").parts[0] for path in SOURCES}))
def test_words_that_must_not_come_back_in_the_source(room):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {words!r}; write: {instead}"
        for path in SOURCES
        if path.relative_to(ROOT / "src/longspan").parts[0] == room and path.name not in OLD_NAMES
        for number, words, instead in found_in(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_words_that_must_not_come_back_in_the_pages(page):
    found = [f"{page.name}:{n}: {words!r}; write: {instead}" for n, words, instead in found_in(page.read_text("utf-8"))]
    assert not found, "\n".join(found)


def test_the_list_finds_what_it_should():
    assert [words for _, words, _ in found_in("A picture that is no mask of ours.\nan image")] == [
        "picture",
        "is no mask of",
    ]
