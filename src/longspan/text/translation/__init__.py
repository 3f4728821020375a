"""Translation in stages: words, word alignment, phrases, and the search for a translation made of them."""

from __future__ import annotations

from longspan.text.translation.alignment import Alignment, align_hmm, align_ibm1, symmetrise
from longspan.text.translation.phrase_decoder import DecoderWeights, PhraseDecoder
from longspan.text.translation.phrases import PhrasePair, PhraseTable, extract_phrases
from longspan.text.translation.translation_words import join_translation, translation_words

__all__ = [
    "Alignment",
    "DecoderWeights",
    "PhraseDecoder",
    "PhrasePair",
    "PhraseTable",
    "align_hmm",
    "align_ibm1",
    "extract_phrases",
    "join_translation",
    "symmetrise",
    "translation_words",
]
