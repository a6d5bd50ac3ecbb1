"""Asks SLURM to queue this job again, however slow or unwilling it is to answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

TRIES = 5
ANSWER_SECONDS = 15.0  # for one answer; with the pauses all tries end within the two minutes of scripts/slurm
PAUSE_SECONDS = 1.0  # after the first try, twice as long after each further one
WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)  # before a time limit: from our sbatch scripts, from submitit


def hold_warnings() -> None:
    """Let a warning wait until a run can save; SLURM sends it to helpers that would die of it, too."""
    if job_of(os.environ):
        signal.pthread_sigmask(signal.SIG_BLOCK, WARNINGS)  # what is started from here on inherits this


def job_of(environment: Mapping[str, str]) -> str | None:
    """Return how SLURM names the job that a process belongs to; None outside of one.

    A job of an array is named by the array and its place in it: the number it has besides is not for asking.
    """
    array, place = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{place}" if array and place else environment.get("SLURM_JOB_ID")


def requeue(job: str) -> bool:
    """Ask for a job to be queued again, several times if need be; say what came of it.

    Returns:
        Whether SLURM has agreed.
    """
    pause = PAUSE_SECONDS
    for attempt in range(1, TRIES + 1):
        refused = _ask(job)
        if not refused:
            _say(f"job {job} is queued again")
            return True
        _say(f"job {job} is not queued again, try {attempt} of {TRIES}: {refused}")
        if attempt < TRIES:
            time.sleep(pause)
            pause *= 2
    _say(f"SLURM does not queue job {job} again; what was saved is there: submit it once more to go on")
    return False


def _ask(job: str) -> str:
    """Return why it was refused; nothing where it was not."""
    try:
        asked = subprocess.run(
            ["scontrol", "requeue", job],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return "there is no scontrol on this machine"
    except subprocess.TimeoutExpired:
        return f"no answer within {ANSWER_SECONDS:g} s"
    except OSError as error:
        return f"scontrol: {error.strerror}"
    if asked.returncode == 0:
        return ""
    said = (asked.stderr or asked.stdout).strip().splitlines()
    return said[-1] if said else f"scontrol ended with {asked.returncode}"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
