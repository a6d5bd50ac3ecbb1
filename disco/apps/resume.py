"""`resume=`: a run goes on as it was begun, by its own command line, and what is typed now wins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from disco.core.files import BEFORE, LAST
from disco.errors import DiscoError

HOME = Path("outputs/train")
NAMES = (f"checkpoints/{LAST}", f"checkpoints/{BEFORE}")
PLAIN = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@-]*(=.*)?", re.DOTALL)
NEVER = ("hydra", "resume", "run_dir")  # of a folder's command line


def going_on(arguments: list[str]) -> list[str]:
    """Return the command line of a run that goes on: that of its folder, and over it what is typed.

    A command line without `resume=`, with `resume=auto` or of a sweep is returned as it is.

    Raises:
        DiscoError: there is no run to go on with.
    """
    asked = next((word.partition("=")[2] for word in reversed(arguments) if word.startswith("resume=")), "")
    if asked in ("", "null", "auto") or {"-m", "--multirun"} & set(arguments):
        return arguments
    folder = find_run(asked.strip("'\""))
    typed = [word for word in arguments if not word.startswith(("resume=", "hydra.run.dir=", "run_dir="))]
    keys = {_key(word) for word in typed}
    before = [word for word in _typed_before(folder) if _key(word) not in keys]
    place = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return [*before, *typed, f"resume='{place}'", f"hydra.run.dir='{place}'"]


def find_run(asked: str) -> Path:
    """Return a run folder with a checkpoint; "last" is the one that was saved last.

    Raises:
        DiscoError: there is none.
    """
    if asked != "last":
        folder = Path(asked)
        if not any((folder / name).exists() for name in NAMES):
            raise DiscoError(
                f"resume={asked}: there is no checkpoint in it", do="name a run that had saved one"
            )
        return folder
    saved = [path for name in NAMES for path in HOME.glob(f"*/*/{name}")]
    if not saved:
        raise DiscoError(f"resume=last: no run below {HOME} has saved", do="name a folder, or begin a run")
    return max(saved, key=lambda path: path.stat().st_mtime).parents[1]


def _typed_before(folder: Path) -> list[str]:
    """Return what was typed when the run began: plain choices and values, nothing of Hydra's own."""
    import yaml

    path = folder / ".hydra" / "overrides.yaml"
    try:
        words: Any = yaml.safe_load(path.read_text()) if path.is_file() else []
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DiscoError(
            f"{path} cannot be read", do="remove it, and type all that the run began with"
        ) from error
    return [
        word
        for word in words or []
        if isinstance(word, str)
        and PLAIN.fullmatch(word)
        and not _key(word).startswith(NEVER)
        and "_target_" not in word
    ]


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")
