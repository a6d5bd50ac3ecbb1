"""A slip on the command line is answered with exit 2, the key, the reason and the nearest right word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from disco.apps.launch import launch

ROOT = Path(__file__).resolve().parents[2]

SLIPS = {
    "modle=musicgen": ["modle", "did you mean 'model'?"],
    "model=musicgn": ["model=musicgn", "did you mean 'musicgen'?"],
    "model=symbolic optim.lrr=1e-3": ["optim.lrr", "did you mean 'lr'?"],
    "model=symbolic optim.lr=abc": ["optim.lr='abc'", "a number above 0"],
    "model=symbolic optim.lr=-1": ["optim.lr=-1", "a number above 0"],
    "model=symbolic data.batch_size=0": ["data.batch_size=0", "a whole number above 0"],
    "model=symbolic optim._target_=os.system": ["optim._target_=os.system", "may not build"],
    "model=symbolic optim._target_=disco.apps.compose.instantiate": ["may not build"],
    "model=symbolic loss=[mel]": ["loss=mel needs", "model=symbolic offers"],
    "model=symbolic data=audio": ["data.root", "give data.root=…"],
    "model=symbolic adapter=lora weights=none": ["weights=none is random", "weights=run weights.run="],
    "model=symbolic adapter=lora weights=run weights.run=nowhere": ["no trained base at nowhere", "demo"],
    "model=musicgen codec=none": ["model=musicgen needs a codec", "model=autoencoder"],
    "model=musicgen codec=run codec.run=nowhere": ["no trained codec at nowhere", "make demo"],
    "optim/schedule=cosin": ["optim/schedule=cosin", "did you mean 'cosine'?"],
    "model=symbolic data.hours=-1": ["data.hours=-1", "a number above 0, or null"],
    "model=symbolic model.heads=5": ["width 192", "5 heads"],
    "model=autoencoder model.quantizer.code_dim=8": ["model.quantizer.code_dim=64"],
    "model=autoencoder_seanet model.hop=333": ["frames of 640 samples", "model.hop=640"],
    "model=symbolic trainer.max_steps=many": ["trainer.max_steps", "many"],
    "model=symbolic optim/schedule=invers_sqrt": ["did you mean 'inverse_sqrt'?"],
    "experiment=paper/musicgn": ["experiment=paper/musicgn", "did you mean 'paper/musicgen'?"],
    "experiment=paper/musicgen optim.lrr=1": ["optim.lrr", "did you mean 'lr'?"],
    "model=symbolic optim.schedule.warmup=4000": ["takes 4000 steps", "the run has 400", "a longer run"],
    "model=symbolic optim.schedule.warmup=-1": ["optim.schedule.warmup=-1", "a number, 0 or more"],
    "model=symbolic optim.layer_decay=1.2": ["optim.layer_decay=1.2", "a number from 0 to 1"],
    "model=symbolic optim.weight_decay=2": ["optim.weight_decay=2", "a number from 0 to 1"],
    "model=symbolic optim.site_rates={haed:0.1}": ["no site 'haed'", "cross_key", "did you mean 'head'?"],
    "model=symbolic optim.site_rates={head:-1}": ["site_rates.head=-1 is below 0"],
    "model=symbolic optim=sgd optim.momentum=0": ["Nesterov momentum requires a momentum"],
    "model=symbolic optim.betas=[0.9]": ["optim: not enough values"],
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_is_answered_with_the_nearest_right_word(
    slip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HYDRA_FULL_ERROR", "TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1" if name.startswith("H") else "error")
    monkeypatch.setattr(sys, "argv", ["train.py", *slip.split(), f"hydra.run.dir={tmp_path}"])
    with pytest.raises(SystemExit) as stop:
        launch("train")
    GlobalHydra.instance().clear()
    told = capsys.readouterr().err
    assert stop.value.code == 2, told
    assert len(told.strip().splitlines()) == 1, told
    for words in SLIPS[slip]:
        assert words in told


@pytest.mark.slow
def test_a_slip_ends_the_program_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "model=symbolic", "optim.lrr=1", f"hydra.run.dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: optim.lrr: ")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
def test_help_and_config_never_import_torch(arguments: list[str]) -> None:
    code = (
        f"import sys, runpy; sys.argv = ['train.py', *{arguments!r}]\n"
        "try:\n    runpy.run_path('train.py', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "model" in done.stdout
