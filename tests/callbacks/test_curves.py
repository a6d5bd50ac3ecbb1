"""The curves of a language model over codec tokens, read back from TensorBoard's file."""

import math

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from disco.callbacks.throughput import Throughput
from tests.composing import composed_config
from tests.contracts.models import FAMILIES, batch_for, build_tiny


def test_every_codebook_and_every_speed_has_its_curve(tmp_path):
    words = [*FAMILIES["musicgen"], "conditioner=[tags,beats]", "model.seconds=4.0"]
    module = build_tiny(composed_config("train", words, tmp_path))
    module.fresh = False  # there is no data module to survey
    batch = batch_for(module)
    trainer = L.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        max_steps=4,
        callbacks=[Throughput()],
        logger=TensorBoardLogger(tmp_path, name=None, version="tensorboard"),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=2,
        num_sanity_val_steps=0,
        val_check_interval=2,
        check_val_every_n_epoch=None,
    )
    loader = DataLoader([batch] * 8, batch_size=None)
    trainer.fit(module, loader, DataLoader([batch], batch_size=None))
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    tags = set(found.Tags()["scalars"])
    codebooks = [f"val/ce/{k}" for k in range(batch.codes.shape[1])]
    assert len(codebooks) > 1
    assert {
        *codebooks,
        "train/loss",
        "val/loss",
        "speed/tokens",
        "speed/audio_seconds",
        "speed/data_wait",
    } <= tags
    means = [found.Scalars(name)[-1].value for name in codebooks]
    whole = found.Scalars("val/token_ce")[-1].value
    assert math.isclose(sum(means) / len(means), whole, rel_tol=0.05)
    (tokens,), (sound,) = (found.Scalars(f"speed/{name}")[-1:] for name in ("tokens", "audio_seconds"))
    per_second = module.view.codec.rate / module.view.codec.hop * len(codebooks)
    assert math.isclose(tokens.value / sound.value, per_second, rel_tol=1e-4)
    assert 0 < found.Scalars("speed/mfu")[-1].value < 1
