"""A codec of known arithmetic and small language models."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from disco.conditioners.beats import Beats
from disco.conditioners.tags import Tags
from disco.core.batch import CodeBatch, Conditions
from disco.core.contracts import Sampler
from disco.losses.token_ce import TokenCE
from disco.models.musicgen import MusicGen
from disco.models.musicgen_playing import Performance
from disco.nets.patterns import Delay
from disco.nets.transformer import Rotary


class ToyCodec(torch.nn.Module):
    """Frames of 5 samples; each sample is the sum of its tokens. Its weight must not be saved."""

    rate, channels, hop, fingerprint = 50, 1, 5, "toy"

    def __init__(self, num_codebooks: int = 3, cardinality: int = 16) -> None:
        super().__init__()
        self.num_codebooks = num_codebooks
        self.cardinality = cardinality
        self.weight = torch.nn.Parameter(torch.ones(3))

    def encode(self, wave: Float[Tensor, "b c t"]) -> Int[Tensor, "b k f"]:
        raise NotImplementedError

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
        return codes.sum(1, keepdim=True).float().repeat_interleave(self.hop, -1)


def musicgen(
    *, prior: bool = False, pattern=None, codec=None, conditioners=None, width=32, **sizes
) -> MusicGen:
    torch.manual_seed(0)
    if conditioners is None:
        conditioners = {
            "tags": Tags(width=width, vocabularies={"rhythm": ["reel", "jig"]}),
            "beats": Beats(width=width, per_quarter=16, per_quarter_in_bar=4, longest_bar=4),
        }
    sizes = {"depth": 2, "heads": 4, "seconds": 2.0} | sizes
    return MusicGen(
        width=width,
        dropout=0.0,
        positions=Rotary(max_period=10000.0),
        pattern=pattern or Delay(delays=None),
        prior=prior,
        condition_dropout=0.0,
        codec=codec or ToyCodec(),
        conditioners=conditioners,
        terms={"token_ce": TokenCE(weight=1.0)},
        recipe=None,
        **sizes,
    )


def random_head(model: MusicGen) -> MusicGen:
    """Let an untrained model have opinions."""
    torch.nn.init.normal_(model.head.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return model.eval()


def played(model: MusicGen, asked: Conditions, frames: int, sampler: Sampler, seed) -> Tensor:
    """Return the tokens of pieces of so many frames."""
    return Performance(model, asked, frames=frames, sampler=sampler, seed=seed).tokens(frames)


def conditions(*rhythms: str | None) -> Conditions:
    return Conditions(
        text=(None,) * len(rhythms),
        tags={"rhythm": rhythms},
        timing=torch.tensor([[120.0, 4.0, 0.0]]).repeat(len(rhythms), 1),
    )


def markov_codes(
    items: int, frames: int, *, num_codebooks: int = 3, cardinality: int = 16, seed: int = 0
) -> Tensor:
    """Codebook 0 mostly steps up by one per frame; each other one mostly repeats the coarser one plus one."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, cardinality, (items, num_codebooks, frames), generator=generator)
    follow = torch.rand(items, num_codebooks, frames, generator=generator) < 0.8
    for frame in range(frames):
        for codebook in range(num_codebooks):
            before = codes[:, 0, frame - 1] if codebook == 0 else codes[:, codebook - 1, frame]
            if codebook or frame:
                step = (before + 1) % cardinality
                codes[:, codebook, frame] = torch.where(
                    follow[:, codebook, frame], step, codes[:, codebook, frame]
                )
    return codes


def batch_of(codes: Tensor, valid: list[int] | None = None) -> CodeBatch:
    count, _, frames = codes.shape
    return CodeBatch(
        codes=codes,
        valid=torch.tensor(valid or [frames] * count),
        conditions=conditions(*("reel", "jig", None, "reel")[:count], *("jig",) * max(0, count - 4)),
    )
