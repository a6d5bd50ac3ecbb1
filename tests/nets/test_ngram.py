"""Counting baselines against hand counts, proper distributions and a known source."""

import itertools

import numpy as np
import pytest
import torch

from disco.nets.ngram import WittenBell, log_transitions, transition_counts


def chain(length: int, seed: int = 0) -> np.ndarray:
    """Draw from a Markov chain over 4 tokens whose entropy rate is known."""
    rng, tokens = np.random.default_rng(seed), [0]
    for _ in range(length - 1):
        tokens.append((tokens[-1] + int(rng.choice(3, p=[0.7, 0.2, 0.1]))) % 4)
    return np.array(tokens)


ENTROPY = -(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1))


def test_a_bigram_reaches_the_entropy_of_a_markov_chain() -> None:
    model = WittenBell([chain(20_000)], order=2, vocabulary=4)
    assert model.cross_entropy([chain(20_000, seed=1)]) == pytest.approx(ENTROPY, abs=0.01)
    unigram = WittenBell([chain(20_000)], order=1, vocabulary=4)
    assert unigram.cross_entropy([chain(20_000, seed=1)]) == pytest.approx(np.log(4), abs=0.01)


def test_hand_counts() -> None:
    # 0 1 0 2: unigram counts 2 1 1 of 4, three kinds; after 0 came 1 and 2, once each.
    model = WittenBell([np.array([0, 1, 0, 2])], order=2, vocabulary=4)
    plain = (1 + 3 / 4) / (4 + 3)
    assert model.probabilities(np.array([0, 1]))[1] == pytest.approx((1 + 2 * plain) / (2 + 2))
    assert model.probabilities(np.array([1]))[0] == pytest.approx(plain)
    assert model.probabilities(np.array([3, 1]))[1] == pytest.approx(plain)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_after_any_context_sum_to_one(order) -> None:
    model = WittenBell([chain(50), chain(30, seed=3)], order=order, vocabulary=5)
    for context in itertools.product(range(5), repeat=2):
        total = sum(model.probabilities(np.array([*context, token]))[-1] for token in range(5))
        assert total == pytest.approx(1.0)


def test_counts_do_not_cross_from_one_sequence_into_the_next() -> None:
    apart = WittenBell([np.array([0, 0]), np.array([1, 1])], order=2, vocabulary=2)
    joined = WittenBell([np.array([0, 0, 1, 1])], order=2, vocabulary=2)
    pair = np.array([0, 1])
    assert apart.probabilities(pair)[1] < joined.probabilities(pair)[1]


def test_tables_agree_with_the_counted_bigram() -> None:
    tokens = chain(300)
    counts = transition_counts(torch.tensor(tokens[:-1]), torch.tensor(tokens[1:]), 4, 4)
    table = log_transitions(counts).exp()
    assert torch.allclose(table.sum(1), torch.ones(4, dtype=torch.double))
    model = WittenBell([tokens], order=2, vocabulary=4)
    # The two differ by the first token alone, which the table's unigram has not counted.
    for context, token in itertools.product(range(4), repeat=2):
        wanted = model.probabilities(np.array([context, token]))[1]
        assert table[context, token].item() == pytest.approx(wanted, abs=2e-3)


def test_nothing_counted_is_uniform() -> None:
    assert torch.allclose(
        log_transitions(torch.zeros(3, 5, dtype=torch.double)).exp(), torch.full((3, 5), 0.2).double()
    )


def test_tokens_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        WittenBell([np.array([4])], order=2, vocabulary=4)
