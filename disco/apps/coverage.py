"""What the pieces say of themselves, told before training; pieces that lack what a conditioner reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from disco.core.contracts import Conditioner
from disco.core.record import Record
from disco.errors import DiscoError
from disco.examine.budget import amount, floors_in_words
from disco.examine.tallies import coverages

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule

HOW = {"caption": "write one sentence into a text file beside each (song.wav, song.txt) and prepare again, "}
SHOWN = 5


def check_coverage(module: GenerativeModule, data: MusicData) -> str:
    """Refuse data whose training pieces lack a field that a conditioner of the model reads.

    Data that is still to be made is not looked at.

    Returns:
        how many training pieces say what, and who says it, as lines; nothing of data that has no records.

    Raises:
        DiscoError: counts and names them, unless `data.allow_missing` names the field.
    """
    from disco.data.audio import ManifestData

    if not isinstance(data, ManifestData) or not data.manifest.is_file():
        return ""
    wanted = {name for part in module.modules() if isinstance(part, Conditioner) for name in part.reads}
    records = data.records("train")
    for name in sorted(wanted - set(data.allow_missing)):
        lacking = [record for record in records if not str(getattr(record, name) or "").strip()]
        if lacking:
            known = list(dict.fromkeys(_known_as(record) for record in lacking))
            more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
            raise DiscoError(
                f"{data.root}: {len(lacking)} of {len(records)} training pieces have no {name}: "
                f"{', '.join(known[:SHOWN])}{more}",
                do=f"{HOW.get(name, '')}or train without on those with data.allow_missing=[{name}]",
            )
    return _table(records)


def _table(records: Sequence[Record]) -> str:
    """Write what is known of the pieces, a field on a line; fields of which nothing is known on the last."""
    if not records:
        return ""
    fields = coverages(records)
    hours = sum(record.duration for record in records) / 3600
    lines = [f"training on {len(records):,} pieces, {amount(hours)}: {floors_in_words(hours)}; they say:"]
    for one in fields:
        if one.known:
            said_by = ", ".join(who if n == one.known else f"{who} {n:,}" for who, n in one.by.items())
            lines.append(f"  {one.field:<12}{one.share:>5.0%}  {said_by}")
    if unknown := [one.field for one in fields if not one.known]:
        lines.append(f"  not known   {', '.join(unknown)}")
    return "".join(f"{line}\n" for line in lines)


def _known_as(record: Record) -> str:
    """Return the file by the name that its owner knows."""
    source = record.source
    return source if source and PurePosixPath(source).suffix else record.file_path
