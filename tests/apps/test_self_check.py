"""After training an adapter is opened as a user will, and told apart from its base and from its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.apps import train
from disco.apps.runs import Run
from disco.errors import DiscoError
from tests.apps.conftest import trained
from tests.composing import composed_config
from tests.tiny_runs import TINY_CODEC, TINY_SYMBOLIC

TINY_SEANET = [
    *(word for word in TINY_CODEC if not word.startswith(("model=", "model.encoder", "model.decoder"))),
    "model=autoencoder_seanet",
    "model.encoder.filters=8",
    "model.seconds=0.25",
    "loss=[mel,commitment]",
]


def told(run: Path) -> dict[str, float]:
    return Run(run).facts["self_check"]


@pytest.mark.long
def test_a_prompt_that_training_did_not_move_is_told_although_it_changes_the_base(
    corner: list[str], tmp_path: Path
) -> None:
    words = [*TINY_SYMBOLIC, *corner, "conditioner=[text]"]
    base = trained(tmp_path / "base", *words)
    adapts = [*words, "adapter=prompt", "weights=run", f"weights.run={base}"]
    learnt = told(trained(tmp_path / "learnt", *adapts, "optim.lr=0.1"))
    assert 0 < learnt["learnt"] != pytest.approx(learnt["largest_change"], rel=0.01)
    with pytest.raises(DiscoError, match=r"the adapter learnt nothing: .*; train longer, raise optim\.lr"):
        trained(tmp_path / "idle", *adapts, "optim.lr=1e-12")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lora", "bottleneck"])
def test_a_codec_is_adapted(kind: str, codec_run: Path, corner: list[str], tmp_path: Path) -> None:
    words = ["model=autoencoder", f"adapter={kind}", "weights=run", f"weights.run={codec_run}", *corner]
    run = trained(tmp_path / "run", *TINY_CODEC, *words, "optim.lr=0.05")
    found = told(run)
    assert found["learnt"] == pytest.approx(found["largest_change"])
    assert found["reopened"] < 1e-4
    assert 0 < Run(run).facts["parameters"]["moving"] < Run(run).facts["parameters"]["total"]


@pytest.mark.long
def test_a_codec_of_normalised_convolutions_is_adapted_by_lora_and_says_what_cannot_serve_it(
    corner: list[str], tmp_path: Path
) -> None:
    words = [*TINY_SEANET, *corner]
    base = trained(tmp_path / "base", *words)
    adapts = [*words, "weights=run", f"weights.run={base}", "optim.lr=0.05"]
    for kind, more in {"lora": ["adapter.rank=2"], "selective": []}.items():
        found = told(trained(tmp_path / kind, *adapts, f"adapter={kind}", *more))
        assert found["largest_change"] > found["reopened"]
        assert found["largest_change"] > found.get("merged", 0)
    with pytest.raises(
        DiscoError, match=r"no linear layer for a factor.*full and selective serve every model"
    ):
        train.main(composed_config("train", [*adapts, "adapter=ia3"], tmp_path / "ia3"))
