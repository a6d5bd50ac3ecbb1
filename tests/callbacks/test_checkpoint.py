"""Which files a run leaves, and that they are the right ones."""

import threading

import lightning as L
import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from disco.callbacks import checkpoint as module
from disco.callbacks.shelf import Shelf, size_of
from disco.core import checkpoint_io
from disco.core.checkpoint_io import read_checkpoint
from disco.errors import DiscoError
from tests.callbacks.toy_models import ToyAudio, fit, keeper

SERIES = [5.0, 3.0, 4.0, 2.0, 6.0, 2.5, 1.0, 7.0]  # one value per validation round


class Judged(ToyAudio):
    """A toy whose validation rounds are judged by a given series; the weight tells the round."""

    def __init__(self, series=SERIES):
        super().__init__()
        self.series = list(series)

    def on_validation_epoch_end(self):
        self.log("val/judged", self.series[self.trainer.global_step - 1])


def names(folder):
    return sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []


def judged(tmp_path, callback, **options):
    fit(Judged(), tmp_path, [callback], **{"every_batches": 1, "steps": 8, "logger": False, **options})
    return tmp_path / "checkpoints"


@pytest.mark.parametrize(("mode", "kept", "best"), [("min", {4, 6, 7}, 7), ("max", {1, 5, 8}, 8)])
def test_the_k_best_rounds_survive_and_best_is_the_best_of_them(mode, kept, best, tmp_path):
    folder = judged(tmp_path, keeper(monitor="val/judged", mode=mode, top_k=3))
    assert names(folder / "top") == [f"step-{step:07d}.safetensors" for step in sorted(kept)]
    assert load_file(folder / "best.safetensors") == load_file(
        folder / "top" / f"step-{best:07d}.safetensors"
    )
    with safe_open(folder / "best.safetensors", framework="pt") as file:
        assert file.metadata()["value"] == repr(SERIES[best - 1])


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("stop", range(1, 8))
def test_a_run_that_was_stopped_anywhere_keeps_the_same_files(stop, tmp_path):
    for steps, resume in ((stop, False), (8, True)):
        folder = judged(tmp_path, keeper(monitor="val/judged", top_k=3), steps=steps, resume=resume)
    assert names(folder / "top") == [f"step-{step:07d}.safetensors" for step in (4, 6, 7)]
    assert load_file(folder / "best.safetensors") == load_file(folder / "top/step-0000007.safetensors")


def test_a_second_training_in_the_folder_does_not_compete_with_the_first(tmp_path):
    callback = keeper(monitor="val/judged", top_k=2)
    judged(tmp_path, callback)
    folder = judged(tmp_path, callback, steps=3)
    assert names(folder / "top") == ["step-0000002.safetensors", "step-0000003.safetensors"]
    assert load_file(folder / "best.safetensors") == load_file(folder / "top/step-0000002.safetensors")


def test_last_is_renewed_at_exact_steps_and_milestones_stay(tmp_path, monkeypatch):
    saved = []
    save = L.Trainer.save_checkpoint
    monkeypatch.setattr(
        L.Trainer,
        "save_checkpoint",
        lambda self, *a, **k: (saved.append(self.global_step), save(self, *a, **k)),
    )
    folder = judged(tmp_path, keeper(monitor="val/judged", every_n_steps=3, milestones=[2, 5]))
    assert saved == [2, 3, 5, 6, 8]
    assert names(folder) == ["best.safetensors", "last.ckpt", "milestones", "previous.ckpt"]
    assert names(folder / "milestones") == ["step-0000002.ckpt", "step-0000005.ckpt"]
    for step in (2, 5):
        path = folder / "milestones" / f"step-{step:07d}.ckpt"
        assert read_checkpoint(path)["global_step"] == step
    assert read_checkpoint(folder / "last.ckpt")["global_step"] == 8


def test_last_is_renewed_when_its_minutes_are_over(tmp_path, monkeypatch):
    now = [0.0]

    class Clock:
        @staticmethod
        def monotonic():
            return now[0]

    class Slow(Judged):
        def on_train_batch_start(self, batch, batch_idx):
            now[0] += 25.0

    saved = []
    save = L.Trainer.save_checkpoint
    monkeypatch.setattr(module, "time", Clock)
    monkeypatch.setattr(
        L.Trainer,
        "save_checkpoint",
        lambda self, *a, **k: (saved.append(self.global_step), save(self, *a, **k)),
    )
    fit(Slow(), tmp_path, [keeper(every_minutes=1.0)], steps=8, logger=False)
    assert saved == [3, 6, 8]  # 75 s, 150 s, and the end


def test_a_measure_that_is_not_there_is_refused_at_the_first_round(tmp_path):
    with pytest.raises(DiscoError, match=r"monitor=val/fad: .*choose from val/loss, val/near"):
        fit(ToyAudio(), tmp_path, [keeper(monitor="val/fad")], logger=False)


