"""A checkpoint comes back as it was or not at all, and nothing in it can run."""

from __future__ import annotations

import concurrent.futures
import os
import random
import resource
import signal
import threading
import time
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from disco.core import checkpoint_io
from disco.core.checkpoint_io import SafeCheckpoints, read_checkpoint
from disco.core.state import packed, unpacked
from disco.errors import DiscoError


def state(step: int) -> dict:
    torch.manual_seed(step)
    return {
        "global_step": step,
        "state_dict": OrderedDict(
            weight=torch.randn(3, 4), half=torch.randn(5).bfloat16(), none=torch.empty(0, 2)
        ),
        "optimizer_states": [{"state": {0: {"step": torch.tensor(7.0), "on": torch.tensor([True, False])}}}],
        "betas": (0.9, float("inf"), 1e-300),
        "odd": {"$tensor": "no tensor", 3: None, "nested": [(), {}, [1, "ö"]]},
        "learned": ["weight"],
    }


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return one == other and type(one) is type(other)


def saved(folder: Path, *steps: int) -> Path:
    path = folder / "checkpoints" / "last.ckpt"
    io = SafeCheckpoints()
    for step in steps:
        io.save_checkpoint(state(step), path)
    io.teardown()
    return path


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = saved(tmp_path, 1, 2)
    assert same(
        SafeCheckpoints().load_checkpoint(path), {**state(2), "state_dict": dict(state(2)["state_dict"])}
    )
    assert same(read_checkpoint(path.with_name("previous.ckpt"))["state_dict"], dict(state(1)["state_dict"]))
    assert torch.equal(load_file(path)["state_dict/weight"], state(2)["state_dict"]["weight"]), (
        "a plain safetensors file"
    )
    assert sorted(p.name for p in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_what_a_checkpoint_cannot_hold_is_named() -> None:
    with pytest.raises(TypeError, match=r"callbacks/x/0 is a Thread"):
        packed({"callbacks": {"x": [threading.Thread()]}})


def test_the_copy_is_of_the_moment_and_takes_the_room_of_the_one_before() -> None:
    weight = torch.ones(4)
    plain, first = packed({"a": weight, "b": weight[:2]})
    weight.zero_()
    assert unpacked(plain, first)["a"].sum() == 4
    _, second = packed({"a": weight, "b": torch.ones(3)}, first)
    assert second["a"].data_ptr() == first["a"].data_ptr()
    assert second["b"].shape == (3,)


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "header", "longer", "missing", "pickle"])
def test_a_damaged_newest_falls_back_to_the_one_before_and_says_so(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path, 4, 9)
    content = bytearray(path.read_bytes())
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "longer":
            path.write_bytes(content + b"x")
        case "missing":
            path.unlink()
        case "pickle":
            torch.save(state(9), path)
        case _:
            content[-3 if damage == "flip" else content.index(b"weight")] ^= 1
            path.write_bytes(content)
    found = SafeCheckpoints().load_checkpoint(path)
    assert found["global_step"] == 4
    told = capsys.readouterr().err
    assert "last.ckpt" in told
    assert "going on from" in told
    assert "previous.ckpt, step 4" in told


@pytest.mark.long
def test_no_single_flipped_bit_goes_unseen(tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    whole = path.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << (place % 8)
        path.write_bytes(content)
        with pytest.raises(DiscoError):
            read_checkpoint(path)


def test_two_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, 4, 9)
    for one in path.parent.iterdir():
        one.write_bytes(one.read_bytes()[:-1])
    with pytest.raises(DiscoError, match="its header says"):
        SafeCheckpoints().load_checkpoint(path)


