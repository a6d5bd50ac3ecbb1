"""What a preparation was made of and what came of it; one that would change nothing is over at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from disco.core.files import write_text
from disco.prepare.keep import checksum
from disco.prepare.recipe import versions

PATH = "metadata/receipt.json"


class Receipt:
    """Compares what a preparation depends on, and what it wrote, with what was there the last time.

    Args:
        inputs: all that the results depend on, as JSON holds it.
        outputs: files below the target.
    """

    def __init__(self, target: Path, inputs: Mapping[str, Any], outputs: Sequence[str]) -> None:
        self.path = target / PATH
        self.target = target
        self.outputs = outputs
        text = json.dumps(inputs, sort_keys=True, default=list)
        self.inputs = hashlib.sha256(text.encode()).hexdigest()

    def holds(self) -> bool:
        """Tell whether nothing has changed since it was written."""
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return said["inputs"] == self.inputs and said["outputs"] == self._outputs()
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write(self) -> None:
        """Write it, after the outputs."""
        said = {"inputs": self.inputs, "outputs": self._outputs(), "versions": versions()}
        write_text(self.path, json.dumps(said, indent=1, sort_keys=True) + "\n")

    def _outputs(self) -> dict[str, list[int]]:
        return {name: checksum(self.target / name) for name in self.outputs}
