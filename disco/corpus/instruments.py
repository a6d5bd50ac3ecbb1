"""The instruments that the demo corpus is played on, and how a sentence names them."""

from dataclasses import dataclass

from disco.errors import DiscoError


@dataclass(frozen=True)
class Ensemble:
    """One to four General MIDI programs, upper voice first.

    `parts` names the instruments as metadata, `phrase` follows "played" or "for" in a caption.
    """

    programs: tuple[int, ...]
    parts: tuple[str, ...]
    phrase: str


SOLO = {
    "piano": Ensemble((0,), ("piano",), "on the piano"),
    "harpsichord": Ensemble((6,), ("harpsichord",), "on the harpsichord"),
    "vibraphone": Ensemble((11,), ("vibraphone",), "on the vibraphone"),
    "accordion": Ensemble((21,), ("accordion",), "on the accordion"),
    "guitar": Ensemble((24,), ("guitar",), "on the nylon-string guitar"),
    "violin": Ensemble((40,), ("violin",), "on the violin"),
    "cello": Ensemble((42,), ("cello",), "on the cello"),
    "trumpet": Ensemble((56,), ("trumpet",), "on the trumpet"),
    "oboe": Ensemble((68,), ("oboe",), "on the oboe"),
    "clarinet": Ensemble((71,), ("clarinet",), "on the clarinet"),
    "flute": Ensemble((73,), ("flute",), "on the flute"),
    "banjo": Ensemble((105,), ("banjo",), "on the banjo"),
}
# Chosen so that a transcriber hears the written notes in TimGM6mb's sounds: a church organ sounds octaves
# that nobody wrote, its choir (52), string ensemble (48) and French horn (60) speak too late.
FOUR_PART = {
    "strings": Ensemble((40, 40, 41, 42), ("violin", "viola", "cello"), "by a string quartet"),
    "woodwinds": Ensemble((73, 68, 71, 70), ("flute", "oboe", "clarinet", "bassoon"), "by four woodwinds"),
    "brass": Ensemble((56, 56, 57, 57), ("trumpet", "trombone"), "by two trumpets and two trombones"),
    "choir": Ensemble((53,), ("choir",), "by choir voices"),
    "organ": Ensemble((20,), ("reed organ",), "on the reed organ"),
    "piano": SOLO["piano"],
}
DEFAULT_SOLO = ("piano", "violin", "flute", "guitar", "clarinet", "harpsichord")
DEFAULT_FOUR_PART = tuple(FOUR_PART)


def choose_from(names: tuple[str, ...], table: dict[str, Ensemble]) -> dict[str, Ensemble]:
    """Pick ensembles by name.

    Raises:
        DiscoError: a name is not in the table, or there is none.
    """
    unknown = [name for name in names if name not in table]
    if unknown or not names:
        wrong = f"no instrument {', '.join(map(repr, unknown))} here" if unknown else "no instrument given"
        raise DiscoError(wrong, do=f"choose from {', '.join(table)}")
    return {name: table[name] for name in names}
