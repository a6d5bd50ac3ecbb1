"""After training: does the adapter that lies in the run folder do what the one in memory does?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from rich.console import Console
from torch import Tensor

from disco.apps.runs import Run, open_base
from disco.core.tensors import load_tensors
from disco.errors import DiscoError

if TYPE_CHECKING:
    import lightning as L

    from disco.core.batch import Batch
    from disco.core.module import GenerativeModule

SAME = 1e-3  # of the largest logit; bfloat16 and merging round


def check_adapter(run: Run, module: GenerativeModule, trainer: L.Trainer) -> dict[str, float]:
    """Open the run as a user will, and compare it with its base, with the memory and with its merged self.

    Returns how much the adapter changes what the model says on a validation batch: mean and largest
    difference, and the largest differences of the reopened and of the merged model from the trained one.

    Raises:
        DiscoError: the adapter changes nothing, or what was saved or merged says something else.
    """
    batch = next(iter(trainer.datamodule.val_dataloader()))  # type: ignore[attr-defined]  fit set it
    module = module.cpu().eval()
    trained = _said(module, batch)
    opened, adapter = open_base(run)
    base = {name: value.clone() for name, value in opened.state_dict().items()}
    before = _said(opened.eval(), batch)
    adapter.attach(opened)
    run.load(opened)
    again = _said(opened.eval(), batch)
    told = {
        "mean_change": float((again - before).abs().mean()),
        "largest_change": float((again - before).abs().max()),
        "reopened": float((again - trained).abs().max()),
    }
    if adapter.mergeable:
        adapter.merge(opened)
        told["merged"] = float((_said(opened.eval(), batch) - trained).abs().max())
    limit = SAME * max(1.0, float(trained.abs().max()))
    if told["largest_change"] == 0:
        raise DiscoError("the adapter changes nothing", do="train longer, raise optim.lr, or name more sites")
    for name in ("reopened", "merged"):
        if told.get(name, 0.0) > limit:
            raise DiscoError(f"the {name} adapter differs from the trained one by {told[name]:.3g}")
    kept = load_tensors(run.weights)
    moved = sum(t.numel() * t.element_size() for t in kept.values())
    whole = sum(t.numel() * t.element_size() for t in base.values())
    told["size_of_base"] = moved / whole
    merged = f", merged within {told['merged']:.1g}" if "merged" in told else ""
    Console().print(
        f"self-check: the adapter changes what the model says by {told['mean_change']:.3g} on average, "
        f"{told['largest_change']:.3g} at most; reopened within {told['reopened']:.1g}{merged}; "
        f"it has {100 * told['size_of_base']:.1f} % of the base's bytes",
        soft_wrap=True,
    )
    return told


@torch.no_grad()
def _said(module: GenerativeModule, batch: Batch) -> Tensor:
    out = module(batch)
    return next(x for x in (out.logits, out.wave, out.magnitude) if x is not None).float()
