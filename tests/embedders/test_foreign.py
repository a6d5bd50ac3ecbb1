"""Embedders whose weights are in no package: real code on tiny random weights in the published layout."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.tensors import save_tensors
from disco.embedders import panns, vggish
from disco.embedders.clap import Clap
from disco.embedders.encodec import EncodecLatents
from disco.embedders.latents import CodecLatents, pooled
from disco.embedders.panns import Panns
from disco.embedders.vggish import VggishLayer
from disco.errors import DiscoError
from disco.nets.cnn14 import Cnn14
from disco.nets.vggish import Vggish

RATE = 16000


def sound(seconds: float = 3.0, seed: int = 0, rate: int = RATE) -> Clip:
    return Clip(
        0.1 * torch.randn(1, int(seconds * rate), generator=torch.Generator().manual_seed(seed)), rate
    )


@pytest.fixture
def vggish_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    file = tmp_path / "vggish.safetensors"
    save_tensors(file, Vggish().state_dict())
    return file


@pytest.mark.long
def test_vggish_hears_a_patch_per_0_96_seconds(vggish_file: Path) -> None:
    ear = VggishLayer(weights=str(vggish_file), cache=None)
    assert ear.name == "vggish-linear"
    assert ear.embed(sound(3.0)).shape == (3, 128)
    assert ear.embed(sound(0.2)).shape == (1, 128)


def test_vggish_has_the_names_and_shapes_of_the_published_file() -> None:
    with torch.device("meta"):  # 72 million numbers that nobody looks at
        shapes = {name: tuple(value.shape) for name, value in Vggish().state_dict().items()}
    weights = {name: shape for name, shape in shapes.items() if name.endswith("weight")}
    assert weights == {
        "features.0.weight": (64, 1, 3, 3), "features.3.weight": (128, 64, 3, 3),
        "features.6.weight": (256, 128, 3, 3), "features.8.weight": (256, 256, 3, 3),
        "features.11.weight": (512, 256, 3, 3), "features.13.weight": (512, 512, 3, 3),
        "embeddings.0.weight": (4096, 12288), "embeddings.2.weight": (4096, 4096),
        "embeddings.4.weight": (128, 4096),
    }  # fmt: skip


def test_vggish_bands_are_those_of_the_published_front_end() -> None:
    """Triangles that are linear in HTK mel between 125 and 7500 Hz, of height 1 at their centres."""
    filters = vggish._filters().numpy()
    hertz = np.arange(257) * RATE / 512
    mel = 1127.0 * np.log(1 + hertz / 700.0)
    edges = np.linspace(1127.0 * np.log(1 + 125 / 700), 1127.0 * np.log(1 + 7500 / 700), 66)
    for band in (0, 20, 63):
        expected = np.interp(mel, edges[band : band + 3], [0, 1, 0], left=0, right=0)
        expected[0] = 0
        assert filters[band] == pytest.approx(expected, abs=1e-5)


def test_vggish_patches_are_the_log_of_offset_magnitudes() -> None:
    wave = sound(1.0).wave[0]
    found = vggish.patches(wave)
    frames = librosa.util.frame(wave.numpy(), frame_length=400, hop_length=160).T[:96]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    magnitude = np.abs(np.fft.rfft(frames * window, 512))
    assert found[0].numpy() == pytest.approx(np.log(magnitude @ vggish._filters().numpy().T + 0.01), abs=1e-4)


@pytest.fixture
def small_panns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    widths = (4, 4, 8, 8, 16, 16)
    monkeypatch.setattr(panns, "Cnn14", lambda: Cnn14(widths=widths))
    file = tmp_path / "cnn14.pth"
    extra = {"fc_audioset.weight": torch.zeros(527, 16), "logmel_extractor.melW": torch.zeros(513, 64)}
    torch.save({"iteration": 600000, "model": {**Cnn14(widths=widths).state_dict(), **extra}}, file)
    return file


def test_panns_reads_the_published_layout_and_leaves_the_classes_out(small_panns: Path) -> None:
    ear = Panns(weights=str(small_panns), window=2.0, cache=None)
    assert ear.name == "cnn14-32k"
    assert ear.embed(sound(4.0)).shape == (3, 16)


def test_cnn14_has_the_published_width() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Cnn14().state_dict().items()}
    assert shapes["conv_block6.conv2.weight"] == (2048, 2048, 3, 3)
    assert shapes["bn0.weight"] == (64,)
    assert shapes["fc1.weight"] == (2048, 2048)


def test_panns_levels_are_those_of_librosa() -> None:
    wave = sound(1.0, rate=panns.RATE).wave
    mel = librosa.feature.melspectrogram(
        y=wave[0].numpy(),
        sr=32000,
        n_fft=1024,
        hop_length=320,
        n_mels=64,
        fmin=50,
        fmax=14000,
        pad_mode="reflect",
    )
    assert panns.levels(wave)[0].numpy() == pytest.approx(10 * np.log10(np.maximum(mel, 1e-10)).T, abs=1e-2)


@pytest.mark.parametrize(
    "kind", [VggishLayer, lambda **given: Panns(window=10.0, **given)], ids=["vggish", "panns"]
)
def test_weights_that_are_not_there_or_not_these_are_named(kind, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="no such file"):
        kind(weights=str(tmp_path / "nothing.pth"), cache=None)
    other = tmp_path / "other.safetensors"
    save_tensors(other, {"fc1.weight": torch.zeros(3)})
    with pytest.raises(DiscoError, match="does not hold"):
        kind(weights=str(other), cache=None)


class Bomb:
    """What a pickle must never be allowed to run."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("exploded"),))


