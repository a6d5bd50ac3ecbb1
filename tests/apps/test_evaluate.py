"""`scripts/evaluate.py` measures runs and folders beside the real thing, floors and counting."""

from __future__ import annotations

import json
import math
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from disco.apps import evaluate
from disco.apps.scores import Found, read_found
from disco.apps.takes import read_takes, write_takes
from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.errors import DiscoError

ASK = ["count=2", "seconds=3", "split=val", "metric=[signal]", "cache=null"]
LOSSES = ("loss", "loss_shuffled", "loss_captions", "loss_unigram", "loss_ngram")


def found_in(composed, folder: Path, *words: str) -> Found:
    cfg = composed("evaluate", *ASK, *words)
    cfg.run_dir = str(folder)
    found = evaluate.main(cfg)
    kept = read_found(folder).table()
    assert list(kept) == list(found.systems)
    assert all(kept[name] == pytest.approx(row, rel=1e-8) for name, row in found.table().items())
    return found


def scores(composed, folder: Path, *words: str) -> dict[str, dict[str, float]]:
    return found_in(composed, folder, *words).table()


@pytest.mark.slow
def test_a_score_model_stands_beside_counting_and_the_real_thing(
    composed, symbolic_run: Path, tmp_path: Path
) -> None:
    found = scores(composed, tmp_path, f"run={symbolic_run}", "metric=[notes]")
    assert {"made", "real"} <= set(found)
    assert all(0 < found["made"][name] < 10 for name in LOSSES)
    assert found["made"]["loss_ngram"] < found["made"]["loss_unigram"]
    assert set(found["real"]) <= set(found["made"])
    made, real = (read_takes(tmp_path / name) for name in ("made", "real"))
    assert len(made) == len(real) > 0
    assert all(take.notes is not None for take in made)


@pytest.mark.slow
def test_an_audio_model_stands_between_its_floors_and_the_real_thing(
    composed, musicgen_run: Path, tmp_path: Path
) -> None:
    found = scores(composed, tmp_path, f"run={musicgen_run}", "floors=true", "metric=[signal,efficiency]")
    assert set(found) == {"made", "real", "decoded", "shuffled", "random"}
    assert all(math.isfinite(found["made"][name]) for name in (*LOSSES, "loss_prior"))
    sounds = {name: read_takes(tmp_path / name) for name in found}
    lengths = [take.sound.seconds for takes in sounds.values() for take in takes]
    assert lengths == pytest.approx([3.0] * len(lengths), abs=0.04)
    real, decoded, shuffled = (sounds[name][0].sound for name in ("real", "decoded", "shuffled"))
    assert not torch.equal(decoded.wave, shuffled.wave)
    assert real.rate == 16000
    cost = json.loads((tmp_path / "efficiency.json").read_text())
    assert cost["seconds_per_second"] > 0
    assert cost["weight_bytes"] > 4 * cost["parameters"] * 0.9


@pytest.mark.slow
def test_a_codec_is_asked_to_give_back_what_it_hears(composed, codec_run: Path, tmp_path: Path) -> None:
    found = scores(composed, tmp_path, f"run={codec_run}", "metric=[signal,fd_logmel]")
    assert found["real"]["fd_logmel/fd_logmel"] == pytest.approx(0.0, abs=1e-3)
    assert found["made"]["fd_logmel/fd_logmel"] > found["real"]["fd_logmel/fd_logmel"]
    assert "loss" not in found["made"]


@pytest.mark.slow
def test_a_loss_on_what_was_trained_on_is_refused(composed, symbolic_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match=r"split=train: .*held-out"):
        scores(composed, tmp_path, f"run={symbolic_run}", "split=train")


def tone(level: float, hz: float = 440.0) -> Clip:
    return Clip(level * torch.sin(torch.arange(32000) * 2 * torch.pi * hz / 16000)[None], 16000)


def theirs(folder: Path, *levels: float) -> str:
    for index, level in enumerate(levels):
        write_clip(folder / f"song{index}.wav", tone(level, 300.0 + 100 * index))
    return str(folder)


def test_anybodys_audio_is_judged(composed, tmp_path: Path) -> None:
    write_takes(tmp_path / "theirs", [tone(0.5), tone(0.0)], name="x", captions=[None] * 2, tempos=[None] * 2)
    found = scores(composed, tmp_path / "out", f"audio={tmp_path / 'theirs'}")
    assert found["made"]["signal/silent"] == 0.5


def test_what_overshoots_full_scale_is_written_and_counted(composed, tmp_path: Path) -> None:
    (record,) = write_takes(tmp_path / "loud", [tone(2.0)], name="x", captions=[None], tempos=[None])
    assert record.features["clipped"] == pytest.approx(2 / 3, abs=0.01), "a sine of 2 is beyond 1 so often"
    found = scores(composed, tmp_path / "out", f"audio={tmp_path / 'loud'}")
    assert found["made"]["signal/clipped"] == pytest.approx(2 / 3, abs=0.01)
    assert found["made"]["signal/ok"] == 0.0


