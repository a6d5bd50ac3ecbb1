"""A mono model's weights as those of a stereo model that plays the same on both sides."""

from collections.abc import Mapping

import torch
from torch import Tensor

PER_CODEBOOK = ("prior.after_frame", "prior.coarser_gain", "prior.weights")  # a row per codebook


def stereo_weights(tensors: Mapping[str, Tensor], num_codebooks: int) -> dict[str, Tensor]:
    """Give every codebook to both sides, in turn; everything else stays.

    Embeddings are halved, as the sum over codebooks has twice as many summands: where left and right have
    the same tokens the network hears exactly what the mono model heard, and answers the same on both sides.

    Args:
        tensors: of a model without adapters.
        num_codebooks: of its mono codec.
    """

    def doubled(value: Tensor) -> Tensor:
        each = value.unflatten(0, (num_codebooks, -1))
        return each.repeat_interleave(2, 0).flatten(0, 1)

    stereo = dict(tensors)
    stereo["embedding.weight"] = 0.5 * doubled(tensors["embedding.weight"])
    stereo["head.weight"] = doubled(tensors["head.weight"])
    for name in PER_CODEBOOK:
        if name in tensors:
            stereo[name] = torch.repeat_interleave(tensors[name], 2, 0)
    return stereo
