"""Weights of others are opened strictly, from folders, files and shards, and refused with reasons."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from disco.errors import DiscoError
from disco.nets.patterns import Parallel
from disco.nets.transformer import Rotary
from disco.weights.layouts import AUDIOCRAFT, TRANSFORMERS
from disco.weights.musicgen import MusicgenWeights
from tests.models.helpers import ToyCodec
from tests.parity.networks import CARDINALITY, HEADS, our_musicgen, whole_musicgen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("musicgen")
    whole_musicgen().save_pretrained(path)
    return path


def model(**changes):
    return our_musicgen(ToyCodec(num_codebooks=4, cardinality=CARDINALITY), Path("nowhere"), **changes)


def same(one, other) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def loaded(path: Path):
    filled = model()
    MusicgenWeights(path=str(path)).load(filled)
    return filled


def test_a_file_and_shards_are_as_good_as_the_folder(folder, tmp_path) -> None:
    wanted = loaded(folder)
    assert not same(wanted, model())
    assert same(loaded(folder / "model.safetensors"), wanted)
    whole_musicgen().save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert same(loaded(tmp_path), wanted)


def test_a_lone_decoder_and_older_names_are_understood(folder, tmp_path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["decoder.model.decoder.embed_positions.weights"] = torch.zeros(2048, 32)
    save_file(tensors, tmp_path / "older.safetensors")
    assert same(loaded(tmp_path / "older.safetensors"), loaded(folder))
    lone = {name.removeprefix("decoder."): t for name, t in tensors.items() if name.startswith("decoder.")}
    lone["enc_to_dec_proj.weight"], lone["enc_to_dec_proj.bias"] = (
        tensors["enc_to_dec_proj.weight"], tensors["enc_to_dec_proj.bias"],
    )  # fmt: skip
    save_file(lone, tmp_path / "mixed.safetensors")
    with pytest.raises(DiscoError, match=r"no place for decoder\.enc_to_dec_proj"):
        loaded(tmp_path / "mixed.safetensors")


def test_audiocrafts_export_is_opened(folder, tmp_path) -> None:
    wanted = loaded(folder)
    theirs = AUDIOCRAFT.to_theirs(wanted.network_state(), 4)
    held = {"best_state": {name: value.half() for name, value in theirs.items()}}
    settings = f"transformer_lm:\n  dim: 32\n  num_heads: {HEADS}\n"
    torch.save(
        {**held, "xp.cfg": settings, "version": "1.3.0", "exported": True}, tmp_path / "state_dict.bin"
    )
    opened = loaded(tmp_path)
    assert torch.allclose(opened.embedding.weight, wanted.embedding.weight, atol=1e-2)
    assert opened.head.weight.dtype == torch.float32
    settings = settings.replace(f"num_heads: {HEADS}", "num_heads: 8")
    torch.save({**held, "xp.cfg": settings}, tmp_path / "state_dict.bin")
    with pytest.raises(DiscoError, match=r"model\.heads 8 → 4"):
        loaded(tmp_path)


def test_another_model_is_refused_field_by_field_before_anything_changes(folder) -> None:
    other = model(depth=3, heads=2, positions=Rotary(max_period=10000.0), pattern=Parallel(), prior=True)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(DiscoError) as refused:
        MusicgenWeights(path=str(folder)).load(other)
    for words in (
        "model.depth 2 → 3", "model.heads 4 → 2", "model.positions Sinusoidal → Rotary",
        "model.pattern Delay → Parallel", "model.prior False → True", "musicgen_published",
    ):  # fmt: skip
        assert words in str(refused.value)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_missing_names_are_told(folder, tmp_path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["decoder.model.decoder.layers.1.fc2.weight"], tensors["decoder.model.decoder.layer_norm.bias"]
    save_file(tensors, tmp_path / "less.safetensors")
    with pytest.raises(
        DiscoError, match=r"lack 2 tensors: decoder\.layers\.1\.ffn_out\.weight, decoder\.out_norm"
    ):
        loaded(tmp_path / "less.safetensors")


def test_where_nothing_is_the_sentence_says_what_to_fetch(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DiscoError, match=r"facebook/musicgen-small: .*download config\.json and model\.safetensors"
    ):
        loaded(Path("facebook/musicgen-small"))
    with pytest.raises(DiscoError, match=r"no model\.safetensors or state_dict\.bin there"):
        loaded(tmp_path)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_does_nothing(tmp_path, monkeypatch, zipped: bool) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    canary, path = tmp_path / "canary", tmp_path / "state_dict.bin"
    held = {"best_state": {"emb.0.weight": Bomb(canary)}, "xp.cfg": ""}
    torch.save(held, path) if zipped else path.write_bytes(pickle.dumps(held))
    with pytest.raises(DiscoError, match="nothing of it was used"):
        loaded(tmp_path)
    assert not canary.exists()


def test_melodys_names_stand_in_the_table(folder) -> None:
    theirs = TRANSFORMERS.to_theirs({"conditioners.chroma.project.weight": torch.zeros(32, 12)}, 4)
    assert set(theirs) == {"audio_enc_to_dec_proj.weight"}
    assert json.loads((folder / "config.json").read_text())["decoder"]["num_attention_heads"] == HEADS
