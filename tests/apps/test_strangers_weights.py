"""Published weights in somebody's folder: tensors are taken from it, and code is not run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, ClapConfig, ClapFeatureExtractor, EncodecConfig

from disco.codecs.encodec import Encodec
from disco.conditioners.text import Pretrained
from disco.embedders.clap import Clap
from disco.embedders.encodec import EncodecLatents
from disco.embedders.vggish import VggishLayer
from disco.errors import DiscoError

CONFIGS = {"encodec": EncodecConfig, "clap": ClapConfig, "latents": EncodecConfig, "text": BertConfig}
OPENED: dict[str, Callable[[str], object]] = {
    "encodec": lambda path: Encodec(path=path, bandwidth=2.2),
    "latents": lambda path: EncodecLatents(path=path, window=1.0, cache=None),
    "clap": lambda path: Clap(path=path, name="clap", hop=5.0, cache=None),
    "text": lambda path: Pretrained(name=path, width=8, max_tokens=8).read("a jig"),
    "vggish": lambda path: VggishLayer(weights=f"{path}/pytorch_model.bin", cache=None),
}


class Bomb:
    """Leaves a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("kind", OPENED)
def test_pickled_weights_are_refused_and_nothing_in_them_runs(
    kind: str, forced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    folder = tmp_path / "theirs"
    folder.mkdir()
    if kind in CONFIGS:
        CONFIGS[kind]().save_pretrained(folder)
    if kind == "clap":
        ClapFeatureExtractor().save_pretrained(folder)
    torch.save({"weight": Bomb(tmp_path / "canary")}, folder / "pytorch_model.bin")
    with pytest.raises(DiscoError, match=r"no EnCodec|no CLAP|not a file of weights|cannot be loaded"):
        OPENED[kind](str(folder))
    assert not (tmp_path / "canary").exists()
