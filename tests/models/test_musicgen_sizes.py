"""The published sizes to the parameter, as the options compose them."""

import pytest
import torch

from disco.apps.compose import build
from disco.apps.parts import build_many
from disco.models.musicgen import MusicGen
from tests.models.helpers import ToyCodec

SIZES = {"small": (1024, 24), "medium": (1536, 48), "large": (2048, 48)}
PUBLISHED = {"small": 420.4, "medium": 1838.7, "large": 3257.0}  # millions
PREPENDED = {"small": 319.7, "medium": 1385.6, "large": 2451.5}  # melody: no cross-attention


def parameters(composed, *words: str, codebooks: int = 4, **codec) -> int:
    cfg = composed("train", *words)
    toy = ToyCodec(num_codebooks=codebooks, cardinality=2048)
    for name, value in codec.items():
        setattr(toy, name, value)
    with torch.device("meta"):
        conditioners = build_many(cfg.conditioner, "conditioner")
        module = build(cfg.model, "model", terms={}, recipe=None, codec=toy, conditioners=conditioners)
    assert isinstance(module, MusicGen)
    return sum(parameter.numel() for parameter in module.parameters())


def formula(scale: str, *, cross: bool, codebooks: int = 4, text: int = 768) -> int:
    """Attention 4 d², feed-forward 8 d² and norms per layer; tables, heads, and the way in for captions."""
    width, depth = SIZES[scale]
    layers = depth * ((16 if cross else 12) * width**2 + (6 if cross else 4) * width) + 2 * width
    return layers + codebooks * (2049 + 2048) * width + (text + 1) * width


@pytest.mark.parametrize("scale", SIZES)
@pytest.mark.parametrize("model", ["musicgen", "musicgen_published"])
def test_musicgen_has_the_published_number_of_parameters(composed, scale: str, model: str) -> None:
    count = parameters(composed, f"model={model}", f"scale={scale}", "conditioner=[t5]")
    assert count == formula(scale, cross=True)
    assert f"{count / 1e6:.1f}" == f"{PUBLISHED[scale]:.1f}"


@pytest.mark.parametrize("scale", SIZES)
def test_melody_prepends_and_has_no_cross_attention(composed, scale: str) -> None:
    count = parameters(composed, "model=musicgen_melody", f"scale={scale}", "conditioner=[t5,chroma]")
    assert count == formula(scale, cross=False) + 13 * SIZES[scale][0]  # the way in for twelve pitch classes
    assert f"{count / 1e6:.1f}" == f"{PREPENDED[scale]:.1f}"


def test_stereo_has_twice_the_tables_and_heads(composed) -> None:
    words = ["model=musicgen_stereo", "scale=small", "conditioner=[t5]"]
    assert parameters(composed, *words, codebooks=8) == formula("small", cross=True, codebooks=8)


def test_audiogen_is_medium_with_a_larger_reader(composed) -> None:
    words = ["model=audiogen", "scale=medium", "conditioner=[t5]", "conditioner.text.encoder.width=1024"]
    count = parameters(composed, *words, rate=16000, hop=320)
    assert count == formula("medium", cross=True, text=1024)
