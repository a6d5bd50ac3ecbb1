"""A small language model learns eight clips by heart, and says them again when asked by their captions."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from disco.conditioners.text import Text
from disco.core.batch import CodeBatch, Conditions
from disco.core.contracts import Sampler
from tests.core.test_wordings import Letters
from tests.models.helpers import ToyCodec, musicgen, played

CLIPS, CODEBOOKS, CARDINALITY, FRAMES = 8, 4, 64, 100  # 8 s each of 12.5 Hz, as the demo's codec has it


class Encoder(Letters):
    """A vector per letter, of its own."""

    width = 32

    def read(self, caption: str) -> torch.Tensor:
        generators = [torch.Generator().manual_seed(ord(letter)) for letter in caption]
        said = [torch.randn(self.width, generator=generator) for generator in generators]
        return torch.stack(said) if said else torch.zeros(0, self.width)


@pytest.mark.long
@pytest.mark.parametrize("prior", [False, True], ids=["plain", "prior"])
def test_eight_clips_are_learnt_by_heart_and_said_again_by_their_captions(prior: bool) -> None:
    torch.set_num_threads(1)
    codes = torch.randint(
        0, CARDINALITY, (CLIPS, CODEBOOKS, FRAMES), generator=torch.Generator().manual_seed(1)
    )
    conditions = Conditions(text=tuple("abcdefgh"))
    batch = CodeBatch(codes=codes, valid=torch.full((CLIPS,), FRAMES), conditions=conditions)
    model = musicgen(
        prior=prior,
        codec=ToyCodec(num_codebooks=CODEBOOKS, cardinality=CARDINALITY),
        conditioners={"text": Text(width=128, encoder=Encoder())},
        width=128,
        depth=3,
        seconds=10.0,
    )
    begun = time.monotonic()
    if prior:
        model.prepare_fit([batch])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.0)
    model.train()
    for step in range(1000):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 30)
        optimizer.zero_grad()
        loss = model.objective(model(batch), batch)[0]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if float(loss.detach()) < 0.02:
            break
    model.eval()
    with torch.no_grad():
        out = model(batch)
    greedy = (out.logits.argmax(-1) == codes)[out.mask].float().mean()
    said = played(model, conditions, FRAMES, Sampler(temperature=0.0), 0)
    again = (said == codes).float().mean()
    turned = played(model, Conditions(text=tuple("hgfedcba")), FRAMES, Sampler(temperature=0.0), 0)
    seconds = time.monotonic() - begun
    told = f"{step + 1} steps, greedy {greedy:.4f}, again {again:.4f}, {seconds:.0f} s"
    sys.stdout.write(told)
    assert greedy >= 0.95
    assert again >= 0.95
    assert (turned == codes.flip(0)).float().mean() >= 0.95, "by its caption and not by its place"
    assert seconds < 180
