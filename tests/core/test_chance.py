"""The processes of a run draw apart, and each of them the same again."""

from __future__ import annotations

import torch

from disco.core import chance


def drawn(rank: int, step: int = 0) -> list[float]:
    torch.manual_seed(3)
    torch.rand(5)
    chance.part(rank, step)
    return torch.rand(4).tolist()


def test_the_first_process_draws_on_as_if_it_were_alone() -> None:
    torch.manual_seed(3)
    torch.rand(5)
    alone = torch.rand(4).tolist()
    assert drawn(0) == alone


def test_no_two_processes_drop_the_same_and_none_begins_again_when_a_run_goes_on() -> None:
    ways = [drawn(rank, step) for rank in (0, 1, 2) for step in (0, 8)]
    assert ways[0] == ways[1], "what the first one draws is in the checkpoint"
    assert len({tuple(way) for way in ways}) == 5
    assert drawn(1, 8) == ways[3]


def test_a_process_that_was_not_there_takes_no_ones_place() -> None:
    states = [chance.chances()]
    assert chance.of_this_process(states) is not None
    assert chance.of_this_process([]) is None
