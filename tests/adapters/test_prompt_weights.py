"""Learned weights of written prompts find the one that fits the music, and leave all else alone."""

from __future__ import annotations

import json

import pytest
import torch

from disco.adapters.prompt_weights import PromptWeights
from disco.apps.compose import build
from disco.apps.parts import build_many
from disco.conditioners.text import Text
from disco.errors import DiscoError
from disco.nets.soft_prompt import PromptBank
from tests.adapters.test_what_moves import PLAIN, Words, learn, likely, moving, pieces
from tests.contracts.models import FAMILIES


def test_the_weights_go_to_the_prompt_that_fits_and_nothing_else_moves(composed) -> None:
    """The base knows three classes by their captions; the music of the domain is of one, without captions."""
    cfg = composed("train", *FAMILIES["symbolic"], "model.condition_dropout=0")
    torch.manual_seed(0)
    names = ["jig", "reel", "waltz"]
    module = build(
        cfg.model, "model", terms=build_many(cfg.loss, "loss"), recipe=None,
        conditioners={"text": Text(width=32, encoder=Words())},
    )  # fmt: skip
    learn(module, pieces(module, [*names, None, None, None], [0, 1, 2, 0, 1, 2]), steps=100, lr=3e-3)
    domain = pieces(module, [None] * 2, [1, 1])
    assert likely(module, domain) < 0.5

    before = {name: value.clone() for name, value in module.state_dict().items()}
    adapter = PromptWeights(prompts=names, **PLAIN)
    adapter.attach(module)
    assert moving(module) == {"conditioners.text.prompt.weights"}
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == 3
    assert json.loads(json.dumps(adapter.description()))["shares"][0] == pytest.approx([1 / 3] * 3)
    learn(module, domain, steps=60, lr=0.3)
    shares = dict(zip(names, adapter.description()["shares"][0], strict=True))
    assert shares["reel"] > 0.9
    assert likely(module, domain) > 0.8
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {*after} - {*before} == {"conditioners.text.prompt.weights"}, "and nothing else is saved"


def test_the_mixture_is_the_mean_of_those_that_have_not_ended() -> None:
    bank = torch.tensor([[[2.0], [4.0]], [[6.0], [0.0]]])
    here = torch.tensor([[True, True], [True, False]])
    mixture = PromptBank(bank=bank, here=here, inner=None)
    assert mixture.spoken().tolist() == [[4.0], [4.0]]
    with torch.no_grad():
        mixture.weights.copy_(torch.tensor([0.0, 3.0]).log())  # all of it on the second
    said, mask = mixture(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))
    assert said[0, :, 0].tolist()[0] == 6.0
    assert mask.all()


@pytest.mark.parametrize("prompts", [["a jig"], ["a jig", " "], []])
def test_less_than_two_prompts_are_nothing_to_weigh(prompts: list[str]) -> None:
    with pytest.raises(DiscoError, match="give two descriptions or more"):
        PromptWeights(prompts=prompts, **PLAIN)
