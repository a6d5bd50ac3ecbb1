"""Exports for audiocraft 1.3: what its `MusicGen.get_pretrained(<folder>)` opens."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import OmegaConf

from disco.apps.export_fit import published_kind, text_of
from disco.apps.export_source import Source, asked_of, largest_apart
from disco.errors import DiscoError

if TYPE_CHECKING:
    from torch import Tensor

    from disco.models.musicgen import MusicGen

MODEL, CODEC = "state_dict.bin", "compression_state_dict.bin"
VERSION = "1.3.0"  # whose layout this is


class ToAudiocraft:
    """Writes `state_dict.bin` and, where the codec has a name on the hub, `compression_state_dict.bin`."""

    name = "audiocraft"
    library = "audiocraft"
    how_to_install = "pip install '.[audiocraft]' && pip install --no-deps audiocraft==1.3.0"

    def check(self, source: Source) -> None:
        """Refuse what audiocraft has no place for.

        Raises:
            DiscoError: names it.
        """
        if source.adapter is not None:
            raise DiscoError("audiocraft knows no adapters", do="set merged=true")
        reader: Any = text_of(published_kind(source.module, self.library)).encoder
        if not hasattr(reader, "name") or "t5" not in str(reader.name).lower():
            raise DiscoError("audiocraft reads captions with T5", do="train with conditioner=[t5]")

    def write(self, source: Source, folder: Path) -> None:
        """Write weights and settings; the codec is named, as audiocraft names a published one."""
        from disco.weights.layouts import AUDIOCRAFT

        model = published_kind(source.module, self.library)
        state = AUDIOCRAFT.to_theirs(model.network_state(), model.num_codebooks)
        whole = {name: value.detach().cpu().clone() for name, value in state.items()}
        reader: Any = text_of(model).encoder
        settings = OmegaConf.to_yaml(OmegaConf.create(settings_of(model, reader.name)))
        told = {"version": VERSION, "exported": True}
        torch.save({"best_state": whole, "xp.cfg": settings, **told}, folder / MODEL)
        codec = source.config.codec.get("inner", source.config.codec).get("path")
        if codec is not None and not Path(codec).exists():
            torch.save({"pretrained": codec, **told}, folder / CODEC)

    def compare(self, source: Source, folder: Path) -> float | None:
        """Return how far the logits are apart; None where audiocraft is not installed."""
        try:
            theirs = open_lm(folder)
        except ImportError:
            return None
        model = published_kind(source.module, self.library)
        return max(largest_apart(answer(theirs, model, *asked), ours) for *asked, ours in asked_of(model))  # type: ignore[arg-type]


def settings_of(model: MusicGen, reader: str) -> dict[str, Any]:
    """Return what audiocraft's builders read, for this model and a T5 of that name."""
    layers, codec = model.decoder.layers, model.codec
    return {
        "solver": "musicgen",
        "device": "cpu",
        "dtype": "float32",
        "sample_rate": codec.rate,
        "channels": codec.channels,
        "compression_model_checkpoint": None,
        "interleave_stereo_codebooks": {"use": codec.channels == 2, "per_timestep": False},
        "dataset": {"segment_duration": model.seconds},
        "lm_model": "transformer_lm",
        "codebooks_pattern": {
            "modeling": "delay",
            "delay": {
                "delays": [place // codec.channels for place in range(model.num_codebooks)],
                "flatten_first": 0,
                "empty_initial": 0,
            },
        },
        "transformer_lm": {
            "dim": model.embedding.embedding_dim,
            "num_heads": layers[0].attention.heads,  # type: ignore[union-attr]
            "num_layers": len(layers),
            "hidden_scale": 4,
            "n_q": model.num_codebooks,
            "card": model.special,
            "dropout": model.decoder.drop.p,
            "emb_lr": None,
            "activation": "gelu",
            "norm_first": True,
            "bias_ff": False,
            "bias_attn": False,
            "bias_proj": False,
            "past_context": None,
            "causal": True,
            "custom": False,
            "memory_efficient": True,
            "attention_as_float32": False,
            "layer_scale": None,
            "positional_embedding": "sin",
            "xpos": False,
            "checkpointing": "none",
            "weight_init": None,
            "depthwise_init": None,
            "zero_bias_init": False,
            "norm": "layer_norm",
            "cross_attention": True,
            "qk_layer_norm": False,
            "qk_layer_norm_cross": False,
            "attention_dropout": None,
            "kv_repeat": 1,
            "two_step_cfg": False,
        },
        "classifier_free_guidance": {"training_dropout": model.condition_dropout, "inference_coef": 3.0},
        "attribute_dropout": {},
        "fuser": {
            "cross_attention_pos_emb": False,
            "cross_attention_pos_emb_scale": 1,
            "sum": [],
            "prepend": [],
            "cross": ["description"],
            "input_interpolate": [],
        },
        "conditioners": {
            "description": {
                "model": "t5",
                "t5": {"name": reader, "finetune": False, "word_dropout": 0.0, "normalize_text": False},
            }
        },
    }


def open_lm(folder: Path) -> Any:
    """Build audiocraft's language model from the settings in a folder, and load its weights strictly.

    Raises:
        ImportError: audiocraft is not installed.
    """
    held = torch.load(folder / MODEL, weights_only=True)
    return build_lm(OmegaConf.create(held["xp.cfg"]), held["best_state"])


def build_lm(settings: Any, state: Mapping[str, Tensor]) -> Any:
    """Build audiocraft's language model.

    Its T5 is left out, which would be fetched: what it has read is given to the rest.

    Raises:
        ImportError: audiocraft is not installed.
    """
    # no type checker finds what is not installed
    builders, lm, heard_by = (
        import_module(f"audiocraft.{name}")
        for name in ("models.builders", "models.lm", "modules.conditioners")
    )
    sizes: dict[str, Any] = OmegaConf.to_container(settings.transformer_lm)  # type: ignore[assignment]
    heard = state["condition_provider.conditioners.description.output_proj.weight"]
    model = lm.LMModel(
        pattern_provider=builders.get_codebooks_pattern_provider(sizes["n_q"], settings.codebooks_pattern),
        condition_provider=heard_by.ConditioningProvider(
            {"description": heard_by.BaseConditioner(heard.shape[1], sizes["dim"])}
        ),
        fuser=builders.get_condition_fuser(settings),
        cfg_dropout=settings.classifier_free_guidance.training_dropout,
        cfg_coef=settings.classifier_free_guidance.inference_coef,
        **sizes,
    )
    model.load_state_dict(state)
    return model.eval()


def answer(theirs: Any, model: MusicGen, codes: Tensor, caption: str) -> Tensor:
    """Return the logits of audiocraft's model by codebook and frame, given what our encoder reads."""
    heard = text_of(model).read(caption)[None]
    with torch.no_grad():
        told = theirs.condition_provider.conditioners["description"].output_proj(heard)
        mask = torch.ones(heard.shape[:2])
        out = theirs.compute_predictions(
            codes, [], {"description": (told, mask)}, keep_only_valid_steps=False
        )
    assert bool(out.mask.all()), "every frame is foretold"
    return out.logits
