"""Published test sets become records where their files are there, and say what is missing where not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps.held_out import hold_out
from disco.apps.parts import build_data
from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.corpus.tunes import load_tunes, tune_score
from disco.errors import DiscoError
from disco.midi.score import write_score


def sound(path: Path, seconds: float = 10.0) -> None:
    time = torch.arange(int(seconds * 16000)) / 16000
    write_clip(path, Clip(0.4 * torch.sin(2 * torch.pi * 440 * time)[None], 16000))


def table(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


@pytest.fixture
def served(composed, tmp_path: Path):
    def serve(name: str):
        words = (f"data={name}", f"data.source={tmp_path / 'source'}", f"data.root={tmp_path / 'root'}")
        data = build_data(composed("evaluate", *words))
        data.prepare_data()
        return data

    return serve


@pytest.mark.parametrize("name", ["musiccaps", "song_describer", "maestro", "fma", "lakh"])
def test_an_empty_folder_is_told_what_is_expected_where(name: str, served, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(DiscoError, match=r"data\.source is expected to hold .{20,}") as told:
        served(name)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "root" / "metadata" / "manifest.jsonl").exists()


def test_musiccaps_names_the_clips_that_are_missing_or_damaged(served, tmp_path: Path, capsys) -> None:
    source = tmp_path / "source"
    rows = [
        f"id{k},30,40,\"/m/04rlf\",\"['calm', 'piano']\",A calm piano no. {k}.,4,FALSE,TRUE" for k in range(4)
    ]
    head = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,"
    table(source / "musiccaps-public.csv", f"{head}is_audioset_eval", *rows)
    sound(source / "audio" / "id0.wav")
    sound(source / "audio" / "id1.flac")
    (source / "audio" / "id2.wav").write_bytes(b"nothing")
    records = served("musiccaps").records("test")
    assert [record.caption for record in records] == ["A calm piano no. 0.", "A calm piano no. 1."]
    assert records[0].extra["aspects"] == ["calm", "piano"]
    missing = (tmp_path / "root" / "metadata" / "missing.txt").read_text().splitlines()
    assert missing == ["audio/id2.wav is damaged", "audio/id3.wav is missing"]
    assert "2 pieces" in capsys.readouterr().err


def test_maestro_has_its_official_split_and_its_notes(served, tmp_path: Path) -> None:
    source = tmp_path / "source"
    head = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"
    rows = []
    for kind in ("train", "validation", "test"):
        write_score(source / "2004" / f"{kind}.midi", tune_score(load_tunes()[0].id))
        sound(source / "2004" / f"{kind}.wav")
        rows.append(f"Bach,Fugue,{kind},2004,2004/{kind}.midi,2004/{kind}.wav,10.0")
    table(source / "maestro-v3.0.0.csv", head, *rows)
    data = served("maestro")
    assert {split: len(data.records(split)) for split in ("train", "val", "test")} == {
        "train": 1,
        "val": 1,
        "test": 1,
    }
    (take,) = hold_out(data, "test", seconds=3.0, count=1).takes
    assert take.notes is not None
    assert len(take.notes) > 2
    assert take.asked.instruments == ("piano",)


def test_fma_keeps_artists_with_the_split_and_leaves_out_what_is_cut_off(served, tmp_path: Path) -> None:
    source = tmp_path / "source"
    table(
        source / "fma_metadata" / "tracks.csv",
        ",artist,artist,set,track,track",
        ",id,name,split,genre_top,title",
        "track_id,,,,,",
        "2,7,Ann,test,Folk,One",
        "3,7,Ann,test,Folk,Two",
        "140,8,Bob,training,Rock,Three",
    )
    sound(source / "fma_small" / "000" / "000002.mp3", 30.0)
    sound(source / "fma_small" / "000" / "000003.mp3", 2.0)
    (record,) = served("fma").records("test")
    assert (record.id, record.genre, record.group, record.artist) == ("fma-000002", ["Folk"], "7", "Ann")
    missing = (tmp_path / "root" / "metadata" / "missing.txt").read_text()
    assert missing == "fma_small/000/000003.mp3 is cut off\n"


def test_lakh_is_split_by_hash_and_counts_doubles_once(served, tmp_path: Path) -> None:
    folder = tmp_path / "source" / "lmd_full"
    for index, name in enumerate(("e0a1", "f0a1", "f0b2", "00a1")):
        tune = load_tunes()[0 if name == "f0b2" else index].id
        write_score(
            folder / name[0] / f"{name}.mid", tune_score(load_tunes()[1].id if name == "f0b2" else tune)
        )
    (folder / "0" / "00zz.mid").write_bytes(b"no MIDI")
    data = served("lakh")
    assert [len(data.records(split)) for split in ("train", "val", "test")] == [1, 1, 1]
    (take,) = hold_out(data, "test", seconds=3.0, count=1).takes
    assert take.sound.seconds == 3.0
    assert take.sound.wave.abs().max() > 0.05, "its notes are played"


def test_song_describer_is_a_piece_per_caption(served, tmp_path: Path) -> None:
    source = tmp_path / "source"
    table(
        source / "song_describer.csv",
        "caption_id,track_id,caption,is_valid_subset,familiarity,artist_id,album_id,path,duration",
        "1,24,A slow song.,True,0,artist_1,album_1,24/24.mp3,240",
        "2,24,A sad song.,True,0,artist_1,album_1,24/24.mp3,240",
        "3,24,Not checked.,False,0,artist_1,album_1,24/24.mp3,240",
    )
    sound(source / "audio" / "24" / "24.2min.mp3")
    records = served("song_describer").records("test")
    assert [record.caption for record in records] == ["A slow song.", "A sad song."]
    assert {record.group for record in records} == {"24"}
