"""The page of `scripts/play.py`: what can be set, and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from disco.report.page import PlayerGroup, environment, shown_players
from disco.report.pictures import FRAME


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Something to choose from a list; the empty value leaves it open."""

    name: str
    label: str
    values: Sequence[str]
    chosen: str = ""


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A number to set, by a slider or by typing; what is typed may lie outside of the slider."""

    name: str
    label: str
    low: float | int
    high: float | int
    step: float | int
    value: float | int
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a given sound may be used for: the name of that, and how it is called."""

    name: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Everything on the page that depends on the run.

    Attributes:
        title: name of the run; about: what it is and what it listens to.
        words: it listens to a prompt.
        uses: of a given sound; without any there is nothing to give.
        compared: names of the versions that are heard in turn, if there are several.
        most_bytes: of a given sound.
    """

    title: str
    about: str
    words: bool
    choices: Sequence[Choice]
    sliders: Sequence[Slider]
    finer: Sequence[Slider]
    uses: Sequence[Use]
    compared: Sequence[str]
    most_bytes: int


def render_controls(controls: Controls) -> str:
    """Return the page, before anything was made."""
    return environment().get_template("play.html.j2").render(controls=controls)


def render_result(group: PlayerGroup) -> str:
    """Return what was made, as a part of the page."""
    template = environment().get_template("result.html.j2")
    return template.render(group=group, players=shown_players(group))


def style() -> str:
    """Return the page's style sheet."""
    return environment().get_template("play.css.j2").render(frame=FRAME)


def script() -> str:
    """Return the page's script."""
    return environment().get_template("play.js.j2").render(frame=FRAME)
