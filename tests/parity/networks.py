"""Small networks of other libraries with random weights, saved as the published ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from disco.codecs.encodec import Encodec
from disco.conditioners.text import Pretrained, Text
from disco.core.batch import CodeBatch, Conditions
from disco.losses.token_ce import TokenCE
from disco.models.musicgen import MusicGen
from disco.nets.patterns import Delay
from disco.nets.transformer import Sinusoidal

WIDTH, DEPTH, HEADS, CODEBOOKS, CARDINALITY, READ = 32, 2, 4, 4, 16, 24
WORDS = (
    "<pad>",
    "</s>",
    "<unk>",
    "a",
    "quick",
    "slow",
    "reel",
    "jig",
    "air",
    "in",
    "the",
    "lively",
    "on",
    "fiddle",
)
BANDWIDTH = 16.0


def save_t5(folder: Path) -> Path:
    """A T5 encoder and a tokenizer that knows a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    t5_encoder().save_pretrained(folder)
    return folder


def t5_encoder() -> Any:
    """A random T5 encoder, the same every time."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=len(WORDS),
        d_model=READ,
        d_kv=6,
        d_ff=32,
        num_layers=1,
        num_heads=4,
        decoder_start_token_id=0,
    )
    torch.manual_seed(1)
    return T5EncoderModel(config)


def encodec_config(**changes: Any) -> Any:
    """The published EnCodec's settings, but smaller."""
    from transformers import EncodecConfig

    settings = {
        "sampling_rate": 8000, "num_filters": 4, "upsampling_ratios": [4, 2], "hidden_size": 8,
        "codebook_size": CARDINALITY, "codebook_dim": 8, "num_lstm_layers": 2, "use_causal_conv": False,
        "use_conv_shortcut": False, "target_bandwidths": [BANDWIDTH],
    }  # fmt: skip
    return EncodecConfig(**(settings | changes))


def encodec(**changes: Any) -> Any:
    """A random EnCodec whose entries lie where its latents do."""
    from transformers import EncodecModel

    torch.manual_seed(2)
    model = EncodecModel(encodec_config(**changes)).eval()
    with torch.no_grad():
        wave = torch.randn(1, model.config.audio_channels, 8 * 400)
        latents = model.encoder(wave)[0].mT
        for layer in model.quantizer.layers:
            layer.codebook.embed.copy_(latents[torch.randperm(len(latents))[:CARDINALITY]])
            layer.codebook.embed_avg.copy_(layer.codebook.embed)
            layer.codebook.cluster_size.fill_(1.0)
            latents = latents - layer.codebook.embed[torch.cdist(latents, layer.codebook.embed).argmin(1)]
    return model


def whole_musicgen(channels: int = 1) -> Any:
    """A random MusicGen of transformers; with two channels its codebooks come in turn."""
    from transformers import (
        MusicgenDecoderConfig,
        MusicgenForCausalLM,
        MusicgenForConditionalGeneration,
    )

    reader = t5_encoder()
    torch.manual_seed(3)
    decoder = MusicgenForCausalLM(
        MusicgenDecoderConfig(
            vocab_size=CARDINALITY, hidden_size=WIDTH, ffn_dim=4 * WIDTH, num_hidden_layers=DEPTH,
            num_attention_heads=HEADS, num_codebooks=channels * CODEBOOKS, audio_channels=channels,
            pad_token_id=CARDINALITY, bos_token_id=CARDINALITY, initializer_factor=0.3,
        )
    )  # fmt: skip
    model = MusicgenForConditionalGeneration(text_encoder=reader, audio_encoder=encodec(), decoder=decoder)
    model.set_attn_implementation("eager")  # built from its parts it has none, and looks ahead
    words = model.generation_config
    words.decoder_start_token_id = words.pad_token_id = words.bos_token_id = CARDINALITY
    with torch.no_grad():
        for name, parameter in model.decoder.named_parameters():  # biases and norms start as plain as can be
            if name.endswith("norm.weight") or name.endswith("bias"):
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


def our_musicgen(codec: Any, reader: Path | None, **changes: Any) -> MusicGen:
    """Our model of the same shape, with other random weights."""
    torch.manual_seed(4)
    encoder = Pretrained(name=str(reader), width=READ, max_tokens=16)
    settings: dict[str, Any] = {
        "width": WIDTH, "depth": DEPTH, "heads": HEADS, "dropout": 0.0, "codec": codec, "recipe": None,
        "positions": Sinusoidal(max_period=10000.0), "pattern": Delay(delays=None), "prior": False,
        "condition_dropout": 0.3, "seconds": 1.0, "terms": {"token_ce": TokenCE(weight=1.0)},
        "conditioners": {"text": Text(width=WIDTH, encoder=encoder)},
    }  # fmt: skip
    return MusicGen(**(settings | changes)).eval()


def our_encodec(folder: Path) -> Encodec:
    """The saved codec behind our contract."""
    return Encodec(path=str(folder), bandwidth=BANDWIDTH)


def batch_of(codes: Tensor, *captions: str | None) -> CodeBatch:
    """Tokens of full length with their captions."""
    valid = torch.full((len(codes),), codes.shape[-1])
    return CodeBatch(codes=codes, valid=valid, conditions=Conditions(text=captions))


def random_codes(items: int, frames: int, codebooks: int = CODEBOOKS) -> Tensor:
    """The same tokens every time."""
    return torch.randint(CARDINALITY, (items, codebooks, frames), generator=torch.Generator().manual_seed(5))
