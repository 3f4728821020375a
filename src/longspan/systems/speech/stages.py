"""Functions of the stages from a recording to its transcript, and the lexicon and language model that they use."""

# T frames or steps, N states, C classes

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from longspan.audio import AudioFeatures, read_samples
from longspan.audio.normalise import normalise_utterance
from longspan.errors import DataError
from longspan.lazy_torch import torch
from longspan.text import Lexicon, cmudict, train_ngrams
from longspan.text.language_models import InterpolatedModel, LanguageModel, SphinxModel
from longspan.text.phonemes import ONE_LETTER

if TYPE_CHECKING:
    from longspan.heads import WordSearch
    from longspan.heads.compiled_search import CompiledSearch
    from longspan.heads.search_graph import SearchGraph
    from longspan.heads.state_search import StateSearch
    from longspan.inference.estimators.acoustic_model import AcousticModel

__all__ = [
    "CHARACTERS", "PHONEMES", "RATE_HZ", "dictionary", "find_words", "find_words_of_characters", "language",
    "speech_features", "spell",
]  # fmt: skip

RATE_HZ = 16_000
PHONEMES = tuple(sorted(ONE_LETTER.values()))
"""Classes 1, 2 ... of networks that hear phonemes."""
CHARACTERS = (" ", "'", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""Of transcripts."""
_OWN = 0.25  # weight of the model of the training transcripts beside the one trained elsewhere
_LN10 = math.log(10)
_SURE = 0.99
_OF_THE_TRUTH = (1.0, 0.0, 15.0)  # weight, bonus and beam
_ENDS = 100  # words that may end at each frame


def speech_features(recording: Any, *, mfcc: int = 13, deltas: int = 2, spread: bool = True) -> np.ndarray:
    """MFCC of a recording with their changes over time, each of mean 0 and spread 1, `(T, mfcc * (1 + deltas))`.

    Args:
        recording: Path of a sound file, or samples at 16 kHz.
        mfcc: Coefficients of each frame of 25 ms; every 10 ms there is one.
        deltas: 1 adds the changes, 2 also the changes of those.
        spread: Without, features have mean 0 and are tenths of their decibels: the shape of the spectrum is kept.
    """
    samples = read_samples(recording if isinstance(recording, np.ndarray) else str(recording), RATE_HZ)
    wave = torch.as_tensor(np.asarray(samples), dtype=torch.float32)[None] / 32768
    features = AudioFeatures(mels=40, mfcc=mfcc, deltas=deltas).compute(wave, torch.tensor([wave.shape[1]]), RATE_HZ)
    rows = features[0].flatten(0, 1).T[None]
    if not spread:
        return ((rows - rows.mean(dim=1, keepdim=True)) / 10)[0].numpy()
    return normalise_utterance(rows, torch.tensor([rows.shape[1]]))[0].numpy()


def spell(text: str, lexicon: Lexicon, *, between: str = " ") -> str:
    """The phonemes of a text by the usual pronunciation of each word, with `between` between words."""
    return between.join(lexicon.spell(word) for word in text.split())


@lru_cache(maxsize=1)
def dictionary() -> Lexicon:
    """The CMU dictionary in capitals."""
    return cmudict(capitals=True)


def language(texts: list[str], vocabulary: int) -> tuple[Lexicon, LanguageModel]:
    """Lexicon and language model: those of the extra `pocketsphinx`, and what training transcripts add to them.

    Args:
        texts: Transcripts in capitals. Words that the CMU dictionary lacks are spelled by rule.
        vocabulary: How many words, the most frequent of the language model, there are beside those of the texts; 0
            leaves the language model out too, so that only the texts are known.
    """
    return _language(tuple(texts), vocabulary)


@lru_cache(maxsize=8)
def _language(texts: tuple[str, ...], vocabulary: int) -> tuple[Lexicon, LanguageModel]:
    known = dict.fromkeys(word for text in texts for word in text.split())
    if not known:
        raise DataError("A lexicon needs transcripts with at least one word.")
    full, _ = dictionary().completed(known)
    if not vocabulary:
        return full.restricted(known), train_ngrams(texts, 3)
    outside = SphinxModel()
    frequency = {word: outside.log10_probability((), word) for word in full.pronunciations if word[:1].isalpha()}
    frequent = sorted(frequency, key=lambda word: (-frequency[word], word))[:vocabulary]
    lexicon = full.restricted([*known, *frequent])
    own = train_ngrams(texts, 3, vocabulary=lexicon.pronunciations)
    return lexicon, InterpolatedModel((outside, own), (1 - _OWN, _OWN))


def find_words(
    phonemes: Any,
    *,
    texts: list[str],
    vocabulary: int = 40_000,
    weight: float = 1.0,
    bonus: float = 0.0,
    width: int = 3000,
    beam: float = 12.0,
) -> str:
    """The words of a recording, from what was heard of its phonemes.

    Args:
        phonemes: Scores of states; or probabilities `(T, C)` of the blank and `PHONEMES`; or the phonemes themselves.
        texts: See `language`.
        vocabulary: See `language`.
        weight: Of the language model.
        bonus: For each word, in nats.
        width: Partial transcripts that are kept.
        beam: How much worse than the best they may be.
    """
    from longspan.inference.estimators.acoustic_model import StateScores

    if isinstance(phonemes, str):  # the ground truth, for ceiling analysis: weights of what networks hear mean nothing
        weight, bonus, beam = _OF_THE_TRUTH
    model = phonemes.model if isinstance(phonemes, StateScores) else None
    search = _search(tuple(texts), vocabulary, model, weight, bonus, width, beam)
    if isinstance(phonemes, StateScores):
        return search.best(phonemes.scores)
    steps = _certain(phonemes) if isinstance(phonemes, str) else np.asarray(phonemes)
    return search.best(np.log(np.maximum(steps, 1e-8)))


@lru_cache(maxsize=4)
def _search(
    texts: tuple[str, ...], vocabulary: int, model: AcousticModel | None, weight: float, bonus: float, width: int,
    beam: float,
) -> StateSearch | CompiledSearch:  # fmt: skip
    from longspan.heads.compiled_search import fast_search
    from longspan.heads.state_search import StateSearch

    graph, words = _graph(texts, vocabulary, model)
    return fast_search(
        StateSearch(
            graph=graph, language_model=words, weight=weight, bonus=bonus, width=width, beam=beam, ends=_ENDS,
        )
    )  # fmt: skip


def find_words_of_characters(
    steps: Any, *, texts: list[str], vocabulary: int = 40_000, weight: float = 0.5, bonus: float = 1.0, width: int = 32
) -> str:
    """The words of a recording, from the probabilities `(T, C)` of the blank and `CHARACTERS`; see `find_words`."""
    if isinstance(steps, str):  # the ground truth, for ceiling analysis
        return steps
    search = _character_search(tuple(texts), vocabulary, weight, bonus, width)
    return search.best(steps, CHARACTERS)


@lru_cache(maxsize=4)
def _character_search(texts: tuple[str, ...], vocabulary: int, weight: float, bonus: float, width: int) -> WordSearch:
    from longspan.heads import WordSearch

    lexicon, model = language(list(texts), vocabulary)
    return WordSearch(
        language_model=model, lexicon=frozenset(lexicon.pronunciations), weight=weight, bonus=bonus, width=width,
        prune=1e-3,
    )  # fmt: skip


@lru_cache(maxsize=4)
def _graph(texts: tuple[str, ...], vocabulary: int, model: AcousticModel | None) -> tuple[SearchGraph, LanguageModel]:
    from longspan.heads.search_graph import ctc_graph, hmm_graph

    lexicon, words = language(list(texts), vocabulary)

    def score(word: str) -> float:
        return _LN10 * words.log10_probability((), word)

    if model is None:
        return ctc_graph(lexicon, PHONEMES, score), words
    hmm = model.hmm
    heard = frozenset(hmm.phonemes)
    usable = {
        word: found
        for word, sounds in lexicon.pronunciations.items()
        if (found := tuple(each for each in sounds if heard.issuperset(each)))
    }
    stay = hmm.log_stay.tolist()
    scale = model.scale if model.network is None else 1.0
    graph = hmm_graph(Lexicon(usable), hmm.states_of, stay, score, scale=scale, contexts=hmm.tied is not None)
    return graph, words


def _certain(phonemes: str) -> np.ndarray:
    """Steps of which each is certain, blanks between them; marks between words are left out."""
    letters = [PHONEMES.index(letter) + 1 for letter in phonemes.replace(" ", "")]
    steps = np.full((2 * len(letters) + 1, 1 + len(PHONEMES)), (1 - _SURE) / len(PHONEMES))
    steps[::2, 0] = _SURE
    steps[np.arange(1, 2 * len(letters), 2), letters] = _SURE
    return steps
