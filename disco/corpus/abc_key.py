"""Keys and modes as ABC notation writes them."""

import re

FIFTHS = {"maj": 0, "ion": 0, "min": 3, "m": 3, "aeo": 3, "mix": 1, "dor": 2, "phr": 4, "lyd": -1, "loc": 5}
_MODES = {"ion": "maj", "aeo": "min", "m": "min"}
_SHARP_ORDER = "FCGDAEB"


class AbcError(ValueError):
    """A tune that is not read, with the reason as a short noun phrase."""


def parse_key(text: str) -> tuple[str, dict[str, int]]:
    """Read a key field: its name (`Dmaj`, `Ador`) and the sharps and flats by note letter.

    Raises:
        AbcError: not a key.
    """
    found = re.match(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)((?:\s*[_^=][a-gA-G])*)", text.split("%")[0])
    mode = found.group(3).lower()[:3] if found else ""  # "EM" is E minor, as the tunes that have it show
    mode = _MODES.get(mode, mode) or "maj"
    if not found or mode not in FIFTHS:
        raise AbcError("no key")
    letter, accidental, _, extra = found.groups()
    sharps = _SHARP_ORDER.index(letter) - 1 - FIFTHS[mode] + {"#": 7, "b": -7, "": 0}[accidental]
    signature = dict.fromkeys(_SHARP_ORDER[: max(sharps, 0)], 1)
    signature |= dict.fromkeys(_SHARP_ORDER[::-1][: max(-sharps, 0)], -1)
    for sign, name in re.findall(r"([_^=])([a-gA-G])", extra):
        signature[name.upper()] = {"_": -1, "^": 1, "=": 0}[sign]
    return f"{letter}{accidental}{mode}", signature
