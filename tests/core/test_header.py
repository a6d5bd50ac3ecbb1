"""A file that was made to do harm does none: it is refused by its first bytes."""

from __future__ import annotations

import json
import os
import pickle
import time
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from disco.core.checkpoint_io import SafeCheckpoints, read_checkpoint
from disco.core.header import read_header
from disco.core.tensors import load_tensors
from disco.errors import DiscoError
from tests.core.test_checkpoint_io import same


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("kind", ["torch", "legacy", "pickle", "zip", "npy"])
@pytest.mark.parametrize("forced", [False, True])
def test_nothing_of_a_strangers_file_runs(kind: str, forced: bool, tmp_path: Path, monkeypatch) -> None:
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path, bomb = tmp_path / "last.ckpt", Bomb(tmp_path / "canary")
    match kind:
        case "torch" | "legacy":
            torch.save({"state_dict": bomb}, path, _use_new_zipfile_serialization=kind == "torch")
        case "pickle" | "npy":
            head = b"\x93NUMPY\x01\x00" if kind == "npy" else b""
            path.write_bytes(head + pickle.dumps(bomb))
        case "zip":
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("archive/data.pkl", pickle.dumps(bomb))
    for read in (read_checkpoint, load_tensors, SafeCheckpoints().load_checkpoint):
        with pytest.raises(DiscoError, match=r"nothing of it was used|nothing pickled is opened here"):
            read(path)
    assert not (tmp_path / "canary").exists()


def crafted(path: Path, header: bytes, size: int = 0, length: int | None = None) -> Path:
    path.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header + bytes(size))
    return path


def entry(shape, begin: int, end: int, dtype: str = "F32") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})


ATTACKS = {
    "a header of 100 MB": (b"{" + b" " * 99_999_998 + b"}", 0, None),
    "a header longer than the file": (b"{}", 0, 1 << 40),
    "100,000 tensors": (
        ("{" + ",".join(f'"{i}":{entry([0], 0, 0)}' for i in range(100_000)) + "}").encode(), 0, None,
    ),
    "a name twice": (f'{{"a":{entry([1], 0, 4)},"a":{entry([1], 0, 4)}}}'.encode(), 4, None),
    "overlap": (f'{{"a":{entry([2], 0, 8)},"b":{entry([2], 4, 12)}}}'.encode(), 12, None),
    "a gap": (f'{{"a":{entry([1], 0, 4)},"b":{entry([1], 8, 12)}}}'.encode(), 12, None),
    "no size used twice": (f'{{"a":{entry([1], 0, 4)},"b":{entry([1], 0, 0)}}}'.encode(), 4, None),
    "beyond the end": (f'{{"a":{entry([100], 0, 400)}}}'.encode(), 4, None),
    "a product beyond 64 bits": (f'{{"a":{entry([2**32, 2**32], 0, 0)}}}'.encode(), 0, None),
    "a count below zero": (f'{{"a":{entry([-1, -1], 0, 4)}}}'.encode(), 4, None),
    "offsets that cross": (f'{{"a":{entry([1], 4, 0)}}}'.encode(), 4, None),
    "a type of its own": (f'{{"a":{entry([1], 0, 4, "PICKLE")}}}'.encode(), 4, None),
    "a truth for a count": (b'{"a":{"dtype":"I8","shape":[true],"data_offsets":[0,1]}}', 1, None),
    "a name of a million": (f'{{"{"a" * 1_000_000}":{entry([1], 0, 4)}}}'.encode(), 4, None),
    "tables in tables": (b'{"a":' * 100_000, 0, None),
    "metadata that is none": (b'{"__metadata__":{"state":{"a":1}}}', 0, None),
    "no JSON": (b"\xff\xfe{}", 0, None),
    "bytes after the end": (f'{{"a":{entry([1], 0, 4)}}}'.encode(), 8, None),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_that_was_made_to_do_harm_is_refused_at_once(attack: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "x.safetensors", *ATTACKS[attack])
    begun = time.process_time()
    with pytest.raises(DiscoError, match="nothing of it was used"):
        load_tensors(path)
    assert time.process_time() - begun < 1.0


def test_honest_files_of_other_writers_are_read(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(3, 5),
        "b": torch.arange(4),
        "c": torch.zeros(0, 3),
        "d": torch.tensor(1.0).half(),
    }
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert same(
        load_tensors(tmp_path / "x.safetensors"),
        {name: tensors[name] for name in load_file(tmp_path / "x.safetensors")},
    )
    assert read_header(tmp_path / "x.safetensors").shapes["a"] == (3, 5)
