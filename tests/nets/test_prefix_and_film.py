"""What stands before the first step, and what colours every layer: heard, cached, deaf to padding."""

import pytest
import torch

from disco.nets.cache import Cache
from disco.nets.film import Film, pool, tint
from disco.nets.transformer import Decoder, Rotary, Sinusoidal

POSITIONS = [Sinusoidal(max_period=10000.0), Rotary(max_period=10000.0)]


def decoder(positions) -> Decoder:
    torch.manual_seed(0)
    return Decoder(
        width=32, depth=3, heads=4, dropout=0.0, bias=False, cross=False, positions=positions
    ).eval()


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_prefix_is_what_stands_before_the_steps(positions) -> None:
    net, x, prefix = decoder(positions), torch.randn(2, 6, 32), torch.randn(2, 4, 32)
    assert torch.allclose(net(x, prefix=prefix), net(torch.cat([prefix, x], 1))[:, 4:], atol=1e-5)


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_of_a_prefix_changes_nothing(positions) -> None:
    net, x, prefix = decoder(positions), torch.randn(2, 6, 32), torch.randn(2, 4, 32)
    holes = torch.tensor([[False, True, True, False, True, True, False]]).expand(2, -1)
    padded = 100 * torch.randn(2, 7, 32)
    padded[holes] = prefix.flatten(0, 1)
    answer = net(x, prefix=padded, prefix_mask=holes)
    assert torch.allclose(answer, net(x, prefix=prefix), atol=1e-4)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_prefix_of_padding_is_no_prefix(positions) -> None:
    net, x = decoder(positions), torch.randn(2, 6, 32)
    mask = torch.tensor([[False] * 3, [True, False, False]])
    prefix = torch.randn(2, 3, 32)
    answer = net(x, prefix=prefix, prefix_mask=mask)
    assert torch.allclose(answer[0], net(x)[0], atol=1e-5)
    assert torch.allclose(answer[1:], net(x[1:], prefix=prefix[1:, :1]), atol=1e-5)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("pieces", [[1] * 9, [4, 1, 4]])
def test_with_a_prefix_step_by_step_equals_all_at_once(positions, pieces) -> None:
    net, x, prefix = decoder(positions), torch.randn(2, 9, 32), torch.randn(2, 3, 32)
    mask = torch.tensor([[True, True, True], [False, True, False]])
    cache = Cache(12)
    parts = [net(piece, cache=cache, prefix=prefix, prefix_mask=mask) for piece in x.split(pieces, 1)]
    whole = net(x, prefix=prefix, prefix_mask=mask)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-4)


def test_a_step_hears_the_prefix_and_nothing_of_what_comes_later() -> None:
    net, x = decoder(POSITIONS[0]), torch.randn(1, 6, 32, requires_grad=True)
    prefix = torch.randn(1, 2, 32, requires_grad=True)
    by_step, by_prefix = torch.autograd.grad(net(x, prefix=prefix)[0, 2, 0], (x, prefix))
    assert (by_step[0].abs().sum(-1) > 0).tolist() == [True] * 3 + [False] * 3
    assert (by_prefix[0].abs().sum(-1) > 0).all()


def test_film_begins_as_nothing_and_tints_every_layer() -> None:
    net, x, said = decoder(POSITIONS[0]), torch.randn(2, 5, 32), torch.randn(2, 32)
    film = Film(width=32, depth=3)
    assert torch.equal(net(x, film=film(said)), net(x))
    torch.nn.init.normal_(film.project.weight, std=0.1)
    tinted = net(x, film=film(said))
    assert not torch.allclose(tinted, net(x), atol=1e-3)
    for layer in range(3):
        one = film(said)
        one[:, layer] = 0
        assert not torch.allclose(net(x, film=one), tinted, atol=1e-4)
    assert torch.equal(net(x, film=film(torch.zeros(2, 32))), net(x)), "nothing said, nothing tinted"


def test_tint_scales_and_shifts_each_feature() -> None:
    x = torch.ones(1, 2, 2)
    assert tint(x, torch.tensor([[[1.0, 0.0], [0.5, -1.0]]])).tolist() == [[[2.5, 0.0], [2.5, 0.0]]]


def test_the_mean_is_of_what_counts() -> None:
    said = torch.tensor([[[1.0], [3.0], [99.0]], [[float("nan")], [0.0], [0.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert pool(said, mask).tolist() == [[2.0], [0.0]]
