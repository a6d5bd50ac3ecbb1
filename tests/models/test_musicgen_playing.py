"""Playing: the same tokens in any chunks, prompts kept exactly, long pieces, changes on the way."""

import pytest
import torch

from disco.audio.clip import Clip
from disco.core.contracts import Sampler
from disco.errors import DiscoError
from disco.models.musicgen_playing import Performance
from disco.nets.guidance import Double, Guidance, Interval, Plain, Several
from disco.nets.patterns import CoarseFirst, Delay, Flatten, Parallel
from tests.models.helpers import ToyCodec, conditions, musicgen, played, random_head

PATTERNS = [Delay(delays=None), Parallel(), Flatten(), CoarseFirst(delays=None)]
SAMPLER = Sampler(top_k=8, guidance=2.0)
ASKED = conditions("reel", "jig")


class Countable(ToyCodec):
    """Encodes a sample back to the first codebook, so that prompts can be told apart."""

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        first = wave[:, 0, :: self.hop].round().long().clamp(0, self.cardinality - 1)
        return torch.stack([first, *[first * 0] * (self.num_codebooks - 1)], 1)


def model(**settings):
    return random_head(musicgen(**{"codec": Countable(), **settings}))


def stream(piece: Performance, *chunks: int) -> torch.Tensor:
    return torch.cat([piece.tokens(frames) for frames in chunks], -1)


# ------------------------------------------------------------------- chunks


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: type(pattern).__name__)
def test_chunks_joined_are_the_whole(pattern, prior) -> None:
    """47 frames of a model that hears 20 at once: three windows."""
    whole = model(pattern=pattern, prior=prior)
    piece = Performance(whole, ASKED, frames=47, sampler=SAMPLER, seed=3)
    streamed = stream(piece, 1, 3, 0, 17, 5, 1, 30)
    assert streamed.shape == (2, 3, 47)
    assert piece.left == 0
    assert torch.equal(streamed, played(whole, ASKED, 47, SAMPLER, 3))


class Remembering(ToyCodec):
    """Each frame is heard on for ever, and half of it in the frame before."""

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        wave = super().decode(codes)
        before = torch.nn.functional.pad(wave[..., self.hop :], (0, self.hop))
        return 0.01 * (wave.cumsum(-1) + 0.5 * before)


@pytest.mark.parametrize("codec", [ToyCodec(), Remembering()])
def test_sound_in_chunks_is_the_sound_of_the_whole(codec) -> None:
    whole = model(codec=codec)
    asked = {"seconds": 4.63, "sampler": SAMPLER, "seed": 3}
    clips = whole.generate(ASKED, **asked)
    piece = whole.perform(ASKED, **asked)
    chunks = [piece.sound(7) for _ in range(8)]
    assert chunks[-1].shape[-1] == 0
    for clip, wave in zip(clips, torch.cat(chunks, -1), strict=True):
        assert torch.allclose(Clip(wave, clip.rate).within_full_scale().wave, clip.wave, atol=1e-6)


def test_a_piece_without_end_goes_on() -> None:
    endless = model().perform(ASKED, seconds=None, sampler=SAMPLER, seed=3)
    first = stream(endless, 20, 30)
    assert first.shape[-1] == 50
    assert endless.left is None
    assert torch.equal(first[..., :20], played(model(), ASKED, 20, SAMPLER, 3))
    with pytest.raises(ValueError, match="without an end"):
        endless.clips()


def test_only_what_is_asked_for_is_played() -> None:
    calls = []
    whole = model()
    whole.head.register_forward_hook(lambda *_: calls.append(1))
    Performance(whole, ASKED, frames=20, sampler=SAMPLER, seed=0).tokens(2)
    assert len(calls) == 4, "two frames and the two steps by which the last codebook is behind"


# ------------------------------------------------------------------- windows


def test_a_window_is_told_the_tokens_before_it() -> None:
    """Its tokens are those of a piece that begins with them as its prompt."""
    short, sampler = model(seconds=1.0), Sampler(temperature=0.0, memory=0.4)
    codes = played(short, conditions("reel"), 16, sampler, 0)
    known = codes[..., 6:10]  # the first window has 10 frames, the second begins 4 before its end
    later = conditions("reel").later(0.6)
    again = Performance(short, later, frames=10, sampler=sampler, seed=0, prompt=known)
    assert torch.equal(again.tokens(10), codes[..., 6:16])


