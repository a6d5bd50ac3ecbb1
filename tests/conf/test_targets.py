"""A config is data: naming a function in it is no way to call one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from disco.apps.compose import build
from disco.apps.launch import launch
from disco.apps.runs import Run, open_base
from disco.apps.targets import allowed, resolve
from disco.errors import DiscoError

EVIL = [
    # what runs a command or code
    "os.system", "posix.system", "nt.system", "os.popen", "os.execv", "os.spawnl", "subprocess.run",
    "subprocess.Popen", "subprocess.getoutput", "builtins.eval", "builtins.exec", "builtins.__import__",
    "builtins.open", "code.interact", "runpy.run_path", "timeit.timeit", "cProfile.run", "pdb.run",
    "pickle.loads", "yaml.unsafe_load", "torch.load", "torch.hub.load", "numpy.load", "shutil.rmtree",
    "functools.reduce", "importlib.import_module", "ctypes.CDLL", "webbrowser.open", "pty.spawn",
    # the same by other names, the parts of this package's own modules among them
    "logging.os.system", "disco.apps.train.logging.os.system", "disco.core.files.os.system",
    "disco.core.files.shutil.rmtree", "disco.apps.runs.sys.modules", "disco.callbacks.signals.os._exit",
    "disco.core.record.json.loads", "disco.models.musicgen.torch.load", "disco.apps.compose.instantiate",
    "hydra.utils.instantiate", "hydra.utils.call", "hydra.utils.get_method",
    "lightning.pytorch.cli.LightningCLI",
    # functions that do honest work for the programs, and harm for a stranger
    "disco.core.files.write_text", "disco.core.files.link", "disco.drafts.settle", "disco.apps.launch.launch",
    "disco.apps.runs.Run", "disco.core.tensors.save_tensors", "disco.apps.targets.resolve",
    # spellings
    "disco", "", "disco..os", "disco.optim.adamw.AdamW.__init__", "disco.optim.adamw.torch", " os.system",
    "lightning.pytorch.trainer.trainer.os.system", "os:system", "disco.optim.adamw.AdamW\nos.system",
]  # fmt: skip


@pytest.mark.parametrize("target", EVIL)
def test_what_no_option_names_is_not_even_imported(target: str) -> None:
    before = set(sys.modules)
    with pytest.raises(DiscoError, match="a config may not build this"):
        resolve(target, "optim")
    assert set(sys.modules) == before


@pytest.mark.parametrize("target", [None, 3, ["os.system"], {"a": 1}])
def test_what_is_no_name_is_refused(target: object) -> None:
    with pytest.raises(DiscoError, match="a config may not build this"):
        resolve(target, "optim")


def test_a_name_that_leads_to_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from disco.optim import adamw

    assert resolve("disco.optim.adamw.AdamW", "optim") is adamw.AdamW
    monkeypatch.setattr(adamw, "AdamW", adamw.OptimRecipe)
    with pytest.raises(DiscoError, match="a config may not build this"):
        resolve("disco.optim.adamw.AdamW", "optim")


@pytest.mark.long
def test_every_name_that_is_allowed_is_what_it_says() -> None:
    for name in allowed():
        assert resolve(name, "x").__name__ == name.rpartition(".")[2]


def evil(canary: Path) -> dict[str, object]:
    return {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": [str(canary)]}}


@pytest.mark.parametrize("place", ["betas", "schedule", "site_rates", "fused"])
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e], lambda e: {"head": e}, lambda e: [[{"a": e}]]])
def test_however_deep_it_lies_it_is_not_built(place: str, wrap, composed, tmp_path: Path) -> None:
    cfg = composed("train", "model=symbolic")
    OmegaConf.set_struct(cfg, False)
    cfg.optim[place] = wrap(evil(tmp_path / "canary"))
    with pytest.raises(DiscoError, match=r"_target_=pathlib.Path.*may not build"):
        build(cfg.optim, "optim")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("group", ["model", "adapter", "model.tokenizer", "model.positions"])
def test_a_strangers_run_folder_builds_nothing_of_its_own(group: str, composed, tmp_path: Path) -> None:
    cfg = composed("train", "model=symbolic")
    OmegaConf.set_struct(cfg, False)
    OmegaConf.update(cfg, group, evil(tmp_path / "canary"), merge=False)
    folder = tmp_path / "theirs"
    folder.mkdir()
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(DiscoError, match="may not build"):
        open_base(Run(folder))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["optim._target_=os.system", "+optim.command=touch canary"],
        ["+optim.betas=[{_target_:os.system,command:'touch canary'}]"],
        ["+trainer.plugins=[{_target_:os.system,command:'touch canary'}]"],
        ["+callbacks.evil={_target_:subprocess.run,args:'touch canary',shell:true}"],
        ["logger._target_=logging.os.system", "+logger.command=touch canary"],
        ["hydra.run.dir=../../etc"],
        ["hydra.run.dir=outputs/../../x"],
        ["run_dir=../x"],
        ["hydra.sweep.dir=../x"],
        ["+hydra.callbacks.evil._target_=os.system"],
    ],
)
def test_the_command_line_is_answered_with_exit_2(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    for name in ("HYDRA_FULL_ERROR", "TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1" if name.startswith("H") else "error")
    place = [] if any("dir=" in word for word in words) else [f"hydra.run.dir={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["train.py", "model=symbolic", *words, *place])
    with pytest.raises(SystemExit) as stop:
        launch("train")
    GlobalHydra.instance().clear()
    told = capsys.readouterr().err
    assert stop.value.code == 2, told
    assert len(told.strip().splitlines()) == 1, told
    assert not list(tmp_path.rglob("canary"))
    assert not any(path.name in ("x", "etc") for path in tmp_path.rglob("*"))
