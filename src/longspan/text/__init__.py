"""Text: normalisation, words and sentences, tokenizers, and language models of words."""

from __future__ import annotations

from longspan.text.arpa import read_arpa, write_arpa
from longspan.text.augment import TextAugment, TextParams
from longspan.text.ngrams import NGramModel, train_ngrams
from longspan.text.normalise import comparable, normalise
from longspan.text.pretrained import PretrainedTokens
from longspan.text.splitting import join_words, sentences, words
from longspan.text.subwords import SubwordTokens
from longspan.text.tokenizer import TOKENIZERS, Tokenizer, tokenizer_from_json
from longspan.text.word_tokens import CharacterTokens, WordTokens

__all__ = [
    "TOKENIZERS",
    "CharacterTokens",
    "NGramModel",
    "PretrainedTokens",
    "SubwordTokens",
    "TextAugment",
    "TextParams",
    "Tokenizer",
    "WordTokens",
    "comparable",
    "join_words",
    "normalise",
    "read_arpa",
    "sentences",
    "tokenizer_from_json",
    "train_ngrams",
    "words",
    "write_arpa",
]
