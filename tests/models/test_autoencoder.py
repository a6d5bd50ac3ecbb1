"""The codec learns, counts its tokens, keeps lengths, and refuses what it cannot do."""

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from disco.audio.clip import Clip
from disco.core.batch import Conditions
from disco.core.contracts import Sampler
from disco.errors import DiscoError
from disco.losses.adversarial import Adversarial
from disco.losses.commitment import Commitment
from disco.losses.mel import Mel
from disco.nets.discriminators import MultiStftCritic
from disco.nets.quantizer import PADDING
from tests.models.codec_parts import HOP, RATE, batch_of, music, tiny

HEADS = ["magnitude", "wave", "seanet"]


class OneBatch(L.LightningDataModule):
    """The same half-second crops of a scale, `repeats` times an epoch."""

    def __init__(self, repeats):
        super().__init__()
        crops = torch.stack([music()[:, start : start + RATE // 2] for start in range(0, 48000, 6000)])
        self.batches = [batch_of(crops)] * repeats

    def survey(self, *, most=None):
        return self.batches

    def train_dataloader(self):
        return DataLoader(self.batches, batch_size=None)

    def val_dataloader(self):
        return DataLoader(self.batches[:2], batch_size=None)


def fit(module, batches, folder):
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", logger=CSVLogger(folder), enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1, val_check_interval=1.0,
    )  # fmt: skip
    data = OneBatch(batches)
    trainer.validate(module, datamodule=data, verbose=False)
    before = trainer.callback_metrics["val/loss"].item()
    trainer.fit(module, datamodule=data)
    return before, {name: value.item() for name, value in trainer.callback_metrics.items()}


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_loss_falls_and_every_codebook_is_used(head, tmp_path):
    before, after = fit(tiny(head), 40, tmp_path)
    assert after["val/loss"] < 0.8 * before, (before, after)
    for place in range(2):
        assert after[f"val/perplexity/{place}"] > (2 if head == "seanet" else 4)  # of 16; 1 is collapse


def test_perplexity_is_of_all_validation_batches_together(tmp_path):
    module = tiny()
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    first, second = music()[None, :, :16000], music()[None, :, 20000:36000]
    together = torch.cat([first, second])
    logged = []
    for batches in ([batch_of(together)], [batch_of(first), batch_of(second)]):
        trainer.validate(module, DataLoader(batches, batch_size=None), verbose=False)
        logged.append(trainer.callback_metrics["val/perplexity/0"].item())
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)
    assert logged[0] > 1


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("samples", [HOP, 3 * HOP - 1, 3 * HOP + 1])
def test_frames_are_the_length_over_hop_rounded_up(head, samples):
    module = tiny(head).eval()
    codes = module.encode(torch.zeros(2, 1, samples))
    frames = -(-samples // HOP)
    assert codes.shape == (2, 2, frames)
    assert module.decode(codes).shape == (2, 1, frames * HOP)


@pytest.mark.parametrize("head", ["magnitude", "wave"])
def test_padding_changes_neither_tokens_nor_loss(head):
    module = tiny(head).eval()
    wave = music()[None, :, :6000]
    padded = torch.nn.functional.pad(wave, (0, 3000))
    padded[..., 6000:] = 0.9  # whatever stands there
    alone = module(batch_of(wave))
    beside = module(batch_of(padded, [6000]))
    assert torch.equal(alone.codes, beside.codes[..., :12])
    assert (beside.codes[..., 12:] == PADDING).all()
    assert alone.commitment.item() == pytest.approx(beside.commitment.item(), rel=1e-5)
    if head == "magnitude":
        assert torch.allclose(alone.magnitude, beside.magnitude[..., :12], atol=1e-6)
        assert beside.magnitude[..., 12:].abs().max() == 0
    else:
        assert torch.allclose(alone.wave[..., :5000], beside.wave[..., :5000], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_reconstruct_gives_the_clip_its_length_and_tokens_of_encode(channels):
    module = tiny(channels=channels)
    clip = Clip(music()[:, :16001].expand(2, -1), RATE)
    made = module.reconstruct(clip)
    assert (made.rate, made.channels, made.wave.shape[1]) == (RATE, channels, 16001)
    assert torch.equal(made.wave, module.reconstruct(clip).wave)
    assert module.training


def test_reconstruct_hears_other_rates():
    clip = Clip(music()[:, :8000], 8000)
    assert tiny().reconstruct(clip).wave.shape == (1, 16000)


@pytest.mark.parametrize("head", HEADS)
def test_save_and_open_give_the_same_sound(head):
    module, other = tiny(head).eval(), tiny(head).eval()
    wave = music()[None, :, :8000]
    module.train()
    for _ in range(5):
        module(batch_of(wave))
    module.eval()
    other.load_network(module.network_state())
    codes = module.encode(wave)
    assert torch.equal(codes, other.encode(wave))
    assert torch.equal(module.decode(codes), other.decode(codes))


def test_generate_says_what_to_do_instead():
    with pytest.raises(DiscoError, match=r"cannot make any.*musicgen"):
        tiny().generate(Conditions(text=[None]), seconds=1.0, sampler=Sampler(), seed=0)


def test_a_wave_loss_on_a_magnitude_head_is_refused():
    with pytest.raises(DiscoError, match="loss=mel needs reference, wave"):
        tiny(terms={"mel": Mel(weight=1.0, windows=[512], num_bands=[40])})


@pytest.mark.slow
def test_adversarial_training_moves_both_sides_each_by_its_own_loss(tmp_path):
    terms = {
        "mel": Mel(weight=1.0, windows=[512], num_bands=[40]),
        "commitment": Commitment(weight=1.0),
        "adversarial": Adversarial(
            weight=0.0, features=1.0, start=2, critic=MultiStftCritic(windows=[256], filters=2)
        ),
    }
    module = tiny("wave", terms=terms)
    critic = {name: value.clone() for name, value in module.objective.terms["adversarial"].named_parameters()}
    with_critic = fit(module, 6, tmp_path / "a")[1]
    moved = module.objective.terms["adversarial"].named_parameters()
    assert all(not torch.equal(critic[name], value) for name, value in moved if "weight.original" in name)
    alone = tiny("wave", terms={name: terms[name] for name in ("mel", "commitment")})
    without = fit(alone, 6, tmp_path / "b")[1]
    assert with_critic["val/mel"] == pytest.approx(without["val/mel"], rel=1e-4)
