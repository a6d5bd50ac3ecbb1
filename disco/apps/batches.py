"""How many batches make a step that sees as many items as asked for, and the rate that goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disco.apps.sizing import Setting
from disco.errors import DiscoError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def settle(cfg: DictConfig, before: DictConfig | None = None) -> list[Setting]:
    """Set what `effective_batch` and `lr_scaling` ask for, and return it with where it came from.

    Args:
        cfg: with the batch size that the run will have; it is changed.
        before: the config of the run that goes on.

    Raises:
        DiscoError: the items of a step cannot be made of whole batches, or are asked for twice.
    """
    settings = []
    if cfg.effective_batch is not None:
        settings.append(_accumulation(cfg, before))
        cfg.trainer.accumulate_grad_batches = settings[-1].value
    if cfg.lr_scaling.batch is not None:
        settings.append(_rate(cfg))
        cfg.optim.lr = settings[-1].value
    return settings


def largest_batch(cfg: DictConfig, most: int) -> int:
    """Return the largest batch size up to `most` of which whole batches make the items of a step."""
    if cfg.effective_batch is None:
        return most
    each = _positive(cfg.effective_batch, "effective_batch") / processes_of(cfg)
    return next((size for size in range(most, 0, -1) if each % size == 0), most)


def processes_of(cfg: DictConfig) -> int:
    """Return how many processes will train, as the trainer counts them."""
    devices: Any = cfg.trainer.devices
    if devices in (-1, "-1", "auto"):
        count = _all_devices(cfg)
    elif isinstance(devices, int):
        count = devices
    else:  # a list of devices, or one in words
        parts = devices.split(",") if isinstance(devices, str) else devices
        count = len([part for part in parts if str(part).strip()])
        count = int(devices) if isinstance(devices, str) and devices.strip().isdigit() else count
    return max(1, count) * max(1, cfg.trainer.num_nodes)


def _all_devices(cfg: DictConfig) -> int:
    import torch  # the config stands

    return torch.cuda.device_count() if cfg.trainer.accelerator in ("gpu", "cuda", "auto") else 1


def _accumulation(cfg: DictConfig, before: DictConfig | None) -> Setting:
    key, asked = "trainer.accumulate_grad_batches", _positive(cfg.effective_batch, "effective_batch")
    size, processes, typed = cfg.data.batch_size, processes_of(cfg), cfg.trainer.accumulate_grad_batches
    together = size * processes
    if before is not None and _same(cfg, before):  # the data keeps what all processes take together
        return Setting(key, before.trainer.accumulate_grad_batches, f"effective_batch={asked}, as it began")
    if asked % together:
        lower, higher = asked // together * together, -(-asked // together) * together
        near = " or ".join(str(count) for count in (lower, higher) if count)
        raise DiscoError(
            f"effective_batch={asked}: no whole number of batches of {_in_words(size, processes)}",
            do=f"take effective_batch={near}, or another data.batch_size",
        )
    count = asked // together
    if typed not in (1, count):
        raise DiscoError(
            f"effective_batch={asked} is {count} batches of {_in_words(size, processes)}, "
            f"and {key}={typed} is asked for",
            do="give one of the two",
        )
    return Setting(key, count, f"effective_batch={asked} of {_in_words(size, processes)}")


def _rate(cfg: DictConfig) -> Setting:
    """Return the rate for the items that make a step, of one that is meant for `lr_scaling.batch` of them."""
    meant, power = _positive(cfg.lr_scaling.batch, "lr_scaling.batch"), cfg.lr_scaling.power
    if not isinstance(power, int | float) or not 0 <= power <= 1:
        raise DiscoError(f"lr_scaling.power={power}: it must be from 0 to 1", do="0.5, or 1 for optim=sgd")
    items = cfg.data.batch_size * processes_of(cfg) * cfg.trainer.accumulate_grad_batches
    rate = float(f"{cfg.optim.lr * (items / meant) ** power:.6g}")
    return Setting("optim.lr", rate, f"lr_scaling: {cfg.optim.lr:g} × ({items} / {meant}) ^ {power:g}")


def _same(cfg: DictConfig, before: DictConfig) -> bool:
    """Say whether a run that goes on is asked for the batches that it began with."""
    return (
        before.get("effective_batch") == cfg.effective_batch and before.data.batch_size == cfg.data.batch_size
    )


def _positive(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DiscoError(f"{key}={value}: a whole number of at least 1 is needed")
    return value


def _in_words(size: int, processes: int) -> str:
    items = "1 item" if size == 1 else f"{size} items"
    return items if processes == 1 else f"{items} in each of {processes} processes"
