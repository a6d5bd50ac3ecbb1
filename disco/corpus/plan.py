"""Which pieces of the demo corpus sound for how long and on which instruments."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from disco.corpus.captions import draw
from disco.corpus.instruments import DEFAULT_FOUR_PART, DEFAULT_SOLO, FOUR_PART, SOLO, Ensemble, choose_from
from disco.corpus.tunes import Tune, load_tunes, tune_score
from disco.errors import DiscoError
from disco.midi.transform import crop, set_programs, set_tempo

BOOKS = ("ryan", "bach")
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
FULL_HOURS = 10.0  # what `hours=None` gives at least
TAIL = 1.0  # seconds to ring on


@dataclass(frozen=True)
class Take:
    """One performance of a tune: which instruments play, and how long the clip becomes."""

    tune: Tune
    number: int
    ensemble: Ensemble
    music_seconds: float

    @property
    def id(self) -> str:
        """The tune's id, numbered from the second take on."""
        return self.tune.id if self.number == 1 else f"{self.tune.id}-{self.number}"

    @property
    def seconds(self) -> float:
        """Length of the clip with its ring."""
        return self.music_seconds + TAIL


def plan_takes(
    *,
    hours: float | None,
    seed: int,
    tempo_bpm: float = 120.0,
    books: Sequence[str] = BOOKS,
    instruments: Sequence[str] = DEFAULT_SOLO,
    ensembles: Sequence[str] = DEFAULT_FOUR_PART,
    max_seconds: float | None = None,
) -> list[Take]:
    """Choose which pieces sound on which instruments; the plan for fewer hours begins every longer one.

    Each split gets its share of the time as the plan grows, and each kind of dance its share of a
    split. Where the pieces run out they come again on other instruments.

    Raises:
        DiscoError: as `build_demo`.
    """
    unknown = set(books) - set(BOOKS)
    if unknown or not books:
        raise DiscoError(
            f"unknown books {sorted(unknown)}" if unknown else "no book given", do=f"use {BOOKS}"
        )
    if (hours is not None and hours <= 0) or tempo_bpm <= 0 or (max_seconds is not None and max_seconds < 4):
        raise ValueError(
            f"hours and tempo must be positive, max_seconds 4 at least: {hours=} {tempo_bpm=} {max_seconds=}"
        )
    solo, four_part = choose_from(tuple(instruments), SOLO), choose_from(tuple(ensembles), FOUR_PART)
    tunes = [tune for tune in load_tunes() if tune.book in books]
    queues = {
        split: _takes_of_split(
            [tune for tune in tunes if tune.split == split], solo, four_part, seed, tempo_bpm, max_seconds
        )
        for split in SHARES
    }
    wanted = (FULL_HOURS if hours is None else hours) * 3600
    unheard = len(tunes) if hours is None else 0
    seconds = dict.fromkeys(SHARES, 0.0)
    takes: list[Take] = []
    while sum(seconds.values()) < wanted or unheard > 0:
        split = min(SHARES, key=lambda name: seconds[name] / SHARES[name])
        take = next(queues[split], None)
        if take is None:
            most = sum(seconds.values()) / 3600
            raise DiscoError(
                f"the chosen books and instruments give {most:.1f} h, not {wanted / 3600:g}",
                do="lower hours, or add books or instruments",
            )
        takes.append(take)
        seconds[split] += take.seconds
        unheard -= take.number == 1
    return takes


def take_midi(take: Take, tempo_bpm: float) -> bytes:
    """The MIDI file of a take as it is rendered: with instruments, tempo and its last bar."""
    score = set_tempo(set_programs(tune_score(take.tune.id), take.ensemble.programs), tempo_bpm)
    if take.music_seconds < take.tune.seconds * 120 / tempo_bpm - 1e-3:
        score = crop(score, 0.0, take.music_seconds)
    return score.dumps_midi()


def _takes_of_split(
    tunes: list[Tune],
    solo: dict[str, Ensemble],
    four_part: dict[str, Ensemble],
    seed: int,
    tempo_bpm: float,
    max_seconds: float | None,
) -> Iterator[Take]:
    """All takes of a split: kinds of dance evenly spread, then again with the next instruments."""
    by_rhythm: dict[str, list[Tune]] = defaultdict(list)
    for tune in sorted(tunes, key=lambda tune: draw(seed, tune.id, "order")):
        by_rhythm[tune.rhythm].append(tune)
    places = [
        ((rank + draw(seed, rhythm) % 1000 / 1000) / len(kin), tune)
        for rhythm, kin in by_rhythm.items()
        for rank, tune in enumerate(kin)
    ]
    order = [tune for _, tune in sorted(places, key=lambda place: (place[0], place[1].id))]
    for number in range(1, max(len(solo), len(four_part)) + 1):
        for tune in order:
            table = solo if tune.voices == 1 else four_part
            names = sorted(table, key=lambda name, tune=tune: draw(seed, tune.id, name))
            if number <= len(names):
                seconds = _music_seconds(tune, tempo_bpm, max_seconds)
                yield Take(tune, number, table[names[number - 1]], seconds)


def _music_seconds(tune: Tune, tempo_bpm: float, max_seconds: float | None) -> float:
    """Length of the whole piece, or up to the last bar line that fits."""
    whole = tune.seconds * 120 / tempo_bpm
    if max_seconds is None or whole + TAIL <= max_seconds:
        return whole
    quarter = 60 / tempo_bpm
    bar = float(4 * Fraction(tune.metre)) * quarter
    pickup = tune.pickup_beats * quarter
    return pickup + max(1, int((max_seconds - TAIL - pickup) / bar)) * bar
