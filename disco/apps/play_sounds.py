"""Sounds that are given to the page, read once and kept as files of ours."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from disco.audio.io import read_clip, write_clip
from disco.errors import DiscoError

LONGEST_SOUND = 600.0  # s: of a given sound nobody hears more
MOST_SOUNDS = 100
MIDI = b"MThd"


class Sounds:
    """Sounds that were given, each once, under a name that says nothing of where they lie.

    Args:
        folder: where they are kept, as WAV or MIDI files of ours.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: dict[str, Path] = {}

    def keep(self, content: bytes) -> tuple[str, str]:
        """Read a sound and keep it; return its name and what it is in words.

        Raises:
            DiscoError: it cannot be read.
        """
        if len(self._kept) >= MOST_SOUNDS:
            raise DiscoError(f"{MOST_SOUNDS} sounds were given already", do="start the program again")
        name = hashlib.sha256(content).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"{uuid.uuid4().hex}.draft"
        draft.write_bytes(content)
        try:
            path, text = self._score(name, draft) if content[:4] == MIDI else self._sound(name, draft)
        except DiscoError as error:
            said = str(error).replace(str(draft), "this file")
            raise DiscoError(said) from error
        finally:
            draft.unlink(missing_ok=True)
        self._kept[name] = path
        return name, text

    def find(self, name: object) -> Path | None:
        """Return where a sound lies; None where none is asked for.

        Raises:
            DiscoError: it was never given.
        """
        if name in (None, ""):
            return None
        if not isinstance(name, str) or name not in self._kept:
            raise DiscoError("this sound is not here any more", do="give it again")
        return self._kept[name]

    def _sound(self, name: str, draft: Path) -> tuple[Path, str]:
        clip = read_clip(draft, seconds=LONGEST_SOUND)
        path = self.folder / f"{name}.wav"
        write_clip(path, clip.within_full_scale())
        return path, f"{clip.seconds:.1f} s of sound"

    def _score(self, name: str, draft: Path) -> tuple[Path, str]:
        from disco.midi.score import note_table, read_score

        notes = note_table(read_score(draft))
        path = self.folder / f"{name}.mid"
        path.write_bytes(draft.read_bytes())
        return path, f"{len(notes)} notes"