def test_what_cannot_be_computed_is_refused_or_listed_with_its_reason(composed, tmp_path: Path) -> None:
    audio = f"audio={theirs(tmp_path / 'theirs', 0.5)}"
    with pytest.raises(DiscoError, match=r"metric=fd_logmel: .*reference=<folder>; .*partial=true"):
        scores(composed, tmp_path / "out", audio, "metric=[fd_logmel]")
    assert not (tmp_path / "out" / "scores.json").exists()
    asked = "metric=[signal,fd_logmel,memorisation,efficiency]"
    found = found_in(composed, tmp_path / "out", audio, asked, "partial=true")
    assert set(found.not_computed["made"]) == {"fd_logmel", "memorisation", "efficiency"}
    assert {name.partition("/")[0] for name in found.systems["made"]} == {"signal"}
    text = (tmp_path / "out" / "scores.json").read_text()
    assert "NaN" not in text
    assert "Not computed" in (tmp_path / "out" / "report.html").read_text()


def test_asking_for_nothing_and_empty_folders_are_refused(composed, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="a run or a folder of audio"):
        scores(composed, tmp_path / "out")
    with pytest.raises(DiscoError, match="holds no audio"):
        scores(composed, tmp_path / "out", f"audio={tmp_path / 'out'}")


def test_an_unreadable_file_is_named_or_left_out_and_counted(composed, tmp_path: Path) -> None:
    folder = theirs(tmp_path / "theirs", 0.5, 0.4)
    (tmp_path / "theirs" / "broken.wav").write_bytes(b"RIFF and nothing")
    with pytest.raises(DiscoError, match=r"broken\.wav"):
        scores(composed, tmp_path / "out", f"audio={folder}")
    found = found_in(composed, tmp_path / "out", f"audio={folder}", "skip=true")
    assert [one.file for one in found.skipped] == ["broken.wav"]
    assert found.systems["made"]["signal/rms_db"].takes == 2
    assert "broken.wav" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_the_same_audio_gives_the_same_bytes_with_and_without_the_cache(composed, tmp_path: Path) -> None:
    folder, reference = (theirs(tmp_path / n, 0.5, 0.2, 0.1) for n in ("theirs", "real"))
    words = [f"audio={folder}", f"reference={reference}", "metric=[signal,fd_logmel,groove]", "partial=true"]
    for name, cache in (("a", "null"), ("b", tmp_path / "cache"), ("c", tmp_path / "cache")):
        found_in(composed, tmp_path / name, *words, f"cache={cache}")
    for file in ("scores.json", "samples.jsonl"):
        assert len({(tmp_path / name / file).read_bytes() for name in "abc"}) == 1
    assert list((tmp_path / "cache").rglob("*.json"))


def test_a_file_that_changed_under_its_name_is_heard_again(composed, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    words = [f"audio={theirs(folder, 0.5)}", f"cache={tmp_path / 'cache'}"]
    before = scores(composed, tmp_path / "out", *words)["made"]["signal/peak"]
    theirs(folder, 0.1)
    assert before == pytest.approx(0.5, abs=1e-3)
    assert scores(composed, tmp_path / "out", *words)["made"]["signal/peak"] == pytest.approx(0.1, abs=1e-3)


def test_a_damaged_cache_is_an_error_and_never_a_number(composed, tmp_path: Path) -> None:
    words = [f"audio={theirs(tmp_path / 'theirs', 0.5)}", f"cache={tmp_path / 'cache'}"]
    scores(composed, tmp_path / "out", *words)
    (kept,) = (tmp_path / "cache").rglob("*.json")
    kept.write_text(kept.read_text()[:20])
    with pytest.raises(DiscoError, match="cannot be read"):
        scores(composed, tmp_path / "out", *words)


@pytest.mark.slow
def test_workers_change_nothing(composed, tmp_path: Path) -> None:
    words = [f"audio={theirs(tmp_path / 'theirs', 0.5, 0.3, 0.2)}"]
    for workers in (0, 2):
        found_in(composed, tmp_path / str(workers), *words, f"workers={workers}")
    assert (tmp_path / "0" / "scores.json").read_bytes() == (tmp_path / "2" / "scores.json").read_bytes()


class Players(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.groups = 0
        self.buttons: list[str] = []
        self.sources: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.groups += "data-switched" in given
        if "data-to" in given:
            self.buttons.append(str(given["data-to"]))
        if "src" in given:
            self.sources.append(str(given["src"]))


def test_the_page_plays_made_real_and_others_at_one_place(composed, tmp_path: Path) -> None:
    folder, reference = (theirs(tmp_path / n, 0.5, 0.0) for n in ("theirs", "real"))
    shutil.copytree(reference, tmp_path / "other")
    words = [f"audio={folder}", f"reference={reference}", f"+beside.other={tmp_path / 'other'}"]
    found = found_in(composed, tmp_path / "out", *words)
    assert list(found.systems) == ["made", "real", "other"]
    page = Players((tmp_path / "out" / "report.html").read_text())
    assert page.groups == 2
    assert page.buttons == ["0", "1", "2"] * 2
    assert all(source.startswith("data:") for source in page.sources)
    assert found.samples[0].reference == found.samples[0].sound, "the real one has the same name and sound"


def test_takes_that_do_not_belong_together_are_not_compared_one_by_one(composed, tmp_path: Path) -> None:
    folder = theirs(tmp_path / "theirs", 0.5, 0.4)
    for index in range(2):
        write_clip(tmp_path / "real" / f"other{index}.wav", tone(0.5))
    with pytest.raises(DiscoError, match=r"metric=tempo: .*take by take.*same name"):
        scores(
            composed, tmp_path / "out", f"audio={folder}", f"reference={tmp_path / 'real'}", "metric=[tempo]"
        )
