"""What one job of an array does, and how it writes down what is finished."""

from __future__ import annotations

import base64
import importlib
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from disco.executors.local import Local


class Share:
    """Does its items with local workers and adds a line to a file for each that is finished.

    What is in the file is not done again, so a job that is started anew goes on.

    Args:
        folder: of the files, which the submitting process sees too.
    """

    def __init__(self, work: Callable[[Any], Any], local: Local, folder: Path) -> None:
        self.work = work
        self.local = local
        self.folder = folder

    def __call__(self, number: int, dealt: Sequence[tuple[int, Any]]) -> None:
        """Do what job `number` has not done of these items, which come with their indices."""
        path = self.path(number)
        known, end = read_results(path)
        finished = {index for index, _ in known}
        rest = [(index, item) for index, item in dealt if index not in finished]
        with path.open("ab") as file:
            file.truncate(end)  # a line that was torn when the job was stopped
            for place, result in self.local.run(self.work, [item for _, item in rest]):
                file.write(base64.b64encode(pickle.dumps((rest[place][0], result))) + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def path(self, number: int) -> Path:
        """Return the file of one job."""
        return self.folder / f"{number}.results"

    def checkpoint(self, number: int, dealt: Sequence[tuple[int, Any]]) -> Any:
        """Tell submitit what to submit when the job is pre-empted or out of time: the same again."""
        return importlib.import_module("submitit").helpers.DelayedSubmission(self, number, dealt)


def read_results(path: Path, start: int = 0) -> tuple[list[tuple[int, Any]], int]:
    """Return the whole lines from a place on, and the place after them."""
    if not path.is_file():
        return [], start
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [pickle.loads(base64.b64decode(line)) for line in whole.splitlines()], start + len(whole)
