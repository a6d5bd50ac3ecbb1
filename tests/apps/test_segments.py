"""Music of which no piece fills a segment is refused before the first step, whatever reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.core.views import CodeView
from disco.errors import DiscoError
from tests.apps.conftest import trained
from tests.apps.test_refusals import refused
from tests.data.folder import LevelCodec, record, serving, write
from tests.tiny_runs import TINY_CODEC, TINY_MUSICGEN


@pytest.mark.slow
@pytest.mark.parametrize("family", ["autoencoder", "musicgen"])
def test_one_clip_shorter_than_a_segment_is_refused(
    family: str, codec_run: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    tiny = {
        "autoencoder": [*TINY_CODEC, "model.seconds=4"],
        "musicgen": [*TINY_MUSICGEN, "codec=run", f"codec.run={codec_run}"],
    }
    write(tmp_path / "data", [record("short", 0.5), record("other", 5.0, split="val")])
    words = [*tiny[family], "data=audio", f"data.root={tmp_path}/data", "data.num_workers=0"]
    told = refused(words, tmp_path / "run", monkeypatch, capsys)
    assert "the only training piece has 0.50 s, and the model learns from segments of 4 s" in told
    assert "model.seconds=0.5" in told


def test_pieces_that_nearly_fill_one_are_served_and_short_ones_beside_them(tmp_path: Path) -> None:
    write(tmp_path, [record("short", 0.5), record("long", 3.2)])
    assert len(serving(tmp_path, CodeView(LevelCodec(), 4.0)).train_dataloader()) == 1
    with pytest.raises(DiscoError, match=r"the longest of 2 training pieces has 3.20 s"):
        serving(tmp_path, CodeView(LevelCodec(), 5.0)).train_dataloader()


@pytest.mark.slow
def test_a_codec_learns_from_two_segments_and_says_what_one_lacks(tmp_path: Path) -> None:
    words = [*TINY_CODEC, "data=audio", f"data.root={tmp_path}/data", "data.num_workers=0"]
    write(tmp_path / "data", [record("one", 2.0), record("other", 1.0, split="val")])
    assert (trained(tmp_path / "run", *words) / "run.json").is_file()
    write(tmp_path / "data", [record("one", 1.0), record("other", 1.0, split="val")])
    with pytest.raises(
        DiscoError, match=r"too little to start from: 64 principal .*, and it has 32; prepare"
    ):
        trained(tmp_path / "small", *words)
