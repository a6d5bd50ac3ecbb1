"""Every way in which a condition can be heard is heard, learned, played and deaf to padding."""

import pytest
import torch

from disco.conditioners.text import Text
from disco.core.batch import Conditions
from disco.core.conditioning import Fuser
from disco.core.contracts import Sampler
from tests.models.helpers import batch_of, conditions, markov_codes, musicgen, played, random_head

WAYS = ["prepend", "sum", "film", "cross"]


class Letters:
    """Reads a caption as one vector per letter."""

    width = 8

    def read(self, caption: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(256, self.width, generator=generator)
        return table[torch.tensor(list(caption.encode()))]


def model(way: str):
    torch.manual_seed(0)
    places = {name: ["text"] if name == way else [] for name in ("prepend", "sum", "film")}
    made = random_head(
        musicgen(conditioners={"text": Text(width=32, encoder=Letters())}, fuser=Fuser(**places))
    )
    if made.film is not None:
        torch.nn.init.normal_(made.film.project.weight, std=0.05)  # training opens it
    return made


def batch(*captions: str | None):
    codes = batch_of(markov_codes(1, 9).repeat(len(captions), 1, 1))
    return type(codes)(codes=codes.codes, valid=codes.valid, conditions=Conditions(text=captions))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_said_is_heard(way: str) -> None:
    one, other, silent = model(way)(batch("a reel", "a jig", None)).logits
    assert (one - other).abs().max() > 1e-4
    assert (one - silent).abs().max() > 1e-4


@pytest.mark.parametrize("way", WAYS)
def test_longer_captions_beside_it_change_nothing(way: str) -> None:
    made = model(way)
    alone = made(batch("a reel")).logits
    beside = made(batch("a reel", "a very much longer caption of a jig", None)).logits
    assert torch.allclose(beside[:1], alone, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_it_learns(way: str) -> None:
    made = model(way).train()
    made(batch("a reel", "a jig")).nats.backward()
    assert made.conditioners["text"].project.weight.grad.abs().max() > 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_playing_hears_what_training_hears(way: str, guidance: float) -> None:
    made, asked = model(way), Conditions(text=("a reel", "the jig of a far longer name"))
    codes = played(made, asked, 25, Sampler(temperature=0.0, guidance=guidance), 0)  # into a second window
    assert torch.equal(
        codes[:1], played(made, asked.rows([0]), 25, Sampler(temperature=0.0, guidance=guidance), 0)
    )
    if guidance == 1:
        first = codes[..., :20]
        told = made(type(batch(None))(codes=first, valid=torch.tensor([20, 20]), conditions=asked))
        assert torch.equal(told.logits.argmax(-1), first)


def test_cross_attention_is_built_only_for_what_is_attended_to() -> None:
    assert model("cross").decoder.cross
    for way in ("prepend", "sum", "film"):
        assert not model(way).decoder.cross


def test_a_condition_is_dropped_by_its_own_share_in_training_only() -> None:
    made = musicgen(condition_dropouts={"rhythm": 0.5})
    random_head(made)
    codes = batch_of(markov_codes(1, 5).repeat(32, 1, 1))
    said = conditions(*["reel"] * 32)
    told = type(codes)(codes=codes.codes, valid=codes.valid, conditions=said)

    @torch.no_grad()
    def kinds() -> int:
        return len({round(float(row.double().sum()), 4) for row in made(told).logits})

    assert kinds() == 1
    made.train()
    assert kinds() == 2
