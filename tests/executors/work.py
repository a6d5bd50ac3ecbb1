"""Pieces of work that end well and badly; workers import them from here."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np


def square(item: int) -> tuple[int, int]:
    return item * item, os.getpid()


def behave(item: tuple[str, str]) -> str:
    """Do what the word says; `once` leaves a mark so that the second try goes well."""
    word, folder = item
    if word == "abort":
        os.abort()
    if word == "leave":
        os._exit(3)
    if word == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "hang":
        time.sleep(600)
    if word == "stubborn":
        stubborn()
    if word == "memory":
        return str(np.ones(1 << 33, np.uint8).sum())
    mark = Path(folder) / f"{word}.mark"
    if word in ("once", "preempted", "lost") and not mark.exists():
        mark.touch()
        if word == "once":
            os.abort()
        os.kill(os.getppid(), signal.SIGUSR2 if word == "preempted" else signal.SIGKILL)
        time.sleep(600)
    if word == "lost for good":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return f"{word} done"


def stubborn() -> None:
    """Hang, and take every exception for one's own, as careful work does."""
    while True:
        with suppress(Exception):
            time.sleep(600)


def wait_for(item: tuple[str, str]) -> str:
    """Say that one is there, and wait until one may go."""
    name, folder = item
    (Path(folder) / f"{name}.{os.getpid()}.pid").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return name


def noted(item: tuple[str, str]) -> str:
    """Leave a line for every time that an item is done."""
    word, folder = item
    with (Path(folder) / "log").open("a") as file:
        file.write(f"{word}\n")
    return behave(item)


def threads(item: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def say_and_sleep(folder: str) -> None:
    (Path(folder) / f"{os.getpid()}.pid").touch()
    time.sleep(600)


def mistaken(item: int) -> None:
    raise ZeroDivisionError(f"item {item}")
