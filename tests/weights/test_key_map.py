"""The tables of names run both ways, and forget nothing."""

from pathlib import Path

import pytest
import torch

from disco.errors import DiscoError
from disco.weights.layouts import AUDIOCRAFT, TRANSFORMERS
from tests.models.helpers import ToyCodec
from tests.parity.networks import our_musicgen


@pytest.mark.parametrize("table", [TRANSFORMERS, AUDIOCRAFT], ids=lambda table: table.library)
def test_there_and_back_is_the_same(table) -> None:
    model = our_musicgen(ToyCodec(num_codebooks=4), Path("nowhere"), depth=12)
    state = model.network_state()
    theirs = table.to_theirs(state, 4)
    back = table.to_ours(theirs, 4)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], value) for name, value in state.items())
    assert sum(value.numel() for value in theirs.values()) == sum(value.numel() for value in state.values())


def test_what_has_no_place_is_named() -> None:
    state = our_musicgen(ToyCodec(num_codebooks=4), Path("nowhere")).network_state()
    with pytest.raises(DiscoError, match=r"audiocraft's, the table of names has no place for film\.weight"):
        AUDIOCRAFT.to_theirs({**state, "film.weight": torch.zeros(1)}, 4)


def test_a_stack_that_lacks_a_part_is_named() -> None:
    theirs = TRANSFORMERS.to_theirs(
        our_musicgen(ToyCodec(num_codebooks=4), Path("nowhere")).network_state(), 4
    )
    del theirs["decoder.lm_heads.2.weight"]
    with pytest.raises(DiscoError, match=r"lacks decoder\.lm_heads\.2\.weight"):
        TRANSFORMERS.to_ours(theirs, 4)


def test_submodules_have_their_names_too() -> None:
    assert TRANSFORMERS.module("decoder.layers.11.cross_attention.query") == (
        "decoder.model.decoder.layers.11.encoder_attn.q_proj"
    )
    assert TRANSFORMERS.module("conditioners.text.project") == "enc_to_dec_proj"
    assert TRANSFORMERS.module("head") is None  # a stack of theirs
    assert AUDIOCRAFT.module("decoder.layers.0.attention.query") is None  # a part of theirs