def test_a_trial_batch_shows_it_before_the_first_step(tmp_path):
    steps = []

    class Counting(ToyAudio):
        def on_train_batch_start(self, batch, batch_index):
            steps.append(batch_index)

    with pytest.raises(DiscoError, match=r"monitor=val/fad: .*choose from val/loss, val/near"):
        fit(Counting(), tmp_path, [keeper(monitor="val/fad")], logger=False, trial=1)
    assert not steps
    fit(Counting(), tmp_path, [keeper(monitor="val/near")], logger=False, trial=1)
    assert steps


def test_a_measure_that_is_no_number_is_refused_and_best_stays(tmp_path):
    with pytest.raises(DiscoError, match="val/judged is nan"):
        fit(
            Judged([2.0, float("nan")]),
            tmp_path,
            [keeper(monitor="val/judged")],
            every_batches=1,
            logger=False,
        )
    with safe_open(tmp_path / "checkpoints/best.safetensors", framework="pt") as file:
        assert file.metadata()["value"] == "2.0"


def shelved(folder, values, *, limit, size=1000, top_k=4):
    shelf = Shelf(folder, monitor="m", mode="min", top_k=top_k, limit=limit)
    for step, value in enumerate(values, 1):
        if shelf.wants(value):
            shelf.put(
                step,
                value,
                lambda path, _: (
                    path.parent.mkdir(parents=True, exist_ok=True),
                    path.write_bytes(bytes(size)),
                ),
            )
            shelf.trim()
    return shelf


def test_a_disk_budget_drops_the_worst_first_and_never_the_best(tmp_path):
    shelf = shelved(tmp_path, SERIES, limit=2500)
    assert [kept.cost for kept in shelf.top] == [1.0, 2.0]
    assert size_of(tmp_path) == 2000, "the best is one of the two, and takes no room of its own"
    shelf = shelved(tmp_path / "tiny", SERIES, limit=500)
    assert [kept.cost for kept in shelf.top] == [1.0]
    assert shelf.top[0].path.samefile(tmp_path / "tiny" / "best.safetensors")


def test_a_budget_that_last_and_best_exceed_is_told_once_and_no_milestone_added(tmp_path, capsys):
    folder = judged(tmp_path, keeper(monitor="val/judged", top_k=3, milestones=[2, 5], disk_gb=1e-6))
    assert names(folder) == ["best.safetensors", "last.ckpt", "previous.ckpt", "top"]
    assert names(folder / "top") == ["step-0000007.safetensors"]
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("checkpoint:")]
    assert len(told) == 2
    assert "milestone of step 2 is not kept" in "".join(told)


def test_a_full_disk_leaves_the_checkpoint_before_it_whole(tmp_path, monkeypatch):
    write = checkpoint_io._write

    def filling(path, state, tensors):
        write(path, state, tensors)
        if '"global_step": 4' in state:
            with path.open("r+b") as file:
                file.truncate(100)
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_io, "_write", filling)
    with pytest.raises(DiscoError, match=r"No space left on device.*make room, then go on with resume="):
        fit(ToyAudio(), tmp_path, [keeper(every_n_steps=2)], logger=False)
    assert read_checkpoint(tmp_path / "checkpoints/last.ckpt")["global_step"] == 2
    assert names(tmp_path / "checkpoints") == ["best.safetensors", "last.ckpt"], "no draft is left behind"


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "checkpoints").write_text("a file stands here")
    module = ToyAudio()
    with pytest.raises(DiscoError, match=r"checkpoints cannot be written to .*choose another folder"):
        fit(module, tmp_path, [keeper()], logger=False)
    assert float(module.gain.detach()) == 0.0


def test_what_a_killed_run_left_half_written_goes_with_the_next(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".last.123.draft.ckpt").write_bytes(b"half")
    fit(ToyAudio(), tmp_path, [keeper()], logger=False)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_write_in_flight_is_waited_for_when_training_fails(tmp_path, monkeypatch):
    class Fails(ToyAudio):
        def training_step(self, batch, batch_index):
            if self.trainer.global_step == 2:
                raise RuntimeError("the third step")
            return super().training_step(batch, batch_index)

    write, going = checkpoint_io._write, threading.Event()

    def slow(*arguments):
        going.wait(0.2)
        write(*arguments)

    monkeypatch.setattr(checkpoint_io, "_write", slow)
    with pytest.raises(RuntimeError, match="the third step"):
        fit(Fails(), tmp_path, [keeper(every_n_steps=2)], logger=False)
    assert read_checkpoint(tmp_path / "checkpoints/last.ckpt")["global_step"] == 2
    assert names(tmp_path / "checkpoints") == ["last.ckpt"]