def test_code_in_a_weights_file_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bomb.pth"
    torch.save({"model": Bomb()}, file)
    with pytest.raises(DiscoError, match="not a file of weights"):
        VggishLayer(weights=str(file), cache=None)
    assert not (tmp_path / "exploded").exists()


@pytest.fixture(scope="module")
def encodec_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encodec")
    config = EncodecConfig(
        sampling_rate=RATE,
        num_filters=4,
        hidden_size=12,
        codebook_dim=12,
        num_lstm_layers=1,
        upsampling_ratios=[8, 5],
    )
    EncodecModel(config).eval().save_pretrained(folder)
    return folder


def test_encodec_points_are_means_of_its_latents(encodec_folder: Path) -> None:
    ear = EncodecLatents(path=str(encodec_folder), window=0.5, cache=None)
    assert ear.name == "encodec-16k"
    points = ear.embed(sound(2.0))
    assert points.shape == (4, 12)
    with torch.no_grad():
        latents = ear.model.encoder(sound(2.0).wave[None])[0]
    assert points[1] == pytest.approx(latents[:, 200:400].mean(1).numpy(), abs=1e-4)  # frames, not channels


def test_missing_weights_name_another_embedder(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="embedder=musicnn"):
        EncodecLatents(path=str(tmp_path), window=1.0, cache=None)
    with pytest.raises(DiscoError, match="embedder=musicnn"):
        Clap(path=str(tmp_path), name="clap", hop=5.0, cache=None)


@pytest.mark.long
def test_clap_gives_a_vector_of_the_shared_space_per_window(tmp_path: Path) -> None:
    from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel, ClapTextConfig

    torch.manual_seed(0)
    audio = ClapAudioConfig(
        hidden_size=32, patch_embeds_hidden_size=16, depths=[1, 1], num_attention_heads=[2, 2],
        num_mel_bins=64, spec_size=256, window_size=8, projection_dim=24, num_hidden_layers=2,
    )  # fmt: skip
    text = ClapTextConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        projection_dim=24,
    )  # fmt: skip
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=24)
    ClapModel(config).eval().save_pretrained(tmp_path)
    ClapFeatureExtractor(feature_size=64, truncation="rand_trunc", padding="repeatpad").save_pretrained(
        tmp_path
    )
    ear = Clap(path=str(tmp_path), name="clap-tiny", hop=5.0, cache=None)
    points = ear.embed(sound(16.0))
    assert points.shape == (2, 24)
    assert np.array_equal(points, ear.hear(sound(16.0).resampled(48000).wave[0]))


class Halves(torch.nn.Module):
    """An autoencoder whose latents are known: each frame's mean, and its mean of squares."""

    rate, channels, hop = 8000, 2, 4

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))

    def encoder(self, wave: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        assert wave.shape[1] == self.channels
        frames = wave.mean(1).unflatten(1, (-1, self.hop))
        return self.gain * torch.stack([frames.mean(-1), frames.square().mean(-1)], 1)

    def network_state(self) -> dict[str, torch.Tensor]:
        return dict(self.state_dict())


def test_latents_of_ones_own_codec_carry_the_codec_in_their_name() -> None:
    codec = Halves()
    ear = CodecLatents(autoencoder=codec, window=0.5, cache=None)
    wave = sound(1.0, rate=8000)
    points = ear.embed(wave)
    assert points.shape == (2, 2)
    assert points[0, 0] == pytest.approx(float(wave.wave[0, :4000].mean()), abs=1e-6)
    with torch.no_grad():
        codec.gain.mul_(2)
    other = CodecLatents(autoencoder=codec, window=0.5, cache=None)
    assert other.name != ear.name
    assert other.name.startswith("codec-")


def test_a_rest_of_latents_is_left_out() -> None:
    assert pooled(torch.arange(14.0).view(1, 2, 7), 3).tolist() == [[1.0, 8.0], [4.0, 11.0]]
