"""Residual vector quantisation: each codebook names what the ones before it left over.

Codebooks follow their data by exponential averages (van den Oord et al. 2017, appendix A.1), start
from k-means, and move dead entries to living data (Zeghidour et al. 2021, SoundStream). Sums over
assignments are added up over all processes, so that every process holds the same codebooks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

PADDING = -1  # the token of a frame that does not count
_KMEANS_ROUNDS = 10
_REFILL_EVERY = 20  # steps; a moved entry needs some to show whether it is used
_LAPLACE = 1e-5
_LEVEL_SHARE = 0.1  # of the newest step in the running mean and scale


@dataclass(frozen=True)
class Quantized:
    """One pass through the codebooks.

    Attributes:
        latent: the sum of the chosen entries, with the encoder's gradient.
        codes: the chosen entries; `PADDING` where a frame does not count.
        commitment: mean squared distance of what was quantised to what was chosen.
    """

    latent: Float[Tensor, "b d f"]
    codes: Int[Tensor, "b k f"]
    commitment: Float[Tensor, ""]


class Codebook(nn.Module):
    """Entries that follow the vectors which chose them."""

    entries: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, *, cardinality: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("entries", torch.randn(cardinality, dim))
        self.register_buffer("counts", torch.ones(cardinality))
        self.register_buffer("sums", self.entries.clone())

    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int[Tensor, " n"]:
        """Return the index of the closest entry to each vector."""
        return (self.entries.square().sum(1) - 2 * vectors @ self.entries.T).argmin(1)

    @torch.no_grad()
    def follow(self, vectors: Float[Tensor, "n d"], codes: Int[Tensor, " n"], decay: float) -> None:
        """Move each entry towards the mean of the vectors that chose it, in all processes alike."""
        counts, sums = _grouped(vectors, codes, len(self.entries))
        self.counts.lerp_(counts, 1 - decay)
        self.sums.lerp_(sums, 1 - decay)
        total = self.counts.sum()
        smoothed = (self.counts + _LAPLACE) / (total + len(self.counts) * _LAPLACE) * total
        self.entries.copy_(self.sums / smoothed[:, None])

    @torch.no_grad()
    def start(self, vectors: Float[Tensor, "n d"], per_step: float, generator: torch.Generator) -> None:
        """Place the entries by k-means over every process's vectors, of which a step brings `per_step`."""
        size = len(self.entries)
        self.entries.copy_(_from_first_process(_spread(vectors, size, generator)))
        counts = torch.ones_like(self.counts)
        for _ in range(_KMEANS_ROUNDS):
            counts, sums = _grouped(vectors, self.nearest(vectors), size)
            means = sums / counts.clamp_min(1)[:, None]
            self.entries.copy_(torch.where(counts[:, None] > 0, means, self.entries))
        self.counts.copy_(counts.clamp_min(0.5) * (per_step / counts.sum()))
        self.sums.copy_(self.entries * self.counts[:, None])

    @torch.no_grad()
    def refill(self, vectors: Float[Tensor, "n d"], below: float, generator: torch.Generator) -> None:
        """Move entries chosen by less than `below` of their fair share to vectors that came by."""
        fair = self.counts.mean()
        dead = self.counts < below * fair
        fresh = _from_first_process(_drawn(vectors, len(self.entries), generator))
        self.entries.copy_(torch.where(dead[:, None], fresh, self.entries))
        self.counts.copy_(torch.where(dead, fair, self.counts))
        self.sums.copy_(torch.where(dead[:, None], fresh * fair, self.sums))


