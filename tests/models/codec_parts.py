"""Small autoencoders and real sound for the tests of the codec."""

import torch
from torch import Tensor

from disco.core.batch import AudioBatch, Conditions
from disco.core.module import GenerativeModule
from disco.losses.commitment import Commitment
from disco.losses.magnitude import Magnitude
from disco.losses.mel import Mel
from disco.midi.render import render
from disco.midi.score import TICKS_PER_QUARTER, Score
from disco.models.autoencoder import Autoencoder
from disco.nets.convnext import MagnitudeHead, SpectralDecoder, SpectralEncoder, WaveHead
from disco.nets.quantizer import ResidualQuantizer
from disco.nets.seanet import SeanetDecoder, SeanetEncoder

RATE, HOP = 16000, 500
BODY = {"latent": 16, "width": 32, "depth": 2, "kernel": 3, "expansion": 2.0}
STRIDES = {"filters": 4, "ratios": [5, 5, 5, 4], "kernel": 7, "residual_kernel": 3, "lstm": 1, "latent": 16}


class Adam:
    """A recipe in two lines."""

    clip_norm = 1.0

    def build(self, module, total_steps):
        optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=5e-3)
        return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def tiny(head: str = "magnitude", *, terms=None, channels: int = 1) -> GenerativeModule:
    """Build an autoencoder whose decoder ends in `magnitude`, `wave` or `seanet`."""
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(
        dim=16, code_dim=8, num_codebooks=2, cardinality=16, decay=0.9, restarts=[3, 12, 24], pool=2000,
        dead_below=0.1, dropout=0.25, seed=0,
    )  # fmt: skip
    if head == "seanet":
        encoder = SeanetEncoder(channels=channels, **STRIDES)
        decoder = SeanetDecoder(channels=channels, **STRIDES)
    else:
        encoder = SpectralEncoder(channels=channels, hop=HOP, windows=[1024], **BODY)
        ends = {
            "magnitude": lambda: MagnitudeHead(
                channels=channels, hop=HOP, window=1024, steps=2, momentum=0.9
            ),
            "wave": lambda: WaveHead(channels=channels, hop=HOP, window=2048),
        }
        decoder = SpectralDecoder(**BODY, head=ends[head]())
    usual = {
        "magnitude": lambda: Magnitude(weight=1.0, floor_db=60.0, relative=1.0),
        "wave": lambda: Mel(weight=1.0, windows=[512], num_bands=[40]),
        "seanet": lambda: Mel(weight=1.0, windows=[512], num_bands=[40]),
    }
    if terms is None:
        terms = {head: usual[head](), "commitment": Commitment(weight=1.0)}
    return Autoencoder(
        rate=RATE, channels=channels, hop=HOP, seconds=0.5, encoder=encoder, quantizer=quantizer,
        decoder=decoder, start=None, terms=terms, recipe=Adam(),
    )  # fmt: skip


def music(seconds: float = 4.0) -> Tensor:
    """A scale on the piano, rendered."""
    score = Score(TICKS_PER_QUARTER)
    from symusic import Note, Track

    track = Track("", 0, False)
    for place, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2, 0, 7)):
        track.notes.append(Note(place * TICKS_PER_QUARTER // 2, TICKS_PER_QUARTER // 2, 60 + step, 90))
    score.tracks.append(track)
    wave = render(score, RATE, 1).wave
    return wave[:, : round(seconds * RATE)]


def batch_of(waves: Tensor, valid: list[int] | None = None) -> AudioBatch:
    """Wrap waves `[b, c, t]` without conditions."""
    counts = torch.tensor(valid or [waves.shape[-1]] * len(waves))
    return AudioBatch(wave=waves, valid=counts, rate=RATE, conditions=Conditions(text=[None] * len(waves)))
