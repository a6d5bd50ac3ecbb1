"""What was typed for a sweep, so that it goes on by the name of its folder alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from disco.core.files import write_text

FILE = "sweep.json"
FLAGS = ("-m", "--multirun")


def going_on(arguments: list[str]) -> list[str]:
    """Return the command line of a sweep that goes on: that of its folder, and over it what is typed.

    A command line that names no folder of a sweep, or says more than Hydra's own keys, is returned as it is.
    """
    if not set(FLAGS) & set(arguments):
        return arguments
    words = [word for word in arguments if word not in FLAGS]
    folder = next((w.partition("=")[2] for w in reversed(words) if w.startswith("hydra.sweep.dir=")), "")
    path = Path(folder.strip("'\"")) / FILE
    if not folder or not path.is_file() or not all(word.startswith(("hydra.", "hydra/")) for word in words):
        return arguments
    keys = {word.partition("=")[0] for word in words}
    before = [word for word in json.loads(path.read_text(encoding="utf-8")) if isinstance(word, str)]
    return ["-m", *(word for word in before if word.partition("=")[0] not in keys), *words]


def remember(sweep: Path) -> None:
    """Write down the words of this command line, the first time."""
    words = [w for w in sys.argv[1:] if w not in FLAGS and not w.startswith("hydra.sweep.dir=")]
    if not (sweep / FILE).is_file():
        sweep.mkdir(parents=True, exist_ok=True)
        write_text(sweep / FILE, json.dumps(words, indent=1))
