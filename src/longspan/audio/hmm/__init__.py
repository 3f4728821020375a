"""Hidden Markov models of phonemes: Gaussian mixtures, embedded training, states tied by their neighbours."""

from __future__ import annotations

from longspan.audio.hmm.model import STATES, PhonemeHMM
from longspan.audio.hmm.training import tied_alignment, train_monophones, train_triphones

__all__ = ["STATES", "PhonemeHMM", "tied_alignment", "train_monophones", "train_triphones"]
