"""What every conditioner owes that hears more than words: it hears, item by item, and learns."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.conditioners.listener import Listener
from disco.core.batch import Conditions
from disco.core.contracts import Context
from tests.conditioners.given import GIVEN, save_tiny_clip, told

FRAMES, RATE = 64, 32.0
OPTIONS = sorted(path.stem for path in (CONF / "conditioner").glob("*.yaml"))


def node_of(option: str):
    cfg = OmegaConf.merge(
        {"scale": {"width": 32, "heads": 2}}, OmegaConf.load(CONF / "conditioner" / f"{option}.yaml")
    )
    if "defaults" in cfg:
        pytest.skip("a preset of another one, tested with it")
    (name,) = (key for key in cfg if key != "scale")
    return cfg[name]


@pytest.fixture(params=OPTIONS)
def part(request, tmp_path) -> Listener:
    cfg = node_of(request.param)
    if request.param == "clip_image":
        cfg.name, cfg.tower_width = str(save_tiny_clip(tmp_path)), 16
    torch.manual_seed(0)
    made = build(cfg, f"conditioner.{request.param}")
    if made.hears is None:
        pytest.skip("it hears words or tags, which tests/conditioners looks at")
    for parameter in made.parameters():  # training opens what begins at zero
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


def answers(part: Listener, *places: int | None) -> Context:
    values = [None if place is None else GIVEN[part.hears][place] for place in places]
    with torch.no_grad():
        return part(told(part.hears, *values), FRAMES, RATE)


def heard(context: Context) -> torch.Tensor:
    """What counts of each item: what is added to its frames, or what it may attend to."""
    if context.added is not None:
        assert context.added.shape[1] == FRAMES
        return context.added
    return context.cross * context.cross_mask[..., None]


def test_other_things_are_heard_as_others_and_the_same_as_the_same(part) -> None:
    one, other, again, silent = heard(answers(part, 0, 1, 0, None))
    assert torch.equal(one, again)
    assert (one - other).abs().max() > 1e-4
    assert (one - silent).abs().max() > 1e-4


def test_what_stands_beside_an_item_changes_nothing(part) -> None:
    alone, beside = heard(answers(part, 0)), heard(answers(part, 0, 1, None))[:1]
    assert torch.allclose(beside[:, : alone.shape[1]], alone, atol=1e-5)


def test_nothing_given_is_nothing_said_or_one_row_that_says_so(part) -> None:
    nobody, unnamed = answers(part, None, None), part(Conditions(text=(None, None)), FRAMES, RATE)
    if nobody.cross is not None:
        assert not nobody.cross_mask.any()
    else:
        assert (nobody.added == nobody.added[:1, :1]).all()
    assert torch.equal(heard(unnamed), heard(nobody))


def test_it_learns(part) -> None:
    part.train()
    part.dropout = 0.0
    heard(part(told(part.hears, *GIVEN[part.hears]), FRAMES, RATE)).square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())


def test_dropout_silences_items_by_chance_in_training_alone_and_from_a_state_that_can_be_kept(part) -> None:
    part.dropout = 0.5
    told_all = told(part.hears, *[GIVEN[part.hears][0]] * 200)
    assert None not in part.heard(told_all)
    part.train()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = [one is None for one in part.heard(told_all)]
    torch.set_rng_state(state)
    assert [one is None for one in part.heard(told_all)] == first
    assert 60 < sum(first) < 140


def test_it_computes_where_its_weights_are(part) -> None:
    if part.hears == "image" and not hasattr(part, "patches"):
        pytest.skip("a frozen tower stays on the CPU")
    half = part.double()
    assert heard(half(told(part.hears, *GIVEN[part.hears]), FRAMES, RATE)).dtype == torch.float64
