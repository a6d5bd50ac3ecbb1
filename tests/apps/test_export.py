"""A run goes to other libraries and back; what is not the same is not left lying about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from disco.apps import export, export_hf
from disco.apps.composing import compose_run
from disco.apps.export_source import asked_of
from disco.apps.parts import build_adapter, build_module, build_weights
from disco.apps.runs import Run, base_of, open_run
from disco.errors import DiscoError
from disco.weights.musicgen import MusicgenWeights
from tests.parity.networks import BANDWIDTH, DEPTH, HEADS, READ, WIDTH, encodec, our_musicgen, save_t5

SHAPE = [
    "model=musicgen_published", "conditioner=[t5]", "codec=encodec", f"codec.bandwidth={BANDWIDTH}",
    f"scale.width={WIDTH}", f"scale.depth={DEPTH}", f"scale.heads={HEADS}", "model.seconds=1.0",
    f"conditioner.text.encoder.width={READ}",
]  # fmt: skip


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the words that name a small T5 and a small EnCodec."""
    codec, reader = tmp_path_factory.mktemp("encodec"), tmp_path_factory.mktemp("t5-tiny")
    encodec().save_pretrained(codec)
    save_t5(reader)
    return [f"codec.path={codec}", f"conditioner.text.encoder.name={reader}"]


def saved(folder: Path, words: list[str], *, base: Path | None = None) -> Run:
    """Write a run of random weights, as training would have left it; with a base, of a LoRA."""
    start = ["adapter=full"] if base is None else ["adapter=lora", "weights=run", f"weights.run={base}"]
    chosen = {word.partition("=")[0]: word for word in [*SHAPE, *words, *start]}
    cfg = compose_run("train", list(chosen.values()), folder)
    torch.manual_seed(1)
    module, adapter = build_module(cfg, training=False), build_adapter(cfg)
    build_weights(cfg).load(module)
    adapter.attach(module)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "lora_" in name or (base is None and name.endswith(("norm.bias", "head.weight"))):
                parameter.add_(0.2 * torch.randn(parameter.shape))
    run = Run(folder)
    run.begin(cfg)
    run.save(module, adapter, {})
    run.finish({"base": base_of(cfg)})
    return run


@pytest.fixture(scope="module")
def base(parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("base"), parts).folder


@pytest.fixture(scope="module")
def adapted(parts, base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["adapter.sites=[query,cross_value,ffn_in]", "adapter.ranks={ffn_in:4}"]
    return saved(tmp_path_factory.mktemp("lora"), [*parts, *words], base=base).folder


def exported(run: Path, place: Path, *words: str) -> Path:
    return export.main(compose_run("export", [f"run={run}", *words], place))


def told(folder: Path) -> dict:
    return json.loads((folder / "comparison.json").read_text())


def test_transformers_opens_what_was_written_and_it_comes_back(base, parts, tmp_path) -> None:
    folder = exported(base, tmp_path, "to=hf")
    assert told(folder)["largest_difference"] < 1e-5
    module = open_run(base)
    again = our_musicgen(module.codec, None)
    with torch.no_grad():
        again.embedding.weight.zero_()
    MusicgenWeights(path=str(folder)).load(again)
    mine = module.state_dict()
    assert all(torch.equal(value, mine[name]) for name, value in again.state_dict().items())
    from transformers import AutoProcessor

    made = AutoProcessor.from_pretrained(folder)(text=["a quick reel"], padding=True, return_tensors="pt")
    sound = export_hf.open_whole(folder).generate(**made, max_new_tokens=16)
    assert sound.shape[:2] == (1, 1)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers so
def test_an_adapter_is_folded_in_or_stands_apart(adapted, base, tmp_path) -> None:
    folded = exported(adapted, tmp_path / "a", "to=hf")
    apart = exported(adapted, tmp_path / "b", "to=hf", "merged=false")
    alone = exported(adapted, tmp_path / "c", "to=peft", "merged=false")
    assert max(told(one)["largest_difference"] for one in (folded, apart, alone)) < 1e-4
    whole, plain = (load_file(one / "model.safetensors") for one in (folded, apart))
    changed = {name for name in whole if not torch.equal(whole[name], plain[name])}
    assert {name.rpartition(".layers.0.")[2] for name in changed if ".layers.0." in name} == {
        "self_attn.q_proj.weight", "encoder_attn.v_proj.weight", "fc1.weight"
    }  # fmt: skip
    config = json.loads((alone / "adapter_config.json").read_text())
    assert config["target_modules"][0] == "decoder.model.decoder.layers.0.encoder_attn.v_proj"
    assert set(config["rank_pattern"].values()) == {4, 8}
    assert (alone / "adapter_model.safetensors").read_bytes() == (
        apart / "adapter" / "adapter_model.safetensors"
    ).read_bytes()


def test_the_adapter_is_what_makes_the_difference(adapted, base) -> None:
    answers = [next(asked_of(open_run(run)))[2] for run in (adapted, base)]
    assert (answers[0] - answers[1]).abs().max() > 0.05


def test_plain_tensors_go_for_every_family(adapted, tmp_path) -> None:
    folder = exported(adapted, tmp_path, "to=safetensors", "merged=false")
    assert told(folder)["largest_difference"] == 0.0
    assert {path.name for path in folder.iterdir()} == {
        "weights.safetensors", "adapter_model.safetensors", "adapter_config.json", "comparison.json"
    }  # fmt: skip


def test_without_audiocraft_the_export_stands_and_says_that_nobody_opened_it(base, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        exported(base, tmp_path, "to=audiocraft")
    assert ended.value.code == export.NOT_COMPARED
    assert "NOT COMPARED: audiocraft is not installed" in " ".join(capsys.readouterr().out.split())
    assert told(tmp_path / "audiocraft")["largest_difference"] is None
    again = our_musicgen(open_run(base).codec, None)
    MusicgenWeights(path=str(tmp_path / "audiocraft")).load(again)
    assert torch.equal(again.head.weight, open_run(base).head.weight)


def test_what_makes_something_else_is_removed(base, tmp_path, monkeypatch) -> None:
    honest = export_hf.whole_of

    def spoilt(model):
        whole = honest(model)
        with torch.no_grad():
            whole.decoder.lm_heads[1].weight[0, 0] += 0.01
        return whole

    monkeypatch.setattr(export_hf, "whole_of", spoilt)
    with pytest.raises(DiscoError, match=r"makes something else of this export: logits differ by 0\.\d+"):
        exported(base, tmp_path, "to=hf")
    assert not (tmp_path / "hf").exists()


def test_what_others_have_no_place_for_is_named(parts, base, tmp_path) -> None:
    own = saved(tmp_path / "own", [*parts, "model=musicgen", "conditioner=[t5,beats]"]).folder
    with pytest.raises(
        DiscoError, match=r"no place for the counted prior .*Rotary positions .*conditioners beats"
    ):
        exported(own, tmp_path / "x", "to=hf")
    with pytest.raises(DiscoError, match="no adapter to stand alone"):
        exported(base, tmp_path / "y", "to=peft")
    assert not (tmp_path / "x").exists()
