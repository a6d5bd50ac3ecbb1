"""A base that ships stands in for the demo's where there is none, and its card says what its run says."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from safetensors.torch import load_file

from disco.apps import bases, ship
from disco.apps.composing import compose_run
from disco.apps.parts import build_adapter, build_module
from disco.apps.runs import Run, open_run
from disco.apps.scores import Cell, Found, write_found
from disco.core.files import write_text
from disco.errors import DiscoError
from tests.tiny_runs import TINY_CODEC, TINY_MUSICGEN

FACTS = {
    "steps": 20,
    "seconds": 1800.0,
    "parameters": {"moving": 7, "total": 7},
    "measures": {"val/loss": 2.5},
}


def saved(folder: Path, words: list[str]) -> Run:
    """Write a run of random weights, as training would have left it."""
    cfg = compose_run("train", words, folder)
    module, adapter = build_module(cfg, training=False), build_adapter(cfg)
    adapter.attach(module)
    run = Run(folder)
    run.begin(cfg)
    run.save(module, adapter, {})
    run.finish(FACTS)
    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec, and a model on it."""
    folder = tmp_path_factory.mktemp("runs")
    saved(folder / "codec", TINY_CODEC)
    words = [*TINY_MUSICGEN, "codec=run", f"codec.run={folder / 'codec'}", "model.prior=false"]
    return saved(folder / "musicgen", words).folder


def shipped(trained: Path, into: Path, *words: str) -> list[Path]:
    return ship.main(compose_run("ship", [f"run={trained}", f"into={into}", *words], into / "log"))


def test_what_ships_opens_beside_its_codec_at_half_the_size(trained, tmp_path) -> None:
    codec, model = shipped(trained, tmp_path)
    assert (codec, model) == (tmp_path / "autoencoder", tmp_path / "musicgen")
    assert OmegaConf.load(model / "config.yaml").codec.run == str(codec)
    before, after = (load_file(folder / "weights.safetensors") for folder in (trained, model))
    assert max(float((after[n].double() - t.double()).abs().max()) for n, t in before.items()) < 1e-2
    assert sum(t.nbytes for t in after.values()) < 0.6 * sum(t.nbytes for t in before.values())
    assert next(open_run(model).parameters()).dtype.itemsize == 4


def test_the_card_says_what_the_run_says(trained, tmp_path) -> None:
    card = (shipped(trained, tmp_path)[1] / "README.md").read_text()
    for words in (
        "20 steps of 4 in 0.5 h on CPU",
        "val/loss | 2.5",
        "Not evaluated",
        "Apache-2.0",
        "ryan",
        "NOTICE.md",
    ):
        assert words in card
    cell = Cell(value=0.91, low=0.9, high=0.92, takes=8, higher_is_better=True)
    write_found(tmp_path / "found", Found(systems={"made": {"onset_f1": cell}}))
    card = (shipped(trained, tmp_path / "b", f"scores=[{tmp_path / 'found'}]")[1] / "README.md").read_text()
    assert "| made | onset_f1 | 0.91 | 0.9 to 0.92 |" in card


def test_what_is_too_large_or_of_other_music_stays_out(trained, tmp_path) -> None:
    with pytest.raises(DiscoError, match=r"MB of weights, and a file has at most 0\.001"):
        shipped(trained, tmp_path, "most_mb=0.001")
    config = OmegaConf.load(trained / "config.yaml")
    config.data = {"_target_": "disco.data.audio.AudioData"}
    other = tmp_path / "other"
    for name in ("weights.safetensors", "run.json"):
        write_text(other / name, "")
    write_text(other / "config.yaml", OmegaConf.to_yaml(config))
    with pytest.raises(DiscoError, match="other music than the demo corpus"):
        shipped(other, tmp_path / "b")
    assert not (tmp_path / "b" / "musicgen").exists()


def test_the_shipped_base_stands_in_until_the_demo_has_trained_one(trained, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bases, "SHIPPED", tmp_path / "weights")

    def base_and_codec() -> tuple[str, str]:
        cfg = compose_run("train", ["model=musicgen", "adapter=lora"], tmp_path / "run")
        bases.take_shipped(cfg)
        return cfg.weights.run, cfg.codec.run

    assert base_and_codec() == ("outputs/demo/musicgen", "outputs/demo/codec")
    assert "no such base ships" in bases.none_ships("outputs/demo/musicgen")
    shipped(trained, tmp_path / "weights")
    assert base_and_codec() == (str(tmp_path / "weights/musicgen"), str(tmp_path / "weights/autoencoder"))
    for name in ("codec", "musicgen"):
        write_text(tmp_path / "outputs/demo" / name / "weights.safetensors", "")
    assert base_and_codec() == ("outputs/demo/musicgen", "outputs/demo/codec")
