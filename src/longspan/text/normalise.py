"""One form for texts that look alike: Unicode normalisation, capitals, white space."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from longspan.errors import ConfigError

__all__ = ["FORMS", "UnicodeForm", "check_form", "comparable", "normalise"]

UnicodeForm = Literal["NFC", "NFKC", "none"]
FORMS: tuple[UnicodeForm, ...] = ("NFC", "NFKC", "none")
_NOT_WORDS = re.compile(r"[\W_]+")


def normalise(text: str, form: UnicodeForm = "NFC", *, lowercase: bool = False) -> str:
    """The text in one Unicode form.

    Args:
        text: Any string.
        form: "NFC" writes a letter and its accents as one code point where there is one, and changes nothing that can
            be seen. "NFKC" also replaces what is only another shape of a character: ligatures, full-width letters,
            superscripts. "none" leaves the code points as they are.
        lowercase: Whether capitals become small letters (`str.lower`).

    Example:
        >>> normalise("e\N{COMBINING ACUTE ACCENT}") == "\N{LATIN SMALL LETTER E WITH ACUTE}"
        True
        >>> normalise("\N{LATIN SMALL LIGATURE FI}x", "NFKC")
        'fix'
    """
    shaped = text if form == "none" else unicodedata.normalize(form, text)
    return shaped.lower() if lowercase else shaped


def comparable(text: str) -> str:
    """The text with everything removed that copies of it may differ in: capitals, punctuation, white space, shapes."""
    return _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def check_form(owner: str, form: str) -> None:
    """ConfigError unless `form` is one of `FORMS`."""
    if form not in FORMS:
        raise ConfigError(f"{owner}.form must be one of {', '.join(FORMS)}, got {form!r}.")
