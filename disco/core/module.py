"""The base of every model family: one training step, one checkpoint, one way to generate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch.distributed.tensor import DTensor

from disco.core import chance
from disco.core.batch import Batch, Conditions
from disco.core.contracts import Recipe, Sampler, Seed
from disco.core.identity import refuse_another, refuse_half
from disco.core.outputs import Outputs
from disco.core.remainder import Remainder
from disco.core.remembers import Remembers
from disco.core.sharding import is_sharded, shard, share
from disco.core.sites import Site
from disco.core.steps import StepRule, Window, adversarial_step, judged, means_over_processes, plain_step
from disco.core.term import Objective, Term
from disco.core.views import View
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.audio.clip import Clip
    from disco.midi.score import Score


class GenerativeModule(L.LightningModule, ABC):
    """A family writes `forward` and `generate` and declares three facts; the rest is here, once.

    Attributes:
        accepts: batch types it understands.
        offers: slots of `Outputs` that it fills in.
        sites: site name ("query", …) to a regex over submodule names or to shared rows, for adapters.
        default_sites: for each kind of adapter (`core.sites`) the sites where it goes unless told.
        blocks: regex over submodule names: what is made whole and freed one by one where weights are sharded.
        survey_items: how many training items `prepare_fit` looks at; None for all.
        counted: beginnings of the names of buffers that `prepare_fit` fills and that an adapter may recount.
        training_only: beginnings of the names of tensors that the trained model does without.
        fresh: the weights are as initialised.
        adapted: an adapter froze the base; checkpoints then hold only what moves.
        held: parts of a frozen base that would learn by themselves (running statistics); never in training.
        learning: beginnings of the names of the buffers that go on learning in an adapted model.
        recounts: the adapter counts the `counted` buffers again, on its own data.
        identity: what a checkpoint must agree with, as field to plain value.
        wanted: says of (name, norm of the gradients) whether a step whose norm is finite is made.
        skipped: steps left out so far.
    """

    accepts: ClassVar[tuple[type, ...]]
    offers: ClassVar[frozenset[str]]
    sites: ClassVar[Mapping[str, Site]]
    default_sites: ClassVar[Mapping[str, Sequence[str]]] = {}
    blocks: ClassVar[str] = ""
    survey_items: ClassVar[int | None] = None
    counted: ClassVar[tuple[str, ...]] = ()
    training_only: ClassVar[tuple[str, ...]] = ("objective.",)

    def __init__(self, *, terms: Mapping[str, Term], recipe: Recipe | None) -> None:
        super().__init__()
        self.objective = Objective(terms)
        self.recipe = recipe
        self.adapted = False
        self.held: tuple[torch.nn.Module, ...] = ()  # a tuple hides them from PyTorch: they are parts already
        self.learning: tuple[str, ...] = ()
        self.recounts = False
        self.fresh = True
        self.strict_loading = False  # load_state_dict below checks more exactly
        self.automatic_optimization = not self.objective.critics
        self.step_rule: StepRule = plain_step if self.automatic_optimization else adversarial_step
        self.window = Window()
        self.skipped = 0
        self.wanted: Callable[[str, float], bool] | None = None
        self.identity: Mapping[str, Any] = {}
        self._chances: Mapping[str, Any] | None = None  # to go on with
        self._outside: Mapping[str, Any] | None = None  # of training, while something else draws

    @property
    @abstractmethod
    def view(self) -> View:
        """How this model wants to see the data."""

    @abstractmethod
    def forward(self, batch: Any) -> Outputs:
        """Return the teacher-forced view of a batch of a type in `accepts`; logs nothing."""

    @abstractmethod
    def generate(
        self, conditions: Conditions, *, seconds: float, sampler: Sampler, seed: Seed
    ) -> Sequence[Clip] | Sequence[Score]:
        """Make one piece per condition; item i depends on `seed` and i alone, not on its neighbours.

        A sequence of seeds is one per item, whatever its place.
        """

    def prepare_fit(self, batches: Iterable[Any]) -> None:
        """Look at the training data once before the first step of a model without weights (count priors)."""

    def train(self, mode: bool = True) -> GenerativeModule:  # noqa: FBT001, FBT002  PyTorch's signature
        """Begin or end training; what is held stays as it is."""
        super().train(mode)
        for part in self.held:
            part.training = False
        return self

    def setup(self, stage: str) -> None:
        """Survey the data while the weights are whole, if the strategy will share them out."""
        if stage == "fit" and self.device_mesh is not None and not is_sharded(self):
            self._survey()

    def configure_model(self) -> None:
        """Keep this process's share of the weights, if the strategy shares them out."""
        if self.device_mesh is not None and not is_sharded(self):
            critics = [(critic, "own_loss") for critic in self.objective.critics]
            shard(self, self.blocks, self.device_mesh["data_parallel"], methods=critics)

    def on_fit_start(self) -> None:
        """Survey the data, where `setup` has not."""
        if not is_sharded(self):
            self._survey()

    def _survey(self) -> None:
        """Look at the data, unless the weights come from somewhere and nothing is counted again.

        Raises:
            DiscoError: there is no data, or too little to start from.
        """
        resumed = self.trainer.ckpt_path is not None
        if not resumed and (self.fresh or (self.recounts and self.counted)):
            data = self.trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]  fit sets it
            data.train_dataloader()  # refuses an empty split
            try:
                self.prepare_fit(data.survey(most=self.survey_items))
            except ValueError as error:
                raise DiscoError(
                    f"the training data is too little to start from: {error}", do="prepare more music"
                ) from error

    # ------------------------------------------------------------------ steps

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        """Apply the step rule and log every term; the loss weighs what its batch counts."""
        total, parts = self.step_rule(self, batch)
        size = len(batch)
        counted = size if self.window.noted is None else self.window.noted
        means = means_over_processes({"loss": total.detach(), **parts}, counted)
        self.log("train/loss", means.pop("loss"), prog_bar=True, batch_size=size)
        self.log_dict({f"train/{name}": value for name, value in means.items()}, batch_size=size)
        return total * self.window.weight(total.device) if self.automatic_optimization else total

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Average the objective over everything that counts."""
        out = self(batch)
        total, parts = judged(self, out, batch)
        values = {"val/loss": total, **{f"val/{name}": value for name, value in parts.items()}}
        self.log_dict({**values, **self.measures(out)}, batch_size=out.count, sync_dist=True)

    def measures(self, out: Outputs) -> dict[str, torch.Tensor]:
        """Return further validation measures of one pass, by log name."""
        return {}

    def configure_optimizers(self) -> Any:
        """Build optimiser and schedule from the recipe; critics get their own pair."""
        if self.recipe is None:
            raise DiscoError("this model was opened without an optimiser", do="train it through train.py")
        each = 1 if self.automatic_optimization else 2  # the trainer counts the critics' steps too
        steps = int(self.trainer.estimated_stepping_batches) // each
        critics = self.objective.critics
        self.objective.float()  # precision=bf16-true narrows it with the rest, and losses want float32
        parts = [Remainder(self, without=critics), torch.nn.ModuleList(critics)] if critics else [self]
        pairs = [self.recipe.build(part, steps) for part in parts]
        return [
            {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
            for optimizer, schedule in pairs
        ]

    def on_train_start(self) -> None:
        """Forget what an interrupted fit had accumulated; processes draw apart."""
        self.window = Window()
        if self._chances is None:
            chance.part(self.global_rank, self.trainer.global_step)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw on where a resumed run was; what its restart has drawn does not count."""
        states, self._chances = self._chances, None
        if states is not None:
            chance.restore(states)

    def on_validation_start(self) -> None:
        """Keep the random numbers of training from what validation draws."""
        self._outside = chance.chances()

    def on_validation_end(self) -> None:
        """Go on with those of training."""
        states, self._outside = self._outside, None
        if states is not None:
            chance.restore(states)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Finish the gradients, which are unscaled by now: weigh, measure, clip, or leave out the step."""
        if self.automatic_optimization:
            factor = self.window.close(self.trainer.accumulate_grad_batches, self.device)
            gradients = [p.grad for p in _parameters(optimizer) if p.grad is not None]
            if factor != 1 and gradients:
                torch._foreach_mul_(gradients, factor)
        self.clip(optimizer)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Leave clipping to the recipe's norm; the trainer's own setting is not used."""

    def clip(self, optimizer: torch.optim.Optimizer | LightningOptimizer) -> None:
        """Scale the gradients of one optimiser down to the recipe's norm; runs before every step.

        Logs the norm before clipping as `train/grad_norm` (of critics, `train/grad_norm/critic`) and the
        steps left out so far as `train/skipped`: one whose gradients are not finite, or that is not
        `wanted`, moves nothing.

        Raises:
            DiscoError: float16 with a fused optimiser, which would unscale only after this.
        """
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        fused = scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False)
        most = 0.0 if self.recipe is None else self.recipe.clip_norm
        if fused and most:
            raise DiscoError(
                "float16 gradients cannot be clipped in a fused optimiser", do="set optim.fused=false"
            )
        parameters = [p for p in _parameters(optimizer) if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        first = optimizer.param_groups is self.trainer.optimizers[0].param_groups
        name = "train/grad_norm" if first else "train/grad_norm/critic"
        finite = math.isfinite(size := float(norm))
        if not finite or (self.wanted is not None and not self.wanted(name, size)):
            self.skipped += 1
            if finite or scaler is None:  # a scaler leaves out what is not finite, and lowers its scale
                for parameter in parameters:
                    parameter.grad = None
        elif most and parameters:
            torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)
        unscaled = norm / scaler.get_scale() if fused and scaler is not None else norm
        self.log_dict({name: unscaled, "train/skipped": float(self.skipped)})

    # ------------------------------------------------------------ checkpoints

    def moving_state(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint must hold: all of it, or only what an adapter moves."""
        state = self.state_dict()
        if not self.adapted:
            return state
        moving = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        always = (*self.training_only, *self.learning, *(self.counted if self.recounts else ()))
        return {name: value for name, value in state.items() if name in moving or name.startswith(always)}

    def network_state(self) -> dict[str, torch.Tensor]:
        """Return what makes the trained model, without losses, critics and the like."""
        state = self.moving_state()
        return {name: value for name, value in state.items() if not name.startswith(self.training_only)}

    def load_network(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Load what `network_state` gave; what only training needs stays as it is."""
        state = self.state_dict()
        mine = {name: value for name, value in state.items() if name.startswith(self.training_only)}
        self.load_state_dict({**mine, **tensors})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Drop frozen weights, so that an adapter's checkpoint has an adapter's size."""
        checkpoint["state_dict"] = self.moving_state()
        checkpoint["learned"] = [
            name for name, parameter in self.named_parameters() if parameter.requires_grad
        ]
        checkpoint["skipped"] = self.skipped
        checkpoint["identity"] = dict(self.identity)
        checkpoint["chances"] = chance.of_all_processes(self._outside or self._chances or chance.chances())
        memories = {name: part.memory() for name, part in self.named_modules() if isinstance(part, Remembers)}
        checkpoint["memories"] = memories

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up what is no tensor of the model, if the checkpoint is of this run.

        Raises:
            DiscoError: it is of another one; names the fields that differ.
        """
        refuse_another(checkpoint.get("identity", {}), self.identity)
        self.skipped = checkpoint.get("skipped", 0)
        self._chances = chance.of_this_process(checkpoint.get("chances", ()))
        memories = checkpoint.get("memories", {})
        for name, part in self.named_modules():
            if isinstance(part, Remembers) and name in memories:
                part.recall(memories[name])

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,  # noqa: FBT001, FBT002  PyTorch's signature
        assign: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        """Load what is there and refuse a half load.

        Raises:
            DiscoError: a tensor that moves is missing, is unknown here, or has another shape.
        """
        mine = self.state_dict()
        refuse_half(state_dict, mine, needed=self.moving_state())
        self.fresh = False
        mine_of = {name: share(value, mine[name]) for name, value in state_dict.items()}
        return super().load_state_dict(mine_of, strict=False, assign=assign)


def _parameters(optimizer: torch.optim.Optimizer | LightningOptimizer) -> list[torch.nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]
