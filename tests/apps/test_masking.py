"""What comes out of the environment is written down nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from disco.apps.identity import identity_of
from disco.apps.masking import masked_yaml
from disco.apps.runs import Run
from disco.core.files import file_hash

SECRET = "hf_4711_do_not_tell"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCO_TEST_TOKEN", SECRET)
    monkeypatch.setenv("DISCO_TEST_SHORT", "1")


def test_values_from_the_environment_stay_there_however_they_are_reached() -> None:
    cfg = OmegaConf.create(
        {
            "token": "${oc.env:DISCO_TEST_TOKEN}",
            "again": "${token}",
            "address": "https://user:${token}@somewhere/x",
            "deep": {"list": ["plain", "${oc.env:DISCO_TEST_TOKEN,none}", {"x": "${..1}"}]},
            "count": "${oc.env:DISCO_TEST_SHORT}",
            "one": 1,
            "text": "item 1",
            "both": "${text}, ${one}",
        }
    )
    text = masked_yaml(cfg)
    assert SECRET not in text
    written = OmegaConf.create(text)
    assert OmegaConf.to_container(written, resolve=True) == OmegaConf.to_container(cfg, resolve=True), (
        "with the environment at hand it is the same config"
    )
    plain = OmegaConf.to_container(written)
    assert plain["text"] == "item 1", "short values are not looked for elsewhere"
    assert plain["both"] == "item 1, 1"


def test_a_config_without_secrets_is_written_resolved(composed) -> None:
    cfg = composed("train", "model=symbolic")
    assert masked_yaml(cfg) == OmegaConf.to_yaml(cfg, resolve=True)


def test_a_run_folder_holds_no_secret(composed, tmp_path: Path) -> None:
    cfg = composed("train", "model=symbolic", "logger=wandb", "logger.name='${oc.env:DISCO_TEST_TOKEN}'")
    assert cfg.logger.name == SECRET
    run = Run(tmp_path / "run")
    run.begin(cfg)
    for path in run.folder.rglob("*"):
        assert SECRET not in path.read_text(), path
    assert run.config.logger.name == SECRET, "whoever has the environment can read it"


def test_an_identity_holds_no_secret_and_knows_a_base_that_the_environment_names(
    composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCO_TEST_BASES", str(tmp_path))
    weights = Run(tmp_path / "base").weights
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    words = (
        "model=symbolic",
        "weights=run",
        "weights.run='${oc.env:DISCO_TEST_BASES}/base'",
        "adapter=prompt",
    )
    cfg = composed("train", *words, "run_dir=${oc.env:DISCO_TEST_TOKEN}", "adapter.start='x ${run_dir}'")
    told = identity_of(cfg)
    assert SECRET not in str(told)
    assert told["weights.sha256"] == file_hash(weights)
