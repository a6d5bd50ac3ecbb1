"""Samples in a real fit, read back from TensorBoard's files."""

import io

import pytest
import soundfile
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from disco.audio.io import read_clip
from disco.callbacks.samples import Samples
from disco.core.contracts import Sampler
from tests.callbacks.toy_models import RATE, ToyAudio, ToyCodec, ToyScore, fit


def samples(**changes):
    settings = {"every_steps": 4, "num_samples": 2, "seconds": 0.5, "rate": RATE, "channels": 2, "seed": 3}
    return Samples(**{**settings, "sampler": Sampler(), "prompts": [], **changes})


def events(folder):
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"audio": 0, "images": 0})
    found.Reload()
    return found


def test_generated_sound_keeps_its_two_channels(tmp_path):
    fit(ToyAudio(), tmp_path, [samples()])
    found = events(tmp_path)
    assert sorted(found.Tags()["audio"]) == ["generated-00", "generated-01"]
    heard = found.Audio("generated-00")
    assert [event.step for event in heard] == [4, 6]  # every fourth step, and the end
    wave, rate = soundfile.read(io.BytesIO(heard[0].encoded_audio_string), always_2d=True)
    assert rate == RATE
    assert wave.shape == (RATE // 2, 2)
    assert abs(wave[:, 0]).max() == pytest.approx(2 * abs(wave[:, 1]).max(), rel=1e-3)
    picture = Image.open(io.BytesIO(found.Images("generated-00/spectrogram")[0].encoded_image_string))
    assert len(picture.convert("L").getcolors()) > 20


def test_files_lie_in_the_run_folder(tmp_path):
    fit(ToyAudio(), tmp_path, [samples()])
    clip = read_clip(tmp_path / "samples" / "step-000004" / "generated-01.wav")
    assert (clip.channels, clip.seconds) == (2, 0.5)


def test_scores_are_rendered_and_empty_ones_counted(tmp_path):
    fit(ToyScore(), tmp_path, [samples()])
    found = events(tmp_path)
    assert found.Tags()["audio"] == ["generated-01"]
    assert sorted(found.Tags()["images"]) == [
        "generated-01/chroma",
        "generated-01/piano roll",
        "generated-01/spectrogram",
    ]
    assert [event.value for event in found.Scalars("samples/empty")] == [1.0, 1.0]
    assert (tmp_path / "samples" / "step-000004" / "generated-01.mid").is_file()


def test_an_autoencoder_gives_back_validation_clips_without_their_padding(tmp_path):
    fit(ToyCodec(), tmp_path, [samples()])
    found = events(tmp_path)
    assert sorted(found.Tags()["audio"]) == [
        "original-00",
        "original-01",
        "reconstruction-00",
        "reconstruction-01",
    ]
    assert [event.step for event in found.Audio("original-00")] == [4]
    folder = tmp_path / "samples" / "step-000004"
    original, back = (read_clip(folder / f"{kind}-01.wav") for kind in ("original", "reconstruction"))
    assert original.seconds == 0.25
    assert torch.allclose(back.wave, 0.5 * original.wave, atol=1e-4)


def test_prompts_replace_the_validation_conditions(tmp_path):
    heard = []

    class Listening(ToyAudio):
        def generate(self, conditions, **options):
            heard.append((conditions, options))
            return super().generate(conditions, **options)

    prompts = [{"text": "a reel"}, {"text": None, "tags": {"rhythm": "jig"}}, {"tags": {"key": "D"}}]
    fit(Listening(), tmp_path, [samples(prompts=prompts)])
    conditions, options = heard[0]
    assert list(conditions.text) == ["a reel", None, None]
    assert conditions.tags == {"key": [None, None, "D"], "rhythm": [None, "jig", None]}
    assert options["seed"] == 3
    assert options["seconds"] == 0.5


def test_a_second_fit_starts_its_own_rounds(tmp_path):
    callback = samples(num_samples=1)
    for name in ("one", "two"):
        fit(ToyCodec(), tmp_path / name, [callback])
        folders = sorted(folder.name for folder in (tmp_path / name / "samples").iterdir())
        assert folders == ["step-000004", "step-000006"]
        assert (tmp_path / name / "samples" / "step-000004" / "original-00.wav").is_file()


def test_training_is_the_same_with_and_without_samples(tmp_path):
    gains = []
    for name, callbacks in (("without", []), ("with", [samples(every_steps=3, num_samples=1)])):
        torch.manual_seed(0)
        module = ToyAudio()
        fit(module, tmp_path / name, callbacks)
        assert module.dropout.training
        gains.append(module.gain.item())
    assert gains[0] == gains[1] != 0.0
