"""LoRA and DoRA: low-rank updates beside frozen layers, through peft; rows of shared weights by our own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn.utils import parametrize

from disco.adapters.peft_layers import fold_layers, insert, plain_config
from disco.adapters.site_adapter import SiteAdapter
from disco.adapters.sites import SharedRows, find_layers, find_rows
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveFloat, PositiveInt, Share
from disco.core.sites import LOW_RANK
from disco.errors import DiscoError
from disco.nets.low_rank import LowRankRows

if TYPE_CHECKING:
    from peft import PeftConfig

WRAPPED = (nn.Linear, nn.Embedding, nn.Conv1d)


class LoRA(SiteAdapter):
    """Adds `(alpha / rank) · B A x` to the layers at its sites; starts as the identity (Hu et al. 2021).

    Queries, keys and values that share one weight (`core.sites.Rows`, `nn.MultiheadAttention`) are updated
    inside it, where wrapping the layer would change nothing, or all three. So are weights that are computed,
    as those of weight-normalised convolutions are.

    Args:
        sites: names of places that the model knows ("query", "value", …); layers: which of them.
        rank: inner width of the update; ranks: of single sites, where it differs.
        alpha: the update's scale is alpha / rank; alphas: of single sites, where it differs.
        dropout: on the update's input while training.
        rank_stabilised: divide by √rank instead (Kalajdzievski 2023, arXiv 2312.03732).
        dora: learn the length of each weight row apart from its direction (Liu et al. 2024, 2402.09353).
        recount: see `SiteAdapter`; seed: of the random half of the update.
    """

    kind: ClassVar[str] = LOW_RANK
    wants: ClassVar[str] = "linear layer for an update"

    def __init__(  # noqa: PLR0913  the method's own settings
        self,
        *,
        sites: Sequence[str] | Literal["default"],
        layers: Sequence[int | str] | None,
        rank: PositiveInt,
        ranks: Mapping[str, PositiveInt] | None,
        alpha: PositiveFloat,
        alphas: Mapping[str, PositiveFloat] | None,
        dropout: Share,
        rank_stabilised: bool,
        dora: bool,
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        super().__init__(sites=sites, layers=layers, recount=recount, seed=seed)
        self.rank = rank
        self.ranks = ranks or {}
        self.alpha = alpha
        self.alphas = alphas or {}
        self.dropout = dropout
        self.rank_stabilised = rank_stabilised
        self.dora = dora
        self._config: PeftConfig | None = None
        if not self.by_default:
            self._check_names()

    def insert(self, module: GenerativeModule) -> None:
        """Put the updates in.

        Raises:
            DiscoError: a site is unknown or matches nothing, or the rank is no less than a layer's width.
        """
        from peft import LoraConfig

        self._check_names()
        ranks, alphas, names = {}, {}, []
        for site in self.sites:
            for name in find_layers(module, [site], self.layers, lambda part: isinstance(part, WRAPPED)):
                if name in names:
                    continue
                names.append(name)
                ranks[name], alphas[name] = self._rank(site), self._alpha(site)
                width = int(min(module.get_submodule(name).weight.shape[:2]))  # type: ignore[union-attr]
                _check_rank(int(width), name, ranks[name])
        shared = [(site, rows) for site in self.sites for rows in find_rows(module, [site], self.layers)]
        for site, rows in shared:
            self._share(module, rows, self._rank(site), self._alpha(site))
        blind = [name for name in names if _inside_attention(module, name) or _is_computed(module, name)]
        for name in blind:
            self._share(module, SharedRows(name, "weight", slice(0, None)), ranks[name], alphas[name])
        wrapped = [name for name in names if name not in blind]
        if wrapped:
            self._config = LoraConfig(
                r=self.rank,
                lora_alpha=self.alpha,  # pyright: ignore[reportArgumentType]  peft divides it, whole or not
                lora_dropout=self.dropout,
                use_rslora=self.rank_stabilised,
                use_dora=self.dora,
                target_modules=wrapped,
                rank_pattern={f"^{re.escape(name)}$": ranks[name] for name in wrapped},
                alpha_pattern={f"^{re.escape(name)}$": alphas[name] for name in wrapped},
            )
            insert(self._config, module)

    def fold(self, module: GenerativeModule) -> None:
        """Fold the updates into the weights."""
        fold_layers(module)
        for part in list(module.modules()):
            for name in list(getattr(part, "parametrizations", ())):
                if any(isinstance(one, LowRankRows) for one in part.parametrizations[name]):  # type: ignore[index]
                    _fold_rows(part, name)

    def description(self) -> Mapping[str, Any]:
        """Return a `LoraConfig` as a dictionary."""
        return plain_config(self._config)

    def _check_names(self) -> None:
        for name in (*self.ranks, *self.alphas):
            if name not in self.sites:
                raise DiscoError(
                    f"adapter.ranks and adapter.alphas: '{name}' is not among adapter.sites",
                    do=f"choose from {', '.join(self.sites)}",
                )

    def _rank(self, site: str) -> int:
        return self.ranks.get(site, self.rank)

    def _alpha(self, site: str) -> float:
        return self.alphas.get(site, self.alpha)

    def _share(self, module: GenerativeModule, place: SharedRows, rank: int, alpha: float) -> None:
        if self.dora or self.dropout:
            raise DiscoError(
                f"{place.owner}: a weight that is shared or computed takes neither DoRA nor adapter.dropout",
                do="set adapter.dropout=0 and adapter=lora",
            )
        owner = module.get_submodule(place.owner)
        weight = getattr(owner, place.name)
        rows = slice(*place.rows.indices(len(weight))[:2])
        _check_rank(min(rows.stop - rows.start, weight.shape[1]), place.owner, rank)
        scale = alpha / (rank**0.5 if self.rank_stabilised else rank)
        update = LowRankRows(weight, rows=rows, rank=rank, scale=scale)
        parametrize.register_parametrization(owner, place.name, update)


def _check_rank(width: int, name: str, rank: int) -> None:
    if rank >= width:
        raise DiscoError(
            f"adapter.rank={rank} is no less than the {width} of {name}",
            do="choose a smaller rank, or adapter=full",
        )


@torch.no_grad()
def _fold_rows(owner: nn.Module, name: str) -> None:
    """Take the updates out, and have what is left make the weight that was made with them."""
    steps: Any = owner.parametrizations[name]  # type: ignore[index]
    if all(isinstance(step, LowRankRows) for step in steps):
        parametrize.remove_parametrizations(owner, name)
        return
    made = getattr(owner, name)
    for place in reversed(range(len(steps))):
        if isinstance(steps[place], LowRankRows):
            del steps[place]
    setattr(owner, name, made)


def _is_computed(module: nn.Module, name: str) -> bool:
    """Say whether a layer's weight is made of others."""
    return parametrize.is_parametrized(module.get_submodule(name), "weight")


def _inside_attention(module: nn.Module, name: str) -> bool:
    """Say whether a layer is one of which `nn.MultiheadAttention` reads the weight past its `forward`."""
    return isinstance(module.get_submodule(name.rpartition(".")[0]), nn.MultiheadAttention)
