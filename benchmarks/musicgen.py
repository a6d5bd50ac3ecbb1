"""MusicGen beside transformers and audiocraft: training steps and decoding, the same weights in each.

`python -m benchmarks.musicgen train` or `decode`; `PYTHONPATH=.parity` lets audiocraft take part. What needs
a GPU (graphs, flash attention, share of the peak) is not measured here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from torch import Tensor, nn

from benchmarks.musicgen_parts import TokensOnly
from benchmarks.side_by_side import verdict
from disco.apps.export_audiocraft import build_lm, settings_of
from disco.core.batch import CodeBatch, Conditions
from disco.core.contracts import Conditioner, Context, Sampler
from disco.losses.token_ce import TokenCE
from disco.models.musicgen import MusicGen
from disco.models.musicgen_playing import Performance
from disco.nets.patterns import Delay
from disco.nets.transformer import Sinusoidal
from disco.weights.layouts import AUDIOCRAFT, TRANSFORMERS

WIDTH, HEADS, CODEBOOKS, CARDINALITY = 1024, 16, 4, 2048  # MusicGen small, with fewer layers
TRAIN_DEPTH, ITEMS, TRAIN_FRAMES = 4, 2, 500  # ten seconds
DECODE_DEPTH, FRAMES = 6, 50  # one second
WORDS, READ = 16, 64
ROUNDS = 4
GUIDANCE, TOP_K = 3.0, 250

Job = Callable[[], object]


class Told(Conditioner):
    """Says to every item that has a caption what a text encoder has said."""

    def __init__(self, read: Tensor) -> None:
        super().__init__()
        self.project = nn.Linear(READ, WIDTH)
        self.read = read

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return the projected vectors; nothing counts where there is no caption."""
        said = torch.tensor([text is not None for text in conditions.text])
        mask = said[:, None].expand(-1, self.read.shape[0])
        vectors = self.project(self.read.to(self.project.weight.dtype)).expand(len(said), -1, -1)
        return Context(cross=vectors * mask[..., None], cross_mask=mask)


def ours(depth: int, read: Tensor) -> MusicGen:
    """Return our model with random weights."""
    torch.manual_seed(0)
    return MusicGen(
        width=WIDTH, depth=depth, heads=HEADS, dropout=0.0, positions=Sinusoidal(max_period=10000.0),
        pattern=Delay(delays=None), prior=False, condition_dropout=0.0, seconds=30.0,
        codec=TokensOnly(num_codebooks=CODEBOOKS, cardinality=CARDINALITY), conditioners={"text": Told(read)},
        terms={"token_ce": TokenCE(weight=1.0)}, recipe=None,
    )  # fmt: skip


def of_transformers(model: MusicGen, depth: int) -> Any:
    """Return transformers' model with the same weights, a small T5 and a small codec."""
    from transformers import (
        EncodecConfig,
        EncodecModel,
        MusicgenDecoderConfig,
        MusicgenForCausalLM,
        MusicgenForConditionalGeneration,
    )

    decoder = MusicgenForCausalLM(
        MusicgenDecoderConfig(
            vocab_size=CARDINALITY, hidden_size=WIDTH, ffn_dim=4 * WIDTH, num_hidden_layers=depth,
            num_attention_heads=HEADS, num_codebooks=CODEBOOKS, pad_token_id=CARDINALITY,
            bos_token_id=CARDINALITY, dropout=0.0, max_position_embeddings=2048,
        )
    )  # fmt: skip
    codec = EncodecModel(
        EncodecConfig(
            num_filters=2, upsampling_ratios=[4, 2], hidden_size=4, codebook_dim=4, num_lstm_layers=1,
            codebook_size=CARDINALITY, sampling_rate=8000, target_bandwidths=[44.0], use_causal_conv=False,
        )
    )  # fmt: skip
    whole = MusicgenForConditionalGeneration(text_encoder=_reader(), audio_encoder=codec, decoder=decoder)
    _, unknown = whole.load_state_dict(TRANSFORMERS.to_theirs(model.network_state(), CODEBOOKS), strict=False)
    assert not unknown
    words = whole.generation_config
    words.decoder_start_token_id = words.pad_token_id = words.bos_token_id = CARDINALITY
    return whole.eval()


def of_audiocraft(model: MusicGen, said: Tensor) -> Any | None:
    """Return audiocraft's model with the same weights, told the same; None where it is not installed."""
    try:
        from tests.parity.stand_ins import import_audiocraft

        import_audiocraft()
    except ImportError:
        return None
    settings = OmegaConf.create(settings_of(model, "t5-base"))
    theirs = build_lm(settings, AUDIOCRAFT.to_theirs(model.network_state(), CODEBOOKS))
    told = torch.cat([said, torch.zeros_like(said)])
    theirs.condition_provider.tokenize = lambda conditions: {}
    theirs.condition_provider.forward = lambda _: {"description": (told, torch.ones(told.shape[:2]))}
    return theirs


