"""Catalogues to split: artists with a style of their own, albums, guests."""

from __future__ import annotations

import random

from disco.core.record import Record

STYLES = (
    ("rock", ["guitar", "drums"], 130.0),
    ("jazz", ["piano", "double bass"], 110.0),
    ("techno", ["synthesizer"], 128.0),
    ("folk", ["fiddle"], 95.0),
    ("classical", ["strings", "piano"], 80.0),
)


def catalogue(
    tracks: int = 1000, artists: int = 120, seed: int = 0, *, guests: float = 0.0, loud: bool = False
) -> list[Record]:
    """Return tracks of artists of unequal size, each with one style; `guests` shares of them are joint."""
    rng = random.Random(seed)
    sizes = [1 / (1 + place) ** 0.5 for place in range(artists)]
    style = {place: STYLES[rng.randrange(len(STYLES))] for place in range(artists)}
    records = []
    for number in range(tracks):
        place = rng.choices(range(artists), sizes)[0]
        genre, instruments, tempo = style[place]
        name = f"Artist {place}" if not loud else rng.choice([f"ARTIST {place}", f"artist {place}, the"])
        credit = f"{name} feat. Artist {rng.randrange(artists)}" if rng.random() < guests else name
        records.append(
            Record(
                id=f"t{number:04d}",
                file_path=f"{number}.wav",
                duration=round(rng.uniform(90, 400), 3),
                sample_rate=44100,
                genre=[genre],
                instruments=instruments,
                tempo=tempo + rng.uniform(-15, 15),
                artist=credit,
                album=f"Album {place}-{rng.randrange(3)}",
            )
        )
    return records
