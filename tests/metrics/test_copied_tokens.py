"""Copied runs of tokens are measured to the token, and edits are Levenshtein's."""

from difflib import SequenceMatcher

import numpy as np
import pytest

from disco.core.metric import Take
from disco.errors import DiscoError
from disco.metrics.copied_tokens import CopiedTokens, edit_distance, longest_run


def take(tokens, name=None):
    codes = np.stack([np.asarray(tokens, dtype=np.int64), np.zeros(len(tokens), dtype=np.int64)])
    return Take(name=name, codes=codes, seconds=len(tokens) / 50)


def noise(seed, count=200):
    return np.random.default_rng(seed).integers(0, 256, count)


def judged(made, held=None):
    metric = CopiedTokens(root=None, most=10)
    metric.learn([take(noise(seed), f"piece {seed}") for seed in range(4)])
    metric.update([take(tokens) for tokens in made], [take(noise(seed)) for seed in held or (50, 51, 52)])
    return metric


def test_a_copied_run_is_found_where_it_is():
    made = noise(99)
    made[40:100] = noise(2)[100:160]
    metric = judged([made])
    (match,) = metric.matches()
    assert match.likeness == pytest.approx(60 / 200, abs=1 / 200)
    assert match.source == "piece 2"
    assert match.at == pytest.approx(2.0, abs=0.05)
    assert metric.compute()["copied"] == 1.0


def test_a_whole_copy_scores_one_and_each_edit_lowers_it():
    scores = []
    for edits in (0, 5, 20, 80):
        made = noise(1).copy()
        made[np.random.default_rng(0).permutation(200)[:edits]] = 300  # no token of the training data
        scores.append(judged([made]).compute())
    assert scores[0]["likeness"] == scores[0]["edit_similarity"] == 1.0
    assert [score["edit_similarity"] for score in scores] == pytest.approx([1.0, 0.975, 0.9, 0.6])
    assert [score["likeness"] for score in scores] == sorted([s["likeness"] for s in scores], reverse=True)


def test_new_tokens_are_as_like_as_held_out_ones():
    found = judged([noise(seed) for seed in range(100, 112)], range(200, 212)).compute()
    assert found["likeness"] < 0.02
    assert found["percentile"] == pytest.approx(0.5, abs=0.25)
    assert found["edit_similarity"] < 0.15


def test_runs_do_not_cross_from_one_piece_into_the_next():
    made = np.concatenate([noise(0)[-30:], noise(1)[:30]])
    assert judged([made]).matches()[0].likeness == pytest.approx(0.5, abs=0.02)


def test_runs_and_edits_are_those_of_plain_searches():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = (rng.integers(0, 4, rng.integers(1, 40)) for _ in range(2))
        match = SequenceMatcher(None, a.tolist(), b.tolist(), autojunk=False).find_longest_match()
        length, i, j = longest_run(a, b)
        assert length == match.size
        assert a[i : i + length].tolist() == b[j : j + length].tolist()
        assert edit_distance(a, b) == plain_distance(a.tolist(), b.tolist())


def plain_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def test_takes_without_tokens_are_refused():
    with pytest.raises(DiscoError, match="has none"):
        judged([noise(0)]).update([Take(seconds=1.0)])
