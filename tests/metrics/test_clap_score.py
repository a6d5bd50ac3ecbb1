"""The score is the cosine of CLAP's own forward pass, on a network of its shape with random weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.metric import Asked, Take
from disco.embedders.clap import Clap
from disco.metrics.clap_score import ClapScore

WORDS = ("<s>", "<pad>", "</s>", "<unk>", "a", "reel", "slow", "chorale")


class Space:
    """Hears the sign of a sound, and reads two words."""

    name = "space"

    def embed(self, clip):
        """Return a point per second."""
        return np.array([[float(clip.wave.mean()), 0.0]] * 2)

    def read(self, caption):
        """Return up or down."""
        return np.array([3.0 if caption == "up" else -3.0, 0.0])


def take(level, caption):
    return Take(clip=Clip(torch.full((1, 8000), level), 8000), asked=Asked(caption=caption))


def judged(*takes):
    metric = ClapScore(embedder=Space())
    metric.update(list(takes))
    return metric.compute()["space"]


def test_sound_and_caption_in_one_direction_score_one():
    assert judged(take(0.5, "up")) == pytest.approx(1.0)
    assert judged(take(0.1, "up"), take(0.5, "down")) == pytest.approx(0.0)
    assert judged(take(0.5, "down"), take(0.5, None)) == pytest.approx(-1.0)
    assert math.isnan(judged(take(0.5, None)))


@pytest.mark.long
def test_the_score_is_the_cosine_of_claps_own_forward_pass(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        ClapAudioConfig,
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapTextConfig,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    audio = ClapAudioConfig(
        hidden_size=32, patch_embeds_hidden_size=16, depths=[1, 1], num_attention_heads=[2, 2],
        num_mel_bins=64, spec_size=256, window_size=8, projection_dim=24, num_hidden_layers=2,
    )  # fmt: skip
    text = ClapTextConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, projection_dim=24,
    )  # fmt: skip
    model = ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=24))
    model.eval().save_pretrained(tmp_path)
    features = ClapFeatureExtractor(feature_size=64, truncation="rand_trunc", padding="repeatpad")
    features.save_pretrained(tmp_path)
    plain = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>")
    tokenizer.save_pretrained(tmp_path)

    wave = 0.1 * torch.randn(1, 10 * 48000, generator=torch.Generator().manual_seed(0))
    metric = ClapScore(embedder=Clap(path=str(tmp_path), name="clap-tiny", hop=5.0, cache=None))
    metric.update([Take(clip=Clip(wave, 48000), asked=Asked(caption="a slow chorale"))])
    words = tokenizer("a slow chorale", return_tensors="pt")
    heard = features(wave[0].numpy(), sampling_rate=48000, return_tensors="pt")
    with torch.no_grad():
        out = model(input_ids=words["input_ids"], attention_mask=words["attention_mask"], **heard)
    expected = float(torch.cosine_similarity(out.text_embeds, out.audio_embeds))
    assert metric.compute()["clap-tiny"] == pytest.approx(expected, abs=1e-5)
