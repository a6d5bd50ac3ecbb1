"""`scripts/prepare.py prepare=audio` with the real stages: what it says, how it ends, what it is good for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disco.apps import prepare, train
from disco.apps.prepare import ProgressLine
from disco.apps.preprocess import preprocess_audio_dataset
from disco.core.record import read_manifest
from disco.corpus.render import build_demo
from disco.data.code_cache import CodeCache
from disco.errors import DiscoError
from disco.prepare.layout import HaltedError
from disco.prepare.verify import verify
from tests.prepare.tiny import tree
from tests.tiny_runs import TINY, TINY_CODEC

ROOT = Path(__file__).resolve().parents[2]
KINDS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders of the demo corpus in four formats and three rates, and two that are no music."""
    demo = tmp_path_factory.mktemp("demo")
    done = build_demo(
        demo, hours=0.02, seed=0, rate=44100, channels=2, max_seconds=8.0, on_progress=lambda *_: None
    )
    folder = tmp_path_factory.mktemp("music")
    for number, record in enumerate(read_manifest(done.manifest)[:8]):
        wave, rate = soundfile.read(demo / record.file_path, dtype="float32", always_2d=True)
        suffix = list(KINDS)[number % 4]
        path = folder / f"album {number % 3}" / f"{number}{suffix}"
        path.parent.mkdir(exist_ok=True)
        rate = (44100, 48000, 32000)[number % 3]
        with soundfile.SoundFile(path, "w", rate, wave.shape[1], format=KINDS[suffix]) as file:
            for first in range(0, len(wave), 8192):
                file.write(wave[first : first + 8192])
    (folder / "letter.wav").write_text("Dear listener, this is no sound.")
    (folder / "silence.wav").write_bytes(b"")
    return folder


def words(music: Path, target: Path) -> list[str]:
    return [
        "prepare=audio",
        f"source={music}",
        f"target={target}",
        "executor=serial",
        "stage.segment.shortest=2.0",
    ]


@pytest.mark.slow
def test_a_folder_of_music_is_prepared_told_of_and_trained_on(
    composed, tmp_path: Path, music: Path, capsys
) -> None:
    target = tmp_path / "set"
    began = time.perf_counter()
    prepare.main(composed("prepare", *words(music, target)))
    first = time.perf_counter() - began
    told = capsys.readouterr().out
    assert "8 pieces: train" in told
    assert "left out: " in told
    assert f"data.root={target}" in told
    records = read_manifest(target / "metadata" / "manifest.jsonl")
    assert {record.split for record in records} == {"train", "val", "test"}
    assert all(record.tempo or record.features["tempo_confidence"] < 0.2 for record in records)
    for record in records:
        loudness = record.features["loudness_lufs"] + record.gain_db
        assert loudness == pytest.approx(-14.0, abs=0.01) or loudness < -14.0
    rows = [json.loads(line) for line in (target / "metadata/report.jsonl").read_text().splitlines()]
    assert {row["file"] for row in rows if row["verdict"] == "refuse"} == {"letter.wav", "silence.wav"}
    assert verify(target) == {}

    before = tree(target)
    began = time.perf_counter()
    prepare.main(composed("prepare", *words(music, target)))
    assert tree(target) == before
    assert time.perf_counter() - began < first / 2, "config and imports are all that is left"

    cfg = composed("train", *TINY_CODEC, "data=audio", f"data.root={target}", "data.num_workers=0",
                   "trainer.max_steps=1")  # fmt: skip
    capsys.readouterr()
    train.main(cfg)
    assert (Path(cfg.run_dir) / "run.json").is_file()
    begun = capsys.readouterr().out
    assert f"training on {sum(record.split == 'train' for record in records)} pieces, " in begun
    assert "analysis:features" in begun


