"""Patterns against their definition, spelled out frame by frame."""

import pytest
import torch

from disco.nets.patterns import CoarseFirst, Delay, Flatten, Parallel

FRAMES = 7
STEREO = [0, 0, 1, 1, 2, 2, 3, 3]


def spelled(pattern, num_codebooks: int) -> list[list[tuple[int, int]]]:
    """Return the (codebook, frame) pairs of each step, in words of the papers rather than of the code."""
    if isinstance(pattern, Delay):
        delays = pattern.delays or range(num_codebooks)
        last = FRAMES + max(delays)
        return [[]] + [
            [(k, t - delays[k]) for k in range(num_codebooks) if 0 <= t - delays[k] < FRAMES]
            for t in range(last)
        ]
    if isinstance(pattern, Parallel):
        return [[]] + [[(k, t) for k in range(num_codebooks)] for t in range(FRAMES)]
    if isinstance(pattern, Flatten):
        return [[]] + [[(k, t)] for t in range(FRAMES) for k in range(num_codebooks)]
    first = [[(0, t)] for t in range(FRAMES)]
    return [[], *first] + [[(k, t) for k in range(1, num_codebooks)] for t in range(FRAMES)]


CASES = [
    *((Delay(delays=None), k) for k in (4, 8, 9)),
    (Delay(delays=STEREO), 8),
    (Delay(delays=[0, 0, 0, 0]), 4),
    *((kind, k) for kind in (Parallel(), Flatten(), CoarseFirst(delays=None)) for k in (4, 8, 9)),
]


@pytest.mark.parametrize(("pattern", "num_codebooks"), CASES)
def test_tables_are_the_definition(pattern, num_codebooks) -> None:
    layout, wanted = pattern.layout(num_codebooks, FRAMES), spelled(pattern, num_codebooks)
    found = [
        [(k, int(layout.frame[k, s])) for k in range(num_codebooks) if layout.frame[k, s] >= 0]
        for s in range(layout.frame.shape[1])
    ]
    assert found == wanted
    for step, pairs in enumerate(wanted):
        assert all(layout.step[k, t] == step for k, t in pairs)


@pytest.mark.parametrize(("pattern", "num_codebooks"), CASES)
def test_codes_come_back_and_the_special_token_fills_the_rest(pattern, num_codebooks) -> None:
    codes = torch.randint(0, 50, (3, num_codebooks, FRAMES), generator=torch.Generator().manual_seed(0))
    layout = pattern.layout(num_codebooks, FRAMES)
    steps = layout.lay_out(codes, 50)
    assert torch.equal(layout.gather(steps), codes)
    assert torch.equal(steps == 50, (layout.frame < 0).expand_as(steps))
    assert (steps[..., 0] == 50).all()


def test_thirty_seconds_of_musicgen_are_1504_steps() -> None:
    assert Delay(delays=[0, 1, 2, 3]).layout(4, 1500).frame.shape == (4, 1504)


@pytest.mark.parametrize(("pattern", "num_codebooks"), CASES)
def test_valid_counts_the_frames_of_each_item(pattern, num_codebooks) -> None:
    valid = pattern.layout(num_codebooks, FRAMES).valid(torch.tensor([FRAMES, 3, 0]))
    assert valid.sum((1, 2)).tolist() == [FRAMES * num_codebooks, 3 * num_codebooks, 0]


def test_the_newest_frame_is_that_of_the_first_codebook_while_it_lasts() -> None:
    assert Delay(delays=None).layout(3, 4).newest.tolist() == [0, 0, 1, 2, 3, 3, 3]
    assert CoarseFirst(delays=None).layout(3, 3).newest.tolist() == [0, 0, 1, 2, 0, 1, 2]


def test_delays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 delays for 4 codebooks"):
        Delay(delays=[0, 1]).layout(4, 5)
    with pytest.raises(ValueError, match="delays"):
        Delay(delays=[0, -1])


def rows(pattern, num_codebooks: int, frames: int) -> list[str]:
    """Write a table by hand: a row per codebook, a letter per step, `.` for nothing, a for frame 0."""
    table = pattern.layout(num_codebooks, frames).frame
    return ["".join("." if frame < 0 else chr(ord("a") + frame) for frame in row) for row in table.tolist()]


def test_tables_written_by_hand() -> None:
    assert rows(Delay(delays=None), 4, 3) == [".abc...", "..abc..", "...abc.", "....abc"]
    assert rows(Delay(delays=STEREO), 8, 2) == [
        ".ab...",
        ".ab...",
        "..ab..",
        "..ab..",
        "...ab.",
        "...ab.",
        "....ab",
        "....ab",
    ]
    assert rows(Delay(delays=None), 9, 2) == ["." * (1 + k) + "ab" + "." * (8 - k) for k in range(9)]
    assert rows(Parallel(), 4, 3) == [".abc"] * 4
    assert rows(Parallel(), 8, 2) == [".ab"] * 8
    assert rows(Parallel(), 9, 1) == [".a"] * 9
    assert rows(Flatten(), 4, 2) == [".a...b...", "..a...b..", "...a...b.", "....a...b"]
    assert rows(Flatten(), 8, 1) == ["." * (1 + k) + "a" + "." * (7 - k) for k in range(8)]
    assert rows(Flatten(), 9, 1) == ["." * (1 + k) + "a" + "." * (8 - k) for k in range(9)]
    assert rows(CoarseFirst(delays=None), 4, 2) == [".ab..", "...ab", "...ab", "...ab"]
    assert rows(CoarseFirst(delays=[0, 1, 2]), 4, 2) == [".ab....", "...ab..", "....ab.", ".....ab"]
    assert rows(CoarseFirst(delays=None), 8, 2) == [".ab..", *["...ab"] * 7]
    assert rows(CoarseFirst(delays=None), 9, 1) == [".a.", *["..a"] * 8]


def test_delays_that_are_left_open_are_the_codecs() -> None:
    assert Delay(delays=None).for_codec(STEREO).delays == tuple(STEREO)
    assert Delay(delays=[0, 1]).for_codec([0, 0]).delays == (0, 1)
    assert Delay(delays=None).for_codec(None).delays is None
    assert isinstance(Parallel().for_codec(STEREO), Parallel)


def test_a_frame_is_ready_once_all_its_codebooks_are_known() -> None:
    assert Delay(delays=None).layout(4, 3).ready.tolist() == [4, 5, 6]
    assert Flatten().layout(4, 2).ready.tolist() == [4, 8]
    assert CoarseFirst(delays=None).layout(4, 2).ready.tolist() == [3, 4]
