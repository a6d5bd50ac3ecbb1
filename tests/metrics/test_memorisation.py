"""Copies are found through other keys, instruments and levels, and new tunes are not called copies."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.core.metric import Take
from disco.core.record import Record, write_manifest
from disco.corpus.tunes import load_tunes
from disco.errors import DiscoError
from disco.metrics.memorisation import Memorisation, best_place, fingerprint
from tests.metrics.music import played

TUNES = [tune for tune in load_tunes() if tune.book == "ryan" and tune.rhythm == "reel"]
TRAINED = [tune.id for tune in TUNES[:8]]
NEW = [tune.id for tune in TUNES[40:44] if tune.group not in TRAINED]


def part(tune_id, **how):
    return replace(played(tune_id, end=10.0, **how), notes=None)


@pytest.fixture(scope="module")
def library():
    metric = metric_of()
    metric.learn([part(tune_id) for tune_id in TRAINED])
    return metric.learnt


def metric_of(root=None):
    return Memorisation(seconds=5.0, transpose=True, root=root, most=100)


def judged(library, made, held=None):
    metric = metric_of()
    metric._learnt = library
    metric.update(made, held or [part(tune_id, program=40) for tune_id in NEW])
    return metric


def test_a_copy_is_found_with_its_source_and_place(library):
    copy = part(TRAINED[3])
    cut = replace(copy, clip=Clip(copy.clip.wave[:, 2 * copy.clip.rate :], copy.clip.rate))
    metric = judged(library, [cut])
    (match,) = metric.matches()
    assert match.source == TRAINED[3]
    assert match.at == pytest.approx(2.0, abs=3.0)
    assert match.likeness > 0.95
    assert metric.compute()["copied"] == 1.0


def test_a_copy_in_another_key_on_another_instrument_and_softer_is_found(library):
    other = part(TRAINED[5], program=73, shift=3)
    soft = replace(other, clip=Clip(0.1 * other.clip.wave, other.clip.rate))
    metric = judged(library, [soft])
    assert metric.matches()[0].source == TRAINED[5]
    assert metric.compute()["percentile"] == 1.0


def test_new_tunes_are_as_like_as_held_out_ones(library):
    held = [part(tune_id, program=40) for tune_id in NEW]
    found = judged(library, [part(tune_id, program=73) for tune_id in NEW], held).compute()
    assert found["likeness"] == pytest.approx(found["held_out"], abs=0.1)
    assert 0.2 < found["percentile"] < 0.8


def test_noise_and_silence_resemble_nothing(library):
    noise = Clip(0.3 * torch.randn(1, 8 * 22050, generator=torch.Generator().manual_seed(0)), 22050)
    metric = judged(library, [Take(clip=noise), Take(clip=Clip(torch.zeros(1, 22050 * 6), 22050))])
    assert metric.compute()["copied"] == 0.0
    assert metric.matches()[-1].likeness == 0.0


def test_the_best_place_is_that_of_a_plain_search():
    rng = np.random.default_rng(0)
    prints = rng.normal(size=(300, 12)).astype(np.float32)
    window = (prints[120:140] + 0.3 * rng.normal(size=(20, 12))).astype(np.float32)
    cosines = [
        float(
            (window * prints[i : i + 20]).sum() / np.linalg.norm(window) / np.linalg.norm(prints[i : i + 20])
        )
        for i in range(281)
    ]
    likeness, place = best_place(prints, window)
    assert place == int(np.argmax(cosines)) == 120
    assert likeness == pytest.approx(max(cosines), abs=1e-5)


def test_prints_say_nothing_of_level():
    take = part(TRAINED[0])
    soft = replace(take, clip=Clip(0.01 * take.clip.wave, take.clip.rate))
    alike = [
        float((a @ b) / max(1e-9, np.linalg.norm(a) * np.linalg.norm(b)))
        for a, b in zip(fingerprint(take), fingerprint(soft), strict=True)
    ]
    assert np.median(alike) > 0.99


def test_training_data_is_read_from_its_folder(tmp_path, library):
    records = []
    for index, tune_id in enumerate(TRAINED[:2]):
        take = part(tune_id)
        write_clip(tmp_path / f"{index}.wav", take.clip)
        records.append(
            Record(id=tune_id, file_path=f"{index}.wav", duration=take.clip.seconds, sample_rate=22050,
                   split="train" if index == 0 else "test")
        )  # fmt: skip
    write_manifest(tmp_path / "metadata" / "manifest.jsonl", records)
    metric = metric_of(str(tmp_path))
    metric.update([part(TRAINED[0]), part(TRAINED[1])], [part(NEW[0])])
    first, second = metric.matches()
    assert first.name == first.source == TRAINED[0]
    assert second.likeness < 0.95


def test_nothing_learnt_is_refused():
    with pytest.raises(DiscoError, match="trained on"):
        metric_of().update([part(TRAINED[0])])
