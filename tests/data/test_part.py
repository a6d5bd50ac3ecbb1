"""A part of the pieces is always the same one, and grows by adding."""

from __future__ import annotations

from disco.core.record import Record
from disco.data.part import part_of

PIECES = [Record(id=f"p{k}", file_path=f"p{k}.wav", duration=1.0, sample_rate=8000) for k in range(40)]


def test_a_part_is_stable_and_nested() -> None:
    few, more = part_of(PIECES, 0.15, 0), part_of(PIECES, 0.5, 0)
    assert len(few) == 6
    assert {r.id for r in few} < {r.id for r in more}
    assert part_of(PIECES[::-1], 0.15, 0) == few[::-1]
    assert part_of(PIECES, 0.15, 1) != few
    assert part_of(PIECES, 1, 0) == PIECES
    assert len(part_of(PIECES[:3], 0.01, 0)) == 1


def test_training_serves_a_part_and_validation_all(composed, corner) -> None:
    from disco.apps.parts import build_data

    whole, part = (
        build_data(composed("train", "model=symbolic", *corner, f"data_fraction={share}"))
        for share in (1, 0.5)
    )
    whole.prepare_data()
    for split in ("train", "survey"):
        assert len(part.records(split)) == -(-len(whole.records(split)) // 2)
    for split in ("val", "test"):
        assert part.records(split) == whole.records(split)
