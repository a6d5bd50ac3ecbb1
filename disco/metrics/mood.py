"""Mood by a plain rule: where music stands between pleasant and not, lively and calm.

Russell 1980, "A Circumplex Model of Affect", has two axes. Mode and pace are cues that listeners use for
them (Gabrielsson and Lindström 2010). This is no trained judge: use it to see whether a request moves the
music to the right side, not to grade feeling.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from disco.core.metric import Take
from disco.errors import DiscoError
from disco.metrics.key import sounding_classes
from disco.metrics.notes import melody
from disco.metrics.tonality import find_key

_USUAL_PACE = 3.0  # onsets per second between calm and lively


@dataclass(frozen=True)
class Mood:
    """Valence from -1 (sad, dark) to 1 (happy, bright) and arousal from -1 (calm) to 1 (lively)."""

    valence: float
    arousal: float


WORDS = {
    Mood(1.0, 1.0): (
        "happy",
        "joyful",
        "cheerful",
        "energetic",
        "exciting",
        "uplifting",
        "festive",
        "playful",
    ),
    Mood(-1.0, 1.0): ("angry", "tense", "aggressive", "dramatic", "anxious", "agitated", "fierce", "urgent"),
    Mood(-1.0, -1.0): ("sad", "melancholic", "melancholy", "dark", "gloomy", "mournful", "lonely", "sombre"),
    Mood(1.0, -1.0): ("calm", "peaceful", "relaxed", "relaxing", "tender", "gentle", "serene", "dreamy"),
    Mood(0.0, 1.0): ("lively", "driving", "fast"),
    Mood(0.0, -1.0): ("quiet", "slow", "meditative"),
    Mood(1.0, 0.0): ("bright", "warm", "hopeful"),
    Mood(-1.0, 0.0): ("bleak", "ominous", "bitter"),
}


def mood_of(word: str) -> Mood:
    """Return where a word stands; 0 on an axis it says nothing about.

    Raises:
        DiscoError: the word is not in the table.
    """
    for mood, words in WORDS.items():
        if word.strip().lower() in words:
            return mood
    known = ", ".join(words[0] for words in WORDS.values())
    raise DiscoError(f"no place is known for the mood '{word}'", do=f"use a word such as {known}")


def heard_mood(take: Take) -> Mood:
    """Place a take: valence by the mode of its key, arousal by its pace."""
    key = find_key(sounding_classes(take))
    valence = 0.0 if key is None else 1.0 if key.mode == "major" else -1.0
    onsets, _ = melody(take.written)
    pace = len(onsets) / take.length if take.length else 0.0
    return Mood(valence, math.tanh(math.log2(pace / _USUAL_PACE)) if pace else -1.0)


def mood_agreement(words: Sequence[str], heard: Mood) -> float:
    """Return the share of the sides that the words name on which the music is."""
    wanted = [mood_of(word) for word in words]
    sides = [
        float(side * place > 0)
        for mood in wanted
        for side, place in ((mood.valence, heard.valence), (mood.arousal, heard.arousal))
        if side
    ]
    return math.fsum(sides) / len(sides)
