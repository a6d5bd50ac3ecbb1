"""The size table, and where each setting of a run comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from disco.apps.launch import CONF
from disco.apps.sizing import Sizing, count_parameters, in_words, row_of, size_up
from tests.contracts.models import FAMILIES, build_tiny, tiny_codec

BASE = ["model=symbolic", "weights=run", "weights.run=somewhere"]


@pytest.mark.parametrize(
    ("parameters", "row"),
    [
        (4_000_000, "tiny"),
        (20_000_000, "small"),
        (420_400_000, "small"),  # MusicGen small, medium, large
        (1_838_700_000, "medium"),
        (3_257_000_000, "large"),
        (499_000_000, "small"),
        (500_000_000, "medium"),
        (1_999_999_999, "medium"),
        (2_000_000_000, "large"),
        (10_000_000_000, "large"),
        (10_000_000_001, "xl"),
    ],
)
def test_row_of(parameters: int, row: str) -> None:
    assert row_of(parameters) == row


@pytest.mark.parametrize(
    ("row", "batch", "rate", "rank", "hours"),
    [
        ("small", (32, 64), 5e-5, (4, 8), [2, 8]),
        ("medium", (16, 32), 2e-5, (8, 16), [8, 24]),
        ("large", (4, 16), 1e-5, (16, 32), [24, 72]),
        ("xl", (1, 4), 5e-6, (32, 64), [72, 168]),
    ],
)
def test_the_rows_are_the_guides(
    row: str, batch: tuple[int, int], rate: float, rank: tuple[int, int], hours: list[int]
) -> None:
    table = OmegaConf.load(CONF / "scale" / f"{row}.yaml")
    assert batch[0] <= table.batch_size <= batch[1]
    assert table.lr == table.finetune_lr == rate
    assert rank[0] <= table.lora_rank <= rank[1]
    assert table.hours == hours


def sources(sizing: Sizing) -> dict[str, tuple[object, str]]:
    return {setting.key: (setting.value, setting.source) for setting in sizing.settings}


def test_without_a_base_the_scale_file_decides(composed) -> None:
    cfg = composed("train", "model=symbolic", "trainer.max_steps=7", "scale.lr=0.002")
    sizing = size_up(cfg, 600_000_000)
    assert (sizing.row, sizing.decided) == ("medium", False)
    assert sources(sizing) == {
        "data.batch_size": (8, "scale=tiny"),
        "optim.lr": (0.002, "command line"),
        "trainer.max_steps": (7, "command line"),
    }


def test_with_a_base_its_size_decides_unless_the_command_line_says_otherwise(composed) -> None:
    cfg = composed("train", *BASE, "adapter=lora", "data.batch_size=3", "scale.steps=9")
    sizing = size_up(cfg, 600_000_000)
    assert sources(sizing) == {
        "data.batch_size": (3, "command line"),
        "optim.lr": (5e-4, "optim=peft"),
        "adapter.rank": (16, "size table, medium"),
        "trainer.max_steps": (9, "command line"),
    }
    assert (cfg.adapter.rank, cfg.trainer.max_steps, cfg.scale.width) == (16, 9, 192)


def test_a_scale_that_was_named_stands_beside_a_base(composed) -> None:
    for scale in ("tiny", "small"):
        cfg = composed("train", *BASE, f"scale={scale}")
        sizing = size_up(cfg, 3_000_000_000)
        assert not sizing.decided
        assert sources(sizing)["optim.lr"] == (cfg.scale.lr, f"scale={scale}")


@pytest.mark.parametrize(("parameters", "rate"), [(4_000_000, 5e-5), (600_000_000, 2e-5), (3 * 10**9, 1e-5)])
def test_fine_tuning_is_slower_the_larger_the_base(composed, parameters: int, rate: float) -> None:
    cfg = composed("train", *BASE, "experiment=finetune")
    sizing = size_up(cfg, parameters)
    assert sources(sizing)["optim.lr"] == (rate, f"size table, {row_of(parameters)}")
    assert cfg.optim.lr == rate


def test_an_experiment_is_named_where_it_decides(composed) -> None:
    cfg = composed("train", "model=symbolic", "experiment=full")
    assert sources(size_up(cfg, 4_000_000))["optim.lr"] == (5e-4, "experiment=full")
    cfg = composed("train", "model=symbolic", "experiment=full", "optim.lr=1e-3")
    assert sources(size_up(cfg, 4_000_000))["optim.lr"] == (1e-3, "command line")
    cfg = composed("train", "experiment=paper/musicgen", "data.root=somewhere")
    assert sources(size_up(cfg, 1_838_700_000)) == {
        "data.batch_size": (6, "experiment=paper/musicgen"),
        "optim.lr": (1e-4, "experiment=paper/musicgen"),
        "trainer.max_steps": (1_000_000, "experiment=paper/musicgen"),
    }


def test_what_is_said_is_one_plain_block(composed) -> None:
    cfg = composed("train", *BASE, "trainer.max_steps=12")
    assert str(size_up(cfg, 420_400_000)).splitlines() == [
        "size: 420 million parameters, small; the guide expects 2 to 8 hours",
        "  data.batch_size=32    size table, small",
        "  optim.lr=5e-05        size table, small",
        "  trainer.max_steps=12  command line",
    ]


def test_the_guides_hours_are_for_those_who_adapt_a_base(composed) -> None:
    assert size_up(composed("train", "model=symbolic"), 420_400_000).hours is None
    assert size_up(composed("train", *BASE), 3_257_000_000).hours == (24, 72)


def test_counts_read_well() -> None:
    assert [in_words(n) for n in (12, 3500, 4_180_000, 3_257_000_000)] == [
        "12", "3.5 thousand", "4.18 million", "3.26 billion",
    ]  # fmt: skip


def test_the_count_is_that_of_the_network_without_its_critics(composed) -> None:
    module = build_tiny(composed("train", *FAMILIES["autoencoder_seanet"]))
    network = [*module.encoder.parameters(), *module.quantizer.parameters(), *module.decoder.parameters()]
    assert count_parameters(module) == sum(p.numel() for p in network)
    assert count_parameters(module) < sum(p.numel() for p in module.parameters()), "critics stand beside it"


@pytest.mark.parametrize("scale", ["small", "medium", "large"])
def test_the_scale_files_have_the_published_sizes(scale: str, composed) -> None:
    tiny_codec()  # built before the device is one without memory
    cfg = composed("train", f"scale={scale}", "model=musicgen_published", "conditioner=[]")
    published = {"small": 420.4e6, "medium": 1838.7e6, "large": 3257.0e6}
    cross = 4 * cfg.scale.width**2 * cfg.scale.depth  # attention to the caption
    with torch.device("meta"):
        module = build_tiny(cfg)
    tables = 4 * (2048 - 16) * 2 * cfg.scale.width  # the test's codec has 16 codewords, the published 2048
    assert count_parameters(module) + cross + tables == pytest.approx(published[scale], rel=0.01)
    assert row_of(round(published[scale])) == scale


@pytest.mark.slow
def test_train_says_the_block_before_the_first_step(
    composed, corner: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from disco.apps import train
    from tests.tiny_runs import TINY_SYMBOLIC

    train.main(composed("train", *TINY_SYMBOLIC, *corner, "trainer.max_steps=2"))
    said = capsys.readouterr().out
    assert "thousand parameters, tiny\n" in said
    assert "  data.batch_size=4    command line\n" in said
    assert "  trainer.max_steps=2  command line\n" in said
    assert "  optim.lr=0.0015      scale=tiny\n" in said