def test_a_save_after_a_fall_back_does_not_lose_the_good_one(tmp_path: Path, monkeypatch) -> None:
    path = saved(tmp_path, 4, 9)
    path.write_bytes(b"damaged")
    SafeCheckpoints().load_checkpoint(path)
    monkeypatch.setattr(checkpoint_io, "_write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    io = SafeCheckpoints()
    io.save_checkpoint(state(5), path)
    with pytest.raises(DiscoError, match="full"):
        io.teardown()
    assert SafeCheckpoints().load_checkpoint(path)["global_step"] == 4


# ------------------------------------------------------------------ while it is written


class Slow:
    """Writes only when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.write = threading.Event(), checkpoint_io._write
        monkeypatch.setattr(checkpoint_io, "_write", self)

    def __call__(self, path, text, tensors):
        self.write(path, text, tensors)
        self.go.wait(10)


def test_training_goes_on_while_it_is_written_and_the_name_appears_with_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, io, path = Slow(monkeypatch), SafeCheckpoints(), tmp_path / "last.ckpt"
    io.save_checkpoint(state(1), path)
    time.sleep(0.1)
    assert not path.exists()
    io.look()
    slow.go.set()
    io.teardown()
    assert read_checkpoint(path)["global_step"] == 1


def test_a_failure_in_the_background_is_told_at_the_next_look(tmp_path: Path, monkeypatch) -> None:
    def full(path, text, tensors):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    path = saved(tmp_path, 3)
    monkeypatch.setattr(checkpoint_io, "_write", full)
    io = SafeCheckpoints()
    io.save_checkpoint(state(4), path)
    concurrent.futures.wait([io.pending])
    with pytest.raises(DiscoError, match=r"No space left on device; the one before is untouched; make room"):
        io.look()
    io.teardown()
    assert read_checkpoint(path)["global_step"] == 3
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"], "no draft is left"


def test_a_file_that_the_system_cuts_off_midway_never_takes_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path, 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    io = SafeCheckpoints()
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size - 10, limits[1]))
    try:
        io.save_checkpoint(state(4), path)
        with pytest.raises(DiscoError, match=r"File too large; the one before is untouched"):
            io.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_checkpoint(path)["global_step"] == 3
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"], "no draft is left"
    io.save_checkpoint(state(5), path)
    io.teardown()
    assert read_checkpoint(path)["global_step"] == 5, "training may go on when there is room again"


def test_weights_that_are_no_numbers_are_never_written(tmp_path: Path) -> None:
    path = saved(tmp_path, 3)
    spoilt = state(4)
    spoilt["state_dict"]["weight"][1, 1] = float("nan")
    io = SafeCheckpoints()
    io.save_checkpoint(spoilt, path)
    with pytest.raises(DiscoError, match="weight holds a number that is not finite"):
        io.wait()
    assert read_checkpoint(path)["global_step"] == 3
    whole = state(5)
    whole["state_dict"]["half"][0] = float("inf")  # a buffer may
    io.save_checkpoint(whole, path)
    io.teardown()
    assert read_checkpoint(path)["global_step"] == 5


def test_whichever_system_call_fails_the_one_before_is_there(tmp_path: Path, monkeypatch) -> None:
    calls = {"n": 0, "fail": 0}

    def failing(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            calls["n"] += 1
            if calls["n"] == calls["fail"]:
                raise OSError(5, f"Input/output error in {name}")
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace", "rename", "link", "open"):
        failing(name)
    fail, failed = 0, 0
    while True:
        fail += 1
        folder = tmp_path / str(fail)
        calls.update(n=0, fail=0)
        path = saved(folder, 1, 2)
        calls.update(n=0, fail=fail)
        io = SafeCheckpoints()
        try:
            io.save_checkpoint(state(3), path)
            io.teardown()
        except DiscoError:
            failed += 1
        reached, calls["fail"] = calls["n"] >= fail, 0
        assert SafeCheckpoints().load_checkpoint(path)["global_step"] in (2, 3)
        if not reached:
            break
    assert failed >= 3


# ------------------------------------------------------------------ kill -9


def forever(folder: Path, pipe: int) -> None:
    """Save one step after another, each with a weight that tells it, and tell what is on the disk."""
    io, step = SafeCheckpoints(), 0
    while True:
        step += 1
        weight = torch.full((256, 1024), float(step))
        whole = {"global_step": step, "state_dict": {"weight": weight}, "learned": ["weight"]}
        io.save_checkpoint(whole, folder / "checkpoints" / "last.ckpt")
        if step % 2:
            io.wait()
            os.write(pipe, step.to_bytes(4, "little"))


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # it forks with PyTorch's threads around
@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(n, marks=pytest.mark.long) for n in range(5, 50))]
)
def test_a_kill_at_any_time_leaves_a_whole_checkpoint(seed: int, tmp_path: Path, monkeypatch) -> None:
    elsewhere = Path("/dev/shm")
    monkeypatch.setenv("TMPDIR", str(elsewhere if elsewhere.is_dir() else tmp_path))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            forever(tmp_path, write)
        finally:
            os._exit(1)
    os.close(write)
    first = os.read(read, 8)
    time.sleep(random.Random(seed).random() * 0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = first
    while more := os.read(read, 4096):
        told += more
    os.close(read)
    done = int.from_bytes(told[-4:], "little")
    found = SafeCheckpoints().load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert found["global_step"] >= done, "what was told to be on the disk is there"
    assert (found["state_dict"]["weight"] == found["global_step"]).all()
    if found["global_step"] > 1:
        before = read_checkpoint(tmp_path / "checkpoints" / "previous.ckpt")
        assert found["global_step"] - 1 <= before["global_step"] <= found["global_step"]
