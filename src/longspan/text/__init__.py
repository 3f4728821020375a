"""Text: normalisation, words and sentences, tokenizers, language models of words, lexicons of their pronunciations."""

from __future__ import annotations

from longspan.text.arpa import read_arpa, write_arpa
from longspan.text.augment import TextAugment, TextParams
from longspan.text.lexicon import Lexicon, cmudict, grapheme_lexicon, read_lexicon
from longspan.text.ngrams import NGramModel, train_ngrams
from longspan.text.normalise import comparable, normalise
from longspan.text.pretrained import PretrainedTokens
from longspan.text.splitting import join_words, sentences, words
from longspan.text.subwords import SubwordTokens
from longspan.text.tokenizer import TOKENIZERS, Tokenizer, tokenizer_from_json
from longspan.text.word_tokens import CharacterTokens, WordTokens
from longspan.text.word_writer import WordWriter

__all__ = [
    "TOKENIZERS",
    "CharacterTokens",
    "Lexicon",
    "NGramModel",
    "PretrainedTokens",
    "SubwordTokens",
    "TextAugment",
    "TextParams",
    "Tokenizer",
    "WordTokens",
    "WordWriter",
    "cmudict",
    "comparable",
    "grapheme_lexicon",
    "join_words",
    "normalise",
    "read_arpa",
    "read_lexicon",
    "sentences",
    "tokenizer_from_json",
    "train_ngrams",
    "words",
    "write_arpa",
]