def _reader() -> Any:
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(1)
    config = T5Config(
        vocab_size=64, d_model=READ, d_kv=16, d_ff=64, num_layers=1, num_heads=4, decoder_start_token_id=0
    )
    return T5EncoderModel(config).eval()


def _words() -> Tensor:
    return torch.arange(1, WORDS + 1)[None]


@torch.no_grad()
def _read() -> Tensor:
    return _reader()(_words()).last_hidden_state[0]


# ------------------------------------------------------------------ training


def train_lines() -> Iterator[str]:
    """Compare steps at equal precision; every loss must be the same.

    Raises:
        ValueError: the losses differ, so that the ratios mean nothing.
    """
    generator = torch.Generator().manual_seed(2)
    codes = torch.randint(CARDINALITY, (ITEMS, CODEBOOKS, TRAIN_FRAMES), generator=generator)
    for precision, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 1e-2)):
        steps, losses = _training(codes, precision)
        if max(losses.values()) - min(losses.values()) > tolerance * max(losses.values()):
            raise ValueError(f"the losses differ: {losses}")
        taken = _interleaved(steps)
        fastest = min((name for name in taken if name != "ours"), key=lambda name: taken[name])
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in taken.items())
        ratio = taken[fastest] / taken["ours"]
        same = ", ".join(f"{name} {loss:.7g}" for name, loss in losses.items())
        yield (
            f"train step, {str(precision)[6:]}, CPU seconds: {told}; {ratio:.2f} of the faster peer, "
            f"{fastest}{verdict(ratio, 0.95)}; losses {same}"
        )


def _training(codes: Tensor, precision: torch.dtype) -> tuple[dict[str, Job], dict[str, float]]:
    read = _read()
    model = ours(TRAIN_DEPTH, read)
    conditions = Conditions(text=("a tune",) * ITEMS)
    batch = CodeBatch(codes=codes, valid=torch.full((ITEMS,), TRAIN_FRAMES), conditions=conditions)
    whole = of_transformers(model, TRAIN_DEPTH)
    said = _said(model).expand(ITEMS, -1, -1)
    steps = model.layout(TRAIN_FRAMES).lay_out(codes, CARDINALITY)
    losses: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: model.objective(model(batch), batch)[0],
        "transformers": lambda: (
            whole.decoder(
                input_ids=steps[..., :-1].flatten(0, 1),
                encoder_hidden_states=said,
                labels=steps[..., 1:].transpose(1, 2),
            ).loss
        ),
    }
    movers: dict[str, nn.Module] = {"ours": model, "transformers": whole.decoder}
    if (theirs := of_audiocraft(model, said[:1])) is not None:
        tensors = {"description": (said, torch.ones(said.shape[:2]))}
        losses["audiocraft"] = lambda: _solver_loss(theirs.compute_predictions(codes, [], tensors), codes)
        movers["audiocraft"] = theirs
    jobs = {name: _step(movers[name].train(), losses[name], precision, name) for name in losses}
    return jobs, {name: job() for name, job in jobs.items()}  # type: ignore[misc]  every job returns its loss


def _said(model: MusicGen) -> Tensor:
    with torch.no_grad():
        told = model.conditioners["text"](Conditions(text=("a tune",)), 1, 50.0).cross
    assert told is not None
    return told


def _step(model: nn.Module, loss: Callable[[], Tensor], precision: torch.dtype, name: str) -> Job:
    fused = True if name == "ours" else None  # each as its library sets it up
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=fused)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            value = loss()
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step


def _solver_loss(out: Any, codes: Tensor) -> Tensor:
    """Mean over codebooks of the cross-entropy at valid places, as audiocraft's solver takes it."""
    total = torch.zeros([])
    for k in range(CODEBOOKS):
        mask = out.mask[:, k].reshape(-1)
        logits = out.logits[:, k].reshape(-1, CARDINALITY)[mask]
        total = total + F.cross_entropy(logits, codes[:, k].reshape(-1)[mask])
    return total / CODEBOOKS


# ------------------------------------------------------------------ decoding


