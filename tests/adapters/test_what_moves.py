"""What an adapter moves is exactly what it says; it begins as the base, and can learn something new."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from disco.adapters.bottleneck import Bottleneck
from disco.adapters.ia3 import IA3
from disco.adapters.prefix import PrefixTuning
from disco.adapters.prompt import PromptTuning
from disco.adapters.selective import Selective
from disco.apps.compose import build
from disco.apps.parts import build_many
from disco.conditioners.text import Text
from disco.core.batch import Conditions, ScoreBatch
from disco.core.module import GenerativeModule
from tests.adapters.test_lora import lora
from tests.contracts.models import FAMILIES, batch_for, build_tiny

READ = 16  # width of what the text encoder says
PLAIN = {"sites": "default", "layers": None, "recount": False, "seed": 0}


def moving(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.fixture
def symbolic(composed):
    return build_tiny(composed("train", *FAMILIES["symbolic"])).eval()


@pytest.mark.parametrize(
    "adapter",
    [
        Bottleneck(width=4, parallel=False, **PLAIN),
        Bottleneck(width=4, parallel=True, **PLAIN),
        PrefixTuning(length=4, **PLAIN),
        IA3(before=["ffn_out"], **PLAIN),
        lora(["query", "value"]),
    ],
    ids=["serial", "parallel", "prefix", "ia3", "lora"],
)
@torch.no_grad()
def test_nothing_is_heard_of_it_at_first(adapter, symbolic) -> None:
    batch = batch_for(symbolic)
    before = symbolic(batch).logits
    adapter.attach(symbolic)
    assert torch.allclose(symbolic(batch).logits, before, rtol=0, atol=1e-7)


def test_selective_training_moves_exactly_the_chosen_parameters(symbolic) -> None:
    Selective(
        sites=["ffn_in", "value"], layers=["1-3"], also=["decoder.out_norm.*"], recount=False, seed=0
    ).attach(symbolic)
    assert moving(symbolic) == {
        "decoder.layers.1.ffn_in.weight",
        "decoder.layers.1.attention.value.weight",
        "decoder.out_norm.weight",
        "decoder.out_norm.bias",
    }


def test_lora_gives_gradients_to_its_two_matrices_and_to_nothing_else(symbolic) -> None:
    lora(["query"], layers=[0]).attach(symbolic)
    batch = batch_for(symbolic)
    symbolic.objective(symbolic(batch), batch)[0].backward()
    place = "decoder.layers.0.attention.query.lora_"
    with_gradient = {name for name, parameter in symbolic.named_parameters() if parameter.grad is not None}
    assert with_gradient == {f"{place}A.default.weight", f"{place}B.default.weight"}


class Words(nn.Module):
    """A frozen reader: a vector for each letter."""

    width = READ

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(128, READ)

    def read(self, caption: str) -> Tensor:
        return self.letters(torch.tensor([ord(letter) for letter in caption]))


def pieces(module: GenerativeModule, captions: list[str | None], classes: list[int]) -> ScoreBatch:
    """Pieces of one token, which is their class."""
    tokens = torch.tensor([[module.tokenizer.bos, 40 + one] for one in classes])
    return ScoreBatch(
        tokens=tokens, valid=torch.full((len(tokens),), 2), conditions=Conditions(text=tuple(captions))
    )


def learn(module: GenerativeModule, batch: ScoreBatch, steps: int, lr: float) -> None:
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        module.objective(module(batch), batch)[0].backward()
        optimizer.step()


def likely(module: GenerativeModule, batch: ScoreBatch) -> float:
    """Return how likely the model holds a batch of one token each."""
    return float(torch.exp(-module.objective(module(batch), batch)[0].detach()))


def test_a_learnt_prompt_asks_for_a_class_by_itself_and_is_all_that_moves(composed) -> None:
    """The base knows two classes by their captions; without one it cannot say which is meant."""
    cfg = composed("train", *FAMILIES["symbolic"], "model.condition_dropout=0")
    torch.manual_seed(0)
    reader = Words()
    module = build(
        cfg.model, "model", terms=build_many(cfg.loss, "loss"), recipe=None,
        conditioners={"text": Text(width=32, encoder=reader)},
    )  # fmt: skip
    learn(module, pieces(module, ["jig", "reel", None, None], [0, 1, 0, 1]), steps=80, lr=3e-3)
    unasked = pieces(module, [None] * 2, [1, 1])
    assert likely(module, pieces(module, ["reel"] * 2, [1, 1])) > 0.9
    assert likely(module, unasked) == pytest.approx(0.5, abs=0.1)

    before = {name: value.clone() for name, value in [*module.state_dict().items(), *named(reader)]}
    PromptTuning(length=3, start="", **PLAIN).attach(module)
    assert moving(module) == {"conditioners.text.prompt.vectors"}
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == 3 * READ
    learn(module, unasked, steps=80, lr=0.1)
    assert likely(module, unasked) > 0.9
    after = dict([*module.state_dict().items(), *named(reader)])
    assert all(torch.equal(after[name], value) for name, value in before.items())


def named(reader: Words) -> list[tuple[str, Tensor]]:
    return [(f"reader.{name}", value) for name, value in reader.state_dict().items()]
