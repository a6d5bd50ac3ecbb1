"""`--help` names every option with its sentence, and what is taken by itself."""

from __future__ import annotations

import sys

import pytest

from disco.apps.help import help_text, sentence
from disco.apps.launch import CONF, launch

APPS = sorted(path.stem for path in CONF.glob("*.yaml"))


def test_training_is_told_with_every_option() -> None:
    told = help_text("train")
    for group in ("model", "adapter", "optim", "optim/schedule", "loss", "callbacks"):
        for option in (CONF / group).glob("*.yaml"):
            assert sentence(option) in told, option
    assert "* musicgen" in told
    assert "  lora  " in told
    assert "resume: null" in told


@pytest.mark.parametrize("app", APPS)
def test_every_command_says_what_it_is_for(app, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [f"{app}.py", "--help"])
    launch(app)
    told = capsys.readouterr().out
    assert told.startswith(sentence(CONF / f"{app}.yaml"))
    assert "_target_: os" not in told
    assert "--cfg job" in told
