"""What MusicGen's tensors are called here, in `transformers` and in audiocraft."""

from __future__ import annotations

from collections.abc import Mapping

from disco.weights.key_map import KeyMap


def _both(rows: Mapping[str, str], kinds: tuple[str, ...]) -> dict[str, str]:
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in rows.items() for kind in kinds}


_WEIGHTS, _ALL = ("weight",), ("weight", "bias")
_OURS, _THEIRS, _THERE = (
    "decoder.layers.{layer}",
    "decoder.model.decoder.layers.{layer}",
    "transformer.layers.{layer}",
)

TRANSFORMERS = KeyMap(
    library="transformers",
    rows={
        "embedding.weight": "decoder.model.decoder.embed_tokens.{codebook}.weight",
        "head.weight": "decoder.lm_heads.{codebook}.weight",
        **_both(
            {
                f"{_OURS}.attention.query": f"{_THEIRS}.self_attn.q_proj",
                f"{_OURS}.attention.key": f"{_THEIRS}.self_attn.k_proj",
                f"{_OURS}.attention.value": f"{_THEIRS}.self_attn.v_proj",
                f"{_OURS}.attention.out": f"{_THEIRS}.self_attn.out_proj",
                f"{_OURS}.cross_attention.query": f"{_THEIRS}.encoder_attn.q_proj",
                f"{_OURS}.cross_attention.key": f"{_THEIRS}.encoder_attn.k_proj",
                f"{_OURS}.cross_attention.value": f"{_THEIRS}.encoder_attn.v_proj",
                f"{_OURS}.cross_attention.out": f"{_THEIRS}.encoder_attn.out_proj",
                f"{_OURS}.ffn_in": f"{_THEIRS}.fc1",
                f"{_OURS}.ffn_out": f"{_THEIRS}.fc2",
            },
            _WEIGHTS,
        ),
        **_both(
            {
                f"{_OURS}.attention_norm": f"{_THEIRS}.self_attn_layer_norm",
                f"{_OURS}.cross_norm": f"{_THEIRS}.encoder_attn_layer_norm",
                f"{_OURS}.ffn_norm": f"{_THEIRS}.final_layer_norm",
                "decoder.out_norm": "decoder.model.decoder.layer_norm",
                "conditioners.text.project": "enc_to_dec_proj",
                "conditioners.chroma.project": "audio_enc_to_dec_proj",
            },
            _ALL,
        ),
    },
    # The frozen encoders; and positions, which older versions saved though they are computed.
    left_out=r"text_encoder\.|audio_encoder\.|decoder\.model\.decoder\.embed_positions\.weights$",
)

AUDIOCRAFT = KeyMap(
    library="audiocraft",
    rows={
        "embedding.weight": "emb.{codebook}.weight",
        "head.weight": "linears.{codebook}.weight",
        " ".join(f"{_OURS}.attention.{part}.weight" for part in ("query", "key", "value")): (
            f"{_THERE}.self_attn.in_proj_weight"
        ),
        " ".join(f"{_OURS}.cross_attention.{part}.weight" for part in ("query", "key", "value")): (
            f"{_THERE}.cross_attention.in_proj_weight"
        ),
        **_both(
            {
                f"{_OURS}.attention.out": f"{_THERE}.self_attn.out_proj",
                f"{_OURS}.cross_attention.out": f"{_THERE}.cross_attention.out_proj",
                f"{_OURS}.ffn_in": f"{_THERE}.linear1",
                f"{_OURS}.ffn_out": f"{_THERE}.linear2",
            },
            _WEIGHTS,
        ),
        **_both(
            {
                f"{_OURS}.attention_norm": f"{_THERE}.norm1",
                f"{_OURS}.cross_norm": f"{_THERE}.norm_cross",
                f"{_OURS}.ffn_norm": f"{_THERE}.norm2",
                "decoder.out_norm": "out_norm",
                "conditioners.text.project": "condition_provider.conditioners.description.output_proj",
                "conditioners.chroma.project": "condition_provider.conditioners.self_wav.output_proj",
            },
            _ALL,
        ),
    },
    left_out=r"condition_provider\.conditioners\.self_wav\.chroma\.",  # filters, which are computed here
)
