"""Sentences about demo clips that say nothing but what the sources state and the rendering used."""

from hashlib import sha256

from disco.corpus.instruments import Ensemble
from disco.corpus.tunes import Tune

_MODES = {
    "maj": "major",
    "min": "minor",
    "dor": "dorian",
    "mix": "mixolydian",
    "lyd": "lydian",
    "phr": "phrygian",
}
_TUNE_SENTENCES = (
    "A {rhythm}{in_key} played {on}, {tempo:g} bpm.",
    "A {rhythm}{in_key}, {metre} time, played {on} at {tempo:g} bpm.",
    "A fiddle tune played {on}: a {rhythm}{in_key}.",
    "Solo {instrument} playing a {rhythm}{in_key} in {metre} time.",
    "A {metre} {rhythm}{in_key}, solo {instrument}, {tempo:g} bpm.",
)
_CHORALE_SENTENCES = (
    "A four-part chorale{in_key} played {on}, {tempo:g} bpm.",
    "A chorale by Johann Sebastian Bach{in_key}, performed {on}.",
    "A Bach chorale{in_key}, {metre} time, performed {on} at {tempo:g} bpm.",
    "Four-part harmony{in_key} played {on}: a chorale in {metre} time.",
)


def draw(*what: object) -> int:
    """Draw a large number from the hash of some values: the same values always give the same number."""
    return int.from_bytes(sha256("\0".join(map(str, what)).encode()).digest()[:8], "big")


def key_words(key: str) -> str:
    """`Dmaj` as "D major", `Bbmin` as "B flat minor"."""
    tonic, mode = key[:-3], _MODES[key[-3:]]
    return f"{tonic[0]}{ {'#': ' sharp', 'b': ' flat', '': ''}[tonic[1:]] } {mode}"


def caption(tune: Tune, ensemble: Ensemble, tempo_bpm: float, *, seed: int, take: int = 1) -> str:
    """Describe a clip in one of a few ways, drawn by the seed; tempo in quarter notes per minute."""
    sentences = _TUNE_SENTENCES if tune.voices == 1 else _CHORALE_SENTENCES
    sentence = sentences[draw(seed, tune.id, take, "caption") % len(sentences)]
    return sentence.format(
        rhythm=tune.rhythm,
        in_key=f" in {key_words(tune.key)}" if tune.key else "",
        on=ensemble.phrase,
        instrument=ensemble.parts[0],
        metre=tune.metre,
        tempo=tempo_bpm,
    )
