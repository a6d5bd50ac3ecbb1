"""What cannot be played is refused before anything is opened, in one sentence that says what to do."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from disco.errors import DiscoError

MOST_CHARACTERS = 1000  # some two hundred words; text encoders read about half of that
MOST_SECONDS = 3600.0
MOST_TAKES = 256
APART = 1_000_003  # between the seeds of takes of which the best one is kept
FORMATS = ("wav", "flac")
FIRST_PICTURE = 0x1F000  # emoji and the like lie from here on, notes and accidentals before
JOINERS = "\ufe0f\u200d"  # what makes one emoji of several


def check_wish(cfg: DictConfig) -> None:
    """Refuse numbers and words that no piece can be made from.

    Raises:
        DiscoError: names the key.
    """
    for key in sorted(OmegaConf.missing_keys(cfg)):
        raise DiscoError(f"{key} is not said", do=f"give {key}=…")
    for key in ("seconds", "tempo_bpm", "chunk"):
        check_number(cfg[key], key, above=0.0)
    if cfg.go_on_seconds is not None:
        check_number(cfg.go_on_seconds, "go_on_seconds", above=0.0)
    if cfg.seconds > MOST_SECONDS:
        raise DiscoError(
            f"seconds={cfg.seconds:g}: that is more than an hour", do=f"give {MOST_SECONDS:g} at most"
        )
    if not isinstance(cfg.count, int) or not 0 < cfg.count <= MOST_TAKES:
        raise DiscoError(f"count={cfg.count}: it must be from 1 to {MOST_TAKES}", do="give count=…")
    if cfg.format not in FORMATS:
        raise DiscoError(
            f"format={cfg.format}: there is no such format", do=f"choose from {', '.join(FORMATS)}"
        )
    seeds_of(cfg)
    check_prompt(cfg.prompt)
    for place, wording in enumerate(cfg.wordings):
        check_prompt(wording, f"wordings[{place}]")
    check_sampler(cfg.sampler)


def check_prompt(prompt: Any, key: str = "prompt") -> None:
    """Refuse what is no description of music.

    Raises:
        DiscoError: nothing, too much, or pictures.
    """
    if prompt is None:
        return
    text = str(prompt)
    if not text.strip():
        raise DiscoError(f"{key} is empty", do=f"say what to play, or leave {key}=… out")
    if len(text) > MOST_CHARACTERS:
        raise DiscoError(
            f"{key} has {len(text):,} characters, more than a text encoder reads",
            do=f"say it in {MOST_CHARACTERS:,} at most",
        )
    pictures = [letter for letter in text if ord(letter) >= FIRST_PICTURE or letter in JOINERS]
    if pictures:
        raise DiscoError(f"{key} holds '{pictures[0]}', which is no word", do="say it in words")
    if not text.isprintable():
        raise DiscoError(f"{key} holds a character that cannot be printed", do="write it on one line")


def check_sampler(sampler: DictConfig) -> None:
    """Refuse what would draw nothing sensible; types and signs are checked where it is built.

    Raises:
        DiscoError: names the setting.
    """
    for name in ("temperature", "top_p", "guidance", "memory"):
        check_number(sampler[name], f"sampler.{name}", above=None)
    for name, most in (("top_p", 1), ("memory", 1)):
        if sampler[name] > most:
            raise DiscoError(
                f"sampler.{name}={sampler[name]}: it is a share, at most 1", do="give a number to 1"
            )
    if sampler.temperature == 0:
        raise DiscoError(
            "sampler.temperature=0: nothing is left to chance", do="give sampler.top_k=1 if that is meant"
        )


def check_choices(top_k: int, choices: int, key: str = "sampler.top_k") -> None:
    """Refuse to choose among more tokens than there are.

    Raises:
        DiscoError: names both numbers.
    """
    if top_k > choices:
        raise DiscoError(
            f"{key}={top_k}: this model chooses among {choices} tokens", do="give fewer, or 0 for all of them"
        )


def check_number(value: Any, key: str, *, above: float | None) -> None:
    """Refuse what is no finite number, or one below 0, or not above `above`.

    Raises:
        DiscoError: names the key.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(float(value)):
        raise DiscoError(f"{key}={value}: it must be a number", do=f"give {key}=…")
    if above is not None and value <= above:
        raise DiscoError(f"{key}={value}: it must be above {above:g}", do=f"give {key}=…")
    if value < 0:
        raise DiscoError(f"{key}={value}: it must be 0 or more", do=f"give {key}=…")


def seeds_of(cfg: DictConfig, of: int = 1) -> int | list[int]:
    """Return one seed for all takes, or one for each, and for each further one of `of` that are made.

    Raises:
        DiscoError: something else, or not one for each take.
    """
    seed = list(cfg.seed) if isinstance(cfg.seed, ListConfig) else cfg.seed
    if not all(isinstance(one, int) for one in (seed if isinstance(seed, list) else [seed])):
        raise DiscoError(f"seed={cfg.seed}: it must be a whole number", do="give seed=… or seed=[…,…]")
    if isinstance(seed, list) and len(seed) != cfg.count:
        raise DiscoError(
            f"seed={seed}: {len(seed)} seeds for {cfg.count} takes", do=f"give count={len(seed)}, or one seed"
        )
    return (
        [one + APART * further for one in seed for further in range(of)] if isinstance(seed, list) else seed
    )