def decode_lines() -> Iterator[str]:
    """Compare steps of guided decoding; greedy tokens in float32 must be the same.

    Raises:
        ValueError: the tokens differ, so that the ratios mean nothing.
    """
    model = ours(DECODE_DEPTH, _read()).eval()
    whole = of_transformers(model, DECODE_DEPTH)
    theirs = of_audiocraft(model, _said(model))
    greedy = {"ours": _play(model, 16, greedy=True), "transformers": _generate(whole, 16, greedy=True)}
    if theirs is not None:
        greedy["audiocraft"] = _stream(theirs, 16, greedy=True)
    if not all(torch.equal(tokens, greedy["ours"]) for tokens in greedy.values()):
        raise ValueError(f"the tokens differ: {greedy}")
    alone: dict[str, Job] = {
        "ours, float32": lambda: _play(model, FRAMES, greedy=False),
        "transformers, float32": lambda: _generate(whole, FRAMES, greedy=False),
    }
    if theirs is not None:
        alone["audiocraft, float32"] = lambda: _stream(theirs, FRAMES, greedy=False)
    taken = _interleaved(alone)
    model.to(torch.bfloat16)
    whole.to(torch.bfloat16)
    halved: dict[str, Job] = {
        "ours, bfloat16": lambda: _play(model, FRAMES, greedy=False),
        "transformers, bfloat16": lambda: _generate(whole, FRAMES, greedy=False),
    }
    taken |= _interleaved(halved)
    rates = {name: (FRAMES + CODEBOOKS - 1) / seconds for name, seconds in taken.items()}
    yield "decoding, guided, steps per CPU second: " + ", ".join(
        f"{n} {rate:.1f}" for n, rate in rates.items()
    )
    best = rates["ours, bfloat16"]
    for name, target in (("transformers, bfloat16", 1.2), ("audiocraft, float32", 3.0)):
        if name in rates:
            ratio = best / rates[name]
            yield f"ours in bfloat16 against {name}: {ratio:.2f}{verdict(ratio, target)}"
        else:
            yield f"{name.split(',')[0]} is not installed: not measured"
    ratio = rates["ours, float32"] / rates["transformers, float32"]
    yield f"in float32 against transformers: {ratio:.2f}{verdict(ratio, 1.5)}"


def _play(model: MusicGen, frames: int, *, greedy: bool) -> Tensor:
    sampler = Sampler(temperature=0.0 if greedy else 1.0, top_k=0 if greedy else TOP_K, guidance=GUIDANCE)
    asked = Conditions(text=("a tune",))
    return Performance(model, asked, frames=frames, sampler=sampler, seed=0).tokens(frames)


def _generate(whole: Any, frames: int, *, greedy: bool) -> Tensor:
    played: list[Tensor] = []
    decode = whole.audio_encoder.decode

    def recorded(audio_codes: Tensor, *others: Any, **named: Any) -> Any:
        played.append(audio_codes[0])
        return decode(audio_codes, *others, **named)

    whole.audio_encoder.decode = recorded
    try:
        settings: Mapping[str, Any] = {"do_sample": False} if greedy else {"do_sample": True, "top_k": TOP_K}
        mask = torch.ones_like(_words())
        steps = frames + CODEBOOKS - 1
        whole.generate(
            input_ids=_words(), attention_mask=mask, guidance_scale=GUIDANCE, max_new_tokens=steps, **settings
        )
    finally:
        del whole.audio_encoder.decode
    return played[0]


def _stream(theirs: Any, frames: int, *, greedy: bool) -> Tensor:
    from audiocraft.modules.conditioners import ConditioningAttributes

    asked = [ConditioningAttributes(text={"description": "a tune"})]
    return theirs.generate(
        conditions=asked, max_gen_len=frames, use_sampling=not greedy, top_k=TOP_K, cfg_coef=GUIDANCE
    )


def _interleaved(jobs: Mapping[str, Job]) -> dict[str, float]:
    """Return the fewest CPU seconds of each job, in turn and after a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(ROUNDS):
        for name, job in jobs.items():
            begun = time.process_time()
            job()
            if turn:
                taken[name].append(time.process_time() - begun)
    return {name: min(seconds) for name, seconds in taken.items()}


def lines(*pieces: str) -> Iterator[str]:
    """Return the lines of the pieces that are named, or of all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # CPU time is work then, not waiting for each other
    try:
        for name, each in {"train": train_lines, "decode": decode_lines}.items():
            if name in pieces or not pieces:
                yield from each()
    finally:
        torch.set_num_threads(threads)
    yield "MusicGen on a GPU (graphs, flash attention, share of the peak): not measured"


if __name__ == "__main__":
    for said in lines(*sys.argv[1:]):
        sys.stdout.write(said + "\n")
        sys.stdout.flush()
