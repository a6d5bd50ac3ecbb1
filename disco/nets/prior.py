"""What counting knows about codec tokens: a fixed prior that a language model's logits start from.

At a frame step of some 30 ms most tokens are foretold by the same codebook one frame before, or by the
next coarser codebook of the same frame. A small model needs minutes to learn these tables; counting
takes seconds and leaves the model what counting cannot see.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from disco.nets.ngram import log_transitions, transition_counts

MIXES = torch.linspace(0, 1, 11)  # shares of the coarser codebook that are tried


class TokenPrior(nn.Module):
    """Witten-Bell log-probabilities of each token after the frame before and after the coarser codebook.

    Codebook 0 is foretold by its last frame alone; each other codebook by a mixture of both, whose share is
    the best on tokens left out of the counts. All of it lives in buffers, so that checkpoints carry it.
    Index `cardinality` of a table is "nothing before".

    Args:
        coarser_known: for each codebook, whether the next coarser one of the same frame comes before it;
            where it does not, only the frame before counts.
    """

    def __init__(self, *, num_codebooks: int, cardinality: int, coarser_known: Sequence[bool]) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.coarser_known = tuple(coarser_known)
        shape = (num_codebooks, cardinality + 1, cardinality)
        self.register_buffer("after_frame", torch.zeros(shape, dtype=torch.float16))
        self.register_buffer("after_coarser", torch.zeros(shape, dtype=torch.float16))
        self.register_buffer("share", torch.zeros(num_codebooks))

    def forward(
        self, before: Int[Tensor, "b k s"], coarser: Int[Tensor, "b k s"]
    ) -> Float[Tensor, "b k s v"]:
        """Return log-probabilities, given the frame before and the coarser codebook of the same frame."""
        codebook = torch.arange(before.shape[1], device=before.device)[:, None]
        return _mix(self.after_frame[codebook, before], self.after_coarser[codebook, coarser], self.share)

    @torch.no_grad()
    def count(self, codes: Iterable[Int[Tensor, "k _"]]) -> None:
        """Fill the tables from whole sequences; every tenth one chooses the shares before it is counted too."""
        counts = torch.zeros(2, *self.after_frame.shape, dtype=torch.float64)
        left_out = []
        for index, one in enumerate(codes):
            if index % 10 == 9:
                left_out.append(one.cpu())
            else:
                self._add(counts, one.cpu())
        if left_out:
            self._tabulate(counts)
            self._choose_shares(left_out)
        for one in left_out:
            self._add(counts, one)
        self._tabulate(counts)

    def _add(self, counts: Float[Tensor, "2 k c v"], codes: Int[Tensor, "k f"]) -> None:
        for table, contexts in zip(counts, contexts_of(codes[None], self.cardinality), strict=True):
            for codebook, (context, token) in enumerate(zip(contexts[0], codes, strict=True)):
                table[codebook] += transition_counts(context, token, self.cardinality + 1, self.cardinality)

    def _tabulate(self, counts: Float[Tensor, "2 k c v"]) -> None:
        for buffer, table in zip((self.after_frame, self.after_coarser), counts, strict=True):
            buffer.copy_(torch.stack([log_transitions(one) for one in table]))

    def _choose_shares(self, left_out: list[Int[Tensor, "k _"]]) -> None:
        nats = torch.zeros(len(MIXES), len(self.share))
        place = self.after_frame.device
        for codes in left_out:
            before, coarser = (context.to(place) for context in contexts_of(codes[None], self.cardinality))
            for index, share in enumerate(MIXES):
                self.share.fill_(share)
                seen = self(before, coarser).gather(-1, codes.to(place)[None, ..., None])
                nats[index] -= seen.sum((0, 2, 3)).cpu()
        self.share.copy_(MIXES[nats.argmin(0)] * torch.tensor(self.coarser_known))


def contexts_of(
    codes: Int[Tensor, "b k f"], nothing: int
) -> tuple[Int[Tensor, "b k f"], Int[Tensor, "b k f"]]:
    """Return for each token the one a frame before it and the one of the next coarser codebook."""
    before = torch.nn.functional.pad(codes[..., :-1], (1, 0), value=nothing)
    coarser = torch.nn.functional.pad(codes[:, :-1], (0, 0, 1, 0), value=nothing)
    return before, coarser


def _mix(
    first: Float[Tensor, "b k s v"], second: Float[Tensor, "b k s v"], share: Float[Tensor, "k"]
) -> Float[Tensor, "b k s v"]:
    """Return the log of (1 - share) · exp(first) + share · exp(second)."""
    if not share.any():
        return first.float()
    part = share[:, None, None]
    return torch.logaddexp(first.float() + (1 - part).log(), second.float() + part.log())
