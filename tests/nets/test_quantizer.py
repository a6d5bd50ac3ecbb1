"""Residual vector quantisation: each codebook helps, none dies, processes agree."""

import math
import os

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing as mp

from disco.nets.quantizer import (
    PADDING,
    Codebook,
    ResidualQuantizer,
    code_counts,
    perplexity,
)


def quantizer(**changes) -> ResidualQuantizer:
    torch.manual_seed(0)
    settings = {
        "dim": 6,
        "code_dim": 4,
        "num_codebooks": 3,
        "cardinality": 16,
        "decay": 0.9,
        "restarts": [2],
        "pool": 400,
        "dead_below": 0.1,
        "dropout": 0.0,
        "seed": 0,
    }
    return ResidualQuantizer(**{**settings, **changes})


def latents(seed: int, batch: int = 8, frames: int = 20) -> torch.Tensor:
    return torch.randn(batch, 6, frames, generator=torch.Generator().manual_seed(seed))


def everything(latent: torch.Tensor) -> torch.Tensor:
    return torch.ones(latent.shape[0], latent.shape[2], dtype=torch.bool)


def trained(**changes) -> ResidualQuantizer:
    module = quantizer(**changes).train()
    for step in range(12):
        latent = latents(step)
        module(latent, everything(latent))
    return module


def levelled(module: ResidualQuantizer, latent: torch.Tensor) -> torch.Tensor:
    """What the decoder would hear if nothing were quantised."""
    narrow = (module.narrow(latent) - module.mean[:, None]) / module.spread
    return module.widen(narrow)


def test_an_encoder_that_drifts_as_a_whole_keeps_its_tokens():
    module = quantizer(dead_below=0.0).train()
    for step in range(12):
        module(latents(0) + 5.0 * step, everything(latents(0)))
    last = module(latents(0) * 3.0 + 60.0, everything(latents(0)))
    assert perplexity(code_counts(last.codes, 16)).min() > 6


def test_every_further_codebook_lowers_the_error_on_unseen_latents():
    module = trained().eval()
    latent = latents(99)
    codes = module.encode(latent)
    target = levelled(module, latent)
    errors = [(module.decode(codes[:, :k]) - target).square().mean().item() for k in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5 * errors[0]


def test_forward_and_encode_choose_the_same_tokens_and_decode_the_same_latent():
    module = trained().eval()
    latent = latents(5)
    out = module(latent, everything(latent))
    assert torch.equal(out.codes, module.encode(latent))
    assert torch.allclose(out.latent, module.decode(out.codes), atol=1e-5)


def test_gradient_passes_straight_through_to_the_encoder():
    module = trained().eval()
    latent = latents(3).requires_grad_()
    out = module(latent, everything(latent))
    out.latent.sum().backward()
    expected = torch.autograd.grad(levelled(module, latent).sum(), latent)[0]
    assert torch.allclose(latent.grad, expected, atol=1e-5)


def test_kmeans_finds_well_separated_clusters():
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(8, 4, generator=generator)
    vectors = centres.repeat(50, 1) + 0.01 * torch.randn(400, 4, generator=generator)
    book = Codebook(cardinality=8, dim=4)
    book.start(vectors, 400.0, generator)
    distance = torch.cdist(centres, book.entries).min(1).values
    assert distance.max() < 0.1


def test_entries_follow_the_mean_of_what_chose_them():
    book = Codebook(cardinality=2, dim=1)
    book.entries.copy_(torch.tensor([[-1.0], [1.0]]))
    book.sums.copy_(book.entries)
    vectors = torch.tensor([[-3.0], [-5.0], [2.0], [4.0]])
    for _ in range(200):
        book.follow(vectors, book.nearest(vectors), decay=0.9)
    assert book.entries.flatten().tolist() == pytest.approx([-4.0, 3.0], abs=1e-3)


def test_dead_entries_come_back_to_life():
    generator = torch.Generator().manual_seed(0)
    book = Codebook(cardinality=32, dim=2)
    book.entries.fill_(100.0)
    book.entries[0] = 0.0
    vectors = torch.randn(500, 2, generator=generator)
    used = perplexity(code_counts(book.nearest(vectors)[None, None], 32))
    for _ in range(40):
        book.follow(vectors, book.nearest(vectors), decay=0.8)
        book.refill(vectors, 0.1, generator)
    assert used == pytest.approx(1.0)
    assert perplexity(code_counts(book.nearest(vectors)[None, None], 32)) > 16


def test_frames_that_do_not_count_change_nothing():
    module = trained().eval()
    latent = latents(4)
    counts = everything(latent)
    counts[:, 15:] = False
    out = module(latent, counts)
    louder = latent.clone()
    louder[..., 15:] = 50.0
    again = module(louder, counts)
    assert torch.equal(out.codes, again.codes)
    assert torch.equal(out.commitment, again.commitment)
    assert (out.codes[..., 15:] == PADDING).all()


def test_same_seed_gives_the_same_codebooks_with_dropout_and_refills():
    first, second = (trained(dropout=0.5).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_dropout_trains_the_first_codebooks_to_stand_alone():
    module = quantizer(dropout=1.0, num_codebooks=3).train()
    heard = module._heard(torch.ones(300, 1, dtype=torch.bool))
    share = heard.mean(1).tolist()
    assert share[0] == 1.0
    assert share[1] == pytest.approx(2 / 3, abs=0.1)
    assert share[2] == pytest.approx(1 / 3, abs=0.1)


def test_training_goes_on_where_it_was_saved():
    whole = trained()
    half = quantizer().train()
    for step in range(6):
        half(latents(step), everything(latents(step)))
    other = quantizer().train()
    other.load_state_dict(half.state_dict())
    for step in range(6, 12):
        other(latents(step), everything(latents(step)))
    assert torch.equal(whole.codebooks[0].entries, other.codebooks[0].entries)


def test_perplexity_of_even_use_is_the_number_of_entries():
    assert perplexity(torch.full((2, 64), 3.0)).tolist() == pytest.approx([64.0, 64.0])
    assert perplexity(torch.tensor([[9.0, 0.0]])).item() == pytest.approx(1.0)
    halves = perplexity(torch.tensor([[1.0, 3.0]])).item()
    assert math.log(halves) == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3))


def _one_process(rank: int, port: int, results) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    module = quantizer(dropout=0.5).train()
    for step in range(8):
        latent = latents(100 * rank + step, frames=20 - 3 * rank)
        module(latent, everything(latent))
    results[rank] = [book.entries.clone() for book in module.codebooks]
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_hold_the_same_codebooks(free_port):
    with mp.Manager() as manager:
        results = manager.dict()
        mp.spawn(_one_process, args=(free_port, results), nprocs=2)
        for mine, theirs in zip(results[0], results[1], strict=True):
            assert torch.equal(mine, theirs)


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
