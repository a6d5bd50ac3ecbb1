"""Where conditioners are heard, and who is told what."""

import math

import pytest
import torch

from disco.core.batch import Conditions
from disco.core.conditioning import Fuser, drop_some, fuse, told
from disco.core.contracts import Conditioner, Context, generators
from disco.errors import DiscoError
from disco.nets.film import Film
from disco.nets.guidance import EVERYTHING, NOTHING


class Says(Conditioner):
    """Says two vectors of its number, or one per frame; the second vector does not always count."""

    def __init__(self, number: float, *, per_frame: bool = False) -> None:
        super().__init__()
        self.number = number
        self.per_frame = per_frame

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        count = len(conditions)
        if self.per_frame:
            return Context(added=torch.full((count, frames, 4), self.number))
        mask = torch.tensor([[True, text == "both"] for text in conditions.text])
        return Context(cross=torch.full((count, 2, 4), self.number), cross_mask=mask)


PARTS = {"text": Says(1.0), "tags": Says(2.0), "style": Says(3.0), "clock": Says(10.0, per_frame=True)}
SAID = Conditions(text=("both", None))


def fused(**places) -> Context:
    fuser = Fuser(**{"prepend": [], "sum": [], "film": [], **places})
    film = Film(width=4, depth=3) if fuser.film else None
    if film is not None:
        torch.nn.init.ones_(film.project.weight)
    return fuse(PARTS, SAID, frames=5, frame_rate=1.0, fuser=fuser, film=film)


def test_by_themselves_vectors_are_attended_to_and_frames_are_added() -> None:
    context = fused()
    assert context.cross[0, :, 0].tolist() == [1, 1, 2, 2, 3, 3]
    assert context.cross_mask[1].tolist() == [True, False] * 3
    assert context.added[:, :, 0].tolist() == [[10.0] * 5] * 2
    assert (context.prefix, context.film) == (None, None)


def test_each_conditioner_stands_where_it_is_named() -> None:
    context = fused(prepend=["style", "text"], sum=["tags"])
    assert context.cross is None
    assert context.prefix[0, :, 0].tolist() == [3, 3, 1, 1]
    assert context.prefix_mask[1].tolist() == [True, False, True, False]
    assert context.added[:, :, 0].tolist() == [[12.0] * 5] * 2


def test_film_is_made_of_the_mean() -> None:
    context = fused(film=["tags", "style"])
    assert context.film.shape == (2, 3, 2, 4)
    assert (context.film == 4 * (2 + 3)).all()
    assert context.cross.shape[1] == 2


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ({"prepend": ["melody"]}, "no conditioner 'melody'"),
        ({"prepend": ["text"], "film": ["text"]}, "text is named twice"),
        ({"film": ["clock"]}, "clock says one vector per frame"),
    ],
)
def test_places_that_cannot_be_are_refused(places, says) -> None:
    with pytest.raises(DiscoError, match=says):
        place_and_ask(places)


def place_and_ask(places) -> None:
    fuser = Fuser(**{"prepend": [], "sum": [], "film": [], **places})
    fuser.attended(list(PARTS))
    fuse(PARTS, SAID, frames=5, frame_rate=1.0, fuser=fuser)


def wish(count: int) -> Conditions:
    return Conditions(
        text=("a",) * count,
        tags={"key": ("D",) * count, "rhythm": ("reel",) * count},
        timing=torch.tensor([[120.0, 4.0, 0.0]]).repeat(count, 1),
    )


def test_each_pass_is_told_what_it_does_not_silence() -> None:
    copies = told(wish(2), (EVERYTHING, frozenset({"text", "timing"}), NOTHING))
    assert copies.text == (None, None, None, None, "a", "a")
    assert copies.tags["key"] == (None, None, "D", "D", "D", "D")
    assert copies.timing[:, 0].isnan().tolist() == [False, False, True, True, False, False]


def test_a_condition_that_is_not_there_is_named() -> None:
    with pytest.raises(DiscoError, match="no condition 'mood' here; choose from key, rhythm, text, timing"):
        told(wish(1), (frozenset({"mood"}),))


def test_each_condition_is_dropped_at_its_own_rate_and_by_itself() -> None:
    torch.manual_seed(0)
    kept = drop_some(wish(6000), 0.0, {"text": 0.5, "key": 0.2, "timing": 0.1})
    text, key = ([value is None for value in values] for values in (kept.text, kept.tags["key"]))
    assert sum(text) / 6000 == pytest.approx(0.5, abs=0.02)
    assert sum(key) / 6000 == pytest.approx(0.2, abs=0.02)
    assert sum(map(all, zip(text, key, strict=True))) / 6000 == pytest.approx(0.1, abs=0.02)
    assert kept.timing.isnan().any(1).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert None not in kept.tags["rhythm"]


def test_what_is_dropped_depends_on_torchs_own_generator_which_checkpoints_hold() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = drop_some(wish(50), 0.3, {"key": 0.5})
    torch.set_rng_state(state)
    again = drop_some(wish(50), 0.3, {"key": 0.5})
    assert (first.text, first.tags) == (again.text, again.tags)


def test_without_dropout_no_random_number_is_drawn() -> None:
    state = torch.get_rng_state()
    drop_some(wish(3), 0.0, {})
    assert torch.equal(torch.get_rng_state(), state)


def test_the_clock_moves_on() -> None:
    later = wish(1).later(1.5)
    assert later.timing.tolist() == [[120.0, 4.0, 3.0]]
    unknown = Conditions(text=(None,), timing=torch.full((1, 3), math.nan))
    assert unknown.later(2.0).timing.isnan().all()


def test_a_seed_of_its_own_makes_an_item_independent_of_its_place() -> None:
    def draws(seed, count: int) -> list[float]:
        return [torch.rand((), generator=each).item() for each in generators(seed, count)]

    assert draws([7, 9], 2) == [*draws([7], 1), *draws([9], 1)]
    assert draws(7, 2)[0] == draws([7], 1)[0]
    assert len(set(draws(7, 3))) == 3
    with pytest.raises(ValueError, match="2 seeds for 3 items"):
        generators([1, 2], 3)
