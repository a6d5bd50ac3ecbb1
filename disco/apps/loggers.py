"""Loggers that cannot stop a training run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from disco.errors import DiscoError

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


class Nothing:
    """Takes whatever is logged, and leaves it at that."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: None


GUARDED = ("log_metrics", "log_hyperparams", "log_graph", "log_image", "log_audio", "save", "finalize")


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
    """Let a logger fail without the training: it says so once, and from then on is not asked again.

    Its `attempt` does the same for what others do with it.
    """
    trust, kind = _Trust(type(logger).__name__), type(logger)
    logger.attempt = trust.guard(lambda work: work())  # pyright: ignore[reportAttributeAccessIssue]
    _hush_writers()
    for name in GUARDED:
        if hasattr(logger, name):
            setattr(logger, name, trust.guard(getattr(logger, name)))
    if hasattr(kind, "experiment"):  # a property, which Lightning asks for before the first step

        def experiment(self: Logger) -> Any:
            return trust.guard(kind.experiment.__get__, Nothing())(self)  # pyright: ignore[reportAttributeAccessIssue]

        logger.__class__ = type(kind.__name__, (kind,), {"experiment": property(experiment)})
    return logger


class _Trust:
    """Whether a logger is still asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lost = False

    def guard(self, method: Callable[..., Any], otherwise: Any = None) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            if self.lost:
                return otherwise
            try:
                return method(*arguments, **options)
            except Exception as error:  # a log is worth less than what it tells of
                if not self.lost:  # by what this called
                    self.lost = True
                    with suppress(OSError):
                        sys.stderr.write(f"{self.name} logs no more: {_root_of(error)}\n")
                return otherwise

        return guarded


def _hush_writers() -> None:
    """Keep TensorBoard's threads from printing a traceback; what they met is raised at the next call."""
    before = threading.excepthook
    if before.__module__ == __name__:
        return

    def hook(met: threading.ExceptHookArgs) -> None:
        if type(met.thread).__name__ != "_AsyncWriterThread" or not isinstance(met.exc_value, OSError):
            before(met)

    threading.excepthook = hook


def _root_of(error: BaseException) -> BaseException:
    """Return the first cause: TensorBoard's logger hides a full disk behind advice on types."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
