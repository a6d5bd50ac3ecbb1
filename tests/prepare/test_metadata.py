"""What people said of their music arrives in the right field, with who said it; slips cost nothing else."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.core.record import Record, row_of
from disco.prepare.metadata import Described, described
from disco.prepare.values import fields_of


def sound(path: Path, **tags: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".mp3": "MP3", ".flac": "FLAC", ".ogg": "OGG", ".wav": "WAV"}[path.suffix]
    with soundfile.SoundFile(path, "w", 16000, 1, format=kind) as file:
        for name, value in tags.items():
            setattr(file, name, value)
        file.write(np.zeros(1600, np.float32))
    return path


def say(root: Path, *files: Path) -> dict[str, Described]:
    return described(root, files)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_the_files_own_tags_are_read(tmp_path: Path, suffix: str) -> None:
    song = sound(tmp_path / f"song{suffix}", title="Blå", artist="Somebody", album="One", date="1999-03-01")
    (found,) = say(tmp_path, song).values()
    assert found.fields == {"title": "Blå", "artist": "Somebody", "album": "One", "year": 1999}
    assert set(found.provenance.values()) == {"tag"}
    assert found.problems == []


def test_people_win_over_tags_and_the_nearest_word_wins(tmp_path: Path) -> None:
    song = sound(tmp_path / "a" / "song.flac", title="from the tag", artist="from the tag")
    (tmp_path / "a" / "song.txt").write_text("A slow\n  waltz.\n")
    (tmp_path / "a" / "song.json").write_text(
        json.dumps({"bpm": "92.5 BPM", "key": "F# minor", "moods": "calm; old"})
    )
    (tmp_path / "metadata.csv").write_text(
        "File,Artist,Genre,BPM,studio\na/song.flac,from the table,waltz|folk,60,X\n"
    )
    found = say(tmp_path, song)["a/song.flac"]
    assert found.fields == {
        "title": "from the tag", "artist": "from the table", "genre": ["waltz", "folk"], "tempo": 92.5,
        "key": "F#min", "mood": ["calm", "old"], "caption": "A slow waltz.", "extra": {"studio": "X"},
    }  # fmt: skip
    assert found.provenance == {
        "title": "tag", "artist": "human", "genre": "human", "tempo": "human", "key": "human",
        "mood": "human", "caption": "human",
    }  # fmt: skip
    Record(id="a", file_path="a", duration=1.0, sample_rate=1, **found.fields)


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz", "metadata.jsonl"])
def test_an_audiocraft_data_set_is_read_where_it_lies(tmp_path: Path, name: str) -> None:
    music = [sound(tmp_path / "x" / f"{n}.wav") for n in range(2)]
    rows = [
        {"path": str(music[0]), "duration": 0.1, "sample_rate": 16000, "amplitude": None, "weight": None},
        {"path": "/another/machine/1.wav", "duration": 0.1, "sample_rate": 16000, "keywords": "soft"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    info = {
        "key": "", "artist": "Voyager I", "sample_rate": 48000, "file_extension": "mp3", "bpm": "N/A",
        "description": "A soft pad", "keywords": "pad", "duration": 15.0, "genre": "electronic, ambient",
        "title": "Boulders", "name": "boulders", "instrument": "Mix", "moods": ["calm"],
    }  # fmt: skip
    music[0].with_suffix(".json").write_text(json.dumps(info))
    found = say(tmp_path, *music)
    assert found["x/0.wav"].fields == {
        "artist": "Voyager I", "title": "Boulders", "caption": "A soft pad", "instruments": ["Mix"],
        "genre": ["electronic", "ambient"], "mood": ["calm"],
        "extra": {"keywords": "pad", "name": "boulders", "file_extension": "mp3"},
    }  # fmt: skip
    assert found["x/1.wav"].fields == {"extra": {"keywords": "soft"}}
    assert set(found) == {"x/0.wav", "x/1.wav"}


def test_a_stable_audio_folder_and_lyrics_are_read(tmp_path: Path) -> None:
    song = sound(tmp_path / "a.b.wav")
    (tmp_path / "a.b.json").write_text(
        json.dumps({"prompt": "Drum solo", "seconds_total": 3, "timesignature": "3"})
    )
    (tmp_path / "a.b_lyrics.txt").write_text("[verse]\nLa la\n", encoding="utf-8-sig")
    found = say(tmp_path, song)["a.b.wav"]
    assert found.fields == {"caption": "Drum solo", "lyrics": "[verse]\nLa la", "metre": "3/4"}


SLIPS = {
    "line 1: ": b'{"title": "x"',
    "holds NaN": b'{"tempo": NaN}',
    "stands in it twice": b'{"title": "x", "title": "y"}',
    "no object": b'["title"]',
    "not UTF-8": b'{"title": "\xff"}',
    "are allowed": b'{"title": "' + b"x" * 1_100_000 + b'"}',
    "bpm is 'quick', not beats per minute": b'{"bpm": "quick", "title": "kept"}',
    "tempo is 2, not beats per minute": b'{"tempo": 2, "title": "kept"}',
    "key is 'H dur'": b'{"key": "H dur", "title": "kept"}',
    "genre is {'a': 1}, not a list": b'{"genre": {"a": 1}, "title": "kept"}',
    "at most 100,000": b'{"caption": "' + b"x" * 200_000 + b'", "title": "kept"}',
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("words", SLIPS)
def test_a_slip_in_a_sidecar_is_told_and_costs_nothing_else(tmp_path: Path, words: str) -> None:
    song = sound(tmp_path / "song.flac", artist="kept")
    (tmp_path / "song.json").write_bytes(SLIPS[words])
    found = say(tmp_path, song)["song.flac"]
    (problem,) = found.problems
    assert problem.reason.startswith("song.json")
    assert words in problem.reason
    assert (problem.code, problem.verdict) == ("metadata", "warn")
    assert found.fields["artist"] == "kept"
    assert found.fields.get("title") == ("kept" if b"kept" in SLIPS[words] else None)


def test_a_table_names_what_is_wrong_with_it(tmp_path: Path) -> None:
    song = sound(tmp_path / "song.wav")
    rows = [
        '{"file": "song.wav", "title": "kept"}',
        "{oops",
        "",
        '{"file": "gone.wav"}',
        '{"title": "whose?"}',
        "[]",
    ]
    (tmp_path / "metadata.jsonl").write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")
    found = say(tmp_path, song)
    assert found["song.wav"].fields == {"title": "kept"}
    told = [problem.reason for problem in found["metadata.jsonl"].problems]
    assert [words.split(":")[0] for words in told[:2]] == ["line 2", "line 6"]
    assert told[2].startswith("2 rows are of no file here: gone.wav, line 5 names no file")


def test_tables_of_semicolons_quotes_and_short_rows_are_read(tmp_path: Path) -> None:
    songs = [sound(tmp_path / name) for name in ("one.wav", "two.wav")]
    (tmp_path / "metadata.csv").write_text(
        'filename;caption;year\none.wav;"A ""quoted"" line;\nin two";1987\n\ntwo\nthree.wav;x;1;too many\n',
        encoding="utf-8-sig",
    )
    found = say(tmp_path, *songs)
    assert found["one.wav"].fields == {"caption": 'A "quoted" line;\nin two', "year": 1987}
    assert found["two.wav"].fields == {}
    assert [one.reason for one in found["metadata.csv"].problems] == ["line 6: it has 4 cells, its head 3"]


def test_a_name_that_two_files_have_is_not_guessed(tmp_path: Path) -> None:
    songs = [sound(tmp_path / folder / "01.wav") for folder in ("a", "b")]
    (tmp_path / "metadata.csv").write_text("file,title\n01.wav,whose?\nb/01,mine\n")
    found = say(tmp_path, *songs)
    assert found["a/01.wav"].fields == {}
    assert found["b/01.wav"].fields == {"title": "mine"}


def test_pipes_and_huge_archives_do_not_hold_it_up(tmp_path: Path) -> None:
    song = sound(tmp_path / "song.wav")
    os.mkfifo(tmp_path / "song.txt")
    os.mkfifo(tmp_path / "metadata.csv")
    (tmp_path / "data.jsonl.gz").write_bytes(gzip.compress(b" " * 50_000_000, 9)[:-9])
    found = say(tmp_path, song)
    assert [problem.reason for problem in found["song.wav"].problems] == ["song.txt: it is no regular file"]
    assert found["song.wav"].fields == {}
    assert found["data.jsonl.gz"].problems


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("C major", "Cmaj"), ("Am", "Amin"), ("Bb", "Bbmaj"), ("B♭ minor", "Bbmin"), ("f#:min", "F#min"),
        ("Gmaj", "Gmaj"), ("D Dorian", "Ddor"), ("Cm", "Cmin"), ("CM", "Cmaj"), ("Eb-Mixolydian", "Ebmix"),
    ],
)  # fmt: skip
def test_keys_are_read_as_they_are_written(said: str, key: str) -> None:
    assert fields_of({"key": said}) == ({"key": key}, [])


def test_a_record_written_as_a_sidecar_comes_back() -> None:
    record = {
        "genre": ["jazz", "fusion"], "instruments": ["piano", "bass"], "tempo": 120.0, "key": "Cmaj",
        "mood": ["calm"], "year": 2018, "caption": "x, y; z", "title": "T", "artist": "A, B", "album": "C",
        "licence": "CC0", "metre": "6/8", "lyrics": "l", "source": "s", "split": "test",
    }  # fmt: skip
    assert fields_of(record) == (record, [])


ACE_STEP = {
    "audio_path": "/another/machine/x/0.wav", "caption": "A soft pad", "genre": "ambient", "bpm": 92,
    "keyscale": "F# minor", "timesignature": "3", "lyrics": "[Instrumental]", "is_instrumental": True,
}  # fmt: skip


@pytest.mark.parametrize("wrapped", ["list", "samples"])
def test_the_list_of_another_trainer_is_read_where_it_lies(tmp_path: Path, wrapped: str) -> None:
    music = [sound(tmp_path / "x" / f"{n}.wav") for n in range(2)]
    rows = [ACE_STEP, "no row", {"filename": "1.wav", "caption": "A loud one"}]
    whole = rows if wrapped == "list" else {"metadata": {"name": "mine"}, "samples": rows}
    (tmp_path / "dataset.json").write_text(json.dumps(whole, indent=1))
    found = say(tmp_path, *music)
    assert found["x/0.wav"].fields == {
        "caption": "A soft pad", "genre": ["ambient"], "tempo": 92.0, "key": "F#min", "metre": "3/4",
        "lyrics": "[Instrumental]", "extra": {"is_instrumental": True},
    }  # fmt: skip
    assert found["x/1.wav"].fields == {"caption": "A loud one"}
    assert [one.reason for one in found["dataset.json"].problems] == ["line 2: it is no object with keys"]


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"samples": [', "it is not JSON"), ('{"rows": 3}', "neither a list"), ('[{"a": NaN}]', "holds NaN")],
)
def test_a_list_that_is_none_is_told(tmp_path: Path, text: str, words: str) -> None:
    song = sound(tmp_path / "song.wav", title="kept")
    (tmp_path / "dataset.json").write_text(text)
    found = say(tmp_path, song)
    assert found["song.wav"].fields == {"title": "kept"}
    (problem,) = found["dataset.json"].problems
    assert words in problem.reason


def test_what_audiocraft_said_survives_a_record_and_the_way_back(tmp_path: Path) -> None:
    """Shared fields of its music descriptions, through a manifest line, come back as they went in."""
    info = {
        "title": "Boulders", "artist": "Voyager I", "key": "Amin", "bpm": 120.0,
        "genre": "electronic, ambient",
        "moods": ["calm"], "keywords": "pad", "description": "A soft pad", "name": "boulders",
        "instrument": "Mix, Piano",
    }  # fmt: skip
    fields, complaints = fields_of(info)
    assert complaints == []
    record = Record(id="a", file_path="a", duration=1.0, sample_rate=1, **fields)
    again, _ = fields_of(
        {name: value for name, value in row_of(record).items() if value not in (None, [], {})}
    )
    assert {name: again[name] for name in fields if name != "extra"} == {
        name: fields[name] for name in fields if name != "extra"
    }
    assert again["extra"].items() >= {"keywords": "pad", "name": "boulders"}.items()
