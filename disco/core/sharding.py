"""Weights in shards: each process holds its share of every weight, its gradient and its optimiser state.

FSDP2 (`torch.distributed.fsdp.fully_shard`) by way of Lightning. What leaves the processes is whole: a
checkpoint looks as that of one process, so that a run may go on with another number of them, or unsharded.
"""

from __future__ import annotations

import gc
import re
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from disco.errors import DiscoError

VIEWS = "FSDP2-wrapped module .* returned a view tensor"  # harmless: nothing is written into them


class Sharded(ModelParallelStrategy):
    """One share per process over all nodes; checkpoints are whole and go through the trainer's own writer.

    The module shares itself out in `configure_model`.
    """

    def __init__(self) -> None:
        super().__init__(data_parallel_size="auto", tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """Restore before callbacks begin, as with every other strategy: the weights are there by then."""
        return False

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Restore optimisers by `load_optimizer_state_dict`."""
        return True

    def setup_environment(self) -> None:
        """Share out over all processes; Lightning's "auto" means one share per node."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        warnings.filterwarnings("ignore", message=VIEWS)
        super().setup_environment()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the shares; `save_checkpoint` joins them."""
        return Strategy.lightning_module_state_dict(self)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:  # noqa: FBT001, FBT002  Lightning's signature
        """Load what is whole; the module takes its share."""
        Strategy.load_model_state_dict(self, checkpoint, strict)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the shares; `save_checkpoint` joins them."""
        return Strategy.optimizer_state(self, optimizer)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this process's share of what is whole."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(_share_of_optimizer(optimizer, state))

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """Join the shares, and write them from the first process; all must ask."""
        whole = gathered(checkpoint, keep=self.is_global_zero)
        if self.is_global_zero:
            self.checkpoint_io.save_checkpoint(whole, filepath, storage_options=storage_options)

    def load_checkpoint(
        self,
        checkpoint_path: str | Path,
        weights_only: bool | None = None,  # noqa: FBT001  Lightning's signature
    ) -> dict[str, Any]:
        """Read a whole checkpoint in every process."""
        return Strategy.load_checkpoint(self, checkpoint_path, weights_only)


def shard(
    module: nn.Module, blocks: str, mesh: DeviceMesh, *, methods: Iterable[tuple[nn.Module, str]] = ()
) -> None:
    """Leave each process of a mesh its share of the weights of a module.

    Args:
        module: whose forward pass comes first; what belongs to no block stays whole from its forward pass to
            its backward pass.
        blocks: regex over names of submodules; each is made whole when its turn comes and freed after it.
        mesh: of one dimension.
        methods: further submodules that are a block, and what is called of each besides `forward`.

    Raises:
        DiscoError: something else holds on to a weight, which would stand still from now on.
    """
    further = list(methods)
    named = [part for name, part in module.named_modules() if name and re.fullmatch(blocks, name)]
    units = [part for part in named if any(True for _ in part.parameters())] + [part for part, _ in further]
    before = {name: weakref.ref(parameter) for name, parameter in module.named_parameters()}
    for part in [*reversed(units), module]:  # inner ones first
        fully_shard(part, mesh=mesh)
    _refuse_held(before)
    for part, method in further:
        register_fsdp_forward_method(part, method)
    for part in _units(module):
        part.set_force_sum_reduction_for_comms(mesh.device_type == "cpu")  # gloo knows no averages


def is_sharded(module: nn.Module) -> bool:
    """Return whether `shard` was called on a module."""
    return isinstance(module, FSDPModule)


@contextmanager
def whole(module: nn.Module) -> Iterator[None]:
    """Hold all weights in every process; within, no process waits for another. All must enter.

    For making music while training: processes that listen to different prompts take different numbers of
    steps. A module that is not sharded stays as it is.
    """
    units = list(_units(module))
    for part in units:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in units:
            part.reshard()
            part.set_reshard_after_forward(part is not module, recurse=False)


def gathered(tree: Any, *, keep: bool) -> Any:
    """Return tables and lists of tensors with whole tensors in place of shares; all processes must ask.

    Args:
        tree: the same in all processes but for the values.
        keep: whether this process wants them; one that does not gets empty tensors.
    """
    if isinstance(tree, DTensor):
        joined = tree.full_tensor().detach()
        return joined.cpu() if keep else joined.new_empty(0)
    if isinstance(tree, Mapping):
        return {name: gathered(value, keep=keep) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(gathered(value, keep=keep) for value in tree)
    return tree


def share(value: Tensor, like: Tensor) -> Tensor:
    """Return this process's share of a whole tensor, cut as another one is; all of it where that is whole."""
    if not isinstance(like, DTensor) or isinstance(value, DTensor):
        return value
    # each process holds the whole, so none has to be asked
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def local(value: Tensor) -> Tensor:
    """Return what this process holds of a tensor, as a plain one over the same memory."""
    return value.to_local() if isinstance(value, DTensor) else value


def shares(values: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return this process's shares of whole tensors as plain ones; what nothing is like stays whole."""
    return {name: local(share(value, like.get(name, value))) for name, value in values.items()}


def as_shares(values: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `local`: say of plain tensors which shares they are, by what each is `like`."""
    return {name: _as_share(value, like.get(name, value)) for name, value in values.items()}


def _as_share(value: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return value
    return DTensor.from_local(
        value, like.device_mesh, like.placements, shape=like.shape, stride=like.stride(), run_check=False
    )


def _refuse_held(before: Mapping[str, weakref.ref[nn.Parameter]]) -> None:
    gc.collect()
    held = [name for name, parameter in before.items() if parameter() is not None]
    if held:
        raise DiscoError(
            f"{len(held)} weights cannot be shared out: something besides the model holds {held[0]}",
            do="leave out a method=[…] that keeps weights of its own, such as l2sp, or use trainer=ddp",
        )


def _units(module: nn.Module) -> Iterator[FSDPModule]:
    for part in module.modules():
        if isinstance(part, FSDPModule):
            yield part


def _share_of_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> dict[str, Any]:
    """Cut what has the shape of its parameter as the parameter is cut."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    owner = dict(zip(numbers, parameters, strict=True))
    cut = {
        number: {
            name: share(value, owner[number])
            if isinstance(value, Tensor) and value.ndim and value.shape == owner[number].shape
            else value
            for name, value in memories.items()
        }
        for number, memories in state["state"].items()
    }
    return {**state, "state": cut}
