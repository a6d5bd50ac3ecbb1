"""Speeds, waits and memory against a clock that is known."""

import json
import time

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from disco.callbacks import throughput
from disco.callbacks.amounts import amounts_of
from disco.callbacks.history import History
from disco.callbacks.throughput import BF16, FP32, Throughput, named_peak
from disco.core.batch import CodeBatch, Conditions
from disco.core.views import CodeView
from tests.callbacks.toy_models import ToyAudio, batches, fit


class Slow(torch.utils.data.Dataset):
    """Half-second tones that take their time, and a record of when each was asked for and was there."""

    def __init__(self, seconds):
        (self.batch,) = batches(1)
        self.seconds = seconds
        self.asked, self.there = [], []

    def __len__(self):
        return 40

    def __getitem__(self, index):
        self.asked.append(time.perf_counter())
        time.sleep(self.seconds)
        self.there.append(time.perf_counter())
        return self.batch


class SlowStep(ToyAudio):
    """Takes its time over each training step, and more over each validation batch."""

    def __init__(self, seconds, validating=0.0):
        super().__init__()
        self.seconds, self.validating = seconds, validating

    def forward(self, batch):
        time.sleep(self.seconds if self.training else self.validating)
        return super().forward(batch)


class Done(L.Callback):
    """Writes down when each step is done."""

    def __init__(self):
        self.at = []

    def on_train_batch_end(self, *arguments):
        self.at.append(time.perf_counter())


def logged(folder):
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [row for row in rows if "speed/steps" in row and "train/loss" in row]


@pytest.mark.slow
@pytest.mark.parametrize(("wait", "step"), [(0.05, 0.01), (0.02, 0.03), (0.0, 0.03)])
def test_the_share_of_waiting_is_right_on_a_slow_loader(wait, step, tmp_path):
    data, done = Slow(wait), Done()
    callbacks = [done, Throughput(), History(every_steps=1)]
    loader = DataLoader(data, batch_size=None)
    fit(SlowStep(step), tmp_path, callbacks, steps=16, train=loader, every_batches=1000)
    waited = [there - asked for asked, there in zip(data.asked, data.there, strict=True)]
    spans = [done - asked for asked, done in zip(data.asked, done.at, strict=True)]
    rows = logged(tmp_path)
    assert len(rows) == 15, "all but the first step, whose operations are counted"
    assert all(row["speed/audio_seconds"] == pytest.approx(0.75 * row["speed/steps"]) for row in rows)
    seconds = sum(1 / row["speed/steps"] for row in rows)
    share = sum(row["speed/data_wait"] / row["speed/steps"] for row in rows) / seconds
    assert share == pytest.approx(sum(waited[1:]) / sum(spans[1:]), rel=0.1, abs=0.02)


def test_validation_does_not_count_as_training_time(tmp_path):
    done = Done()
    fit(SlowStep(0.01, validating=0.1), tmp_path, [done, Throughput(), History(every_steps=1)], steps=7)
    slowest = min(row["speed/steps"] for row in logged(tmp_path))
    gaps = [after - before for before, after in zip(done.at, done.at[1:], strict=False)]
    assert max(gaps) > 0.2, "two validation batches lie between two steps"
    assert slowest > 2 / max(gaps)


def test_utilisation_is_the_counted_flops_over_the_peak(tmp_path, monkeypatch):
    class Multiplying(ToyAudio):
        def __init__(self):
            super().__init__()
            self.square = torch.nn.Linear(64, 64, bias=False)

        def forward(self, batch):
            out = super().forward(batch)
            extra = self.square(batch.wave[:, 0, :64]).square().mean()
            return type(out)(wave=out.wave + 0 * extra, reference=out.reference)

    monkeypatch.setattr(throughput, "matmul_rate", lambda dtype: 1e9)
    fit(Multiplying(), tmp_path, [Throughput(), History(every_steps=1)])
    row = logged(tmp_path)[-1]
    flops = 2 * (2 * 2 * 64 * 64)  # forward and the gradient of the weights; the input needs none
    assert row["speed/mfu"] == pytest.approx(flops * row["speed/steps"] / 1e9)


def test_memory_and_disk_are_in_plausible_units(tmp_path):
    fit(ToyAudio(), tmp_path, [Throughput(), History(every_steps=1)])
    row = logged(tmp_path)[-1]
    assert 0.1 < row["memory/peak_gb"] < 100
    assert row["disk/free_gb"] > 0
    assert "memory/cuda_peak_gb" not in row, "this is a CPU run"


def test_training_is_the_same_with_and_without_and_the_trainer_is_left_as_it_was(tmp_path):
    gains = []
    for name, callbacks in (("without", []), ("with", [Throughput()])):
        torch.manual_seed(0)
        module = ToyAudio()
        trainer = fit(module, tmp_path / name, callbacks)
        gains.append(module.gain.item())
        assert type(trainer.profiler).__name__ == "PassThroughProfiler"
    assert gains[0] == gains[1] != 0.0


def test_a_step_that_fails_while_it_is_counted_leaves_nothing_behind(tmp_path):
    class Failing(ToyAudio):
        def forward(self, batch):
            raise RuntimeError("broken on purpose")

    callback = Throughput()
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(Failing(), tmp_path, [callback])
    with FlopCounterMode(display=False) as counter:
        torch.ones(4, 4) @ torch.ones(4, 4)
    assert counter.get_total_flops() == 128
    assert callback.flops is not None, "the count has ended"


def test_codes_count_as_tokens_and_as_seconds_of_sound():
    class Codec:
        rate, hop, channels, num_codebooks, cardinality, fingerprint = 32000, 640, 1, 4, 16, ""

        def encode(self, wave): ...

        def decode(self, codes): ...

    batch = CodeBatch(
        codes=torch.zeros(2, 4, 50, dtype=torch.long),
        valid=torch.tensor([50, 25]),
        conditions=Conditions(text=[None, None]),
    )
    found = amounts_of(batch, CodeView(codec=Codec(), seconds=1.0))
    assert {name: float(value) for name, value in found.items()} == {"tokens": 300.0, "audio_seconds": 1.5}


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", BF16, 989.4e12),
        ("NVIDIA H100 PCIe", BF16, 756e12),
        ("NVIDIA H200", BF16, 989.4e12),
        ("NVIDIA A100-SXM4-80GB", FP32, 19.5e12),
        ("Some Card", BF16, None),
    ],
)
def test_peaks_are_those_of_the_data_sheets_without_sparsity(name, dtype, peak):
    assert named_peak(name, dtype) == peak
