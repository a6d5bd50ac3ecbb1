"""`scripts/play.py`: a page in the browser on which a trained run plays."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from disco.apps.composing import compose_app
from disco.apps.generate import where
from disco.apps.generate_checks import check_number
from disco.apps.generate_wish import hears_words
from disco.apps.play_guard import LOOPBACK
from disco.apps.play_making import Maker
from disco.apps.play_stage import Stage, nearby
from disco.apps.play_wish import TAG
from disco.core.asking import heard_by
from disco.errors import DiscoError
from disco.report.play import Choice, Controls, Slider, Use

METRES = ("2/4", "3/4", "4/4", "2/2", "3/2", "6/8", "9/8", "12/8")
MOST_NUMBERS = 65_535
USES = {
    "go_on_from": "go on from it",
    "melody": "follow its melody",
    "style": "sound like it",
    "midi": "play its notes",
}


def main(cfg: DictConfig) -> None:
    """Open the run, say where the page is, and play until it is interrupted."""
    try:
        import uvicorn  # pyright: ignore[reportMissingImports]

        from disco.apps.play_server import create_app
    except ImportError as error:
        raise DiscoError(
            "scripts/play.py needs the packages fastapi and uvicorn", do="pip install -e '.[listen]'"
        ) from error
    check(cfg)
    door = listen(cfg.host, cfg.port)
    folder = Path(nearby(Path(cfg.run_dir)))
    stage = Stage(str(cfg.run), where(cfg))
    maker = Maker(stage, folder, most_seconds=float(cfg.most_seconds))
    app = create_app(maker, controls(stage, cfg), hosts=hosts(cfg.host, cfg.names), folder=folder / "sounds")
    tell(cfg, door.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
    with suppress(KeyboardInterrupt):  # which uvicorn passes on once it has ended
        server.run(sockets=[door])


def check(cfg: DictConfig) -> None:
    """Refuse settings that cannot be.

    Raises:
        DiscoError: names the key.
    """
    for key in sorted(OmegaConf.missing_keys(cfg)):
        raise DiscoError(f"{key} is not said", do=f"give {key}=…")
    for key in ("most_seconds", "upload_mb"):
        check_number(cfg[key], key, above=0.0)
    if not isinstance(cfg.port, int) or not 0 <= cfg.port <= MOST_NUMBERS:
        raise DiscoError(f"port={cfg.port}: it must be a number to {MOST_NUMBERS}", do="give port=8022")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on which nobody is answered yet.

    Raises:
        DiscoError: it is taken, or is not ours to take.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise DiscoError(
            f"host={host} port={port}: {os.strerror(error.errno) if error.errno else error}",
            do="another program is there, or it is not yours; give port=0 for any that is free",
        ) from error


def hosts(host: str, names: Collection[str]) -> set[str]:
    """Return the names under which the page may be asked for."""
    return {*LOOPBACK, *(str(name) for name in names), *({host} - {"0.0.0.0", "::"})}


def tell(cfg: DictConfig, port: int) -> None:
    """Say where the page is, and warn where others can reach it."""
    shown = "127.0.0.1" if cfg.host in ("0.0.0.0", *LOOPBACK) else cfg.host
    Console().print(f"Play at http://{shown}:{port} (Ctrl-C ends it)", soft_wrap=True)
    if cfg.host not in LOOPBACK:
        sys.stderr.write(
            f"warning: host={cfg.host}: everybody who reaches this machine can play, without a password\n"
        )
    sys.stdout.flush()


def controls(stage: Stage, cfg: DictConfig) -> Controls:
    """Return what can be set on the page: what the run listens to, and how it plays."""
    usual = compose_app("generate", ["run=somewhere"])
    tags, words = stage.tags(), hears_words(stage.module)
    sampler, choices = usual.sampler, stage.knows("choices") or 1000
    strength = [Slider(name="strength", label="Adapter strength", low=0.0, high=1.5, step=0.05, value=1.0,
                       text="0 is the base, 1 as it learnt, more exaggerates")]  # fmt: skip
    return Controls(
        title=stage.name,
        about=about(stage, words=words, tags=tags),
        words=words,
        choices=[
            *(Choice(name=f"{TAG}{name}", label=name.capitalize(), values=values)
              for name, values in tags.items() if name != "metre"),
            Choice(name="metre", label="Metre", values=list(tags.get("metre", METRES)),
                   chosen=str(usual.metre)),
        ],
        sliders=[
            Slider(name="tempo", label="Tempo", low=40, high=220, step=1, value=usual.tempo_bpm,
                   text="quarter notes per minute"),
            Slider(name="seconds", label="Length", low=1, high=min(30.0, cfg.most_seconds), step=1,
                   value=min(usual.seconds, cfg.most_seconds), text="seconds"),
            Slider(name="guidance", label="Guidance", low=0, high=8, step=0.1, value=sampler.guidance,
                   text="how strictly it does what is asked: 1 as learnt, 0 not at all"),
            Slider(name="temperature", label="Temperature", low=0.1, high=2, step=0.05,
                   value=sampler.temperature, text="daring: below 1 it keeps to what is likely"),
            *(strength if stage.adapted else ()),
        ],
        finer=[
            Slider(name="top_k", label="Likeliest sounds to choose from", low=0, high=choices, step=1,
                   value=min(sampler.top_k, choices),
                   text="at each moment; 1 always takes the likeliest, 0 any"),
            Slider(name="top_p", label="Share of the likeliest to choose from", low=0.05, high=1, step=0.05,
                   value=sampler.top_p, text="1 any"),
        ],
        uses=uses(stage),
        compared=["base", stage.name] if stage.adapted else [],
        most_bytes=round(cfg.upload_mb * 1e6),
    )  # fmt: skip


def uses(stage: Stage) -> list[Use]:
    """Return what a given sound can be for."""
    heard = heard_by(stage.module)
    goes_on = stage.knows("perform") is not None
    known = [name for name in USES if name in heard or (name == "go_on_from" and goes_on)]
    return [Use(name=name, label=USES[name]) for name in known]


def about(stage: Stage, *, words: bool, tags: Collection[str]) -> str:
    """Say what a run is and what it listens to."""
    kind = type(stage.module).__name__
    said = f"A {kind} adapted from {Path(stage.base).name}." if stage.base else f"A {kind}."
    heard = [*(["your words"] if words else []), *tags, *heard_by(stage.module)]
    if not heard:
        return f"{said} It was not trained to be told anything but the beat."
    return f"{said} It listens to {', '.join(heard[:-1])}{' and ' if heard[1:] else ''}{heard[-1]}."
