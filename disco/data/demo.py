"""The demo corpus: rendered on first use, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from disco.core.contracts import Augment
from disco.core.ranges import NaturalInt, PositiveFloat, PositiveInt
from disco.core.record import Record
from disco.corpus.plan import BOOKS
from disco.corpus.render import DEFAULT_FOUR_PART, DEFAULT_SOLO, build_demo
from disco.data.audio import ManifestData
from disco.errors import DiscoError


class DemoData(ManifestData):
    """Fiddle tunes and chorales as sound and as scores.

    Args:
        root: the folder that it is rendered into.
        hours: how much sound of both books together; None for all of it, over ten hours.
        books: which of it to serve: `ryan` (fiddle tunes), `bach` (chorales).
        instruments: for tunes; None draws from the default set.
        tempo_bpm: quarter notes per minute of every clip.
        rate: Hz; channels: 1 or 2.
        max_seconds: longer pieces end at the last bar line that fits; None keeps them whole.
    """

    def __init__(  # noqa: PLR0913  the corpus' settings beside those of every data module
        self,
        *,
        root: str,
        hours: PositiveFloat | None,
        books: Sequence[str],
        instruments: Sequence[str] | None,
        tempo_bpm: PositiveFloat,
        rate: PositiveInt,
        channels: PositiveInt,
        max_seconds: PositiveFloat | None,
        batch_size: PositiveInt,
        num_workers: NaturalInt,
        seed: int,
        val_items: PositiveInt,
        augments: Mapping[str, Augment],
    ) -> None:
        super().__init__(
            root=root,
            batch_size=batch_size,
            num_workers=num_workers,
            seed=seed,
            val_items=val_items,
            balance_by=None,
            balance_power=1.0,
            allow_missing=(),
            augments=augments,
        )
        self.hours = hours
        if unknown := sorted({*books} - {*BOOKS}):
            raise DiscoError(f"data.books: there is no book '{unknown[0]}'", do=f"take {' or '.join(BOOKS)}")
        self.books = tuple(books)
        self.instruments = tuple(instruments or DEFAULT_SOLO)
        self.tempo_bpm = tempo_bpm
        self.rate = rate
        self.channels = channels
        self.max_seconds = max_seconds

    def serves(self, record: Record) -> bool:
        """Return whether a piece stands in the chosen books."""
        return record.book in self.books

    def prepare_data(self) -> None:
        """Render what is missing, then fill the token cache."""
        build_demo(
            self.root,
            hours=self.hours,
            seed=self.seed,
            rate=self.rate,
            channels=self.channels,
            tempo_bpm=self.tempo_bpm,
            instruments=self.instruments,
            ensembles=DEFAULT_FOUR_PART,
            max_seconds=self.max_seconds,
        )
        super().prepare_data()