@pytest.mark.slow
def test_the_guides_function_writes_what_the_guide_says(tmp_path: Path, music: Path) -> None:
    import librosa

    written = preprocess_audio_dataset(music, tmp_path / "out", sample_rate=22050)
    assert sorted(path.name for path in written) == [f"{n}.wav" for n in range(8)]
    for path in written:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == 22050
        assert wave.shape[1] == 2
        mel = np.load(path.with_name(f"{path.stem}_mel.npy"))
        mono = wave.mean(1)
        power = librosa.feature.melspectrogram(y=mono, sr=rate, n_fft=2048, hop_length=512, n_mels=128)
        wanted = librosa.power_to_db(power, ref=np.max)
        assert abs(mel.shape[1] - wanted.shape[1]) <= 1
        assert mel.shape[0] == 128
        frames = min(mel.shape[1], wanted.shape[1]) - 2
        loud = wanted[:, 2:frames] > -50
        assert np.abs(mel[:, 2:frames] - wanted[:, 2:frames])[loud].mean() < 0.3
    rows = [json.loads(line) for line in (tmp_path / "out" / "report.jsonl").read_text().splitlines()]
    assert {row["file"] for row in rows} >= {"letter.wav", "silence.wav"}
    assert not list((tmp_path / "out").glob(".*"))
    with pytest.raises(DiscoError, match="inside the input"):
        preprocess_audio_dataset(music, music)


@pytest.mark.slow
def test_tokens_of_a_codec_are_made_while_preparing(
    composed, tmp_path: Path, music: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "set"
    prepare.main(composed("prepare", *words(music, target)))
    data = ["data=audio", f"data.root={target}", "data.num_workers=0", "trainer.max_steps=1"]
    run = composed("train", *TINY_CODEC, *data)
    train.main(run)
    capsys.readouterr()
    with pytest.raises(DiscoError, match="there is no trained codec"):
        prepare.main(composed("prepare", *words(music, target), "codec=run", "codec.run=nowhere"))
    codec = ["codec=run", f"codec.run={run.run_dir}"]
    prepare.main(composed("prepare", *words(music, target), *codec))
    told = capsys.readouterr().out
    assert "codec tokens:" in told
    assert "8/8" in told.split("codec tokens:")[1]
    (index,) = (target / "audio" / "features").glob("codes-*/index.json")
    before = index.stat().st_mtime_ns
    prepare.main(composed("prepare", *words(music, target), *codec))
    assert index.stat().st_mtime_ns == before, "nothing is encoded twice"

    monkeypatch.setattr(CodeCache, "_encode", lambda *_: pytest.fail("training encodes what is there"))
    tiny = ["model=musicgen", "model.seconds=2.0", "conditioner=[]", *TINY]
    train.main(composed("train", *tiny, *data, *codec, f"hydra.run.dir={tmp_path / 'lm'}"))


class Stops:
    """A preparation that ends as it is told to."""

    target = "nowhere"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self, report) -> list:
        report(1, 4, seconds=60.0, refused=1, share=0.25)
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            HaltedError("there is no space left", do="free some and go on"),
            3,
            "error: there is no space left; free",
        ),
        (KeyboardInterrupt(), 130, "the same command goes on"),
    ],
)
def test_how_it_ends_is_said_and_in_the_exit_code(
    composed, monkeypatch, capsys, error, code: int, told: str
) -> None:
    monkeypatch.setattr(prepare, "build_preparation", lambda cfg: Stops(error))
    with pytest.raises(SystemExit) as stop:
        prepare.main(composed("prepare", "prepare=audio"))
    assert stop.value.code == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert "1/4" in captured.out


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    line = ProgressLine.words(30, 120, 3600.0, 2, 0.25, 20.0)
    assert line == "30/120 · 1.00 h at 180× real time · 2 left out · 60 s to go"
    assert ProgressLine.words(0, 10, 0.0, 0, 0.0, 0.1) == "0/10"


def test_stages_out_of_order_and_missing_places_are_a_sentence(composed, tmp_path: Path, music: Path) -> None:
    with pytest.raises(DiscoError, match="give both"):
        prepare.main(composed("prepare", "prepare=audio"))
    with pytest.raises(DiscoError, match=r"segment needs .* put features before segment"):
        prepare.main(composed("prepare", *words(music, tmp_path / "set"), "stage=[standardize,segment]"))
    with pytest.raises(
        DiscoError, match=r"executor.wrkers: Local has no parameter 'wrkers'; did you mean 'workers'"
    ):
        prepare.main(composed("prepare", *words(music, tmp_path), "executor=local", "+executor.wrkers=2"))


@pytest.mark.slow
def test_no_torch_is_loaded_where_files_are_prepared() -> None:
    code = (
        "import sys, disco.prepare.audio, disco.prepare.work, disco.executors.local, disco.executors.worker\n"
        "import disco.stage.standardize, disco.stage.loudness, disco.stage.features, disco.stage.quality\n"
        "import disco.stage.fingerprint, disco.stage.trim, disco.stage.segment\n"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
