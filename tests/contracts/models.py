"""Every model family at a size that fits a test, with a real batch from the demo corpus."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from disco.apps.compose import build, resolve
from disco.apps.launch import CONF
from disco.apps.parts import build_many, parameters_of
from disco.audio.clip import Clip
from disco.codecs.run import RunCodec
from disco.core.batch import AudioBatch, Batch, CodeBatch, Conditions, ScoreBatch
from disco.core.module import GenerativeModule
from disco.core.views import AudioView, CodeView, ScoreView
from disco.corpus.tunes import load_tunes, tune_score
from disco.midi.render import render
from disco.midi.score import Score

NUM_TOKENS = 48  # frames or score tokens per item
SMALL = [
    "scale.width=32",
    "scale.depth=2",
    "scale.heads=2",
    "callbacks=[]",
    "logger=none",
    "trainer.precision=32-true",
    "data.batch_size=2",
    "data.val_items=2",
]
SMALL_CODEC = ["model.quantizer.cardinality=16", "model.quantizer.restarts=[2]"]
# What a family needs besides, to be small; a new family is enrolled without standing here.
BESIDES = {
    "autoencoder": [
        *SMALL_CODEC,
        "model.encoder.latent=16",
        "model.encoder.width=32",
        "model.decoder.width=32",
        "model.decoder.head.steps=2",
    ],
    "autoencoder_seanet": [
        *SMALL_CODEC,
        "model.encoder.filters=4",
        "model.seconds=0.5",
        "loss.adversarial.critic.windows=[256]",
        "loss.adversarial.critic.filters=4",
    ],
    "symbolic": ["model.length=96"],
    "audiogen": ["model.expects=null"],
    "musicgen_stereo": ["model.pattern.delays=null"],
}
FAMILIES = {
    path.stem: [f"model={path.stem}", *SMALL, *BESIDES.get(path.stem, [])]
    for path in sorted((CONF / "model").glob("*.yaml"))
}


def build_tiny(cfg: DictConfig) -> GenerativeModule:
    """Build the config's model with its losses, over a small random codec where it needs one."""
    torch.manual_seed(0)
    extra: dict[str, Any] = {
        "terms": build_many(cfg.get("loss"), "loss"),
        "recipe": build(cfg.optim, "optim"),
    }
    wanted = parameters_of(resolve(cfg.model._target_, "model"))
    if "codec" in wanted:
        extra["codec"] = tiny_codec()
    if "conditioners" in wanted:
        extra["conditioners"] = build_many(cfg.get("conditioner"), "conditioner")
    return build(cfg.model, "model", **extra)


@cache
def tiny_codec() -> RunCodec:
    """A codec with random weights and few codewords."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [*FAMILIES["autoencoder"], "run_dir=none"])
    torch.manual_seed(1)
    autoencoder = build(cfg.model, "model", terms={}, recipe=None)
    return RunCodec(autoencoder=autoencoder, run="random", batch_size=2)


def batch_for(module: GenerativeModule, padding: int = 0) -> Batch:
    """Two pieces of the demo corpus as the model wants to see them.

    Args:
        padding: frames or tokens of nothing behind the items, which do not count.
    """
    view = module.view
    conditions = wish(2)
    if isinstance(view, AudioView):
        length = round(view.seconds * view.rate)
        wave = torch.stack([clip.resampled(view.rate).wave[:, :length] for clip in clips()])
        wave = torch.nn.functional.pad(wave, (0, padding * getattr(module, "hop", 1)))
        return AudioBatch(wave=wave, valid=torch.full((2,), length), rate=view.rate, conditions=conditions)
    if isinstance(view, CodeView):
        codes = _codes(view.codec)
        filled = torch.nn.functional.pad(codes, (0, padding))
        return CodeBatch(codes=filled, valid=torch.full((2,), NUM_TOKENS), conditions=conditions)
    assert isinstance(view, ScoreView)
    rows = torch.tensor([view.tokenizer.encode(score)[:NUM_TOKENS] for score in scores()])
    filled = torch.nn.functional.pad(rows, (0, padding), value=view.tokenizer.pad)
    return ScoreBatch(tokens=filled, valid=torch.full((2,), NUM_TOKENS), conditions=conditions)


def wish(count: int) -> Conditions:
    """Ask for reels in D at 120 bpm, from a bar line on."""
    return Conditions(
        text=("a reel in D major on the violin",) * count,
        tags={"rhythm": ("reel",) * count, "key": ("Dmaj",) * count},
        timing=torch.tensor([[120.0, 4.0, 0.0]] * count),
    )


@cache
def scores() -> tuple[Score, ...]:
    """Two reels that begin on a bar line."""
    reels = [t for t in load_tunes() if t.rhythm == "reel" and t.metre == "2/2" and not t.pickup_beats]
    return tuple(tune_score(tune.id) for tune in reels[:2])


@cache
def clips() -> tuple[Clip, ...]:
    """How two seconds of them sound."""
    return tuple(Clip(render(score, 32000).wave[:, : 2 * 32000], 32000) for score in scores())


@cache
def _codes(codec: RunCodec) -> torch.Tensor:
    codes = torch.cat([codec.encode(clip.resampled(codec.rate).wave[None]) for clip in clips()])
    return codes[..., :NUM_TOKENS]
