"""MusiCNN: a small tagger with filters shaped like timbres and like rhythms (Pons, Serra 2019)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

BANDS = 96
LOW, HIGH = 38, 67  # bands that the two timbral filters span: 0.4 and 0.7 of all
TIMBRAL, TEMPORAL = 204, 51  # filters: 1.6 times 128 and 32
LENGTHS = (128, 64, 32)  # frames that the temporal filters span
MIDDLE = 64
WIDTH = 200  # of the layer before the tags
_EPS = 1e-3


class Musicnn(nn.Module):
    """Log-mel windows to the layer before the tags, and to the tags.

    Args:
        tags: how many there are.
    """

    def __init__(self, *, tags: int) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm2d(1, eps=_EPS)
        shapes = [(TIMBRAL, 7, LOW), (TIMBRAL, 7, HIGH), *((TEMPORAL, length, 1) for length in LENGTHS)]
        self.front = nn.ModuleList(nn.Conv2d(1, filters, (time, band)) for filters, time, band in shapes)
        self.front_norms = nn.ModuleList(nn.BatchNorm2d(filters, eps=_EPS) for filters, _, _ in shapes)
        wide = sum(filters for filters, _, _ in shapes)
        self.middle = nn.ModuleList(
            nn.Conv1d(width, MIDDLE, 7, padding=3) for width in (wide, MIDDLE, MIDDLE)
        )
        self.middle_norms = nn.ModuleList(nn.BatchNorm1d(MIDDLE, eps=_EPS) for _ in self.middle)
        pooled = 2 * (wide + 3 * MIDDLE)
        self.pooled_norm = nn.BatchNorm1d(pooled, eps=_EPS)
        self.dense = nn.Linear(pooled, WIDTH)
        self.dense_norm = nn.BatchNorm1d(WIDTH, eps=_EPS)
        self.tagging = nn.Linear(WIDTH, tags)

    def forward(self, mel: Float[Tensor, "b f bands"]) -> Float[Tensor, "b d"]:
        """Return the layer before the tags, normalised."""
        sound = self.input_norm(mel[:, None])
        front = torch.cat(
            [_across(F.relu(conv(_padded(sound, conv))), norm) for conv, norm in
             zip(self.front, self.front_norms, strict=True)], 1,
        )  # fmt: skip
        return self._behind(front)

    def slide(self, mel: Float[Tensor, "t bands"], frames: int, hop: int) -> Float[Tensor, "n d"]:
        """Return the same layer for every window of `frames`, one every `hop`, of a longer stretch.

        Where windows overlap, filters in front answer once for all of them, but at the edges of each, where
        a window alone hears silence beyond: less than half the work at a hop of a third.
        """
        whole = self.input_norm(mel[None, None])
        windows = self.input_norm(mel.unfold(0, frames, hop).mT[:, None])
        return self._behind(
            torch.cat(
                [_slid(whole, windows, hop, conv, norm) for conv, norm in
                 zip(self.front, self.front_norms, strict=True)], 1,
            )
        )  # fmt: skip

    def _behind(self, front: Float[Tensor, "b c f"]) -> Float[Tensor, "b d"]:
        layers, before = [front], front
        for index, (conv, norm) in enumerate(zip(self.middle, self.middle_norms, strict=True)):
            found = norm(F.relu(conv(before)))
            before = found + before if index else found
            layers.append(before)
        features = torch.cat(layers, 1)
        # channel by channel, first the loudest frame and then the mean
        pooled = torch.stack([features.amax(-1), features.mean(-1)], -1).flatten(1)
        return self.dense_norm(F.relu(self.dense(self.pooled_norm(pooled))))

    def tags(self, mel: Float[Tensor, "b f bands"]) -> Float[Tensor, "b tags"]:
        """Return how likely each tag is, from 0 to 1; they need not sum to 1."""
        return self.likelihood(self(mel))

    def likelihood(self, layer: Float[Tensor, "b d"]) -> Float[Tensor, "b tags"]:
        """Return how likely each tag is by the layer before them."""
        return torch.sigmoid(self.tagging(layer))


def _padded(sound: Tensor, conv: nn.Module) -> Tensor:
    """Pad in time so that the length stays; an even filter looks one frame further ahead than back."""
    assert isinstance(conv, nn.Conv2d)
    length = conv.kernel_size[0]
    return F.pad(sound, (0, 0, (length - 1) // 2, length // 2))


def _across(found: Tensor, norm: nn.Module) -> Tensor:
    """Normalise, then keep the band that answers most in each frame."""
    return norm(found).amax(-1)


def _slid(whole: Tensor, windows: Tensor, hop: int, conv: nn.Module, norm: nn.Module) -> Tensor:
    """Return what a filter of the front answers to every window, as `_across` of each padded one."""
    assert isinstance(conv, nn.Conv2d)
    length, count, frames = conv.kernel_size[0], len(windows), windows.shape[2]
    if whole.shape[2] + count * length > count * frames:  # as much work as window by window, or more
        return _across(F.relu(conv(_padded(windows, conv))), norm)
    inner = _across(F.relu(conv(whole)), norm)[0].unfold(1, frames - length + 1, hop).movedim(1, 0)
    if length == 1:
        return inner
    before = F.pad(windows[:, :, : length - 1], (0, 0, (length - 1) // 2, 0))
    behind = F.pad(windows[:, :, 1 - length :], (0, 0, 0, length // 2))
    first, last = (_across(F.relu(conv(edge)), norm) for edge in (before, behind))
    return torch.cat([first, inner, last], -1)
