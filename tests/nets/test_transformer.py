"""The decoder: causal, the same with and without a cache, deaf to padding, silent about nothing."""

import pytest
import torch
import torch.nn.functional as F

from disco.nets.cache import Cache
from disco.nets.transformer import Decoder, Positions, Rotary, Sinusoidal, turn

POSITIONS = [Sinusoidal(max_period=10000.0), Rotary(max_period=10000.0)]


def decoder(positions: Positions, *, cross: bool = True, dropout: float = 0.0) -> Decoder:
    torch.manual_seed(0)
    return Decoder(
        width=32, depth=3, heads=4, dropout=dropout, bias=False, cross=cross, positions=positions
    ).eval()


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_step_hears_nothing_of_what_comes_later(positions) -> None:
    net, x = decoder(positions, cross=False), torch.randn(1, 9, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[0, 4, 0], x)  # not a sum: a norm's sum is constant
    heard = gradient[0].abs().sum(-1) > 0
    assert heard.tolist() == [True] * 5 + [False] * 4


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("pieces", [[1] * 12, [5, 1, 1, 5], [3, 4, 5]])
def test_step_by_step_equals_all_at_once(positions, pieces) -> None:
    net, x = decoder(positions), torch.randn(2, 12, 32)
    context, mask = torch.randn(2, 5, 32), torch.tensor([[True] * 5, [True, True, False, False, False]])
    cache = Cache(12)
    parts = [net(piece, context, mask, cache) for piece in x.split(pieces, 1)]
    assert torch.allclose(torch.cat(parts, 1), net(x, context, mask), atol=1e-4)


def test_cross_attention_is_projected_once_per_cache() -> None:
    net, cache = decoder(Rotary(max_period=10000.0)), Cache(4)
    calls = []
    net.layers[0].cross_attention.key.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(3):
        net(torch.randn(1, 1, 32), torch.randn(1, 5, 32), None, cache)
    assert len(calls) == 1


def test_a_full_cache_is_refused() -> None:
    net, cache = decoder(Rotary(max_period=10000.0), cross=False), Cache(3)
    net(torch.randn(1, 3, 32), cache=cache)
    with pytest.raises(ValueError, match="3 steps"):
        net(torch.randn(1, 1, 32), cache=cache)


def test_padding_of_the_context_changes_nothing() -> None:
    net, x, context = decoder(POSITIONS[0]), torch.randn(2, 6, 32), torch.randn(2, 4, 32)
    padded = torch.cat([context, 100 * torch.randn(2, 3, 32)], 1)
    mask = torch.arange(7).expand(2, -1) < 4
    assert torch.allclose(net(x, padded, mask), net(x, context), atol=1e-5)


def test_a_context_that_is_all_masked_is_no_context() -> None:
    net, x, context = decoder(POSITIONS[0]), torch.randn(2, 6, 32), torch.randn(2, 4, 32)
    mask = torch.tensor([[False] * 4, [True] * 4])
    answer = net(x, context, mask)
    assert torch.equal(answer[0], net(x)[0])
    assert torch.allclose(answer[1], net(x, context)[1], atol=1e-6)


def test_gradients_through_an_all_masked_context_are_finite() -> None:
    net = decoder(POSITIONS[1]).train()
    net(torch.randn(2, 6, 32), torch.randn(2, 4, 32), torch.zeros(2, 4, dtype=torch.bool)).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_a_context_without_cross_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="cross-attention"):
        decoder(POSITIONS[0], cross=False)(torch.randn(1, 2, 32), torch.randn(1, 2, 32))


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="heads"):
        Decoder(width=30, depth=1, heads=4, dropout=0.0, bias=False, cross=False, positions=POSITIONS[0])


def test_dropout_acts_in_training_only() -> None:
    net, x = decoder(POSITIONS[0], cross=False, dropout=0.5), torch.randn(1, 6, 32)
    assert torch.equal(net(x), net(x))
    net.train()
    assert not torch.equal(net(x), net(x))


def test_only_distances_count_for_rotated_steps() -> None:
    rotary, q, k = POSITIONS[1], torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def likeness(at_query: int, at_key: int) -> torch.Tensor:
        turned = [turn(x, rotary.rotation(torch.tensor([at]), 8)) for x, at in ((q, at_query), (k, at_key))]
        return (turned[0] * turned[1]).sum()

    assert torch.allclose(likeness(7, 3), likeness(104, 100), atol=1e-4)
    assert not torch.allclose(likeness(7, 3), likeness(7, 4), atol=1e-2)