class ResidualQuantizer(nn.Module):
    """A stack of codebooks over a narrow projection of the latent.

    Args:
        dim: width of the latent.
        code_dim: width in which entries are compared; narrow codebooks are used more evenly.
        num_codebooks: tokens per frame.
        cardinality: entries per codebook.
        decay: of the averages that entries follow; 0.99 forgets in about 100 steps.
        restarts: training steps at which the codebooks start anew from k-means.
        pool: vectors per process that k-means sees, those of the latest steps.
        dead_below: an entry chosen by less than this share of its fair part is moved; 0 moves none.
        dropout: share of training items that hear only the first few codebooks.
        seed: of k-means, refills and dropout.
    """

    mean: Tensor
    spread: Tensor
    step: Tensor

    def __init__(
        self,
        *,
        dim: int,
        code_dim: int,
        num_codebooks: int,
        cardinality: int,
        decay: float,
        restarts: Sequence[int],
        pool: int,
        dead_below: float,
        dropout: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.num_codebooks = num_codebooks
        self.cardinality = cardinality
        self.decay = decay
        self.restarts = frozenset(restarts)
        self.pool = pool
        self.dead_below = dead_below
        self.dropout = dropout
        self.seed = seed
        self.narrow = nn.Conv1d(dim, code_dim, 1)
        self.widen = nn.Conv1d(code_dim, dim, 1)
        self.codebooks = nn.ModuleList(
            Codebook(cardinality=cardinality, dim=code_dim) for _ in range(num_codebooks)
        )
        self.register_buffer("mean", torch.zeros(code_dim))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self._recent: list[Tensor] = []

    def forward(self, latent: Float[Tensor, "b d f"], counts: Bool[Tensor, "b f"]) -> Quantized:
        """Quantise where `counts` is true; in training, move the codebooks too.

        Up to the first restart training hears the latent itself, so that k-means finds one worth coding.
        """
        with torch.autocast(latent.device.type, enabled=False):
            narrow = self.narrow(latent.float())
            vectors = self._levelled(narrow.mT[counts])
            if self.training:
                self._restart(vectors.detach())
            picks = self._picks(vectors.detach(), train=self.training)
            chosen = torch.stack(
                [book.entries[pick] for book, pick in zip(self._books(), picks, strict=True)]
            )
            heard = self._heard(counts) if self.training else torch.ones_like(chosen[..., 0])
            quantized = (chosen * heard[..., None]).sum(0)
            commitment = F.mse_loss(vectors, quantized)
            if self._listens_first:
                quantized, commitment = vectors.detach(), commitment * 0.0
            through = vectors + (quantized - vectors).detach()
            filled = torch.zeros_like(narrow.mT).masked_scatter(counts[..., None], through)
            codes = torch.full((*counts.shape, len(picks)), PADDING, device=latent.device)
            codes[counts] = picks.mT
            if self.training:
                self.step += 1
            return Quantized(self.widen(filled.mT), codes.permute(0, 2, 1), commitment)

    @torch.no_grad()
    def encode(self, latent: Float[Tensor, "b d f"]) -> Int[Tensor, "b k f"]:
        """Return the tokens of every frame."""
        vectors = self.narrow(latent.float()).mT
        picks = self._picks(self._levelled(vectors.flatten(0, 1)), train=False)
        return picks.unflatten(1, vectors.shape[:2]).permute(1, 0, 2)

    def decode(self, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b d f"]:
        """Return the latent that the tokens name; fewer codebooks give a coarser one."""
        books = zip(self._books(), codes.unbind(1), strict=False)
        return self.widen(torch.stack([book.entries[code] for book, code in books]).sum(0).mT)

    @property
    def _listens_first(self) -> bool:
        return self.training and int(self.step) < min(self.restarts, default=0)

    def _levelled(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Take off the common mean and scale, so that codebooks lose no encoder that drifts as a whole."""
        if not self.training:
            return (vectors - self.mean) / self.spread
        count = _shared(vectors.new_tensor(len(vectors)))
        centred = vectors - _shared(vectors.sum(0)) / count
        spread = (_shared(centred.square().sum()) / (count * vectors.shape[1])).clamp_min(1e-10).sqrt()
        with torch.no_grad():
            share = max(_LEVEL_SHARE, 1 / (int(self.step) + 1))
            self.mean.lerp_((vectors - centred)[0], share)
            self.spread.lerp_(spread, share)
        return centred / spread

    def _picks(self, vectors: Float[Tensor, "n d"], *, train: bool) -> Int[Tensor, "k n"]:
        """Choose entries codebook after codebook, moving them on the way in training."""
        moves = train and not self._listens_first
        looks = moves and int(self.step) % _REFILL_EVERY == 0
        picks, rest = [], vectors
        for place, book in enumerate(self._books()):
            pick = book.nearest(rest)
            left = rest - book.entries[pick]
            if moves:
                book.follow(rest, pick, self.decay)
            if looks:
                book.refill(rest, self.dead_below, self._generator(place))
            picks.append(pick)
            rest = left
        return torch.stack(picks)

    def memory(self) -> list[Tensor]:
        """Return the latents that the next restart will look at."""
        return list(self._recent)

    def recall(self, memory: list[Tensor]) -> None:
        """Take them up again."""
        self._recent = [vectors.to(self.mean) for vectors in memory]

    def _restart(self, vectors: Float[Tensor, "n d"]) -> None:
        if int(self.step) > max(self.restarts, default=-1):
            self._recent.clear()
            return
        self._recent.append(vectors)
        while len(self._recent) > 1 and sum(map(len, self._recent[1:])) >= self.pool:
            self._recent.pop(0)
        if int(self.step) not in self.restarts:
            return
        rest = torch.cat(self._recent)
        per_step = summed_over_processes(torch.tensor(float(len(vectors)), device=vectors.device)).item()
        for place, book in enumerate(self._books()):
            book.start(rest, per_step, self._generator(place))
            rest = rest - book.entries[book.nearest(rest)]

    def _heard(self, counts: Bool[Tensor, "b f"]) -> Float[Tensor, "k n"]:
        """Draw for each item how many codebooks it hears: 1 where heard, else 0."""
        generator = self._generator(self.num_codebooks)
        coarse = torch.rand(len(counts), generator=generator) < self.dropout
        few = torch.randint(1, self.num_codebooks + 1, (len(counts),), generator=generator)
        few = torch.where(coarse, few, self.num_codebooks).to(counts.device)
        heard = torch.arange(self.num_codebooks, device=counts.device)[:, None] < few
        return heard[..., None].expand(-1, -1, counts.shape[1])[:, counts].float()

    def _books(self) -> list[Codebook]:
        return [book for book in self.codebooks if isinstance(book, Codebook)]

    def _generator(self, place: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 1_000_003 + int(self.step)) * 101 + place)


def perplexity(counts: Float[Tensor, "*k v"]) -> Float[Tensor, "*k"]:
    """Say how many entries are in even use: the exponential of the entropy of their counts."""
    share = counts / counts.sum(-1, keepdim=True).clamp_min(1)
    return torch.special.entr(share).sum(-1).exp()


def code_counts(codes: Int[Tensor, "b k f"], cardinality: int) -> Float[Tensor, "k v"]:
    """Count how often each entry was chosen; padding does not count."""
    kept = codes.transpose(0, 1).flatten(1)
    counts = torch.zeros(len(kept), cardinality, device=codes.device)
    return counts.scatter_add_(1, kept.clamp_min(0), (kept != PADDING).float())


def summed_over_processes(values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Add up over all processes of a distributed run; the identity in a single one."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(values)
    return values


def _shared(values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Add up over all processes; the gradient flows to one's own part."""
    own = values.detach()
    return values + (summed_over_processes(own.clone()) - own)


def _from_first_process(values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    if dist.is_available() and dist.is_initialized():
        dist.broadcast(values, src=0)
    return values


def _grouped(
    vectors: Float[Tensor, "n d"], codes: Int[Tensor, " n"], size: int
) -> tuple[Float[Tensor, " v"], Float[Tensor, "v d"]]:
    """Count and add up the vectors of each code, over all processes."""
    both = vectors.new_zeros(size, vectors.shape[1] + 1)
    both.index_add_(0, codes, F.pad(vectors, (0, 1), value=1.0))
    both = summed_over_processes(both)
    return both[:, -1], both[:, :-1]


def _drawn(vectors: Float[Tensor, "n d"], count: int, generator: torch.Generator) -> Float[Tensor, "v d"]:
    """Draw vectors, without repeats where there are enough."""
    rounds = -(-count // len(vectors))
    order = torch.cat([torch.randperm(len(vectors), generator=generator) for _ in range(rounds)])
    return vectors[order[:count].to(vectors.device)]


def _spread(vectors: Float[Tensor, "n d"], count: int, generator: torch.Generator) -> Float[Tensor, "v d"]:
    """Draw vectors far from one another: each with the odds of its squared distance to those before.

    The start of k-means++ (Arthur, Vassilvitskii 2007), on a draw of at most 16 vectors per entry.
    """
    pool = _drawn(vectors, min(len(vectors), 16 * count), generator)
    chances = torch.rand(count, generator=generator)
    distance = torch.full((len(pool),), torch.inf, device=pool.device)
    picks = [int(chances[0] * len(pool))]
    for chance in chances[1:].tolist():
        distance = torch.minimum(distance, (pool - pool[picks[-1]]).square().sum(1))
        heap = distance.double().cumsum(0)
        picks.append(min(int(torch.searchsorted(heap, chance * heap[-1])), len(pool) - 1))
    return pool[picks]
