"""Checkpoints of earlier versions go on, or say what can be made of them.

`earlier/` holds checkpoints of `tests/core/resuming.py` after seven steps, each as the version that its name
tells wrote it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from disco.core.checkpoint_io import SafeCheckpoints, read_checkpoint, write_checkpoint
from disco.core.state import packed
from disco.errors import DiscoError
from tests.core.resuming import run

EARLIER = sorted((Path(__file__).parent / "earlier").glob("*.ckpt"))
STEPS, STOPPED = 20, 7
LATER = ("chances", "identity", "memories", "skipped", "learned", "ToneData")  # what came in one by one


@pytest.mark.parametrize("path", EARLIER, ids=lambda path: path.stem)
def test_a_checkpoint_of_an_earlier_version_goes_on_to_the_same_end(path: Path, tmp_path: Path) -> None:
    (tmp_path / "old" / "checkpoints").mkdir(parents=True)
    shutil.copy(path, tmp_path / "old" / "checkpoints" / "last.ckpt")
    ended, whole = run(tmp_path / "old", steps=STEPS, resume=True), run(tmp_path / "new", steps=STEPS)
    assert set(ended.losses) == {place for place in whole.losses if place >= 2 * STOPPED}
    for place, loss in ended.losses.items():
        assert loss == pytest.approx(whole.losses[place], abs=1e-6)
    assert torch.allclose(ended.gain, whole.gain, atol=1e-6)


@pytest.mark.parametrize("key", LATER)
def test_what_a_checkpoint_does_not_tell_is_begun_anew(key: str, tmp_path: Path) -> None:
    run(tmp_path, steps=STEPS, stop=STOPPED)
    path = tmp_path / "checkpoints" / "last.ckpt"
    state = read_checkpoint(path)
    del state[key]
    write_checkpoint(path, *packed(state))
    ended = run(tmp_path, steps=STEPS, resume=True)
    assert ended.gain.isfinite().all()
    assert min(ended.losses) == 2 * STOPPED, "it goes on at the same batch"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_checkpoint_says_how_its_weights_are_taken_over(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    state = {"state_dict": {"gain": torch.ones(3)}}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DiscoError, match=r"was pickled .*weights_only=True.*weights=run weights\.run="):
        SafeCheckpoints().load_checkpoint(path)
