"""Guidance: away from what would be played unasked, in small pieces that compose.

A *pass* asks the model once, with some conditions silenced. A *chain* joins the passes, from the least told
to the most told; *shapers* then change what it made, one after the other.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Silenced = frozenset[str] | None  # names of conditions; None silences all of them
EVERYTHING: Silenced = None
NOTHING: Silenced = frozenset()


@dataclass(frozen=True)
class InWords:
    """A pass that silences nothing and is told one of several wordings alone."""

    place: int


Pass = Silenced | InWords


class Chain:
    """Weighs what each further condition changes: `l0 + w1 (l1 - l0) + w2 (l2 - l1) + …`.

    With all weights 1 it is the conditional model, with all 0 the unconditional one, exactly: passes whose
    logits would cancel are not made.

    Args:
        links: what each pass silences and the weight of what it changes; the first weight is not used.
    """

    def __init__(self, links: Sequence[tuple[Silenced, float]]) -> None:
        if wrong := [weight for _, weight in links if not 0 <= weight < math.inf]:
            raise ValueError(f"a weight of guidance is 0 or more, not {wrong[0]:g}")
        weights = [1.0, *(weight for _, weight in links[1:]), 0.0]
        kept = [place for place in range(len(links)) if weights[place] != weights[place + 1]]
        self.passes: tuple[Pass, ...] = tuple(links[place][0] for place in kept)
        self.weights = tuple(weights[place] for place in kept)

    def join(self, logits: Float[Tensor, "n *b v"]) -> Float[Tensor, "*b v"]:
        """Return the guided logits, given those of `passes` in this order."""
        joined = logits[0]
        for place in range(1, len(logits)):
            joined = joined + self.weights[place] * (logits[place] - logits[place - 1])
        return joined


class Plain(Chain):
    """Classifier-free guidance (Ho & Salimans 2022, 2207.12598).

    Args:
        weight: 1 is the conditional model, 0 the unconditional one, more obeys more.
    """

    def __init__(self, *, weight: float) -> None:
        super().__init__([(EVERYTHING, 1.0), (NOTHING, weight)])


class Double(Chain):
    """First to everything but the text, then on to the text (Rouard et al. 2024, 2407.12563, equation 2).

    Args:
        weight: of everything; text: how much more of what the words change, 1 is plain guidance.
    """

    def __init__(self, *, weight: float, text: float) -> None:
        super().__init__([(EVERYTHING, 1.0), (frozenset({"text"}), weight), (NOTHING, weight * text)])


class Several(Chain):
    """A weight for each condition, told one after the other (Brooks et al. 2022, 2211.09800).

    Args:
        weight: of all conditions that `weights` does not name; they are told first.
        weights: condition ("text", "timing", or the name of a tag) to its weight, in the order of telling.
    """

    def __init__(self, *, weight: float, weights: Mapping[str, float] | None) -> None:
        weights = weights or {}
        names = list(weights)
        named = [(frozenset(names[place + 1 :]), weights[name]) for place, name in enumerate(names)]
        rest = (frozenset(names), weight)
        super().__init__([(EVERYTHING, 1.0), rest, *named])


class Worded(Chain):
    """Weighs what each wording of the same wish changes: `l0 + w (s1 (l1 - l0) + s2 (l2 - l0) + …)`.

    As composed diffusion does with several prompts (Liu et al. 2022, 2206.01714), with shares that sum to 1:
    where all wordings are the same it is plain guidance.

    Args:
        weight: of all of them; shares: how much each wording counts.
    """

    def __init__(self, *, weight: float, shares: Sequence[float]) -> None:
        super().__init__([(EVERYTHING, 1.0), (NOTHING, weight)])
        asked = [(place, weight * share) for place, share in enumerate(shares) if weight * share > 0]
        self.passes = (EVERYTHING, *(InWords(place) for place, _ in asked))
        self.weights = (1.0, *(one for _, one in asked))

    def join(self, logits: Float[Tensor, "n *b v"]) -> Float[Tensor, "*b v"]:
        """Return the guided logits, given those of `passes` in this order."""
        joined = logits[0]
        for weight, told in zip(self.weights[1:], logits[1:], strict=True):
            joined = joined + weight * (told - logits[0])
        return joined


class Shaper(ABC):
    """Changes what a chain made."""

    @abstractmethod
    def __call__(
        self, told: Float[Tensor, "*b v"], guided: Float[Tensor, "*b v"], progress: float
    ) -> Float[Tensor, "*b v"]:
        """Return the guided logits, changed.

        Args:
            told: of the conditional model.
            guided: what the pieces before this one made of them.
            progress: how far the piece has come, from 0 to 1.
        """


class Interval(Shaper):
    """Guides during a part of the piece only; outside it the conditional model plays.

    After Kynkäänniemi et al. 2024 (2404.07724), whose interval lies in noise levels, not in time.

    Args:
        start: where guidance begins, as a share of the piece; stop: where it ends.
    """

    def __init__(self, *, start: float, stop: float) -> None:
        if not 0 <= start <= stop <= 1:
            raise ValueError(
                f"start and stop are shares of the piece, in this order, not {start:g}, {stop:g}"
            )
        self.start = start
        self.stop = stop

    def __call__(
        self, told: Float[Tensor, "*b v"], guided: Float[Tensor, "*b v"], progress: float
    ) -> Float[Tensor, "*b v"]:
        """Return one of the two."""
        return guided if self.start <= progress < self.stop or self.stop == progress == 1 else told


class Rescaled(Shaper):
    """Gives guided logits the spread of the conditional ones (Lin et al. 2023, 2305.08891, section 3.4).

    Args:
        share: how much of that; 0 changes nothing.
    """

    def __init__(self, *, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share is a number from 0 to 1, not {share:g}")
        self.share = share

    def __call__(
        self, told: Float[Tensor, "*b v"], guided: Float[Tensor, "*b v"], progress: float
    ) -> Float[Tensor, "*b v"]:
        """Return the logits about their own mean, narrower or wider."""
        mean = guided.mean(-1, keepdim=True)
        spread = guided.std(-1, keepdim=True).clamp(min=1e-8)
        factor = 1 + self.share * (told.std(-1, keepdim=True) / spread - 1)
        return mean + factor * (guided - mean)


class Projected(Shaper):
    """Adaptive projected guidance: less of what only sharpens (Sadat et al. 2024, 2410.02416).

    The change is split into a part along the conditional logits, which makes them louder, and one across,
    which makes them other. Without the paper's momentum, which is over the steps of one denoising.

    Args:
        parallel: how much of the part along them stays; 1 changes nothing.
        most: longest change, in nats; 0 is without bound.
    """

    def __init__(self, *, parallel: float, most: float) -> None:
        if not (0 <= parallel <= 1 and most >= 0):
            raise ValueError(f"parallel is from 0 to 1 and most is 0 or more, not {parallel:g} and {most:g}")
        self.parallel = parallel
        self.most = most

    def __call__(
        self, told: Float[Tensor, "*b v"], guided: Float[Tensor, "*b v"], progress: float
    ) -> Float[Tensor, "*b v"]:
        """Return the conditional logits and what is left of the change."""
        change = guided - told
        if self.most > 0:
            length = change.norm(dim=-1, keepdim=True).clamp(min=1e-8)
            change = change * (self.most / length).clamp(max=1)
        centred = told - told.mean(-1, keepdim=True)  # logits mean the same wherever their mean lies
        direction = torch.nn.functional.normalize(centred, dim=-1)
        along = (change * direction).sum(-1, keepdim=True) * direction
        return told + change - (1 - self.parallel) * along


class Guidance:
    """A chain of passes and what shapes its answer."""

    def __init__(self, chain: Chain, shapers: Sequence[Shaper] = ()) -> None:
        self.chain = chain
        self.shapers = tuple(shapers)
        plus = () if not shapers or NOTHING in chain.passes else (NOTHING,)
        self.passes: tuple[Pass, ...] = (*chain.passes, *plus)

    def __call__(self, logits: Float[Tensor, "nb *k v"], progress: float) -> Float[Tensor, "b *k v"]:
        """Return one row of logits per item, given all rows of the first pass, of the second, and so on."""
        each = logits.unflatten(0, (len(self.passes), -1))
        guided = self.chain.join(each[: len(self.chain.passes)])
        told = each[self.passes.index(NOTHING)] if self.shapers else guided
        for shaper in self.shapers:
            guided = shaper(told, guided, progress)
        return guided
