"""Words on the command line as people type them, turned into the key=value that configs are made of."""

from __future__ import annotations

from collections.abc import Sequence

FLAGS = ("--strict",)


def with_keys(words: Sequence[str], *, first: str) -> list[str]:
    """Return the words with `first=` before the one that has no key, and `strict=true` for `--strict`.

    What begins with a dash or has a key already stays as it is, and so does all but the first plain word,
    which is then answered as a slip.
    """
    found: list[str] = []
    named = any(word.startswith(f"{first}=") for word in words)
    after_option = False
    for word in words:
        if word in FLAGS:
            found.append(f"{word[2:]}=true")
        elif word.startswith("-") or "=" in word or named or after_option:
            found.append(word)
        else:
            found.append(f"{first}={_quoted(word)}")
            named = True
        after_option = word in ("--cfg", "-c", "--package", "-p", "--info", "-i", "--config-dir", "-cd")
    return found


def with_list(words: Sequence[str], *, key: str) -> list[str]:
    """Return the words with those that have no key, paths all of them, joined to `key=[…]`."""
    plain = [word for word in words if not word.startswith("-") and "=" not in word]
    if not plain or {"--cfg", "-c"} & set(words):
        return list(words)
    rest = [word for word in words if word not in plain]
    return [f"{key}=[{','.join(map(_quoted, plain))}]", *rest]


def _quoted(word: str) -> str:
    """Quote a path for Hydra's grammar, in which spaces, commas and brackets mean something."""
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
