"""CLAP's view of sound, ten seconds at a time (Wu et al. 2023, arXiv 2211.06687)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.embedder import Embedder, windows
from disco.core.ranges import PositiveFloat
from disco.embedders.latents import hashed
from disco.errors import DiscoError


class Clap(Embedder):
    """Points are the audio side of the space that sounds and captions share.

    Args:
        path: a folder with `config.json`, `preprocessor_config.json` and `model.safetensors`, or a name on
            the Hugging Face hub; `name` must tell which, because each release is a ruler of its own.
        name: of the release, as it stands in the numbers' names.
        hop: seconds between windows of `max_length_s` of the feature extractor (10 s).
        cache: a folder that keeps points between evaluations.

    Raises:
        DiscoError: no weights there.
    """

    def __init__(self, *, path: str, name: str, hop: PositiveFloat, cache: str | None) -> None:
        from transformers import ClapFeatureExtractor, ClapModel  # some seconds

        try:
            self.features: Any = ClapFeatureExtractor.from_pretrained(path)
            self.model: Any = (
                ClapModel.from_pretrained(path, use_safetensors=True)
                .requires_grad_(requires_grad=False)
                .eval()
            )
        except (OSError, ValueError) as error:
            raise DiscoError(
                f"embedder.path={path}: no CLAP weights there ({str(error).splitlines()[0]})",
                do="name a folder with config.json, preprocessor_config.json and model.safetensors, "
                "or choose embedder=musicnn",
            ) from error
        super().__init__(
            name=name,
            rate=self.features.sampling_rate,
            fingerprint=f"{hashed(self.model.state_dict())} {hop}",
            cache=cache,
        )
        self.path = path
        self.size = round(self.features.max_length_s * self.rate)
        self.hop = round(hop * self.rate)

    def hear(self, wave: Float[Tensor, " t"]) -> Float[np.ndarray, "n d"]:
        """Return the audio vector of every window."""
        parts = []
        for window in windows(wave, self.size, self.hop):
            given = self.features(window.numpy(), sampling_rate=self.rate, return_tensors="pt")
            found = self.model.audio_model(**given).pooler_output
            parts.append(self.model.audio_projection(found))
        return torch.cat(parts).numpy()

    def read(self, caption: str) -> Float[np.ndarray, " d"]:
        """Return the vector of a caption, in the same space.

        Raises:
            DiscoError: no tokenizer lies beside the weights.
        """
        words = self._tokenizer(caption, truncation=True, return_tensors="pt")
        given = {name: words[name] for name in ("input_ids", "attention_mask")}
        return self.model.text_projection(self.model.text_model(**given).pooler_output)[0].numpy()

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self.path)
        except (OSError, ValueError) as error:
            raise DiscoError(
                f"embedder.path={self.path}: no tokenizer there ({str(error).splitlines()[0]})",
                do="name a folder that holds tokenizer.json too",
            ) from error