def test_sinusoids_are_those_of_the_published_model() -> None:
    transformers = pytest.importorskip("transformers.models.musicgen.modeling_musicgen")
    table = transformers.MusicgenSinusoidalPositionalEmbedding.get_embedding(20, 16)
    assert torch.allclose(POSITIONS[0].added(torch.arange(20), 16), table, atol=1e-5)


def test_one_layer_is_what_its_formula_says() -> None:
    net, x = decoder(Positions(), cross=False), torch.randn(1, 5, 32)
    layer = net.layers[0]
    normed = F.layer_norm(x, (32,))
    q, k, v = (
        (normed @ w.weight.T).view(5, 4, 8).transpose(0, 1)
        for w in (layer.attention.query, layer.attention.key, layer.attention.value)
    )
    scores = (q @ k.transpose(1, 2) / 8**0.5).masked_fill(~torch.ones(5, 5).tril().bool(), -torch.inf)
    heard = (scores.softmax(-1) @ v).transpose(0, 1).reshape(1, 5, 32) @ layer.attention.out.weight.T
    after = x + heard
    after = after + F.gelu(F.layer_norm(after, (32,)) @ layer.ffn_in.weight.T) @ layer.ffn_out.weight.T
    net.layers = net.layers[:1]
    assert torch.allclose(net(x), F.layer_norm(after, (32,)), atol=1e-5)


def kept(run) -> int:
    """Bytes that a forward pass keeps for its backward pass, each storage once."""
    found = {}

    def pack(x: torch.Tensor) -> torch.Tensor:
        found[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        run()
    return sum(found.values())


def test_recomputed_layers_keep_less_than_half_and_give_the_same_gradients() -> None:
    x, context = torch.randn(2, 16, 32), torch.randn(2, 4, 32)
    gradients, bytes_kept = [], []
    for share in (0.0, 1.0):
        torch.manual_seed(0)
        net = Decoder(
            width=32, depth=8, heads=4, dropout=0.2, bias=False, cross=True, positions=POSITIONS[1],
            checkpoint_layers=share,
        )  # fmt: skip
        weights = sum(p.numel() * 4 for p in net.parameters())
        answers = []

        def run(net=net, answers=answers) -> None:
            torch.manual_seed(1)  # of the dropout, which must fall the same way twice
            answers.append(net(x, context))

        bytes_kept.append(kept(run) - (weights if share == 0 else 0))
        torch.autograd.backward(answers[0].square().sum())
        gradients.append([p.grad for p in net.parameters()])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))
    assert bytes_kept[1] < 0.5 * bytes_kept[0]


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_selective_recomputing_keeps_less_of_a_frozen_base_and_gives_the_same_gradients(dropout) -> None:
    x, context = torch.randn(2, 16, 32, requires_grad=True), torch.randn(2, 4, 32)
    gradients, bytes_kept = [], []
    for selective in (0.0, 1.0):
        torch.manual_seed(0)
        net = Decoder(
            width=32, depth=4, heads=4, dropout=dropout, bias=False, cross=True, positions=POSITIONS[1],
            checkpoint_selective=selective,
        )  # fmt: skip
        for name, parameter in net.named_parameters():
            parameter.requires_grad = name.endswith("query.weight")
        answers = []

        def run(net=net, answers=answers) -> None:
            torch.manual_seed(1)
            answers.append(net(x, context))

        bytes_kept.append(kept(run))
        gradients.append(
            torch.autograd.grad(answers[0].square().sum(), [p for p in net.parameters() if p.requires_grad])
        )
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))
    assert bytes_kept[1] < 0.8 * bytes_kept[0]


def test_each_recomputed_layer_keeps_less() -> None:
    def of(share: float) -> int:
        net = decoder(POSITIONS[0], cross=False).train()
        net.checkpoint_layers = share
        return kept(lambda: net(torch.randn(1, 16, 32)))

    sizes = [of(share) for share in (0.0, 1 / 3, 2 / 3, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


def test_nothing_is_recomputed_in_evaluation_or_with_a_cache() -> None:
    net, calls = decoder(POSITIONS[0], cross=False), []
    net.checkpoint_layers = 1.0
    net.layers[0].register_forward_pre_hook(lambda *_: calls.append(1))
    x = torch.randn(1, 6, 32, requires_grad=True)
    net(x).sum().backward()
    assert len(calls) == 1
    net.train()
    net(x, cache=Cache(6)).sum().backward()
    assert len(calls) == 2
    net(x).sum().backward()
    assert len(calls) == 4, "and in training it is"
