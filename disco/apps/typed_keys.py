"""Keys that a command line adds or takes away, before Hydra composes anything."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from disco.errors import DiscoError

ADDED = re.compile(r"\+{1,2}([\w-]+)=")
REMOVED = re.compile(r"~([\w-]+)(=.*)?$")


def check_keys(arguments: list[str], conf: Path, app: str) -> None:
    """Refuse a key at the top that nobody reads, and the removal of one that is needed.

    Raises:
        DiscoError: names the key and the nearest right one.
    """
    groups = sorted(entry.name for entry in conf.iterdir() if entry.is_dir())
    text = (conf / f"{app}.yaml").read_text(encoding="utf-8")
    keys = [*groups, *re.findall(r"^([a-z_]+):", text, flags=re.MULTILINE)]
    for word in arguments:
        if (found := ADDED.match(word)) and found[1] not in keys:
            close = difflib.get_close_matches(found[1], keys, 1)
            raise DiscoError(
                f"{word}: nothing reads the key '{found[1]}'",
                do=f"did you mean '{close[0]}'?" if close else "--help lists the keys",
            )
        if (found := REMOVED.match(word)) and found[1] in keys:
            raise DiscoError(f"{word}: '{found[1]}' is needed", do=f"choose another: {found[1]}=…")
