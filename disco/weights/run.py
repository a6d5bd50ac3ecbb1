"""The weights of an earlier run."""

from __future__ import annotations

from pathlib import Path

from disco.core.module import GenerativeModule
from disco.core.tensors import load_tensors
from disco.errors import DiscoError


class RunWeights:
    """Loads `weights.safetensors` of a run folder.

    Args:
        run: the folder of a finished run that trained every weight.
    """

    def __init__(self, *, run: str) -> None:
        self.run = Path(run)

    def load(self, module: GenerativeModule) -> None:
        """Fill in the weights.

        Raises:
            DiscoError: the run is not finished, or its model is another one.
        """
        path = self.run / "weights.safetensors"
        if not path.is_file():
            raise DiscoError(
                f"weights.run: {self.run} holds no weights.safetensors", do="name a finished run"
            )
        module.load_network(load_tensors(path))
