"""What every model family owes: finite answers, learning, seeds that hold, padding that does not matter."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from disco.adapters.sites import find_layers
from disco.audio.clip import Clip
from disco.core.contracts import Sampler
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs
from disco.core.term import Critic
from disco.errors import DiscoError
from disco.midi.score import note_table
from tests.contracts.models import FAMILIES, batch_for, build_tiny, clips, wish


@pytest.fixture(params=FAMILIES)
def module(request: pytest.FixtureRequest, composed) -> GenerativeModule:
    return build_tiny(composed("train", *FAMILIES[request.param]))


def floats(out: Outputs) -> dict[str, torch.Tensor]:
    slots = {f.name: getattr(out, f.name) for f in dataclasses.fields(out)}
    return {name: value for name, value in slots.items() if value is not None and value.is_floating_point()}


def test_fills_the_slots_that_its_losses_need_with_finite_numbers(module: GenerativeModule) -> None:
    batch = batch_for(module)
    assert isinstance(batch, module.accepts)
    out = module(batch)
    filled = {f.name for f in dataclasses.fields(out) if getattr(out, f.name) is not None}
    assert filled <= module.offers
    for term in module.objective.named_terms().values():
        assert term.needs - (term.spares if "nats" in filled else set()) <= filled
    assert all(value.isfinite().all() for value in floats(out).values())
    assert out.count > 0


def test_learns_one_batch_by_heart(module: GenerativeModule) -> None:
    batch = batch_for(module)
    module.prepare_fit([batch])
    moving = [p for name, p in module.named_parameters() if not name.startswith("objective.")]
    optimizer = torch.optim.AdamW(moving, lr=5e-3)
    module.train()
    losses = []
    for _ in range(16):
        total, parts = module.objective(module(batch), batch)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(sum(value.item() for name, value in parts.items() if name != "commitment"))
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])


def test_reopens_with_the_same_answers(
    module: GenerativeModule, composed, request: pytest.FixtureRequest
) -> None:
    batch = batch_for(module)
    module.prepare_fit([batch])
    stir(module)
    again = build_tiny(composed("train", *FAMILIES[request.node.callspec.params["module"]]))
    again.load_network(module.network_state())
    here, there = (floats(m.eval()(batch)) for m in (module, again))
    assert all(torch.equal(here[name], there[name]) for name in here)


def stir(module: GenerativeModule) -> None:
    """Move every weight a little, so that nothing is left as it was built."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)


def test_half_of_the_weights_are_refused(module: GenerativeModule) -> None:
    state = module.network_state()
    state.pop(next(iter(state)))
    with pytest.raises(DiscoError, match="lack 1 tensors"):
        module.load_network(state)


def test_padding_changes_no_loss(module: GenerativeModule) -> None:
    module.eval()
    plain, padded = batch_for(module), batch_for(module, padding=8)
    short, long = module(plain), module(padded)
    terms = {n: t for n, t in module.objective.named_terms().items() if not isinstance(t, Critic)}
    for name, term in terms.items():
        assert term(long, padded).item() == pytest.approx(term(short, plain).item(), rel=0.02), name
    assert long.count == short.count


# Sites that a family has with other parts only: a caption reader, the other body of the codec.
CROSS = {"cross_attention", "cross_query", "cross_key", "cross_value", "cross_out"}
ELSEWHERE = {
    "symbolic": {"text"},
    "autoencoder": {"unit"},
    "autoencoder_seanet": {"ffn_in", "ffn_out"},
    "musicgen_melody": CROSS,
}


def test_every_site_is_there_and_no_other(module: GenerativeModule, request: pytest.FixtureRequest) -> None:
    def anything(part: torch.nn.Module) -> bool:
        return True

    elsewhere = ELSEWHERE.get(request.node.callspec.params["module"], set())
    for site in set(module.sites) - elsewhere:
        assert find_layers(module, [site], None, anything)
    for site in elsewhere:
        with pytest.raises(DiscoError, match="matches no layer"):
            find_layers(module, [site], None, anything)
    with pytest.raises(DiscoError, match="has no site"):
        find_layers(module, ["somewhere"], None, anything)


def test_generates_what_was_asked_for_and_the_same_again(module: GenerativeModule) -> None:
    stir(module)
    ask = {"seconds": 1.0, "sampler": Sampler(temperature=1.0, top_k=8, guidance=2.0)}
    if hasattr(module, "reconstruct"):
        with pytest.raises(DiscoError):
            module.generate(wish(1), seed=0, **ask)
        return
    both, again, other = (module.generate(wish(2), seed=seed, **ask) for seed in (3, 3, 4))
    alone = module.generate(wish(1), seed=3, **ask)
    assert len(both) == 2
    assert same(both[0], again[0])
    assert same(both[1], again[1])
    assert same(both[0], alone[0]), "an item depends on the seed and its place alone"
    assert not same(both[0], both[1])
    assert not same(both[0], other[0])
    for piece in both:
        if isinstance(piece, Clip):
            assert piece.wave.shape[1] == piece.rate
            assert piece.wave.isfinite().all()
        else:
            assert note_table(piece).offset.max(initial=0.0) <= 1.001


def same(one, two) -> bool:
    if isinstance(one, Clip):
        return torch.equal(one.wave, two.wave)
    return one.dumps_midi() == two.dumps_midi()


def test_a_codec_gives_back_as_much_sound_as_it_got(module: GenerativeModule) -> None:
    reconstruct = getattr(module, "reconstruct", None)
    if reconstruct is None:
        assert not hasattr(module, "quantizer"), "a model that quantises sound can give it back"
        return
    module.train()
    clip = Clip(clips()[0].wave[:, :20001], 32000)
    made, again = reconstruct(clip), reconstruct(clip)
    assert made.rate == module.view.rate
    assert made.wave.shape == clip.resampled(made.rate).wave.shape
    assert torch.equal(made.wave, again.wave)
    assert module.training, "and goes on as it was"
