"""Text: language models of words."""

from __future__ import annotations

from longspan.text.arpa import read_arpa, write_arpa
from longspan.text.ngrams import NGramModel, train_ngrams

__all__ = ["NGramModel", "read_arpa", "train_ngrams", "write_arpa"]
