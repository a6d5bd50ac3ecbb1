"""What is known to be unsafe is not started with."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from disco.apps import advisories
from disco.errors import DiscoError

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_what_is_installed_here_is_safe() -> None:
    advisories.check_advisories()


@pytest.mark.parametrize(
    ("package", "found", "advisory"),
    [
        ("lightning", "2.6.3", "GHSA-w37p-236h-pfx3"),
        ("lightning", "2.6.0", "CVE-2026-31221"),
        ("torch", "2.9.1+cpu", "CVE-2026-24747"),
        ("hydra-core", "1.3.2", "GHSA-37p2-j732-x8pj"),
        ("transformers", "5.2.0", "CVE-2026-4372"),
    ],
)
def test_an_unsafe_version_is_refused_with_the_advisory(package, found, advisory, monkeypatch) -> None:
    monkeypatch.setattr(advisories, "version", lambda name: found if name == package else "999")
    with pytest.raises(DiscoError, match=f"{package} .* is unsafe: .*{advisory}"):
        advisories.check_advisories()


def test_no_unsafe_version_can_be_installed_by_the_project() -> None:
    wanted = {Requirement(line).name: Requirement(line).specifier for line in PROJECT["dependencies"]}
    for package, (malicious, safe, _) in advisories.ADVISORIES.items():
        assert all(found not in wanted[package] for found in malicious)
        assert all(found not in wanted[package] for found in ("0.9", "1.0.0")), package
        assert "999" in wanted[package] or safe, package