def test_the_clock_runs_on_through_the_windows() -> None:
    short = model(seconds=1.0)
    heard = []
    short.conditioners["beats"].register_forward_pre_hook(lambda _, args: heard.append(args[0].timing))
    played(short, conditions("reel"), 22, Sampler(memory=0.4), 0)
    starts = [timing[0, 2].item() for timing in heard]
    assert starts == pytest.approx([0.0, 1.2, 2.4])  # windows begin every 6 frames of 0.1 s, at 120 bpm


@pytest.mark.parametrize("memory", [0.0, 0.5, 1.0])
def test_any_memory_plays_to_the_end(memory) -> None:
    sampler = Sampler(memory=memory)
    assert played(model(seconds=1.0), conditions("reel"), 23, sampler, 0).shape[-1] == 23


def test_long_clips_have_exactly_the_asked_length() -> None:
    (clip,) = musicgen().generate(conditions(None), seconds=7.31, sampler=Sampler(), seed=0)
    assert clip.wave.shape == (1, round(50 * 7.31))


# ------------------------------------------------------------------- prompts


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: type(pattern).__name__)
@pytest.mark.parametrize("frames", [1, 7, 33])
def test_a_continuation_begins_with_its_prompt_exactly(pattern, frames) -> None:
    prompt = torch.randint(0, 16, (2, 3, frames), generator=torch.Generator().manual_seed(1))
    whole = model(pattern=pattern)
    piece = Performance(whole, ASKED, frames=45, sampler=SAMPLER, seed=0, prompt=prompt)
    codes = stream(piece, 5, 40)
    assert torch.equal(codes[..., :frames], prompt)
    other = Performance(whole, ASKED, frames=45, sampler=SAMPLER, seed=0, prompt=(prompt + 1) % 16)
    assert not torch.equal(other.tokens(45)[..., frames:], codes[..., frames:])


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: type(pattern).__name__)
def test_going_on_from_what_was_played_is_what_was_played(pattern) -> None:
    greedy, whole = Sampler(temperature=0.0), model(pattern=pattern)
    codes = played(whole, ASKED, 20, greedy, 0)
    again = Performance(whole, ASKED, frames=20, sampler=greedy, seed=0, prompt=codes[..., :8])
    assert torch.equal(again.tokens(20), codes)


def test_sound_to_go_on_from_is_heard_up_to_its_last_whole_frame() -> None:
    wave = torch.tensor([[3.0, 9.0, 4.0, 1.0]]).repeat_interleave(5, 1)
    prompt = Clip(torch.cat([wave, wave[:, :3]], 1), 50)
    piece = model().perform(ASKED, seconds=1.5, sampler=SAMPLER, seed=0, prompt=prompt)
    assert piece.tokens(15)[:, 0, :4].tolist() == [[3, 9, 4, 1]] * 2


@pytest.mark.parametrize(
    ("samples", "says"), [(4, "less than a frame"), (75, "1.5 s, and the whole is to have 1.5 s")]
)
def test_prompts_that_leave_nothing_to_play_are_refused(samples, says) -> None:
    with pytest.raises(DiscoError, match=says):
        model().perform(ASKED, seconds=1.5, sampler=SAMPLER, seed=0, prompt=Clip(torch.zeros(1, samples), 50))


# ------------------------------------------------------------------- changes


def test_a_change_that_changes_nothing_changes_nothing() -> None:
    whole = model()
    piece = Performance(whole, ASKED, frames=40, sampler=SAMPLER, seed=3)
    parts = []
    for _ in range(8):
        parts.append(piece.tokens(5))
        piece.change(conditions=ASKED, sampler=SAMPLER)
    assert torch.equal(torch.cat(parts, -1), played(whole, ASKED, 40, SAMPLER, 3))


