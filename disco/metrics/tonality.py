"""Keys: their names, which one some notes are in, and how far two of them lie apart."""

import re
from dataclasses import dataclass

import mir_eval
import numpy as np
from jaxtyping import Float

from disco.audio import keys as audio_keys
from disco.errors import DiscoError
from disco.midi.chords import TONICS
from disco.midi.score import NoteTable

_MODES = {
    "major": ("major", "maj", "ionian", "mix", "mixolydian", "lyd", "lydian"),
    "minor": ("minor", "min", "aeolian", "dor", "dorian", "phr", "phrygian", "m"),
}
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Key:
    """A tonic, 0 for C to 11 for B, and `major` or `minor`."""

    tonic: int
    mode: str

    def __str__(self) -> str:
        return f"{TONICS[self.tonic]} {self.mode}"

    @property
    def signature(self) -> int:
        """Steps on the circle of fifths from C major and A minor, 0 to 11."""
        major = self.tonic if self.mode == "major" else self.tonic + 3
        return major * 7 % 12


def parse_key(name: str) -> Key:
    """Read `D major`, `Bbmin`, `F# minor`, `Ador`; modes count by their third: Dorian is minor.

    Raises:
        DiscoError: this is no key.
    """
    found = re.fullmatch(r"\s*([A-Ga-g])\s*(#|b|♯|♭|[- ]?sharp|[- ]?flat)?\s*([A-Za-z]*)\s*", name)
    modes = [mode for mode, words in _MODES.items() if found and (found[3].lower() or "major") in words]
    if found is None or not modes:
        raise DiscoError(f"'{name}' is no key", do="write it like 'D major', 'Bb minor' or 'Ador'")
    accidental = (found[2] or "").strip("- ")
    shift = 1 if accidental in ("#", "♯", "sharp") else -1 if accidental in ("b", "♭", "flat") else 0
    return Key((_NATURALS[found[1].upper()] + shift) % 12, modes[0])


def pitch_classes(notes: NoteTable) -> Float[np.ndarray, " 12"]:
    """Return for how many seconds each pitch class sounds, from C on; drums do not count."""
    notes = notes.where(~notes.is_drum)
    seconds = np.maximum(notes.offset - notes.onset, 0.0)
    return np.bincount(notes.pitch % 12, weights=seconds, minlength=12).astype(np.float64)


def find_key(profile: Float[np.ndarray, " 12"]) -> Key | None:
    """Return the key that fits how much each pitch class sounds; None where all or none do."""
    if float(np.ptp(profile)) <= 1e-9 * float(profile.max()):
        return None  # rounding is no key
    return parse_key(audio_keys.find_key(profile[None], np.ones(1)).name)


def mirex_score(reference: Key, estimate: Key | None) -> float:
    """Score an estimate as MIREX does: 1 right, 0.5 a fifth above, 0.3 relative, 0.2 parallel, else 0."""
    if estimate is None:
        return 0.0
    return float(mir_eval.key.weighted_score(str(reference), str(estimate)))


def fifths_apart(a: Key, b: Key) -> int:
    """Return the steps between two key signatures on the circle of fifths, 0 to 6."""
    apart = (a.signature - b.signature) % 12
    return min(apart, 12 - apart)
