"""Find copies of a recording: re-encoded, louder or softer, with a few seconds cut off.

32 bits for every thirty-second of a second say in which bands the energy grows faster than in the band
above (Haitsma and Kalker, ISMIR 2002). Copies agree in most bits at some offset; other recordings agree
in about half, and the same tune on another instrument or in another key is another recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from jaxtyping import Float, UInt32

from disco.audio.banks import mel_frequencies
from disco.audio.spool import let_go

WORDS_PER_SECOND = 32.0
# Share of bits that differ, at most, between copies. In one half of the demo corpus half way from copies (MP3
# or OGG, resampled, cut: up to 0.040) to the same performance on another instrument (0.163 at least). In the
# other half copies differ in up to 0.061, other instruments in 0.156 at least. Other tunes differ in 0.41.
MAX_ERRORS = 0.10
MIN_SECONDS = 4.0  # two recordings agree over this long at least,
MIN_SHARE = 0.5  # and over this share of the shorter one
_LOWEST_HZ, _HIGHEST_HZ, _BANDS = 300.0, 4000.0, 33
_SMOOTH = 0.2  # seconds of each of two running means
_PIECE = 2048  # words at once, so that a long file costs no second mel
_COMMON = 24  # a word that occurs more often says nothing
_SAMPLE = 4  # one word of four is looked up: chosen by its value, so both copies choose the same
_VOTES = 2  # words in common at one offset that are worth a comparison
_OFFSETS = 4  # offsets per pair that are compared


def fingerprint(mel: Float[np.ndarray, "f m"], rate: int, curve_rate: float) -> UInt32[np.ndarray, " w"]:
    """Take the bits from a mel curve.

    Args:
        mel: power by frame.
        rate: Hz of the sound that it is of.
        curve_rate: frames per second.
    """
    half = max(1, round(_SMOOTH * curve_rate / 2))
    count = int((len(mel) - 1) / curve_rate * WORDS_PER_SECOND) + 1
    if len(mel) < 4 * half + 2 or count < 2:
        return np.zeros(0, np.uint32)
    bands, at = _bands(mel.shape[1], rate), np.arange(count) / WORDS_PER_SECOND * curve_rate
    words = np.empty(count - 1, np.uint32)
    for first in range(0, count - 1, _PIECE):
        places = at[first : first + _PIECE + 1]
        start = max(0, int(places[0]) - 2 * half - 1)
        energy = np.sqrt(np.asarray(mel[start : int(places[-1]) + 2 * half + 3]) @ bands)
        level = _between(_running_mean(_running_mean(energy, half), half), places - start)
        growth = level[1:] - level[:-1]
        bits = growth[:, :-1] > growth[:, 1:]
        words[first : first + _PIECE] = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
        let_go(mel)
    return words


def errors(
    first: UInt32[np.ndarray, " v"], second: UInt32[np.ndarray, " w"], offset: int
) -> tuple[float, int]:
    """Compare word `i` of the first with word `i + offset` of the second: share of bits that differ, words.

    Words without a single bit, as silence has them, are not compared.
    """
    start, end = max(0, -offset), min(len(first), len(second) - offset)
    if end <= start:
        return 1.0, 0
    one, other = first[start:end], second[start + offset : end + offset]
    sounding = (one != 0) & (other != 0)
    count = int(sounding.sum())
    if not count:
        return 1.0, 0
    return float(np.bitwise_count(one ^ other)[sounding].sum()) / (32 * count), count


def matches(prints: Mapping[str, UInt32[np.ndarray, " w"]]) -> list[tuple[str, str]]:
    """Name the pairs of recordings that are copies, each once, in order.

    An inverted index of words proposes pairs and offsets, so the work grows with the number of words
    and not of pairs.
    """
    names = sorted(prints)
    found = []
    for first, second, offsets in _proposals([np.asarray(prints[name], np.uint32) for name in names]):
        one, other = prints[names[first]], prints[names[second]]
        least = max(MIN_SECONDS * WORDS_PER_SECOND, MIN_SHARE * min(len(one), len(other)))
        for near in sorted({offset + step for offset in offsets for step in (-1, 0, 1)}):
            share, words = errors(one, other, near)
            if share <= MAX_ERRORS and words >= least:
                found.append((names[first], names[second]))
                break
    return found


def _proposals(prints: list[np.ndarray]) -> list[tuple[int, int, list[int]]]:
    """Propose pairs that have rare words in common, with the offsets at which most of them lie."""
    if len(prints) < 2:
        return []
    owners = np.repeat(np.arange(len(prints)), [len(words) for words in prints])
    places = np.concatenate([np.arange(len(words)) for words in prints])
    words = np.concatenate(prints)
    fresh = np.append(True, (words[1:] != words[:-1]) | (owners[1:] != owners[:-1]))
    chosen = (
        fresh & (words != 0) & (words * np.uint32(2654435761) >> np.uint32(16) & np.uint32(_SAMPLE - 1) == 0)
    )
    words, owners, places = words[chosen], owners[chosen], places[chosen]
    order = np.argsort(words, kind="stable")
    words, owners, places = words[order], owners[order], places[order]
    _, sizes = np.unique(words, return_counts=True)
    rare = np.repeat(sizes <= _COMMON, sizes)
    words, owners, places = words[rare], owners[rare], places[rare]
    longest = 1 + max((len(one) for one in prints), default=0)
    votes = []
    for apart in range(1, _COMMON):
        same = (words[apart:] == words[:-apart]) & (owners[apart:] != owners[:-apart])
        if not same.any():
            continue
        pair = owners[:-apart][same].astype(np.int64) * len(prints) + owners[apart:][same]
        votes.append(pair * (2 * longest) + places[apart:][same] - places[:-apart][same] + longest)
    if not votes:
        return []
    keys, counts = np.unique(np.concatenate(votes), return_counts=True)
    keys, counts = keys[counts >= _VOTES], counts[counts >= _VOTES]
    by_pair: dict[int, list[tuple[int, int]]] = {}
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        by_pair.setdefault(key // (2 * longest), []).append((count, key % (2 * longest) - longest))
    return [
        (*divmod(pair, len(prints)), [offset for _, offset in sorted(some, reverse=True)[:_OFFSETS]])
        for pair, some in sorted(by_pair.items())
    ]


@cache
def _bands(num_mel: int, rate: int) -> Float[np.ndarray, "m b"]:
    """Sum mel bands between logarithmic bounds: a band on a bound counts on both sides in part."""
    centres = mel_frequencies(num_mel + 2, rate / 2)
    middle = np.arange(num_mel) + 0.5
    bounds = np.interp(np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1), centres[1:-1], middle)
    low, high = np.arange(num_mel)[:, None], np.arange(1, num_mel + 1)[:, None]
    inside = np.minimum(high, bounds[1:]) - np.maximum(low, bounds[:-1])
    return np.maximum(inside, 0.0).astype(np.float32)


def _between(curve: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate rows."""
    below = np.minimum(at.astype(int), len(curve) - 2)
    part = (at - below)[:, None].astype(np.float32)
    return curve[below] * (1 - part) + curve[below + 1] * part


def _running_mean(values: np.ndarray, half: int) -> np.ndarray:
    total = np.cumsum(np.pad(values, ((half + 1, half), (0, 0)), mode="edge"), axis=0, dtype=np.float64)
    return ((total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)).astype(np.float32)
