"""The import guard: torchaudio runs beside a CPU torch; broken, it breaks nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PEERS = """
import disco, sys
sys.modules["audiocraft"] = None
import peft
from transformers import T5Config, T5EncoderModel
T5EncoderModel(T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=16))
peft.LoraConfig(r=2)
"""


def run(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )


def broken(folder: Path, name: str, error: str) -> Path:
    """Put a package first on the path whose import fails half-way."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "part.py").write_text("")
    (package / "__init__.py").write_text(f"from {name} import part\nraise {error}\n")
    return folder


def test_resampling_and_filters_run_beside_this_torch() -> None:
    done = run(
        "import disco, torch, torchaudio\n"
        "import torchaudio.functional as F\n"
        "time = torch.arange(16000) / 16000\n"
        "low, high = (torch.sin(2 * torch.pi * hertz * time)[None] for hertz in (100.0, 6000.0))\n"
        "half = F.resample(low, 16000, 8000)\n"
        "assert half.shape == (1, 8000)\n"
        "assert (half[:, 100:-100] - low[:, ::2][:, 100:-100]).abs().max() < 0.01\n"
        "kept, gone = (F.lowpass_biquad(wave, 16000, 500.0).square().mean() for wave in (low, high))\n"
        "assert kept > 0.4 and gone < 1e-3, (kept, gone)\n"
        "print('heard')"
    )
    assert done.stdout == "heard\n", done.stderr


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("torchaudio", "OSError('libcudart.so.13: cannot open shared object file')"),
        ("torchcodec", "RuntimeError('Could not load libtorchcodec')"),
    ],
)
def test_a_broken_package_counts_as_absent_and_breaks_nothing_else(
    name: str, error: str, tmp_path: Path
) -> None:
    done = run(
        PEERS + f"import importlib.util\n"
        f"assert importlib.util.find_spec({name!r}) is None\n"
        f"assert not [key for key in sys.modules if key.startswith({name + '.'!r})]\n"
        "print('alive')",
        broken(tmp_path, name, error),
    )
    assert done.stdout == "alive\n", done.stderr
