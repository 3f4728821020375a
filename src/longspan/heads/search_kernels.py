"""Loops of the beam search, compiled by Numba; see `longspan.heads.compiled_search`."""

# T frames, N columns of scores, G states of the graph, V words and two marks

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
from numba import njit

__all__ = ["search_frames"]

_NEVER = -1e30
_LEAST = -12 * log(10)  # of the mean of two models, as InterpolatedModel has it
_MIX = np.int64(-7046029254386353131)  # 2^64 by the golden ratio: multiplied keys spread over a hash table


@njit(cache=True)
def _found(values: Any, begin: int, end: int, wanted: int) -> int:  # pragma: no cover - compiled
    """The first place of `begin` to `end` whose value is not less; `end` if there is none."""
    while begin < end:
        middle = (begin + end) >> 1
        if values[middle] < wanted:
            begin = middle + 1
        else:
            end = middle
    return begin


@njit(cache=True)
def _one(first: int, second: int, word: int, table: Any) -> float:  # pragma: no cover - compiled
    """A word behind two others; -1: there is no first."""
    unigrams, unigram_backoffs, starts2, words2, bigrams, bigram_backoffs, starts3, words3, trigrams = table
    penalty = 0.0
    if first >= 0:
        end = starts2[first + 1]
        pair = _found(words2, starts2[first], end, second)
        if pair < end and words2[pair] == second:
            end = starts3[pair + 1]
            place = _found(words3, starts3[pair], end, word)
            if place < end and words3[place] == word:
                return trigrams[place]
            penalty += bigram_backoffs[pair]
    end = starts2[second + 1]
    place = _found(words2, starts2[second], end, word)
    if place < end and words2[place] == word:
        return penalty + bigrams[place]
    return penalty + unigram_backoffs[second] + unigrams[word]


@njit(cache=True)
def _chance(
    first: int, second: int, word: int, one: Any, other: Any, share: float
) -> float:  # pragma: no cover - compiled
    """The logarithm of the mean of both models."""
    a = _one(first, second, word, one)
    if share == 0.0:
        return a
    b = _one(first, second, word, other)
    most = max(a, b)
    return max(_LEAST, most + log((1 - share) * exp(a - most) + share * exp(b - most)))


@njit(cache=True)
def _matters(first: int, second: int, table: Any) -> bool:  # pragma: no cover - compiled
    """Whether the model has the two words as a context."""
    end = table[2][first + 1]
    pair = _found(table[3], table[2][first], end, second)
    return pair < end and table[3][pair] == second


@njit(cache=True)
def _slot(keys: Any, stamps: Any, stamp: int, key: int) -> Any:  # pragma: no cover - compiled
    """The place of a key in a hash table, or the free one where it belongs."""
    mask = len(keys) - 1
    place = ((key * _MIX) >> 32) & mask
    while stamps[place] == stamp and keys[place] != key:
        place = (place + 1) & mask
    return place


