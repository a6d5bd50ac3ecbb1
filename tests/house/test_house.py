"""What no linter checks: where things stand and how files begin."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from disco.core.outputs import SLOTS
from disco.core.term import Term

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "disco").rglob("*.py"))
CODE = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "scripts").rglob("*.py"))]
OPTIONS = sorted((ROOT / "conf").rglob("*.yaml"))
# group folder → package; groups without Python of their own are not listed
PACKAGES = {
    "model": "models", "data": "data", "codec": "codecs", "adapter": "adapters", "weights": "weights",
    "loss": "losses", "method": "methods", "augment": "augment", "conditioner": "conditioners",
    "metric": "metrics", "embedder": "embedders", "callbacks": "callbacks", "optim": "optim",
    "prepare": "prepare",
    "stage": "stage", "executor": "executors",
}  # fmt: skip


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_one_idea_with_a_docstring(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 330
    assert ast.get_docstring(ast.parse(text)), "the file does not say what it is for"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_package_files_hold_nothing_but_a_docstring(path: Path) -> None:
    if path.name == "__init__.py" and path.parent.name != "disco":
        assert len(ast.parse(path.read_text()).body) == 1


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: str(p.relative_to(ROOT)))
def test_option_begins_with_a_sentence(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert re.match(r"# .{10,}[.):\]]?", lines[0]), "the first line is the help text"


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: str(p.relative_to(ROOT)))
def test_option_stands_beside_its_python(path: Path) -> None:
    package = PACKAGES.get(str(path.parent.relative_to(ROOT / "conf")))
    if package is None:
        return
    text = path.read_text()
    own = ROOT / "disco" / package / f"{path.stem}.py"
    preset = re.search(r"defaults:\n(  - override .*\n)*  - (?!override|_self_)\w+\n", text)
    nothing = path.stem == "none" and "disco.apps.parts.nothing" in text
    assert own.is_file() or preset or nothing, f"{path.name} has no {own.name} and is no preset"


def test_every_need_of_a_loss_is_a_slot() -> None:
    for path in sorted((ROOT / "disco" / "losses").glob("[a-z]*.py")):
        module = importlib.import_module(f"disco.losses.{path.stem}")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, Term) and not inspect.isabstract(found):
                assert found.needs <= SLOTS, found


def test_the_readme_shows_the_tree_that_is_there() -> None:
    readme = (ROOT / "CONTRIBUTING.md").read_text()
    block = readme.split("```tree\n")[1].split("```")[0]
    shown = {line.split()[0].rstrip("/") for line in block.splitlines() if line.startswith("  ")}
    real = {p.name for p in (ROOT / "disco").iterdir() if p.is_dir() and (p / "__init__.py").is_file()}
    assert shown == real
