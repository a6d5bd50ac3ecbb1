"""LoRA: low-rank updates beside frozen layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from disco.adapters.sites import find_sites
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveFloat, PositiveInt, Share


class LoRA:
    """Adds `(alpha / rank) · B A x` to the layers at its sites; starts as the identity (Hu et al. 2021).

    Args:
        sites: names of places that the model knows ("query", "value", …).
        rank: inner width of the update.
        alpha: its scale is alpha / rank.
        dropout: on the update's input while training.
        recount: what the base counted from its data (a token prior) is counted again on the new data and
            saved with the updates.
        seed: of the random half of the update.
    """

    needs_base = True

    def __init__(
        self,
        *,
        sites: Sequence[str],
        rank: PositiveInt,
        alpha: PositiveFloat,
        dropout: Share,
        recount: bool,
        seed: NaturalInt,
    ) -> None:
        self.sites = tuple(sites)
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.recount = recount
        self.seed = seed

    def attach(self, module: GenerativeModule) -> None:
        """Freeze every network weight and insert the updates.

        Raises:
            DiscoError: a site is unknown or matches nothing.
        """
        from peft import LoraConfig, inject_adapter_in_model  # six seconds to import

        names = find_sites(module, self.sites)
        objective = {id(p) for p in module.objective.parameters()}
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # pyright: ignore[reportArgumentType]  peft divides it, whole or not
            lora_dropout=self.dropout,
            target_modules=names,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            inject_adapter_in_model(config, module)
        for name, parameter in module.named_parameters():
            parameter.requires_grad = "lora_" in name or id(parameter) in objective
        module.adapted = True
        module.recounts = self.recount

    def merge(self, module: GenerativeModule) -> None:
        """Fold the updates into the base weights; names are then those of the base again."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        for name, part in list(module.named_modules()):
            if isinstance(part, BaseTunerLayer):
                part.merge()
                parent, _, child = name.rpartition(".")
                setattr(module.get_submodule(parent), child, part.get_base_layer())
        module.adapted = False
        module.recounts = False