@njit(cache=True)
def search_frames(
    scores: Any, emits: Any, stay: Any, leave: Any, first_target: Any, targets: Any, ahead: Any, first_word: Any,
    word_ids: Any, rests: Any, pauses: Any, entries: Any, repeats: bool, one: Any, other: Any, share: float,
    weight: float, bonus: float, beam: float, width: int, most_ends: int, begin: int, end: int, capacity: int,
) -> list[int]:  # pragma: no cover - compiled  # fmt: skip
    """Numbers of the best words, the last one first; see `StateSearch.best`.

    A history is one number: the last two words, the former left out where no model has both as a context.
    """
    frames, columns = scores.shape
    states, count = len(emits), end + 2  # histories count words from 1; 0 is none
    size = 4
    while size < 4 * capacity:
        size *= 2
    keys, stamps, places = np.zeros(size, np.int64), np.full(size, -1, np.int64), np.zeros(size, np.int64)
    state, trace = np.zeros((2, capacity), np.int64), np.zeros((2, capacity), np.int64)
    history, score = np.zeros((2, capacity), np.int64), np.zeros((2, capacity), np.float64)
    held = np.zeros(2, np.int64)
    kinds = columns + 1  # what may not follow at once: a column, or nothing
    end_size = 1 << 16
    end_keys, end_stamps = np.zeros(end_size, np.int64), np.full(end_size, -1, np.int64)
    end_places = np.zeros(end_size, np.int64)
    most = end_size // 4
    end_history, end_score = np.zeros(most, np.int64), np.zeros(most, np.float64)
    end_trace, end_word, end_barred = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.int64)
    before, words, traces = np.full(1024, -1, np.int64), np.zeros(1024, np.int64), 1
    now, best = 0, _NEVER
    starts = len(entries) + len(pauses)
    for number in range(min(starts, capacity)):
        place = entries[number] if number < len(entries) else pauses[number - len(entries)]
        value = ahead[place] + scores[0, emits[place]]
        state[0, number], history[0, number], score[0, number] = place, begin + 1, value
        best = max(best, value)
    held[0] = min(starts, capacity)
    histogram = np.zeros(257, np.int64)
    for frame in range(1, frames):
        then = 1 - now
        heard = scores[frame]
        loudest = heard.max()
        held[then] = 0
        new_best, ended, end_best = _NEVER, 0, _NEVER
        least = best - beam
        if held[now] > width:
            histogram[:] = 0
            for token in range(held[now]):
                behind = best - score[now, token]
                if behind <= beam:
                    histogram[int(behind * 256 / beam)] += 1
            kept = 0
            for number in range(257):
                kept += histogram[number]
                if kept >= width:
                    least = max(least, best - (number + 1) * beam / 256)
                    break
        # No wider than what was kept: most of what lies further behind would be dropped at the next frame.
        near = min(beam, 1.1 * (best - least))
        leader = np.argmax(score[now, : held[now]])
        own = state[now, leader]
        left = score[now, leader] + leave[own] - ahead[own]
        new_best = score[now, leader] + stay[own] + heard[emits[own]]
        for number in range(first_target[own], first_target[own + 1]):
            place = targets[number]
            new_best = max(new_best, left + ahead[place] + heard[emits[place]])
        for token in range(held[now]):
            value = score[now, token]
            if value < least:
                continue
            own, past, trail = state[now, token], history[now, token], trace[now, token]
            left = value + leave[own] - ahead[own]
            for number in range(first_target[own] - 1, first_target[own + 1]):
                if number < first_target[own]:
                    place, reached = own, value + stay[own]
                else:
                    place = targets[number]
                    reached = left + ahead[place]
                    if reached + loudest < new_best - near:
                        break
                reached += heard[emits[place]]
                if reached < new_best - near:
                    continue
                new_best = max(new_best, reached)
                key = past * states + place
                slot = _slot(keys, stamps, frame, key)
                if stamps[slot] == frame:
                    there = places[slot]
                    if reached > score[then, there]:
                        score[then, there], trace[then, there] = reached, trail
                elif held[then] < capacity:
                    there = held[then]
                    held[then] += 1
                    stamps[slot], keys[slot], places[slot] = frame, key, there
                    state[then, there], history[then, there] = place, past
                    score[then, there], trace[then, there] = reached, trail
            for number in range(first_word[own], first_word[own + 1]):
                if left + bonus < end_best - near:
                    break
                word = word_ids[number]
                first, second = past // count - 1, past % count - 1
                reached = left + bonus + weight * _chance(first, second, word, one, other, share)
                if reached < end_best - near:
                    continue
                end_best = max(end_best, reached)
                longer = word + 1
                if _matters(second, word, one) or _matters(second, word, other):
                    longer += (second + 1) * count
                barred = columns if repeats else emits[own]
                key = longer * kinds + barred
                slot = _slot(end_keys, end_stamps, frame, key)
                if end_stamps[slot] == frame:
                    there = end_places[slot]
                    if reached > end_score[there]:
                        end_score[there], end_trace[there], end_word[there] = reached, trail, word
                elif ended < most:
                    there = ended
                    ended += 1
                    end_stamps[slot], end_keys[slot], end_places[slot] = frame, key, there
                    end_history[there], end_score[there], end_barred[there] = longer, reached, barred
                    end_trace[there], end_word[there] = trail, word
        order = np.argsort(-end_score[:ended])
        for rank in range(min(ended, most_ends)):
            chosen = order[rank]
            made = -1
            for number in range(-len(pauses), len(entries)):
                place = pauses[-number - 1] if number < 0 else entries[number]
                if emits[place] == end_barred[chosen]:
                    continue
                reached = end_score[chosen] + ahead[place]
                if number >= 0 and reached + loudest < new_best - near:
                    break
                reached += heard[emits[place]]
                if reached < new_best - near:
                    continue
                new_best = max(new_best, reached)
                if made < 0:
                    if traces == len(before):
                        before = np.concatenate((before, before))
                        words = np.concatenate((words, words))
                    before[traces], words[traces] = end_trace[chosen], end_word[chosen]
                    made = traces
                    traces += 1
                key = end_history[chosen] * states + place
                slot = _slot(keys, stamps, frame, key)
                if stamps[slot] == frame:
                    there = places[slot]
                    if reached > score[then, there]:
                        score[then, there], trace[then, there] = reached, made
                elif held[then] < capacity:
                    there = held[then]
                    held[then] += 1
                    stamps[slot], keys[slot], places[slot] = frame, key, there
                    state[then, there], history[then, there] = place, end_history[chosen]
                    score[then, there], trace[then, there] = reached, made
        now, best = then, new_best
    final, trail, last = _NEVER, 0, -1
    for token in range(held[now]):
        own, past = state[now, token], history[now, token]
        first, second = past // count - 1, past % count - 1
        plain = score[now, token] - ahead[own]
        if rests[own]:
            value = plain + weight * _chance(first, second, end, one, other, share)
            if value > final:
                final, trail, last = value, trace[now, token], -1
        for number in range(first_word[own], first_word[own + 1]):
            word = word_ids[number]
            value = (
                plain
                + bonus
                + weight
                * (_chance(first, second, word, one, other, share) + _chance(second, word, end, one, other, share))
            )
            if value > final:
                final, trail, last = value, trace[now, token], word
    if final == _NEVER:
        trail = trace[now, np.argmax(score[now, : held[now]])]
    found = [0 for _ in range(0)]
    if last >= 0:
        found.append(last)
    while trail > 0:
        found.append(words[trail])
        trail = before[trail]
    return found
