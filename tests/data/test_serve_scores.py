"""Score tokens begin with a whole bar, stay the same in the cache, and are all there in a survey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from disco.core.record import Record, write_manifest
from disco.core.views import ScoreView
from disco.corpus.tunes import load_tunes, tune_score
from disco.data.serve_scores import tokenized
from disco.errors import DiscoError
from disco.midi.score import write_score
from disco.midi.tokens import Remi
from tests.data.folder import record, serving

REMI = Remi(positions_per_beat=12)


def score_record(root: Path, *, metre: str, pickup: bool) -> Record:
    tune = next(t for t in load_tunes() if t.metre == metre and bool(t.pickup_beats) == pickup)
    path = f"midi/raw/{tune.id}.mid"
    write_score(root / path, tune_score(tune.id))
    return record(
        tune.id, tune.seconds, tempo=120.0, metre=metre, pickup_beats=tune.pickup_beats, midi_path=path
    )


@pytest.mark.parametrize("metre", ["6/8", "2/4", "4/4", "9/8"])
def test_a_pickup_stands_at_the_end_of_a_whole_first_bar(tmp_path: Path, metre: str) -> None:
    one = score_record(tmp_path, metre=metre, pickup=True)
    tokens = tokenized(tmp_path, [one], REMI, tmp_path / "tokens")[one.id]
    assert (tokens[0], tokens[-1]) == (REMI.bos, REMI.eos)
    score = REMI.decode(tokens.tolist())
    original = tune_score(one.id)
    quarter, was = score.ticks_per_quarter, original.ticks_per_quarter
    onsets = sorted({note.time / quarter for track in score.tracks for note in track.notes})
    sounded = sorted({note.time / was for track in original.tracks for note in track.notes})
    bar = one.beats_per_bar
    assert bar is not None
    rest = bar - one.pickup_beats
    assert 0 < rest < bar
    assert onsets[:8] == pytest.approx([rest + onset for onset in sounded[:8]], abs=1 / 12)
    first = score.time_signatures[0]
    assert f"{first.numerator}/{first.denominator}" == metre


def test_the_cache_follows_the_score(tmp_path: Path) -> None:
    one = score_record(tmp_path, metre="6/8", pickup=False)
    first = tokenized(tmp_path, [one], REMI, tmp_path / "tokens")[one.id]
    cached = tmp_path / "tokens" / f"{REMI.fingerprint[:16]}.npz"
    stamp = cached.stat().st_mtime_ns
    assert np.array_equal(tokenized(tmp_path, [one], REMI, tmp_path / "tokens")[one.id], first)
    assert cached.stat().st_mtime_ns == stamp, "nothing new, nothing written"
    other = score_record(tmp_path, metre="4/4", pickup=False)
    write_score(tmp_path / str(one.midi_path), tune_score(other.id))
    assert not np.array_equal(tokenized(tmp_path, [one], REMI, tmp_path / "tokens")[one.id], first)


def test_a_survey_holds_every_token_and_validation_the_beginnings(tmp_path: Path) -> None:
    train = [score_record(tmp_path, metre=metre, pickup=False) for metre in ("6/8", "2/4")]
    held = replace(train[0], id="held", split="val")
    write_manifest(tmp_path / "metadata" / "manifest.jsonl", [*train, held])
    data = serving(tmp_path, ScoreView(REMI, 50))
    whole = tokenized(tmp_path, train, REMI, tmp_path / "tokens")
    rows = [row[:n].tolist() for b in data.survey() for row, n in zip(b.tokens, b.valid, strict=True)]
    assert [token for row in rows for token in row] == [t for one in train for t in whole[one.id].tolist()]
    first = data.dataset("val")[0, 0][1]
    assert first.tolist() == whole[train[0].id][:50].tolist()


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path / "metadata" / "manifest.jsonl", [record("sound", 4.0)])
    with pytest.raises(DiscoError, match="holds no scores"):
        serving(tmp_path, ScoreView(REMI, 50)).dataset("train")
