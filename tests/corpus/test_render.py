"""The demo data set is the same every time, keeps families apart and says only what is true."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from disco.corpus.captions import caption, key_words
from disco.corpus.families import split_of
from disco.corpus.instruments import FOUR_PART, SOLO
from disco.corpus.plan import BOOKS, plan_takes, take_midi
from disco.corpus.render import build_demo
from disco.corpus.tunes import CORPUS, load_tunes, tune_score
from disco.errors import DiscoError
from disco.midi.score import note_table, read_score, score_from_bytes
from disco.midi.transform import set_tempo

GUIDE_KEYS = {
    "id", "file_path", "duration", "sample_rate", "channels", "genre", "instruments", "tempo", "key", "mood",
    "year", "source", "split", "features",
}  # fmt: skip


def _build(root: Path, **settings: Any) -> list[dict[str, Any]]:
    settings = {"hours": 0.02, "seed": 3, "max_seconds": 6.0, "num_workers": 0, "rate": 16000} | settings
    manifest = build_demo(root, **settings).manifest
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def _prints(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    root = tmp_path_factory.mktemp("demo")
    return root, _build(root)


def test_the_same_settings_give_the_same_bytes(
    built: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    _build(tmp_path)
    assert _prints(tmp_path) == _prints(built[0])


def test_another_seed_gives_other_instruments(built: tuple[Path, list[dict[str, Any]]]) -> None:
    one, other = ({take.id: take.ensemble for take in plan_takes(hours=4.0, seed=seed)} for seed in (1, 2))
    changed = sum(one[name] != other[name] for name in one.keys() & other.keys())
    assert changed > 0.6 * len(one.keys() & other.keys()) > 20


def test_more_hours_keep_every_clip_and_render_only_new_ones(tmp_path: Path) -> None:
    few = _build(tmp_path, hours=0.01)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "audio").rglob("*.wav")}
    many = _build(tmp_path, hours=0.02)
    assert many[: len(few)] == few
    assert len(many) > len(few)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert (
        build_demo(tmp_path, hours=0.02, seed=3, max_seconds=6.0, num_workers=0, rate=16000).num_rendered == 0
    )


def test_records_describe_the_files_on_disk(built: tuple[Path, list[dict[str, Any]]]) -> None:
    root, records = built
    assert len({record["id"] for record in records}) == len(records)
    for record in records:
        assert record.keys() > GUIDE_KEYS
        info = soundfile.info(root / record["file_path"])
        assert (info.samplerate, info.channels) == (record["sample_rate"], record["channels"])
        assert info.frames / info.samplerate == pytest.approx(record["duration"], abs=1e-3)
        assert record["duration"] <= 6.0
        table = note_table(read_score(root / record["midi_path"]))
        assert table.offset.max() <= record["duration"]


def test_sound_begins_with_the_first_note(built: tuple[Path, list[dict[str, Any]]]) -> None:
    root, records = built
    for record in records:
        wave, rate = soundfile.read(root / record["file_path"])
        first_note = note_table(read_score(root / record["midi_path"])).onset.min()
        first_sound = np.flatnonzero(np.abs(wave) > 0.02)[0] / rate
        assert first_note - 0.01 <= first_sound <= first_note + 0.15
        assert np.abs(wave).max() < 0.75


def test_captions_are_true(built: tuple[Path, list[dict[str, Any]]]) -> None:
    programs = {ensemble.phrase: ensemble.programs for ensemble in [*SOLO.values(), *FOUR_PART.values()]}
    solo_names = {ensemble.parts[0]: ensemble.programs for ensemble in SOLO.values()}
    for take in plan_takes(hours=6.0, seed=1)[:300]:
        text = caption(take.tune, take.ensemble, 120.0, seed=1, take=take.number)
        named = next((programs[phrase] for phrase in programs if phrase in text), None)
        named = named or next(solo_names[name] for name in solo_names if f"olo {name}" in text)
        assert named == take.ensemble.programs
        assert take.tune.rhythm in text
        assert (
            take.tune.key is None and " in " not in text.replace(f" in {take.tune.metre}", "")
        ) or key_words(str(take.tune.key)) in text
        assert all(number in ("120", *take.tune.metre.split("/")) for number in re.findall(r"\d+", text))
        assert text[0].isupper()
        assert text.endswith(".")


def test_the_midi_has_the_instruments_and_tempo_of_the_plan() -> None:
    for take in plan_takes(hours=0.3, seed=5):
        score = score_from_bytes(take_midi(take, 90.0))
        expected = [
            take.ensemble.programs[min(k, len(take.ensemble.programs) - 1)] for k in range(take.tune.voices)
        ]
        assert [track.program for track in score.tracks] == expected
        assert [round(tempo.qpm) for tempo in score.tempos] == [90]


@pytest.mark.parametrize("hours", [0.1, 0.5, 3.0, 12.0])
def test_splits_get_their_share_of_the_time(hours: float) -> None:
    seconds: Counter[str] = Counter()
    for take in plan_takes(hours=hours, seed=0):
        seconds[take.tune.split] += take.seconds
    total = sum(seconds.values())
    longest = 180.0
    assert hours * 3600 <= total <= hours * 3600 + longest
    for split, share in {"train": 0.8, "val": 0.1, "test": 0.1}.items():
        assert abs(seconds[split] - share * total) <= longest


def test_even_a_short_plan_mixes_books_and_dances() -> None:
    takes = plan_takes(hours=0.5, seed=0)
    assert {take.tune.book for take in takes} == set(BOOKS)
    assert {"reel", "jig", "hornpipe", "chorale"} <= {take.tune.rhythm for take in takes}


def test_no_family_stands_on_two_sides() -> None:
    sides = defaultdict(set)
    for tune in load_tunes():
        sides[tune.group].add(tune.split)
        sides[tune.incipit[:12]].add(tune.split)
        assert tune.split == split_of(tune.group)
    assert all(len(splits) == 1 for splits in sides.values())


def test_each_common_dance_stands_on_every_side() -> None:
    sides = defaultdict(Counter)
    for tune in load_tunes():
        sides[tune.rhythm][tune.split] += 1
    for rhythm, counts in sides.items():
        if counts.total() >= 30:
            assert counts.keys() == {"train", "val", "test"}, rhythm


@pytest.mark.slow
def test_notes_fall_on_the_grid() -> None:
    """Sixteenths, dotted ones and triplets; with the pickup known, most bars begin with a note."""
    on_grid, on_bar, num_notes, num_bars = 0, 0, 0, 0
    for tune in load_tunes():
        table = note_table(set_tempo(tune_score(tune.id), 60.0))  # seconds are quarter notes
        onsets = np.unique(table.onset)
        near = [np.abs(onsets * parts - np.rint(onsets * parts)) / parts < 0.003 for parts in (4, 6)]
        on_grid += int((near[0] | near[1]).sum())
        num_notes += len(onsets)
        bars = np.arange(tune.pickup_beats, onsets.max(), float(4 * Fraction(tune.metre)))[:4]
        on_bar += sum(np.abs(onsets - bar).min() < 0.003 for bar in bars)
        num_bars += len(bars)
    assert on_grid / num_notes > 0.98
    assert on_bar / num_bars > 0.95


@pytest.mark.slow
def test_scores_have_the_voices_and_length_that_the_list_states() -> None:
    for tune in load_tunes():
        score = set_tempo(tune_score(tune.id), 120.0)
        table = note_table(score)
        assert len(score.tracks) == tune.voices
        assert table.offset.max() <= tune.seconds + 1e-3
        for track in score.tracks:
            notes = track.notes.numpy()
            assert (notes["time"][1:] >= notes["time"][:-1] + notes["duration"][:-1]).all(), tune.id


def test_the_corpus_stays_small_and_has_its_notice() -> None:
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 1_000_000
    assert "public domain" in (CORPUS / "NOTICE.md").read_text()


def test_wrong_settings_are_told_what_to_choose(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="choose from piano"):
        _build(tmp_path, instruments=("kazoo",))
    with pytest.raises(DiscoError, match="unknown books"):
        _build(tmp_path, books=("oneill",))
    with pytest.raises(DiscoError, match="lower hours"):
        plan_takes(hours=1000.0, seed=0, books=("bach",), ensembles=("piano",))


@pytest.mark.slow
def test_two_workers_render_what_one_process_renders(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    _build(tmp_path / "two", num_workers=2, on_progress=lambda done, total: seen.append((done, total)))
    _build(tmp_path / "one")
    assert _prints(tmp_path / "two") == _prints(tmp_path / "one")
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)]
