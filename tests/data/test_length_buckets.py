"""Pieces of like length are served together: little padding, exact resume, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from disco.apps import train
from disco.core.views import AudioView, CodeView
from disco.data.audio import ManifestData
from tests.data.folder import RATE, LevelCodec, record, serving, write
from tests.tiny_runs import TINY_CODEC

VIEW = AudioView(rate=RATE, channels=1, seconds=2.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred pieces, most of them short, a few as long as the view and longer."""
    folder = tmp_path_factory.mktemp("set")
    seconds = np.clip(np.random.default_rng(0).lognormal(np.log(0.4), 0.8, 200), 0.15, 2.4)
    write(folder, [record(f"p{n}", round(float(one), 3)) for n, one in enumerate(seconds)])
    return folder


def bucketed(root: Path, count: int, view=VIEW) -> ManifestData:
    data = serving(root, view, batch_size=2)
    data.length_buckets = count
    return data


@pytest.mark.parametrize("view", [VIEW, CodeView(LevelCodec(), 2.0)], ids=["audio", "codes"])
def test_padding_falls_below_a_twentieth_in_few_shapes(root: Path, view) -> None:
    def served(count: int) -> tuple[float, set[int], int]:
        batches = list(bucketed(root, count, view).train_dataloader())
        tensors = [batch.wave if isinstance(view, AudioView) else batch.codes for batch in batches]
        given = sum(batch.shape[0] * batch.shape[-1] for batch in tensors)
        heard = sum(int(batch.valid.sum()) for batch in batches)
        return 1 - heard / given, {batch.shape[-1] for batch in tensors}, heard

    plain, whole, heard = served(1)
    waste, shapes, again = served(32)
    assert plain >= 0.3
    assert waste <= (0.05 if isinstance(view, AudioView) else 0.1), "a token is a twentieth of a second"
    assert len(whole) == 1
    assert whole < shapes
    assert len(shapes) <= 32
    assert again == pytest.approx(heard, rel=0.02), "the same music, but for the end of long pieces"


def same(one, other) -> bool:
    return torch.equal(one.wave, other.wave) and torch.equal(one.valid, other.valid)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_loader_goes_on_in_the_middle_of_an_epoch(root: Path, workers: int) -> None:
    def epochs(data: ManifestData, state: dict[str, int] | None = None) -> list:
        data.num_workers = workers
        loader = data.train_dataloader()
        found = []
        for epoch in (0, 1):
            loader.order.set_epoch(epoch)  # type: ignore[attr-defined]
            if state and epoch == state["epoch"]:
                loader.load_state_dict(state)  # type: ignore[attr-defined]
            found.append(list(loader))
        return found

    first, second = epochs(bucketed(root, 5))
    assert not all(same(one, other) for one, other in zip(first, second, strict=True))
    _, rest = epochs(bucketed(root, 5), {"epoch": 1, "batches": 40})
    assert len(rest) == len(second) - 40
    assert all(same(one, other) for one, other in zip(rest, second[40:], strict=True))


def test_validation_and_survey_stay_as_they_are(root: Path) -> None:
    write(root / "more", [record(f"v{n}", 0.3 + 0.2 * n, split="val") for n in range(3)])
    plain, other = serving(root / "more", VIEW), bucketed(root / "more", 8)
    other.batch_size = plain.batch_size
    assert all(same(a, b) for a, b in zip(plain.val_dataloader(), other.val_dataloader(), strict=True))
    pairs = zip(serving(root, VIEW, batch_size=2).survey(), bucketed(root, 8).survey(), strict=True)
    assert all(same(one, again) for one, again in pairs)


def test_rare_values_are_drawn_as_often_as_without(root: Path) -> None:
    data = bucketed(root, 6)
    data.balance_by, data.balance_power = "title", 0.0
    order = data.train_dataloader().order  # type: ignore[attr-defined]
    drawn = [index for batch in order for _, index in batch]
    data.length_buckets = 1
    plain = [index for batch in data.train_dataloader().order for _, index in batch]  # type: ignore[attr-defined]
    assert sorted(drawn) == sorted(plain)


@pytest.mark.slow
def test_a_codec_is_trained_on_pieces_of_like_length(composed, root: Path) -> None:
    write(root / "held out", [record("v", 1.0, split="val")])
    lines = [(root / part / "metadata" / "manifest.jsonl").read_text() for part in ("", "held out")]
    target = root / "both"
    write(target, [record("v", 1.0, split="val")])
    for number in range(12):
        (target / "audio" / "processed" / f"p{number}.wav").write_bytes(
            (root / "audio" / "processed" / f"p{number}.wav").read_bytes()
        )
    chosen = [line for line in lines[0].splitlines() if any(f'"p{n}"' in line for n in range(12))]
    (target / "metadata" / "manifest.jsonl").write_text("\n".join([*chosen, *lines[1].splitlines()]) + "\n")
    cfg = composed("train", *TINY_CODEC, "data=audio", f"data.root={target}", "data.num_workers=0",
                   "data.length_buckets=4", "trainer.max_steps=4")  # fmt: skip
    train.main(cfg)
    assert (Path(cfg.run_dir) / "run.json").is_file()
