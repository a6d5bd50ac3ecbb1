"""A checkpoint of another run is refused, field by field, before anything changes."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch

from disco.core.checkpoint_io import SafeCheckpoints, read_checkpoint, write_checkpoint
from disco.core.identity import refuse_another
from disco.core.state import packed
from disco.errors import DiscoError
from tests.callbacks.toy_models import ToyAudio, batches, fit, keeper


def test_every_field_that_differs_is_named_and_no_other() -> None:
    saved = {"model.width": 32, "model.depth": 2, "adapter": "LoRA", "codec.cardinality": 16, "same": [1, 2]}
    now = {"model.width": 64, "model.depth": 2, "adapter": "Full", "optim": "Lion", "same": [1, 2]}
    with pytest.raises(DiscoError) as told:
        refuse_another(saved, now)
    assert "adapter LoRA → Full, codec.cardinality 16 → none, model.width 32 → 64, optim none → Lion;" in str(
        told.value
    )
    assert "same" not in str(told.value)
    assert "depth" not in str(told.value)
    refuse_another(saved, dict(saved))
    refuse_another({}, now)


def test_it_is_refused_before_a_weight_changes(tmp_path: Path) -> None:
    first, other = ToyAudio(), ToyAudio()
    first.identity, other.identity = {"model.width": 1}, {"model.width": 2}
    fit(first, tmp_path, [keeper()], logger=False)
    with pytest.raises(DiscoError, match=r"model\.width 1 → 2"):
        fit(other, tmp_path, [keeper()], logger=False, resume=True)
    assert float(other.gain.detach()) == 0.0


def test_another_shape_is_refused_before_a_weight_changes(tmp_path: Path) -> None:
    class Wide(ToyAudio):
        def __init__(self):
            super().__init__()
            self.more = torch.nn.Parameter(torch.ones(3))

    fit(ToyAudio(), tmp_path, [keeper()], logger=False)
    wide = Wide()
    with pytest.raises(DiscoError, match="the weights lack 1 tensors: more"):
        fit(wide, tmp_path, [keeper()], logger=False, resume=True)
    assert float(wide.gain.detach()) == 0.0


def test_a_checkpoint_without_a_name_for_itself_is_still_held_to_its_shapes(tmp_path: Path) -> None:
    module = ToyAudio()
    trainer = L.Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_steps=1, logger=False, plugins=[SafeCheckpoints()],
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, batches(1), batches(1))
    trainer.save_checkpoint(tmp_path / "x.ckpt", weights_only=True)
    trainer.strategy.teardown()
    assert (
        SafeCheckpoints().load_checkpoint(tmp_path / "x.ckpt")["state_dict"]["gain"] == module.gain.detach()
    )


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_config_in_a_checkpoint_is_data(tmp_path: Path) -> None:
    fit(ToyAudio(), tmp_path, [keeper()], logger=False)
    path = tmp_path / "checkpoints" / "last.ckpt"
    evil = {"_target_": "os.system", "command": f"touch {tmp_path / 'canary'}"}
    state = read_checkpoint(path)
    for key in ("hyper_parameters", "datamodule_hyper_parameters", "config"):
        write_checkpoint(path, *packed({**state, key: evil}))
        module = ToyAudio()
        fit(module, tmp_path, [keeper()], logger=False, resume=True, steps=8)
        assert float(module.gain.detach()) != 0.0, "it went on"
    write_checkpoint(path, *packed({**state, "identity": {"optim": evil}}))
    other = ToyAudio()
    other.identity = {"optim": "disco.optim.adamw.AdamW"}
    with pytest.raises(DiscoError, match=r"optim \{'_target_': 'os.system'"):
        fit(other, tmp_path, [keeper()], logger=False, resume=True)
    assert not (tmp_path / "canary").exists()
