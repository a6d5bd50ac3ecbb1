"""`scripts/generate.py` leaves what was asked for, and the same for the same seed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from disco.apps import generate, stereo
from disco.apps.generate_checks import APART, check_prompt
from disco.apps.generate_words import plainly
from disco.apps.runs import open_run
from disco.apps.takes import read_takes
from disco.audio.io import read_clip
from disco.core.record import read_manifest
from disco.core.tensors import load_tensors, save_tensors
from disco.errors import DiscoError
from tests.apps.conftest import trained
from tests.tiny_runs import TINY_MUSICGEN

ASK = ["seconds=2", "count=2", "sampler.top_k=8", "tags.rhythm=jig", "metre=6/8", "tempo_bpm=100"]


def made(composed, run: Path, folder: Path, *more: str) -> Path:
    cfg = composed("generate", f"run={run}", *ASK, *more)
    cfg.run_dir = str(folder)
    generate.main(cfg)
    return folder


@pytest.mark.slow
def test_scores_come_as_midi_and_as_sound_and_depend_on_the_seed_alone(
    composed, symbolic_run: Path, tmp_path: Path
) -> None:
    one, again, other = (
        made(composed, symbolic_run, tmp_path / name, f"seed={seed}")
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )
    records = read_manifest(one / "manifest.jsonl")
    assert [record.id for record in records] == ["take-000", "take-001"]
    for record in records:
        midi, wave = one / str(record.midi_path), one / record.file_path
        assert read_clip(wave).seconds == pytest.approx(record.duration, abs=1e-3)
        assert record.duration == pytest.approx(2.0, abs=0.04)
        assert midi.read_bytes() == (again / midi.name).read_bytes()
        assert wave.read_bytes() == (again / wave.name).read_bytes()
        assert midi.read_bytes() != (other / midi.name).read_bytes()
    takes = read_takes(one, seconds=2.0)
    assert all(take.tempo_bpm == 100 for take in takes)
    assert all(take.notes is not None and take.notes.onset.max(initial=0) < 2.0 for take in takes)


@pytest.mark.slow
def test_sound_has_the_asked_length_at_the_codecs_rate(composed, musicgen_run: Path, tmp_path: Path) -> None:
    folder = made(composed, musicgen_run, tmp_path / "made")
    for record in read_manifest(folder / "manifest.jsonl"):
        clip = read_clip(folder / record.file_path)
        assert (clip.rate, clip.wave.shape) == (16000, (1, 32000))
        assert record.midi_path is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("seconds=0", "seconds=0: it must be above 0"),
        ("metre=waltz", "metre=waltz: this is no metre"),
        ("metre=3/0", "this is no metre"),
        ("seconds=1e6", "more than an hour"),
        ("sampler.top_k=17", "sampler.top_k=17: this model chooses among 16 tokens"),
        ("later=[{at: 1, top_k: 17}]", "chooses among 16 tokens"),
        ("go_on_from=nowhere.wav", "nowhere.wav does not exist"),
        ("sampler.top_k=many", "sampler.top_k"),
    ],
)
def test_what_cannot_be_made_is_refused(
    composed, musicgen_run: Path, tmp_path: Path, wrong: str, says: str
) -> None:
    with pytest.raises(DiscoError, match=says):
        made(composed, musicgen_run, tmp_path / "made", wrong)


def test_folders_that_are_no_finished_runs_are_refused(composed, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="is not a run folder"):
        made(composed, tmp_path / "nowhere", tmp_path / "made")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text("model: {}\n")
    with pytest.raises(DiscoError, match="is not finished; go on with resume="):
        made(composed, tmp_path / "begun", tmp_path / "made")


# What needs no model to be refused.
BAD = [
    (["prompt="], "prompt is empty"),
    (["prompt='   '"], "prompt is empty"),
    (["prompt=" + "a" * 10_000], "prompt has 10,000 characters"),
    (["prompt='a reel \U0001f3bb'"], "prompt holds '\U0001f3bb', which is no word"),
    (["prompt='\u2764\ufe0f'"], "which is no word"),
    (["seconds=0"], "seconds=0: it must be above 0"),
    (["seconds=-1"], "seconds=-1: it must be above 0"),
    (["seconds=1e6"], "seconds=1e.06: that is more than an hour"),
    (["seconds=nan"], "seconds=nan: it must be a number"),
    (["seconds=long"], "seconds=long: it must be a number"),
    (["count=0"], "count=0: it must be from 1 to 256"),
    (["count=2.5"], "count=2.5"),
    (["sampler.guidance=-1"], "sampler.guidance=-1: it must be 0 or more"),
    (["sampler.guidance=inf"], "sampler.guidance=inf: it must be a number"),
    (["sampler.temperature=0"], "sampler.temperature=0: nothing is left to chance; give sampler.top_k=1"),
    (["sampler.temperature=-1"], "sampler.temperature=-1: it must be 0 or more"),
    (["sampler.temperature=nan"], "sampler.temperature=nan"),
    (["sampler.top_k=-1"], "sampler.top_k=-1: Sampler wants a whole number, 0 or more"),
    (["sampler.top_p=1.5"], "sampler.top_p=1.5: it is a share"),
    (["tempo_bpm=0"], "tempo_bpm=0: it must be above 0"),
    (["metre=waltz"], "metre=waltz: this is no metre"),
    (["seed=[1,2,3]"], "3 seeds for 4 takes; give count=3"),
    (["seed=now"], "seed=now: it must be a whole number"),
    (["format=aiff"], "format=aiff: there is no such format; choose from wav, flac"),
    (["guidance=[double,several]"], "each of these says how often the model is asked"),
    (["guidance=[apg]", "guidance.apg.parallel=2"], "guidance.apg: parallel is from 0 to 1"),
    (["guidance=[several]", "guidance.several.weights={key: -1}"], "guidance.several: a weight of guidance"),
    (["later=[{at: 9}]"], "the piece ends at 8 s"),
    (["later=[{prompt: a}]"], "later.0..at=None: it must be a number"),
    (["later=[{at: 4, promt: a}]"], "later.0..promt: this cannot change; did you mean 'prompt'"),
    (["later=[{at: 4, guidance: -1}]"], "guidance=-1: it must be 0 or more"),
    (["later=[{at: 4, prompt: ''}]"], "later.prompt is empty"),
    (["later=[{at: 4, strength: x}]"], "later.strength=x: it must be a number"),
    (["later=[4]"], "this is no change"),
    (["device=moon"], "device=moon: there is none here"),
    (["prompt=???"], "prompt is not said"),
    (["metre=100/4"], "this is no metre"),
    (["wordings=[a jig]"], "nothing is said of what becomes of them; give ensemble=mean"),
    (["wordings=['']", "prompt=a", "ensemble=mean"], "wordings.0. is empty"),
    (["ensemble=mean"], "nothing is said that could be worded"),
    (["prompt=a", "ensemble=mean", "ensemble.weights=[1,2,3]"], "3 weights for 1 wordings"),
    (["prompt=a", "ensemble=guided", "guidance=[double]"], "both say how often the model is asked"),
    (["ensemble=best", "ensemble.of=0"], "ensemble.of=0"),
]


@pytest.mark.parametrize(("words", "says"), BAD, ids=[str(words)[:40] for words, _ in BAD])
def test_bad_input_is_answered_with_one_sentence(
    composed, tmp_path: Path, words: list[str], says: str
) -> None:
    cfg = composed("generate", f"run={tmp_path}", *words)
    with pytest.raises(DiscoError, match=says) as error:
        generate.main(cfg)
    assert len(str(error.value).splitlines()) == 1


def test_notes_and_accents_are_words(composed) -> None:
    for prompt in ("B\u266d minor \u266a", "une valse \u00e0 trois temps", "\u5c3a\u516b"):
        check_prompt(prompt)


def test_a_prompt_is_taken_as_it_is_typed() -> None:
    typed = ["run=a b", "prompt=slow, sad: a 'lament' in \"D\"", "seconds=3", "prompt=null", "prompt='a'"]
    parser = OverridesParser.create()
    read = [parser.parse_override(word).value() for word in plainly(typed)]
    assert [str(value) for value in read[:2]] == [word.partition("=")[2] for word in typed[:2]]
    assert plainly(typed)[2:] == typed[2:]
    assert plainly(["-m", "prompt=a,b"]) == ["-m", "prompt=a,b"]
    assert str(parser.parse_override(plainly(["prompt=c:\\\\"])[0]).value()) == "c:\\\\"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_the_settings_stand_in_the_file_and_make_it_again(
    composed, musicgen_run: Path, tmp_path: Path, kind: str
) -> None:
    words = [
        f"format={kind}",
        "seed=[5,9]",
        "sampler.guidance=3",
        "guidance=[apg,rescaled]",
        "prompt='a jig'",
    ]
    folder = made(composed, musicgen_run, tmp_path / "made", *words)
    take = folder / f"take-001.{kind}"
    with soundfile.SoundFile(take) as file:
        said = json.loads(file.comment)
    assert (said["prompt"], said["seed"], said["sampler"]["guidance"]) == ("a jig", 9, 3)
    assert list(said["guidance"]) == ["apg", "rescaled"]
    again = made(
        composed,
        musicgen_run,
        tmp_path / "again",
        *words[:1],
        "count=1",
        f"seed=[{said['seed']}]",
        *words[2:],
    )
    clip, same = read_clip(take), read_clip(again / f"take-000.{kind}")
    assert clip.wave.abs().max() > 0
    assert (clip.wave - same.wave).abs().max() < 1e-3


@pytest.mark.slow
def test_a_take_goes_on_from_a_sound_and_beyond_what_was_learnt(
    composed, musicgen_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = made(composed, musicgen_run, tmp_path / "first") / "take-000.wav"
    words = [f"go_on_from={first}", "go_on_seconds=1.5", "seconds=9", "count=1"]
    folder = made(composed, musicgen_run, tmp_path / "second", *words)
    assert read_clip(folder / "take-000.wav").seconds == pytest.approx(9.0)
    assert "9.0 s of music in" in (told := capsys.readouterr().out)
    assert "\u00d7 real time" in told


@pytest.mark.slow
def test_what_changes_later_changes_only_later(composed, musicgen_run: Path, tmp_path: Path) -> None:
    plain = read_clip(made(composed, musicgen_run, tmp_path / "plain") / "take-000.wav").wave
    words = ["later=[{at: 1, guidance: 9, temperature: 3, tags: {rhythm: reel}}]", "chunk=0.3"]
    changed = read_clip(made(composed, musicgen_run, tmp_path / "changed", *words) / "take-000.wav").wave
    assert plain.shape == changed.shape
    assert not torch.equal(plain[:, 24000:], changed[:, 24000:])


@pytest.mark.slow
def test_a_model_of_scores_takes_no_sound(composed, symbolic_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="later: this model writes its pieces whole"):
        made(composed, symbolic_run, tmp_path / "made", "later=[{at: 1, guidance: 2}]")


@pytest.mark.slow
def test_adapters_change_their_strength_while_they_play(
    composed, musicgen_run: Path, lora_run: Path, tmp_path: Path
) -> None:
    def wave(name: str, run: Path | str, *more: str) -> torch.Tensor:
        asked = ["sampler.top_k=0", "count=1", *more]
        return read_clip(made(composed, Path(run), tmp_path / name, *asked) / "take-000.wav").wave

    base, whole = wave("base", musicgen_run), wave("whole", lora_run)
    assert not torch.equal(base, whole)
    assert torch.equal(wave("silent", f"{lora_run}:0"), base)
    assert torch.equal(wave("at once", lora_run, "later=[{at: 0.01, strength: 0}]"), base)
    later = wave("later", lora_run, "later=[{at: 1, strength: 0}]")
    assert not torch.equal(later, whole)
    assert not torch.equal(later, base)


@pytest.mark.slow
def test_a_damaged_model_says_so(composed, musicgen_run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(musicgen_run, broken)
    tensors = load_tensors(broken / "weights.safetensors")
    tensors["head.weight"][:] = float("nan")
    save_tensors(broken / "weights.safetensors", tensors)
    with pytest.raises(DiscoError, match="is not a number; its weights are damaged"):
        made(composed, broken, tmp_path / "made")


@pytest.mark.slow
def test_a_mono_run_becomes_a_stereo_run(composed, musicgen_run: Path, tmp_path: Path) -> None:
    cfg = composed("stereo", f"run={musicgen_run}")
    cfg.run_dir = str(tmp_path / "stereo")
    run = stereo.main(cfg)
    module = open_run(run.folder)
    assert (module.num_codebooks, module.codec.channels) == (8, 2)
    folder = made(composed, run.folder, tmp_path / "made", "sampler.top_k=1", "count=1")
    wave = read_clip(folder / "take-000.wav").wave
    assert torch.equal(wave[0], wave[1])
    mono = made(composed, musicgen_run, tmp_path / "mono", "sampler.top_k=1", "count=1")
    assert torch.equal(wave[:1], read_clip(mono / "take-000.wav").wave)
    cfg.run = str(run.folder)
    with pytest.raises(DiscoError, match="has 2 channels already"):
        stereo.main(cfg)


@pytest.mark.slow
def test_the_best_of_several_takes_is_one_of_them(composed, musicgen_run: Path, tmp_path: Path) -> None:
    words = ["seed=[3,4]", "ensemble=best", "ensemble.of=3", "prompt=a jig", "sampler.top_k=0"]
    folder = made(composed, musicgen_run, tmp_path / "best", *words)
    for place, seed in enumerate((3, 4)):
        every = f"seed=[{','.join(str(seed + APART * further) for further in range(3))}]"
        taken = made(composed, musicgen_run, tmp_path / f"all-{place}", "count=3", every, "sampler.top_k=0")
        waves = [read_clip(taken / f"take-00{one}.wav").wave for one in range(3)]
        kept = read_clip(folder / f"take-00{place}.wav").wave
        assert sum(torch.equal(kept, wave) for wave in waves) == 1


@pytest.mark.slow
def test_wordings_need_a_run_that_was_trained_with_words(
    composed, musicgen_run: Path, tmp_path: Path
) -> None:
    words = ["prompt=a jig", "wordings=[a dance]", "ensemble=mean"]
    with pytest.raises(DiscoError, match="this run was not trained with words"):
        made(composed, musicgen_run, tmp_path / "made", *words)


@pytest.mark.slow
def test_tags_are_told_in_the_sentences_that_the_run_learnt_on(
    composed, codec_run: Path, corner: list[str], tmp_path: Path
) -> None:
    words = [
        "codec=run",
        f"codec.run={codec_run}",
        "augment=[words]",
        "augment.words.phrases.genre=['one {}']",
    ]
    run = trained(tmp_path / "run", *TINY_MUSICGEN, *corner, *words)
    folder = made(composed, run, tmp_path / "made", "tags.key=Bbmin")
    captions = {record.caption for record in read_manifest(folder / "manifest.jsonl")}
    assert captions == {"One jig, in B flat minor, in 6/8 time, at 100 bpm."}
    prompted = made(composed, run, tmp_path / "prompted", "prompt=mine")
    assert {record.caption for record in read_manifest(prompted / "manifest.jsonl")} == {"mine"}
