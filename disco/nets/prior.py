"""What counting knows about codec tokens: a fixed prior that a language model's logits start from.

At a frame step of some 30 ms most tokens are foretold by the same codebook one frame before, or by the
next coarser codebook of the same frame. A small model needs minutes to learn these tables; counting
takes seconds and leaves the model what counting cannot see.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from disco.nets.ngram import log_transitions

TRIED = tuple(itertools.product((0.6, 0.8, 1.0), (0.2, 0.4, 0.6, 0.8)))  # weights of both tables
LEFT_OUT = 8  # sequences that choose among them
MOST_LESS = 6
STEP = 0.1  # nats: tables are kept in eight bits, from -12.8 to 12.7


class TokenPrior(nn.Module):
    """Witten-Bell tables of each token after the frame before and after the coarser codebook.

    The prior is log-linear: log P(token | frame before), plus a weight times what the coarser codebook
    changes, log P(token | coarser) - log P(token). Weights per codebook are those that foretell best the
    tokens left out of a first count. Tables are buffers of whole steps of 0.1 nats, so that checkpoints
    carry them and an adapter's checkpoint can. Index `cardinality` of a table is "nothing before".

    Tables know the tokens they were counted from too well, and a network trained on top of that would
    learn to leave everything to them. So training asks with `counted`: a token that came then weighs as if
    it had been seen some times less (itself and its repeats within the piece), as many times as make
    counted tokens as surprising as left-out ones.

    Args:
        coarser_known: for each codebook, whether the next coarser one of the same frame comes before it;
            where it does not, the plain table of the frame before is all there is.
        apart: how many codebooks before its own the next coarser one of the same channel stands: 2 where
            those of left and right come in turn.
    """

    after_frame: Tensor
    coarser_gain: Tensor
    after_frame_discount: Tensor
    coarser_discount: Tensor
    weights: Tensor

    def __init__(
        self, *, num_codebooks: int, cardinality: int, coarser_known: Sequence[bool], apart: int = 1
    ) -> None:
        super().__init__()
        self.apart = apart
        self.cardinality = cardinality
        self.coarser_known = tuple(coarser_known)
        shape = (num_codebooks, cardinality + 1, cardinality)
        for table in ("after_frame", "coarser_gain", "after_frame_discount", "coarser_discount"):
            self.register_buffer(table, torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("weights", torch.tensor([[1.0, 0.0]]).repeat(num_codebooks, 1))

    def forward(
        self,
        before: Int[Tensor, "b k s"],
        coarser: Int[Tensor, "b k s"],
        counted: Int[Tensor, "b k s"] | None = None,
        *,
        first: int = 0,
    ) -> Float[Tensor, "b k s v"]:
        """Return logits, given the frame before and the coarser codebook of the same frame.

        Args:
            before: tokens of the frame before.
            coarser: tokens of the next coarser codebook.
            counted: the tokens that came, if they are among those that were counted.
            first: the codebook that these begin with.
        """
        codebook = torch.arange(first, first + before.shape[1], device=before.device)[:, None]
        frame_weight, coarser_weight = self.weights[codebook[:, 0]].unbind(1)
        logits = STEP * frame_weight[:, None, None] * self.after_frame[codebook, before]
        if any(self.coarser_known):
            logits = logits + STEP * coarser_weight[:, None, None] * self.coarser_gain[codebook, coarser]
        if counted is None:
            return logits
        less = frame_weight[:, None] * self.after_frame_discount[codebook, before, counted]
        less = less + coarser_weight[:, None] * self.coarser_discount[codebook, coarser, counted]
        return logits.scatter_add(-1, counted[..., None], -STEP * less[..., None])

    def by_codebook(self, codes: Int[Tensor, "b k f"]) -> Callable[[int], Float[Tensor, "b f v"]]:
        """Return what gives the logits of one codebook of tokens that were counted."""
        before, coarser = self.contexts(codes)

        def logits(index: int) -> Float[Tensor, "b f v"]:
            one = slice(index, index + 1)
            return self(before[:, one], coarser[:, one], codes[:, one], first=index)[:, 0]

        return logits

    def contexts(self, codes: Int[Tensor, "b k f"]) -> tuple[Int[Tensor, "b k f"], Int[Tensor, "b k f"]]:
        """Return for each token the one a frame before it and the one of the next coarser codebook."""
        return contexts_of(codes, self.cardinality, self.apart)

    @torch.no_grad()
    def count(self, codes: Iterable[Int[Tensor, "k _"]]) -> None:
        """Fill the tables from whole sequences; the first of them choose the weights before they count too.

        The first, not some in between: neighbours are often cut from one piece, which flatters the tables.
        """
        counts = torch.zeros(2, *self.after_frame.shape, dtype=torch.float64)
        left_out = []
        for index, one in enumerate(codes):
            if index < LEFT_OUT:
                left_out.append(one.cpu())
            else:
                self._add(counts, one.cpu())
        if left_out:
            self._tabulate(counts, less=0)
            surprise = self._choose_weights(left_out)
            for one in left_out:
                self._add(counts, one)
            self._tabulate(counts, less=self._choose_less(counts, left_out, surprise))

    def _add(self, counts: Float[Tensor, "2 k c v"], codes: Int[Tensor, "k f"]) -> None:
        ones = torch.ones(codes.shape, dtype=counts.dtype)
        codebook = torch.arange(len(codes))[:, None].expand_as(codes)
        for table, contexts in zip(counts, self.contexts(codes[None]), strict=True):
            table.index_put_((codebook, contexts[0], codes), ones, accumulate=True)

    def _tabulate(self, counts: Float[Tensor, "2 k c v"], *, less: int) -> None:
        plain = torch.stack([log_transitions(table.sum(0, keepdim=True)) for table in counts[0]])
        frame, coarser = (torch.stack([log_transitions(one) for one in table]) for table in counts)
        self.after_frame.copy_(_in_steps(frame))
        self.coarser_gain.copy_(_in_steps(coarser - plain))
        frame_less, coarser_less = (_seen_less(table, plain, less) for table in counts)
        self.after_frame_discount.copy_(_in_steps(frame - frame_less))
        self.coarser_discount.copy_(_in_steps(coarser - coarser_less))

    def _choose_weights(self, left_out: list[Int[Tensor, "k _"]]) -> float:
        """Set the weights that foretell best; return how surprising the tokens then are, summed."""
        nats = torch.zeros(len(TRIED), len(self.weights))
        kept = torch.tensor([1.0, 0.0])
        known = torch.tensor(self.coarser_known)[:, None]
        for index, weights in enumerate(TRIED):
            self.weights.copy_(torch.where(known, torch.tensor(weights), kept))
            nats[index] = torch.stack([self._surprise(codes) for codes in left_out]).sum(0)
        best = nats.argmin(0)
        self.weights.copy_(torch.where(known, torch.tensor(TRIED)[best], kept))
        return float(nats.gather(0, best[None]).sum())

    def _choose_less(
        self, counts: Float[Tensor, "2 k c v"], once_left_out: list[Int[Tensor, "k _"]], surprise: float
    ) -> int:
        """Find how many times less makes tokens as surprising as they were before they were counted."""
        gaps = []
        for less in range(MOST_LESS + 1):
            self._tabulate(counts, less=less)
            again = sum(float(self._surprise(codes, counted=True).sum()) for codes in once_left_out)
            gaps.append(abs(again - surprise))
        return gaps.index(min(gaps))

    def _surprise(self, codes: Int[Tensor, "k f"], *, counted: bool = False) -> Float[Tensor, "k"]:
        codes = codes.to(self.weights.device)[None]
        logits = self(*self.contexts(codes), counted=codes if counted else None)
        return (logits.logsumexp(-1) - logits.gather(-1, codes[..., None])[..., 0]).sum((0, 2)).cpu()


def _in_steps(nats: Tensor) -> Tensor:
    return (nats / STEP).round().clamp(-128, 127)


def _seen_less(
    counts: Float[Tensor, "k c v"], plain: Float[Tensor, "k 1 v"], less: int
) -> Float[Tensor, "k c v"]:
    """Return the Witten-Bell log-probability of each token, had it come `less` times less."""
    total = counts.sum(-1, keepdim=True)
    kinds = (counts > 0).sum(-1, keepdim=True)
    left = (counts - less).clamp(min=0)
    kinds_left = (kinds - ((counts > 0) & (left == 0)).int()).clamp(min=1)
    seen = (left + kinds_left * plain.exp()) / (total + kinds).clamp(min=1)
    return torch.where(total > 0, seen.log(), plain)


def contexts_of(
    codes: Int[Tensor, "b k f"], nothing: int, apart: int = 1
) -> tuple[Int[Tensor, "b k f"], Int[Tensor, "b k f"]]:
    """Return for each token the one a frame before it and the one of the next coarser codebook."""
    before = torch.nn.functional.pad(codes[..., :-1], (1, 0), value=nothing)
    coarser = torch.nn.functional.pad(codes, (0, 0, apart, 0), value=nothing)[:, : codes.shape[1]]
    return before, coarser
