"""How a language model over codec tokens plays: window by window, chunk by chunk, changed in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from disco.audio.clip import Clip
from disco.core.batch import Conditions
from disco.core.conditioning import told
from disco.core.contracts import Context, Sampler, Seed, generators
from disco.errors import DiscoError
from disco.models.musicgen_codec import decode_each
from disco.nets.cache import Cache
from disco.nets.prior import TokenPrior
from disco.nets.sampling import draw

if TYPE_CHECKING:
    from disco.models.musicgen import MusicGen

AHEAD = 1.0  # s: how far a codec hears into the future of what it decodes
BACK = 60.0  # s: how far back it hears at least, and up to twice of that


class Performance:
    """One piece per condition, played as far as somebody asks.

    The tokens are the same in whatever chunks they are asked for. A piece that is longer than what the
    model was trained on is played in windows, each of which begins with the end of the one before
    (`Sampler.memory`). Prompts, sampler and the weights may change between two chunks: what was played
    stays, and what follows hears it as if it had been played like that from the start of its window.

    Args:
        model: in evaluation mode.
        frames: of the whole piece, the prompt's included; None plays on for as long as it is asked.
        samples: per channel of the whole piece, where it ends within its last frame.
        seed: see `generators`.
        prompt: tokens that the piece begins with.
    """

    def __init__(
        self,
        model: MusicGen,
        conditions: Conditions,
        *,
        frames: int | None,
        sampler: Sampler,
        seed: Seed,
        prompt: Int[Tensor, "b k p"] | None = None,
        samples: int | None = None,
    ) -> None:
        self.model = model
        self.conditions = conditions
        self.frames = frames
        self.samples = samples
        self.sampler = sampler
        self.generators = generators(seed, len(conditions))
        if prompt is None:
            shape = (len(conditions), model.num_codebooks, 0)
            prompt = torch.zeros(shape, dtype=torch.long, device=model.device)
        if frames is not None and prompt.shape[-1] > frames:
            raise ValueError(f"a prompt of {prompt.shape[-1]} frames for a piece of {frames}")
        self._played = prompt
        self._window: _Window | None = None
        self._given = 0  # frames that `tokens` has returned
        self._sounded = 0  # frames that `sound` has returned

    @property
    def left(self) -> int | None:
        """Frames that `tokens` has not yet returned; None where there is no end."""
        return None if self.frames is None else self.frames - self._given

    def change(self, *, conditions: Conditions | None = None, sampler: Sampler | None = None) -> None:
        """Go on with other conditions or another sampler; without any, with weights that have changed.

        Raises:
            ValueError: not one condition per piece.
        """
        if conditions is not None and len(conditions) != len(self.conditions):
            raise ValueError(f"{len(conditions)} conditions for {len(self.conditions)} pieces")
        self.conditions = conditions or self.conditions
        self.sampler = sampler or self.sampler
        if self._window is not None:
            self._window.telling = None

    @torch.no_grad()
    def tokens(self, frames: int) -> Int[Tensor, "b k n"]:
        """Play on and return the next frames, fewer where the piece ends; a prompt's come first."""
        end = self._end(self._given + frames)
        codes = self._until(end)[..., self._given : end]
        self._given = end
        return codes

    @torch.no_grad()
    def sound(self, frames: int) -> Float[Tensor, "b c t"]:
        """Play on and return how the next frames sound, at whatever level; nothing at the end.

        Tokens are played up to a second ahead, as codecs hear what comes next. Joined, the chunks are the
        sound of the whole, up to two minutes for every codec that hears no further ahead than that, and for
        as long as anybody listens where it hears no further back than a minute.
        """
        first, end = self._sounded, self._end(self._sounded + frames)
        block = round(BACK * self.model.frame_rate)
        codec, back = self.model.codec, max(0, first // block - 1) * block
        ahead = self._end(end + round(AHEAD * self.model.frame_rate))
        codes = self._until(ahead)[..., back:ahead]
        self._sounded = end
        if end == first:
            return torch.zeros(len(codes), codec.channels, 0, device=codes.device)
        wave = decode_each(codec, codes)
        stop = end * codec.hop if self.samples is None else min(end * codec.hop, self.samples)
        return wave[..., (first - back) * codec.hop : stop - back * codec.hop]

    @torch.no_grad()
    def clips(self) -> list[Clip]:
        """Play to the end and return the whole pieces, turned down where they peak beyond full scale.

        Raises:
            ValueError: there is no end.
        """
        if self.frames is None:
            raise ValueError("a piece without an end is played by tokens() or sound()")
        waves = decode_each(self.model.codec, self._until(self.frames))[..., : self.samples]
        return [Clip(wave.float().cpu(), self.model.codec.rate).within_full_scale() for wave in waves]

    # ------------------------------------------------------------------ steps

    def _end(self, frame: int) -> int:
        return frame if self.frames is None else min(frame, self.frames)

    def _until(self, frame: int) -> Int[Tensor, "b k f"]:
        """Play until `frame` frames are whole and return all that are."""
        while self._whole < frame:
            window = self._window or self._open()
            self._step(window)
            if window.step == window.steps.shape[-1]:
                self._played, self._window = self._known, None
        return self._known

    @property
    def _whole(self) -> int:
        window = self._window
        return self._played.shape[-1] if window is None else window.start + window.whole

    @property
    def _known(self) -> Int[Tensor, "b k f"]:
        window = self._window
        if window is None:
            return self._played
        codes = window.layout.gather(window.steps)[..., : window.whole]
        return torch.cat([self._played[..., : window.start], codes], -1)

    def _open(self) -> _Window:
        """Lay out the next window: what is known of it, and as much as the model was trained on."""
        known, most = self._played.shape[-1], self.model.most_frames
        heard = min(round(self.sampler.memory * most), most - 1)
        start = 0 if known < most else known - heard
        frames = most if self.frames is None else min(most, self.frames - start)
        self._window = _Window(self.model, self._played[..., start:], frames=frames, start=start)
        return self._window

    def _step(self, window: _Window) -> None:
        """Draw the tokens of the next step of a window."""
        model, sampler, step = self.model, self.sampler, window.step
        guide = sampler.guide
        if window.telling is None:
            window.telling = self._tell(window)
            fed = window.steps[..., :step]
        else:
            fed = window.steps[..., step - 1 : step]
        telling, first = window.telling, step - fed.shape[-1]
        clock = telling.clock[:, first:step]
        logits = model.answer(fed.repeat(len(guide.passes), 1, 1), telling.context, clock, telling.cache)
        newest = window.start + int(window.layout.newest[step])
        logits = guide(logits, newest / (self.frames or window.start + window.frames))
        if model.prior is not None:
            logits = logits + _foretold(model.prior, window, step)
        if logits.isnan().any():
            raise DiscoError(
                f"the model's answer at {newest / model.frame_rate:.2f} s is not a number",
                do="its weights are damaged: train it again, or take another run",
            )
        drawn = draw(
            logits,
            self.generators,
            temperature=sampler.temperature,
            top_k=sampler.top_k,
            top_p=sampler.top_p,
        )
        open_ = window.open[:, step].to(drawn.device)
        window.steps[..., step] = torch.where(open_, drawn, window.steps[..., step])
        window.step += 1

    def _tell(self, window: _Window) -> _Telling:
        """Ask the conditioners, once per pass of the guidance."""
        model = self.model
        asked = told(self.conditions.later(window.start / model.frame_rate), self.sampler.guide.passes)
        context = model.listen(asked, window.frames)
        valid = torch.full((len(asked),), window.frames, device=model.device)
        ahead = 0 if context.prefix is None else context.prefix.shape[1]
        return _Telling(
            context=context,
            clock=model.clock(context, window.layout, valid),
            cache=Cache(window.steps.shape[-1] - 1 + ahead),
        )


@dataclass(frozen=True)
class _Telling:
    """What a window is told, and what the network remembers of its steps under that."""

    context: Context
    clock: Float[Tensor, "n s d"]
    cache: Cache


class _Window:
    """A stretch of frames as the pattern lays it out: what is known, and what is drawn next.

    Attributes:
        start: frame of the piece at which it begins; frames: how many it has.
        open: which codebooks are drawn at each step.
        step: the next one.
        telling: None before the first step, and after a change.
    """

    def __init__(self, model: MusicGen, known: Int[Tensor, "b k p"], *, frames: int, start: int) -> None:
        self.start = start
        self.frames = frames
        self.layout = model.layout(frames)
        self._kept = known.shape[-1]
        nothing = known.new_full((*known.shape[:2], frames - self._kept), model.special)
        self.steps = self.layout.lay_out(torch.cat([known, nothing], -1), model.special)
        self.open = self.layout.frame >= self._kept
        self.step = int(self.open.any(0).int().argmax())
        self.telling: _Telling | None = None

    @property
    def whole(self) -> int:
        """Frames from the start on of which every codebook is known."""
        return max(self._kept, int((self.layout.ready < self.step).sum()))


def _foretold(prior: TokenPrior, window: _Window, step: int) -> Float[Tensor, "b k v"]:
    """Return the prior of the tokens at `step`, from the steps before it."""
    steps, at = window.steps, window.layout.step
    before = torch.full(steps.shape[:2], prior.cardinality, device=steps.device)
    coarser = before.clone()
    for codebook, frame in enumerate(window.layout.frame[:, step].tolist()):
        if frame > 0:
            before[:, codebook] = steps[:, codebook, at[codebook, frame - 1]]
        if frame >= 0 and (known := codebook - prior.apart) >= 0:
            coarser[:, codebook] = steps[:, known, at[known, frame]]
    return prior(before[..., None], coarser[..., None])[:, :, 0]