@pytest.mark.parametrize(
    "change",
    [{"conditions": conditions("jig", "reel")}, {"sampler": Sampler(top_k=8, guidance=5.0)}, {}],
    ids=["prompt", "guidance", "weights"],
)
def test_a_change_is_heard_within_the_next_chunk_and_not_before(change) -> None:
    greedy = Sampler(temperature=0.0, guidance=2.0)
    whole = model()
    before = played(whole, ASKED, 20, greedy, 0)
    piece = Performance(whole, ASKED, frames=20, sampler=greedy, seed=0)
    first = piece.tokens(6)
    if not change:
        with torch.no_grad():
            whole.head.weight.mul_(-1.0)  # as a strength of adapters would
    elif "sampler" in change:
        change = {"sampler": Sampler(temperature=0.0, guidance=9.0)}
    piece.change(**change)
    after = piece.tokens(14)
    assert torch.equal(first, before[..., :6])
    assert not torch.equal(after, before[..., 6:])


def test_other_numbers_of_pieces_are_refused() -> None:
    piece = model().perform(ASKED, seconds=1.0, sampler=SAMPLER, seed=0)
    with pytest.raises(ValueError, match="1 conditions for 2 pieces"):
        piece.change(conditions=conditions("reel"))


# ------------------------------------------------------- guidance and seeds


@pytest.mark.parametrize(
    "guided",
    [
        Guidance(Double(weight=2.0, text=3.0)),
        Guidance(Several(weight=1.5, weights={"rhythm": 3.0})),
        Guidance(Plain(weight=3.0), [Interval(start=0.0, stop=0.5)]),
    ],
)
def test_passes_in_one_batch_equal_passes_one_by_one(guided, monkeypatch) -> None:
    """Logits of every step, against a model that is asked pass by pass."""
    whole = model()
    batched, answers = [], []
    join = Guidance.__call__

    def kept(self, logits, progress):
        batched.append(logits)
        return join(self, logits, progress)

    monkeypatch.setattr(Guidance, "__call__", kept)
    codes = played(whole, ASKED, 6, Sampler(guided=guided), 0)
    for silenced in guided.passes:
        rows = torch.arange(2) >= 0
        told = ASKED.dropped(rows) if silenced is None else ASKED.without(silenced, rows)
        one = Performance(whole, told, frames=6, sampler=Sampler(), seed=0, prompt=codes[..., :5])
        batched_before = len(batched)
        one.tokens(6)
        answers.append(batched[batched_before])
    step = whole.layout(6).frame[0].tolist().index(5)
    assert torch.allclose(torch.cat(answers), batched[step - 1], atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_seeds_of_their_own_make_a_batch_equal_its_singles(guidance) -> None:
    whole, sampler = model(), Sampler(guidance=guidance, top_k=8)
    three = played(whole, conditions("reel", "jig", None), 25, sampler, [4, 9, 4])
    for place, (rhythm, seed) in enumerate([("reel", 4), ("jig", 9), (None, 4)]):
        single = played(whole, conditions(rhythm), 25, sampler, [seed])
        assert torch.equal(three[place : place + 1], single)


def test_logits_that_are_no_numbers_are_told() -> None:
    broken = model()
    with torch.no_grad():
        broken.head.weight[3] = float("nan")
    with pytest.raises(DiscoError, match="not a number"):
        broken.generate(ASKED, seconds=1.0, sampler=SAMPLER, seed=0)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: type(pattern).__name__)
def test_cached_steps_answer_as_a_full_pass_does(pattern, monkeypatch) -> None:
    from tests.models.helpers import batch_of

    whole, answers = model(pattern=pattern), []
    join = Guidance.__call__

    def kept(self, logits, progress):
        answers.append(logits)
        return join(self, logits, progress)

    monkeypatch.setattr(Guidance, "__call__", kept)
    codes = played(whole, conditions("reel"), 12, Sampler(), 0)
    full = whole(batch_of(codes)).logits
    layout = whole.layout(12)
    for codebook in range(3):
        for frame in range(12):
            cached = answers[int(layout.step[codebook, frame]) - 1]
            assert torch.allclose(cached[0, codebook], full[0, codebook, frame], atol=1e-4)
