"""What a number is worth: the codec's ceiling, and audio with the right tokens in no order or none at all."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from disco.apps.held_out import HeldOut
from disco.audio.clip import Clip
from disco.core.contracts import Codec, seeded
from disco.core.metric import Take
from disco.core.module import GenerativeModule
from disco.errors import DiscoError


def code_floors(module: GenerativeModule, held: HeldOut, *, seed: int) -> dict[str, list[Take]]:
    """Return takes by name: `decoded` real tokens, `shuffled` frames of them, `random` tokens.

    Raises:
        DiscoError: the model has no codec.
    """
    codec = getattr(module, "codec", None)
    if codec is None:
        raise DiscoError("floors=true needs a model over codec tokens", do="leave it out for this run")
    device = module.device
    codes = [_encode(codec, take, device) for take in held.takes]
    ways = {
        "decoded": lambda one, index: one,
        "shuffled": lambda one, index: one[..., torch.randperm(one.shape[-1], generator=seeded(seed, index))],
        "random": lambda one, index: torch.randint(
            codec.cardinality, one.shape, generator=seeded(seed, index)
        ),
    }
    return {
        name: [_decode(codec, way(one, i).to(device), held.takes[i]) for i, one in enumerate(codes)]
        for name, way in ways.items()
    }


def _encode(codec: Codec, take: Take, device: torch.device) -> Tensor:
    wave = take.sound.resampled(codec.rate).mono().wave.expand(codec.channels, -1)
    return codec.encode(wave[None].to(device)).cpu()


def _decode(codec: Codec, codes: Tensor, take: Take) -> Take:
    wave = codec.decode(codes)[0].float().cpu()
    assert take.seconds is not None
    return replace(
        take,
        clip=Clip(wave[:, : round(take.seconds * codec.rate)], codec.rate).within_full_scale(),
        notes=None,
    )
