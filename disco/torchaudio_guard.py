"""Makes `import torchaudio` safe: beside a CPU build of torch, and where it is broken.

torchaudio's wheel links CUDA libraries. Beside a CPU build of torch, loading them raises `OSError`,
although torchaudio itself treats a missing library as fine, and what imports torchaudio on the way (peft,
parts of transformers) breaks with it. Importing this module installs an import hook that

* answers "not loaded" where torchaudio's loader of native libraries raises `OSError` on a CPU build, and
* lets torchaudio and torchcodec count as absent, for packages that probe for them, where their import fails.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PROBES = frozenset({"transformers", "peft"})  # these ask for torchaudio while they are imported
OPTIONAL = ("torchaudio", "torchcodec")
NATIVE = "torchaudio._extension.utils"


class _LenientLoader(Loader):
    """Runs the module, then makes its `_load_lib` forgive on a CPU build."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        import torch  # torchaudio has imported it by now

        self.loader.exec_module(module)
        if torch.version.cuda is None:
            module.__dict__["_load_lib"] = _forgiving(module.__dict__["_load_lib"])


def _forgiving(load: Callable[[str], bool]) -> Callable[[str], bool]:
    def load_or_not(library: str) -> bool:
        try:
            return load(library)
        except OSError:
            return False

    return load_or_not


class _Guard(MetaPathFinder):
    def __init__(self) -> None:
        self.busy = False

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in PROBES:
            for name in OPTIONAL:
                _settle(name)
        if self.busy or fullname != NATIVE:
            return None
        self.busy = True  # the search below comes through here again
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.busy = False
        if spec is not None and spec.loader is not None:
            spec.loader = _LenientLoader(spec.loader)
        return spec


def _settle(name: str) -> None:
    """Import an optional package now, or mark it absent for everybody."""
    if name in sys.modules:
        return
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError):
        for child in [key for key in sys.modules if key.partition(".")[0] == name]:
            del sys.modules[child]
        sys.modules[name] = None  # type: ignore[assignment]  Python's own mark of an absent module


sys.meta_path.insert(0, _Guard())
