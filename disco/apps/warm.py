"""Programs run one after the other, that share the seconds which their imports take."""

from __future__ import annotations

import atexit
import multiprocessing
import runpy
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from multiprocessing.process import BaseProcess

from disco.apps.launch import settle_environment

HEAVY = ["disco.apps.train", "disco.apps.generate", "disco.apps.evaluate", "disco.apps.prepare"]


class WarmStart:
    """Starts scripts as processes of their own, forked from one that has imported what all of them import.

    The imports of one program are some ten seconds of one core, longer than what many a program does.
    """

    def __init__(self) -> None:
        settle_environment()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(HEAVY)

    def start(self, words: Sequence[str]) -> BaseProcess:
        """Start `python <words>`: a script and its arguments."""
        process = self._context.Process(target=_script, args=(list(words),))
        process.start()
        return process


def _script(words: list[str]) -> None:
    sys.argv = words
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a pipe hears of progress as it is made
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # a forked process ends without them
