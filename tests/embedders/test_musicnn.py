"""MusiCNN read without TensorFlow: the checkpoint, the network against plain NumPy, and what it hears."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.embedder import Embedder
from disco.embedders import musicnn
from disco.embedders.musicnn import FFT, HOP, RATE, MusicnnLayer, find_folder, load_network, log_mels
from disco.embedders.musicnn_tags import TAGS, MusicnnTags
from disco.embedders.tensor_bundle import read_bundle
from disco.errors import DiscoError
from disco.midi.render import render
from disco.midi.score import NoteTable, score_from_notes


def files() -> tuple[Path, Path]:
    folder = find_folder() / "MTT_musicnn"
    return folder / ".index", folder / ".data-00000-of-00001"


@cache
def tensors() -> dict[str, np.ndarray]:
    return read_bundle(*files())


def test_the_checkpoint_holds_the_published_shapes() -> None:
    shapes = {name: value.shape for name, value in tensors().items() if "Adam" not in name}
    assert shapes["conv2d/kernel"] == (7, 38, 1, 204)
    assert shapes["conv2d_1/kernel"] == (7, 67, 1, 204)
    assert [shapes[f"conv2d_{i}/kernel"] for i in (2, 3, 4)] == [(n, 1, 1, 51) for n in (128, 64, 32)]
    assert shapes["dense/kernel"] == (1506, 200)
    assert shapes["dense_1/kernel"] == (200, len(TAGS))
    assert all(
        value.dtype == np.float32 for name, value in tensors().items() if name.startswith(("conv", "dense"))
    )


def test_a_torn_checkpoint_is_named(tmp_path: Path) -> None:
    index, data = files()
    for name, broken in {
        "short": index.read_bytes()[:-60],
        "empty": b"",
        "text": b"model_checkpoint_path" * 9,
        "lost": index.read_bytes()[60:],
    }.items():
        file = tmp_path / name
        file.write_bytes(broken)
        with pytest.raises(DiscoError, match=name):
            read_bundle(file, data)
    cut = tmp_path / "data"
    cut.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(DiscoError, match="beyond the end"):
        read_bundle(index, cut)
    with pytest.raises(DiscoError, match="is missing"):
        read_bundle(index, tmp_path / "nowhere")


def test_keys_that_share_their_beginning_are_put_together(tmp_path: Path) -> None:
    values = np.arange(6, dtype="<f4")

    def entry(offset: int) -> bytes:  # type 1, shape [3], offset, 12 bytes
        return bytes([0x08, 1, 0x12, 4, 0x12, 2, 0x08, 3, 0x20, offset, 0x28, 12])

    def block(*rows: tuple[int, bytes, bytes]) -> bytes:
        body = b"".join(bytes([shared, len(key), len(value)]) + key + value for shared, key, value in rows)
        return body + struct.pack("<II", 0, 1)

    data = block((0, b"", b"\x08\x01"), (0, b"dense/bias", entry(0)), (6, b"kernel", entry(12)))
    index = block((0, b"z", bytes([0, len(data)])))
    table = data + b"\0" * 5 + index + b"\0" * 5
    footer = bytes([0, 0, len(data) + 5, len(index)]).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (tmp_path / "i").write_bytes(table + footer)
    (tmp_path / "d").write_bytes(values.tobytes())
    found = read_bundle(tmp_path / "i", tmp_path / "d")
    assert {name: value.tolist() for name, value in found.items()} == {
        "dense/bias": [0.0, 1.0, 2.0],
        "dense/kernel": [3.0, 4.0, 5.0],
    }


def plain(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The published graph, layer by layer, with TensorFlow's own layout: [time, band, channel]."""
    t = tensors()

    def name(kind: str, index: int) -> str:
        return kind + (f"_{index}" if index else "")

    def norm(x: np.ndarray, index: int) -> np.ndarray:
        mean, variance, gamma, beta = (
            t[f"{name('batch_normalization', index)}/{part}"].astype(np.float64)
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def conv(x: np.ndarray, index: int, before: int, after: int) -> np.ndarray:
        kernel = t[f"{name('conv2d', index)}/kernel"].astype(np.float64)
        padded = np.pad(x, ((before, after), (0, 0), (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(0, 1))
        found = np.einsum("fbcij,ijco->fbo", patches, kernel, optimize=True)
        return np.maximum(found + t[f"{name('conv2d', index)}/bias"], 0)

    x = norm(mel.astype(np.float64)[..., None], 0)
    front = [norm(conv(x, index, 3, 3), index + 1).max(1) for index in (0, 1)]
    front += [norm(conv(x, 2 + i, (n - 1) // 2, n // 2), 3 + i).max(1) for i, n in enumerate((128, 64, 32))]
    whole = np.concatenate(front, 1)
    first = norm(conv(whole[..., None], 5, 3, 3), 6)[:, 0]
    second = first + norm(conv(first[..., None], 6, 3, 3), 7)[:, 0]
    third = second + norm(conv(second[..., None], 7, 3, 3), 8)[:, 0]
    features = np.concatenate([whole, first, second, third], 1)
    pooled = norm(np.stack([features.max(0), features.mean(0)], 1).reshape(-1), 9)
    layer = norm(np.maximum(pooled @ t["dense/kernel"] + t["dense/bias"], 0), 10)
    return layer, 1 / (1 + np.exp(-(layer @ t["dense_1/kernel"] + t["dense_1/bias"])))


@pytest.mark.long
def test_the_network_is_the_published_graph() -> None:
    wave = 0.1 * torch.randn(4 * RATE, generator=torch.Generator().manual_seed(0))
    mel = log_mels(wave, 187)[0]
    network = load_network("mtt")
    layer, tags = plain(mel.numpy())
    with torch.no_grad():
        assert network(mel[None])[0].numpy() == pytest.approx(layer, abs=1e-4)
        assert network.tags(mel[None])[0].numpy() == pytest.approx(tags, abs=1e-6)


def test_log_mel_windows_are_those_of_librosa() -> None:
    import librosa

    wave = 0.1 * torch.randn(4 * RATE, generator=torch.Generator().manual_seed(1))
    power = librosa.feature.melspectrogram(
        y=wave.numpy(), sr=RATE, hop_length=HOP, n_fft=FFT, n_mels=96, pad_mode="constant"
    )
    expected = np.log10(10000 * power.T + 1)
    found = log_mels(wave, 30)
    assert found.shape == (3, 187, 96)
    for index, one in enumerate(found.numpy()):
        assert one == pytest.approx(expected[30 * index : 30 * index + 187], abs=1e-4)


def scale(program: int) -> Clip:
    count = 16
    onset = np.arange(count) * 0.375
    return render(
        score_from_notes(
            NoteTable(
                onset=onset,
                offset=onset + 0.36,
                pitch=60 + np.array([0, 2, 4, 5, 7, 9, 11, 12] * 2, dtype=np.int64),
                velocity=np.full(count, 90),
                program=np.full(count, program, dtype=np.int64),
                is_drum=np.zeros(count, dtype=bool),
            )
        ),
        rate=RATE,
        channels=1,
    )


def likely(clip: Clip) -> dict[str, float]:
    points = MusicnnTags(trained="mtt", hop=1.0, cache=None).embed(clip)
    return dict(zip(TAGS, points.mean(0).tolist(), strict=True))


def test_instruments_are_called_by_their_names() -> None:
    heard = {
        name: likely(scale(program)) for name, program in {"piano": 0, "violin": 40, "harpsichord": 6}.items()
    }
    for name, tags in heard.items():
        assert tags[name] == max(other[name] for other in heard.values()), name
    assert heard["piano"]["piano"] > 0.3
    assert all(0 <= value <= 1 for tags in heard.values() for value in tags.values())


def test_the_two_trainings_are_two_rulers() -> None:
    one, other = (MusicnnLayer(trained=kind, hop=1.0, cache=None) for kind in ("mtt", "msd"))
    assert (one.name, other.name) == ("musicnn", "musicnn-msd")
    assert one.fingerprint != other.fingerprint
    assert not np.allclose(one.embed(scale(0)), other.embed(scale(0)), atol=0.1)


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicnn, "PACKAGE", "musicnn-that-nobody-has")
    with pytest.raises(DiscoError, match=r"pip install --no-deps musicnn==0\.1\.0"):
        find_folder()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "MTT_musicnn"
    folder.mkdir()
    (folder / ".data-00000-of-00001").write_bytes(b"not the published ones")
    monkeypatch.setattr(musicnn, "find_folder", lambda: tmp_path)
    with pytest.raises(DiscoError, match="not the published MusiCNN"):
        load_network.__wrapped__("mtt")


def test_points_are_kept_on_disk_under_the_name_of_the_ruler(tmp_path: Path) -> None:
    ear: Embedder = MusicnnLayer(trained="mtt", hop=1.0, cache=str(tmp_path))
    ear.embed(Clip(0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(9)), RATE))
    assert [path.name.rpartition("-")[0] for path in tmp_path.iterdir()] == ["musicnn"]


@pytest.mark.parametrize("hop", [20, 62, 187, 250])
def test_windows_that_overlap_share_the_filters_in_front_and_hear_the_same(hop: int) -> None:
    wave = 0.1 * torch.randn(8 * RATE, generator=torch.Generator().manual_seed(hop))
    network, mels = load_network("mtt"), log_mels(wave, hop)
    with torch.no_grad():
        alone = network(mels)
        together = musicnn.layers(wave, "mtt", hop)
    assert len(mels) > 1
    assert torch.allclose(together, alone, atol=1e-4)


def test_the_layer_and_the_tags_of_a_sound_run_the_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    slide = type(load_network("mtt")).slide

    def counted(network, mel, frames: int, hop: int):
        runs.append(len(mel))
        return slide(network, mel, frames, hop)

    monkeypatch.setattr(type(load_network("mtt")), "slide", counted)
    sound = Clip(0.1 * torch.randn(1, 4 * RATE, generator=torch.Generator().manual_seed(5)), RATE)
    settings = {"trained": "mtt", "hop": 1.0, "cache": None}
    layer, tags = (kind(**settings).embed(sound) for kind in (MusicnnLayer, MusicnnTags))
    assert (layer.shape, tags.shape) == ((2, 200), (2, 50))
    assert len(runs) == 1
