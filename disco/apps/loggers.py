"""Loggers that cannot stop a training run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from disco.errors import DiscoError

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

GUARDED = ("log_metrics", "log_hyperparams", "log_graph", "save", "finalize")


def wandb(
    *, save_dir: str, project: str, name: str | None, mode: Literal["offline", "online", "disabled"]
) -> Logger:
    """Build the Weights & Biases logger; the package is imported only here.

    Args:
        save_dir: where `wandb/` is put.
        project: on the server.
        name: of the run there; wandb thinks of one when None.
        mode: "offline" keeps all on disk until `wandb sync`.

    Raises:
        DiscoError: the package is not installed.
    """
    try:
        import wandb as package  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise DiscoError(
            "logger=wandb needs the package wandb",
            do="pip install 'disco-musica[wandb]', or logger=tensorboard",
        ) from error
    from lightning.pytorch.loggers import WandbLogger

    quiet = package.Settings(mode=mode, silent=True)
    return WandbLogger(
        name=name, save_dir=save_dir, project=project, offline=mode != "online", settings=quiet
    )


def forgiving(logger: Logger) -> Logger:
    """Let a logger fail without the training: it says so once, and from then on is not asked again."""
    failed: list[str] = []

    def guard(method: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            if failed:
                return None
            try:
                return method(*arguments, **options)
            except Exception as error:  # a log is worth less than what it tells of
                failed.append(str(error))
                sys.stderr.write(f"{type(logger).__name__} logs no more: {error}\n")
                return None

        return guarded

    for name in GUARDED:
        if hasattr(logger, name):
            setattr(logger, name, guard(getattr(logger, name)))
    return logger
