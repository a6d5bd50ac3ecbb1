"""Takes the fingerprint by which copies of a recording are found, whatever their format, level or name."""

from __future__ import annotations

from disco.audio.fingerprint import fingerprint
from disco.core.stage import Notes, Stage
from disco.errors import DiscoError


class Fingerprint(Stage):
    """Notes `fingerprint`, 32 bits for every 1/30 s or so, from the mel curve of the features stage."""

    def conclude(self, notes: Notes) -> None:
        """Take the fingerprint.

        Raises:
            DiscoError: no stage before this one has left a mel curve.
        """
        if "mel" not in notes.curves:
            raise DiscoError(
                "fingerprint needs mel, which no stage before it has found",
                do="put features before fingerprint in the list of stages",
            )
        notes.curves["fingerprint"] = fingerprint(notes.curves["mel"], notes.rate, notes.curve_rate)
