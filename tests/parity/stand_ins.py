"""Empty stand-ins for what audiocraft imports and its language model does not use: spaCy, PyAV, xformers."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

import disco

assert disco  # first: torchaudio is imported behind its guard
PACKAGES = ("spacy", "av", "xformers")


def import_audiocraft() -> None:
    """Import audiocraft; of xformers it gets what its PyTorch backend asks for."""
    missing = [name for name in PACKAGES if name not in sys.modules and find_spec(name) is None]
    for name in missing:
        _stand_in(name)
    if "xformers" in missing:
        operations = _stand_in("xformers.ops")
        operations.unbind = torch.unbind
        operations.memory_efficient_attention = None
        operations.LowerTriangularMask = type("LowerTriangularMask", (), {})
        sys.modules["xformers"].ops = operations  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of code that is older than its libraries
        import_module("audiocraft")
    for name in {"spacy", "av"} & set(missing):  # others look for them too
        del sys.modules[name]


def _stand_in(name: str) -> Any:
    module = sys.modules[name] = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    return module
