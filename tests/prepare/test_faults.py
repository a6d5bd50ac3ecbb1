"""However a preparation is stopped, the same command ends with the bytes of one that never was."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from disco.errors import DiscoError
from disco.executors.local import Local
from disco.prepare.layout import HaltedError, make_folders, sole_writer
from disco.prepare.verify import verify
from tests.executors.test_local import alive
from tests.prepare.faults import SLOWLY, Disk, failing
from tests.prepare.test_audio import report
from tests.prepare.tiny import Misbehaves, prepare, songs, stages, tree, write_sound

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("DISCO_KILLS", "3"))  # 50 before a release


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = songs(tmp_path / "music", 2)
    write_sound(folder / "silence.wav", 1.0, level=0.0)
    return folder


def refusal(source: Path, target: Path) -> str:
    """Prepare, and return the words with which it stops."""
    try:
        prepare(source, target)
    except DiscoError as error:
        return str(error)
    return ""


@pytest.mark.long
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_whichever_operation_of_the_disk_fails_the_next_run_makes_it_good(
    tmp_path: Path, source: Path, lasting: bool
) -> None:
    prepare(source, tmp_path / "clean")
    wanted = tree(tmp_path / "clean")
    step = 3 if lasting else 1
    for fail_at in count(1, step):
        target = tmp_path / f"set{fail_at}"
        code = errno.ENOSPC if fail_at % 2 else errno.EIO
        with failing(Disk(target, fail_at=fail_at, code=code, lasting=lasting)) as disk:
            told = refusal(source, target)
        assert "cannot be written to" in told or not told, fail_at
        if disk.asked < fail_at:
            break
        visible = [name for name in tree(target) if not Path(name).name.startswith(".")]
        assert {n for n in visible if n.startswith("audio/p")} <= set(wanted), "nothing partial"
        assert verify(target) == {}, "what the journal speaks of is whole"
        prepare(source, target)
        assert tree(target) == wanted, fail_at
    assert fail_at > 60, "the failing disk is really between"


def test_a_full_disk_stops_with_a_sentence_and_goes_on_when_there_is_space(
    tmp_path: Path, source: Path
) -> None:
    prepare(source, tmp_path / "clean")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, hard))
    try:
        with pytest.raises(
            HaltedError, match="no space left; free some space and run the same command again"
        ):
            prepare(source, tmp_path / "set")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert verify(tmp_path / "set") == {}
    prepare(source, tmp_path / "set")
    assert tree(tmp_path / "set") == tree(tmp_path / "clean")


SMALL_DISK = """
set -e; mount -t tmpfs -o size=160k none "$disk"
"$python" -m tests.prepare.faults "$music" "$disk/set" && exit 7
cp -a "$disk/set" "$half"; mount -o remount,size=20m "$disk"
"$python" -m tests.prepare.faults "$music" "$disk/set"; cp -a "$disk/set" "$whole"
"""


@pytest.mark.long
def test_a_file_system_that_is_full_is_gone_on_with_when_it_has_grown(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    source = songs(tmp_path / "music", 9)
    prepare(source, tmp_path / "clean", steps=SLOWLY)
    places = {name: tmp_path / name for name in ("music", "disk", "half", "whole")}
    places["disk"].mkdir()
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SMALL_DISK], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {name: str(path) for name, path in places.items()} | {"python": sys.executable},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "there is no space left; free some space and run the same command again" in ran.stderr
    done = {
        name for name in tree(places["half"]) if name.startswith("audio/processed/") and "draft" not in name
    }
    assert 0 < len(done) < 9, "in the middle"
    assert verify(places["half"]) == {}
    assert tree(places["whole"]) == tree(tmp_path / "clean")


def test_a_second_preparation_of_one_target_waits_until_the_first_is_done(
    tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(source, tmp_path / "clean")
    make_folders(tmp_path / "set")
    with ExitStack() as first:
        first.enter_context(sole_writer(tmp_path / "set"))
        later = threading.Timer(0.3, first.pop_all().close)
        later.start()
        begun = time.monotonic()
        prepare(source, tmp_path / "set")
        assert time.monotonic() > begun + 0.3
    later.join()
    (told,) = caplog.messages
    assert f"is writing to {tmp_path / 'set'} (process {os.getpid()} on " in told
    assert tree(tmp_path / "set") == tree(tmp_path / "clean")
    assert not (tmp_path / "set" / "metadata" / ".lock").exists()


@pytest.mark.long
def test_two_preparations_begun_together_both_succeed(tmp_path: Path, source: Path) -> None:
    prepare(source, tmp_path / "clean", steps=SLOWLY)
    command = [sys.executable, "-m", "tests.prepare.faults", str(source), str(tmp_path / "set")]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert "".join(told).count("waiting until it is done") == 1
    assert tree(tmp_path / "set") == tree(tmp_path / "clean")


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path, source: Path) -> None:
    done: list[int] = []

    def interrupted(one: int, total: int, **_: float) -> None:
        done.append(one)
        if one == 2:
            raise KeyboardInterrupt

    from tests.prepare.tiny import engine

    with pytest.raises(KeyboardInterrupt):
        engine(source, tmp_path / "set").run(interrupted)
    journal = (tmp_path / "set" / "metadata" / "journal.jsonl").read_text().splitlines()
    assert len(journal) == 2
    told: list[tuple[int, int]] = []
    engine(source, tmp_path / "set").run(lambda one, total, **_: told.append((one, total)))
    assert told[0] == (2, 3), "the two are not done again"
    prepare(source, tmp_path / "clean")
    assert tree(tmp_path / "set") == tree(tmp_path / "clean")


def test_a_killed_preparations_drafts_are_swept_and_not_served(tmp_path: Path, source: Path) -> None:
    prepare(source, tmp_path / "clean")
    prepare(source, tmp_path / "set")
    for name in ("audio/processed/.0123456789abcdef.77.draft.wav", "metadata/.manifest.77.draft.jsonl"):
        (tmp_path / "set" / name).write_bytes(b"half of it")
    (tmp_path / "set" / "audio" / "processed" / "0123456789abcdef.wav").write_bytes(b"no line speaks of it")
    (tmp_path / "set" / "audio" / "processed" / "people's own.wav").write_bytes(b"not ours")
    (tmp_path / "set" / "metadata" / "manifest.jsonl").unlink()
    prepare(source, tmp_path / "set")
    found = tree(tmp_path / "set")
    assert found.pop("audio/processed/people's own.wav")
    assert found == tree(tmp_path / "clean")


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_and_their_number_change_no_byte(tmp_path: Path, workers: int) -> None:
    source = songs(tmp_path / "music")
    prepare(source, tmp_path / "clean")
    pool = Local(workers=workers, memory_gb=None, timeout_seconds=60.0)
    prepare(source, tmp_path / "set", executor=pool)
    assert tree(tmp_path / "set") == tree(tmp_path / "clean")


@pytest.mark.long
def test_files_that_take_their_worker_down_are_named_and_the_rest_is_whole(tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 3)
    for number, word in enumerate(("abort", "hang", "memory", "once")):
        write_sound(source / f"{word}.wav", 0.5, 500.0 + 20 * number)
    pool = Local(workers=2, memory_gb=4.0, timeout_seconds=20.0)
    records = prepare(source, tmp_path / "set", steps=stages(bad=Misbehaves()), executor=pool)
    assert {r.source for r in records} == {"0.wav", "one/1.wav", "two/2.wav", "once.wav"}
    assert report(tmp_path / "set") == {
        "abort.wav": ["worker_crash"], "hang.wav": ["worker_timeout"], "memory.wav": ["worker_oom"],
    }  # fmt: skip
    assert not list((tmp_path / "set" / "audio" / "processed").glob(".*")), "no draft is left"


def killed(source: Path, target: Path, lines: int, after: float) -> bool:
    """Kill a preparation in a process of its own, so many reports and seconds after it began to work.

    Returns:
        whether it was still at work.
    """
    command = [sys.executable, "-m", "tests.prepare.faults", str(source), str(target)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(after)
    children = [int(p) for p in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    was_at_work = process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in children), "no orphan after five seconds"
    return was_at_work


@pytest.mark.long
def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    source = songs(tmp_path / "music", 9)
    prepare(source, tmp_path / "clean", steps=SLOWLY)
    wanted = tree(tmp_path / "clean")
    draw = random.Random(KILLS)
    at_work = 0
    for number in range(KILLS):
        target = tmp_path / f"set{number}"
        for _ in range(1 + number % 2):
            at_work += killed(source, target, draw.randrange(1, 10), draw.uniform(0.0, 0.3))
        halfway = len(tree(target / "audio" / "processed"))
        assert verify(target) == {}
        prepare(source, target, steps=SLOWLY)
        assert tree(target) == wanted, (number, halfway)
    assert at_work > KILLS // 2, "else nothing was shown"


@pytest.mark.long
def test_two_hundred_files_killed_in_the_middle_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    source = tmp_path / "music"
    for number in range(200):
        suffix = (".wav", ".flac", ".ogg", ".mp3")[number % 4]
        write_sound(source / f"{number % 7}" / f"{number}{suffix}", 0.3 + 0.01 * number, 100.0 + 7 * number)
    prepare(source, tmp_path / "clean", steps=SLOWLY)
    journal = tmp_path / "set" / "metadata" / "journal.jsonl"
    command = [sys.executable, "-m", "tests.prepare.faults", str(source), str(tmp_path / "set")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not journal.exists() and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    assert 0 < journal.read_text().count("\n") < 200, "in the middle"
    assert len(prepare(source, tmp_path / "set", steps=SLOWLY)) >= 200
    assert tree(tmp_path / "set") == tree(tmp_path / "clean")
