"""`scripts/generate.py` leaves what was asked for, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.apps import generate
from disco.apps.takes import read_takes
from disco.audio.io import read_clip
from disco.core.record import read_manifest
from disco.errors import DiscoError

ASK = ["seconds=2", "count=2", "sampler.top_k=8", "tags.rhythm=jig", "metre=6/8", "tempo_bpm=100"]


def made(composed, run: Path, folder: Path, *more: str) -> Path:
    cfg = composed("generate", f"run={run}", *ASK, *more)
    cfg.run_dir = str(folder)
    generate.main(cfg)
    return folder


@pytest.mark.slow
def test_scores_come_as_midi_and_as_sound_and_depend_on_the_seed_alone(
    composed, symbolic_run: Path, tmp_path: Path
) -> None:
    one, again, other = (
        made(composed, symbolic_run, tmp_path / name, f"seed={seed}")
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )
    records = read_manifest(one / "manifest.jsonl")
    assert [record.id for record in records] == ["take-000", "take-001"]
    for record in records:
        midi, wave = one / str(record.midi_path), one / record.file_path
        assert read_clip(wave).seconds == pytest.approx(record.duration, abs=1e-3)
        assert record.duration == pytest.approx(2.0, abs=0.04)
        assert midi.read_bytes() == (again / midi.name).read_bytes()
        assert wave.read_bytes() == (again / wave.name).read_bytes()
        assert midi.read_bytes() != (other / midi.name).read_bytes()
    takes = read_takes(one, seconds=2.0)
    assert all(take.tempo_bpm == 100 for take in takes)
    assert all(take.notes is not None and take.notes.onset.max(initial=0) < 2.0 for take in takes)


@pytest.mark.slow
def test_sound_has_the_asked_length_at_the_codecs_rate(composed, musicgen_run: Path, tmp_path: Path) -> None:
    folder = made(composed, musicgen_run, tmp_path / "made")
    for record in read_manifest(folder / "manifest.jsonl"):
        clip = read_clip(folder / record.file_path)
        assert (clip.rate, clip.wave.shape) == (16000, (1, 32000))
        assert record.midi_path is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("seconds=0", "seconds=0: it must be above 0"),
        ("metre=waltz", "metre=waltz: this is no metre"),
        ("metre=3/0", "this is no metre"),
        ("seconds=60", "cannot play 60 s"),
        ("sampler.top_k=many", "sampler.top_k"),
    ],
)
def test_what_cannot_be_made_is_refused(
    composed, musicgen_run: Path, tmp_path: Path, wrong: str, says: str
) -> None:
    with pytest.raises(DiscoError, match=says):
        made(composed, musicgen_run, tmp_path / "made", wrong)


def test_folders_that_are_no_finished_runs_are_refused(composed, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="is not a run folder"):
        made(composed, tmp_path / "nowhere", tmp_path / "made")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text("model: {}\n")
    with pytest.raises(DiscoError, match="is not finished; go on with resume="):
        made(composed, tmp_path / "begun", tmp_path / "made")
