"""`resume=` on the command line: what was typed when the run began, and over it what is typed now."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from subprocess import PIPE

import pytest

from disco.apps import train
from disco.apps.identity import identity_of
from disco.apps.resume import find_run, going_on
from disco.apps.runs import Run
from disco.errors import DiscoError
from tests.apps.conftest import trained
from tests.composing import composed_config
from tests.tiny_runs import TINY_CODEC, TINY_MUSICGEN, TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]


def begun(folder: Path, *typed: str, name: str = "last.ckpt") -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / name).write_bytes(b"")
    (folder / ".hydra").mkdir()
    lines = "".join(f"- {word}\n" if "'" in word else f"- '{word}'\n" for word in typed)
    (folder / ".hydra" / "overrides.yaml").write_text(lines or "[]\n")
    return folder


def test_a_run_goes_on_by_what_it_was_begun_with(tmp_path: Path) -> None:
    folder = begun(
        tmp_path / "run", "model=symbolic", "optim/schedule=linear", "data.books=[ryan, bach]", "seed=3"
    )
    words = going_on(["seed=4", f"resume={folder}", "trainer.max_steps=9", "hydra.run.dir=elsewhere"])
    assert words == [
        "model=symbolic", "optim/schedule=linear", "data.books=[ryan, bach]", "seed=4", "trainer.max_steps=9",
        f"resume='{folder}'", f"hydra.run.dir='{folder}'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words", [["model=symbolic"], ["resume=auto"], ["resume=null"], ["-m", "resume=x", "seed=1,2"]]
)
def test_other_command_lines_stay_as_they_are(words: list[str]) -> None:
    assert going_on(words) == words


def test_a_strangers_folder_adds_nothing_of_hydras_own(tmp_path: Path) -> None:
    folder = begun(
        tmp_path, "model=symbolic", "hydra.run.dir=/", "+hydra.callbacks.x._target_=os.system",
        "hydra/launcher=slurm", "--config-dir=/", "-m", "optim._target_=os.system", "run_dir=/",
        "+callbacks.x={_target_: os.system}",
    )  # fmt: skip
    assert going_on([f"resume={folder}"]) == [
        "model=symbolic",
        f"resume='{folder}'",
        f"hydra.run.dir='{folder}'",
    ]


def test_last_is_the_run_that_was_saved_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiscoError, match="resume=last: no run"):
        find_run("last")
    runs = [begun(Path("outputs/train/2026-01-0" + day) / "10-00-00") for day in "123"]
    for run, age in zip(runs, (30, 10, 20), strict=True):
        os.utime(run / "checkpoints" / "last.ckpt", (1e9 - age, 1e9 - age))
    assert find_run("last") == runs[1]
    assert going_on(["resume=last"])[-1] == f"hydra.run.dir='{runs[1]}'"


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="there is no checkpoint in it"):
        going_on([f"resume={tmp_path}"])
    begun(tmp_path / "only", name="previous.ckpt")
    assert Run(find_run(str(tmp_path / "only"))).checkpoint.name == "previous.ckpt"


@pytest.mark.slow
def test_a_folder_has_one_run_at_a_time_and_a_killed_one_leaves_it_free(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from disco.apps.runs import Run
        with Run(Path({str(tmp_path)!r})).held():
            print("held", flush=True)
            input()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=PIPE, stdin=PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DiscoError, match="another process trains in this folder"), Run(tmp_path).held():
            pass
        other.kill()
    with Run(tmp_path).held():
        pass


def test_what_a_run_is_depends_on_width_codec_vocabulary_optimiser_and_adapter_alone(composed) -> None:
    def apart(*words: str) -> set[str]:
        one, other = identity_of(composed("train", "model=symbolic")), identity_of(composed("train", *words))
        return {name for name in {*one, *other} if one.get(name) != other.get(name)}

    assert (
        apart("model=symbolic", "optim.lr=0.1", "trainer.max_steps=3", "seed=9", "data.batch_size=2") == set()
    )
    assert apart("model=symbolic", "scale.width=32") == {"model.width", "conditioner.tags.width"}
    assert apart("model=symbolic", "optim=lion") == {"optim"}
    assert "adapter._target_" in apart("model=symbolic", "adapter=lora")
    vocabulary = apart("model=symbolic", "model.tokenizer.positions_per_beat=24")
    assert vocabulary == {"model.tokenizer.positions_per_beat"}


def test_a_setting_that_came_later_and_is_off_is_no_difference(composed) -> None:
    words = ("model=musicgen", "adapter=lora")
    cfg = composed("train", *words)
    told = identity_of(cfg)
    assert "model.layer_drop" not in told
    del cfg.model.layer_drop  # as in a run of before
    assert identity_of(cfg) == told
    assert identity_of(composed("train", *words, "model.layer_drop=0.1"))["model.layer_drop"] == 0.1


ANOTHER = {
    "width": (["scale.width=64"], r"model\.width 32 → 64"),
    "depth": (["scale.depth=3"], r"model\.depth 2 → 3"),
    "vocabulary": (
        ["model.tokenizer.positions_per_beat=24"],
        r"model\.tokenizer\.positions_per_beat \d+ → 24",
    ),
    "optimiser": (["optim=lion"], r"optim disco\.optim\.adamw\.AdamW → disco\.optim\.lion\.Lion"),
    "adapter": (["adapter=lora", "weights=run"], r"adapter\.rank none → \d+"),
}


def contents(folder: Path) -> dict[str, bytes]:
    names = ("checkpoints/last.ckpt", "checkpoints/best.safetensors", "weights.safetensors", "config.yaml")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("what", ANOTHER)
def test_a_run_of_another_kind_is_refused_by_its_fields_and_nothing_changes(
    what: str, symbolic_run: Path, corner: list[str], tmp_path: Path
) -> None:
    words, told = ANOTHER[what]
    base = [f"weights.run={symbolic_run}"] if "weights=run" in words else []
    folder = shutil.copytree(symbolic_run, tmp_path / "run")
    before = contents(folder)
    cfg = composed_config("train", [*TINY_SYMBOLIC, *corner, *words, *base, "resume=auto"], folder)
    with pytest.raises(DiscoError, match=told):
        train.main(cfg)
    assert contents(folder) == before


@pytest.mark.slow
def test_a_run_on_another_codec_is_refused(
    musicgen_run: Path, codec_run: Path, corner: list[str], tmp_path: Path
) -> None:
    other = trained(tmp_path / "codec", *TINY_CODEC, *corner, "seed=1")
    folder = shutil.copytree(musicgen_run, tmp_path / "run")
    words = [*TINY_MUSICGEN, *corner, "codec=run", f"codec.run={other}", "resume=auto"]
    with pytest.raises(DiscoError, match=r"codec\.sha256 \w+ → \w+"):
        train.main(composed_config("train", words, folder))
