"""Who reads a folder while it is prepared anew reads on, and a damaged index is made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from disco.apps.soundness import check_soundness
from disco.audio.mapped import open_mapped
from disco.core.record import Record, read_manifest
from disco.core.views import AudioView
from disco.errors import DiscoError
from disco.executors.serial import Serial
from disco.prepare import verify as prepare_verify
from disco.prepare.layout import sole_writer
from disco.prepare.verify import verify
from tests.data.folder import serving
from tests.prepare.tiny import Level, engine, prepare, songs, stages, tree, write_sound


def test_a_reader_keeps_what_it_opened_while_the_folder_is_prepared_anew(tmp_path: Path) -> None:
    """A training reads while somebody prepares the same folder with other settings."""
    source, target = songs(tmp_path / "music", 4), tmp_path / "set"
    before = {record.id: record for record in prepare(source, target)}
    opened = {record.file_path: open_mapped(target / record.file_path) for record in before.values()}
    held = {name: wave.read(0, wave.frames).copy() for name, wave in opened.items() if wave is not None}
    seen: list[int] = []

    def reading(*_: object, **__: object) -> None:
        seen.append(len(read_manifest(target / "metadata" / "manifest.jsonl")))
        for name, wave in opened.items():
            assert wave is not None
            assert np.array_equal(wave.read(0, wave.frames), held[name])

    write_sound(source / "new.wav", 2.0, 999.0)
    (source / "3.wav").unlink()
    made = engine(source, target, steps=stages(level=Level(target=0.5)), executor=Serial())
    after: list[Record] = made.run(reading)
    reading()
    assert len(seen) >= 4
    assert set(seen[:-1]) == {len(before)}, "the old list until the new one is whole"
    assert {record.source for record in after} != {record.source for record in before.values()}


def test_a_flipped_bit_stops_a_training_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = songs(tmp_path / "music", 4), tmp_path / "set"
    records = prepare(source, target)
    data = serving(target, AudioView(rate=8000, channels=1, seconds=0.5))
    check_soundness(data)
    read: list[str] = []
    checked = prepare_verify.checksum
    monkeypatch.setattr(prepare_verify, "checksum", lambda path: read.append(path.name) or checked(path))
    check_soundness(data)
    assert read == [], "what was whole and stays as it is is not read again"
    hurt = next(record for record in records if record.source == "3.wav")
    path = target / hurt.file_path
    sound = bytearray(path.read_bytes())
    sound[len(sound) // 2] ^= 1
    path.write_bytes(sound)
    with pytest.raises(DiscoError, match=rf"{path.name}: its bytes are not those .* from '3\.wav'; delete"):
        check_soundness(data)
    assert read == [path.name]
    with sole_writer(target):
        check_soundness(data)  # a preparation at work is ahead of its journal
    path.unlink()
    with pytest.raises(DiscoError, match="is gone"):
        check_soundness(data)
    prepare(source, target)
    check_soundness(data)
    assert tree(target)[hurt.file_path] == tree_of_a_clean_run(source, tmp_path)[hurt.file_path]


def tree_of_a_clean_run(source: Path, tmp_path: Path) -> dict[str, str]:
    prepare(source, tmp_path / "clean")
    return tree(tmp_path / "clean")


Change = Callable[[bytes], bytes]
INDEX: dict[str, Change] = {
    "bit": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
    "half": lambda data: data[: len(data) // 2],
    "nothing": lambda data: b"",
}


@pytest.mark.parametrize("change", INDEX)
@pytest.mark.parametrize("name", ["manifest.jsonl", "report.jsonl", "receipt.json", "journal.jsonl"])
def test_a_damaged_index_is_made_again(tmp_path: Path, name: str, change: str) -> None:
    source, target = songs(tmp_path / "music", 4), tmp_path / "set"
    (source / "letter.wav").write_text("no sound")
    prepare(source, target)
    before = tree(target)
    path = target / "metadata" / name
    path.write_bytes(INDEX[change](path.read_bytes()))
    prepare(source, target)
    assert tree(target) == before
    assert verify(target) == {}
