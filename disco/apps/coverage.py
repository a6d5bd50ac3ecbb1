"""Refuses to train on silence where words are promised: pieces that lack what a conditioner reads."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from disco.core.contracts import Conditioner
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule
    from disco.core.record import Record

HOW = {"caption": "write one sentence into a text file beside each (song.wav, song.txt) and prepare again, "}
SHOWN = 5


def check_coverage(module: GenerativeModule, data: MusicData) -> None:
    """Refuse data whose training pieces lack a field that a conditioner of the model reads.

    Data that is still to be made is not looked at.

    Raises:
        DiscoError: counts and names them, unless `data.allow_missing` names the field.
    """
    from disco.data.audio import ManifestData

    if not isinstance(data, ManifestData) or not data.manifest.is_file():
        return
    wanted = {name for part in module.modules() if isinstance(part, Conditioner) for name in part.reads}
    records = data.records("train") if wanted else []
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


def _known_as(record: Record) -> str:
    """Return the file by the name that its owner knows."""
    source = record.source
    return source if source and PurePosixPath(source).suffix else record.file_path
