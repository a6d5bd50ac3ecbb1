"""Published test sets as data: files that the user has become a manifest; what is missing is named."""

from __future__ import annotations

import csv
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import soundfile

from disco.core.contracts import Augment
from disco.core.files import write_text
from disco.core.ranges import NaturalInt, PositiveInt
from disco.core.record import Record, write_manifest
from disco.data.audio import ManifestData
from disco.errors import DiscoError

SHOWN = 3


class Benchmark(ManifestData):
    """Reads a published catalogue and the files beside it; copies nothing.

    The manifest is made on first use, in `root`; `metadata/missing.txt` beside it names what the catalogue
    lists and the folder lacks, or holds damaged. Remove the manifest to read the folder anew.

    Args:
        source: the folder that holds what `expects` says.
        root: where the manifest goes.
        batch_size: items per process and step.
        num_workers: loader processes.
        seed: of the order and of the crops.
        val_items: at most this many validation and test items.
        augments: by name.

    Attributes:
        expects: which files are expected where.
    """

    expects: ClassVar[str]

    def __init__(
        self,
        *,
        source: str,
        root: str,
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
        self.source = Path(source).expanduser().resolve()

    @abstractmethod
    def catalogue(self) -> Iterator[Record | str]:
        """Yield a record for each piece, and a sentence for each that is missing or damaged."""

    def prepare_data(self) -> None:
        """Make the manifest, once.

        Raises:
            DiscoError: the folder does not hold what is expected; says which files are expected where.
        """
        if not self.manifest.is_file():
            self._read()
        super().prepare_data()

    def _read(self) -> None:
        records: list[Record] = []
        missing: list[str] = []
        for found in self.catalogue():
            if isinstance(found, Record):
                records.append(found)
            else:
                missing.append(found)
        if not records:
            raise self.refusal(f"none of its {len(missing)} pieces is there")
        write_text(self.manifest.parent / "missing.txt", "".join(f"{line}\n" for line in missing))
        write_manifest(self.manifest, records)
        if missing:
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            sys.stderr.write(
                f"{len(records)} pieces of {self.source}; left out: {'; '.join(missing[:SHOWN])}{more}\n"
            )

    def refusal(self, what: str) -> DiscoError:
        """Return the error that says which files are expected where."""
        return DiscoError(f"{self.source}: {what}", do=f"data.source is expected to hold {self.expects}")

    def rows(self, name: str) -> list[dict[str, str]]:
        """Read a table of the source folder.

        Raises:
            DiscoError: it is not there, or no table.
        """
        path = self.source / name
        if not path.is_file():
            raise self.refusal(f"there is no {name}")
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                return list(csv.DictReader(stream))
        except (csv.Error, UnicodeDecodeError) as error:
            raise self.refusal(f"{name} cannot be read ({error})") from error

    def first_sound(self, names: Sequence[str]) -> dict[str, Any] | str:
        """Read the first of the paths below the source folder that is there.

        Returns:
            A record's path, length, rate and channels; or a sentence, where there is none or it is damaged.
        """
        path = next((path for path in (self.source / name for name in names) if path.is_file()), None)
        if path is None:
            return f"{names[0]} is missing"
        sound = sound_of(path)
        return f"{names[0]} is damaged" if sound is None else {"file_path": str(path), **sound}


def sound_of(path: Path) -> dict[str, int | float] | None:
    """Return length, rate and channels of a sound file; None where it is damaged or empty."""
    try:
        told = soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return None
    if told.frames <= 0:
        return None
    return {"duration": told.duration, "sample_rate": told.samplerate, "channels": told.channels}
