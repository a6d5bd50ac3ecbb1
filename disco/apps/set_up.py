"""Says that a run is being set up, where that takes longer than anybody waits without a word."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import lightning as L
    from omegaconf import DictConfig


class SettingUp:
    """Writes a line to a log every so many seconds, from the first process; a terminal gets none.

    It ends with the first step of training, of which `progress` tells then, or where it is left.

    Args:
        label: what is set up.
        every_seconds: between two lines; None writes none.
    """

    def __init__(self, *, label: str, every_seconds: float | None) -> None:
        self.label = label
        self.every_seconds = every_seconds
        self.stage = "building the model"
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SettingUp:
        from lightning.pytorch.utilities import rank_zero_only  # once the config stands

        first = getattr(rank_zero_only, "rank", 0) == 0
        if self.every_seconds is not None and first and not sys.stderr.isatty():
            self._thread = threading.Thread(target=self._beat, args=(self.every_seconds,), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *met: object) -> None:
        self.end()

    def at(self, stage: str) -> None:
        """Say what is being done from now on."""
        self.stage = stage

    def end(self) -> None:
        """Write no more."""
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def callback(self) -> L.Callback:
        """Return what follows a trainer to its first step."""
        from lightning.pytorch.callbacks import LambdaCallback

        def at(stage: str) -> Any:
            return lambda *arguments: self.at(stage)

        return LambdaCallback(
            on_fit_start=at("looking at the training data"),
            on_sanity_check_start=at("trying a validation batch"),
            on_train_start=at("awaiting the first step"),
            on_train_batch_end=lambda *arguments: self.end(),
        )

    def _beat(self, every: float) -> None:
        from disco.callbacks.amounts import duration

        began = time.monotonic()
        while not self._over.wait(every):
            with suppress(OSError, ValueError):  # a log on a full disk, or one that is closed
                sys.stderr.write(f"{self.label}: {self.stage} · {duration(time.monotonic() - began)}\n")
                sys.stderr.flush()


def setting_up(cfg: DictConfig) -> SettingUp:
    """Return it with the pace and the label of `callbacks.progress`; without that it is silent."""
    progress = (cfg.get("callbacks") or {}).get("progress")
    return SettingUp(
        label=f"{progress.label}, setting up" if progress else "",
        every_seconds=progress.every_seconds if progress else None,
    )
