"""Where a run may be written to."""

from __future__ import annotations

from pathlib import Path

from disco.errors import DiscoError

KEYS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "run_dir")


def confined(path: str, key: str) -> str:
    """Return a path that names a place below the working folder, or an absolute one in plain words.

    Raises:
        DiscoError: it climbs out by `..`.
    """
    here = Path.cwd().resolve()
    if ".." in Path(path).parts and not (here / path).resolve().is_relative_to(here):
        raise DiscoError(
            f"{key}={path}: this leads out of {here}", do="name the folder without '..' if it is meant"
        )
    return path


def check_places(arguments: list[str]) -> None:
    """Refuse a command line that would write elsewhere, or build what no option names.

    Raises:
        DiscoError: names the key.
    """
    for word in arguments:
        key, equals, value = word.lstrip("+").partition("=")
        if key.startswith("hydra.") and "_target_" in word:
            raise DiscoError(f"{key}: Hydra builds what its own options name", do="choose one with hydra/…=")
        if equals and key in KEYS:
            confined(value.strip("'\""), key)
