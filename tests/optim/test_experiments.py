"""The guide's regimes and the published recipes, as they compose."""

from __future__ import annotations

import pytest

from disco.apps.compose import build
from disco.optim.adamw import AdamW
from disco.optim.schedules import Constant, Cosine, InverseSqrt, Linear, Schedule

# regime: lowest and highest rate and decay of the guide, its schedule, whether it starts from a base
REGIMES = {
    "full": ((5e-4, 1e-3), (0.01, 0.1), Cosine, False),
    "finetune": ((1e-5, 5e-5), (0.001, 0.01), Linear, True),
    "peft": ((1e-4, 5e-4), (0.001, 0.01), Cosine, True),
}


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("model", ["symbolic", "autoencoder"])
def test_a_regime_keeps_within_the_guide(regime: str, model: str, composed) -> None:
    rates, decays, schedule, based = REGIMES[regime]
    cfg = composed("train", f"model={model}", f"experiment={regime}")
    recipe = build(cfg.optim, "optim")
    assert isinstance(recipe, AdamW)
    assert rates[0] <= recipe.lr <= rates[1]
    assert decays[0] <= recipe.weight_decay <= decays[1]
    assert 1.0 <= recipe.clip_norm <= 5.0
    assert isinstance(recipe.schedule, schedule)
    assert 0 < recipe.schedule.rise(1000) < 200, "it warms up"
    assert (cfg.weights.get("run") is not None) == based


@pytest.mark.parametrize("scale", ["tiny", "small", "medium"])
def test_fine_tuning_keeps_within_the_guide_at_every_size_that_it_names_a_rate_for(
    scale: str, composed
) -> None:
    rate = composed("train", "model=symbolic", "experiment=finetune", f"scale={scale}").optim.lr
    assert 1e-5 <= rate <= 5e-5


@pytest.mark.parametrize(
    ("paper", "rate", "betas", "decay", "batch", "steps", "schedule", "rise"),
    [
        ("musicgen", 1e-4, (0.9, 0.95), 0.1, 192, 500 * 2000, Cosine, 4000),
        ("audiogen", 5e-4, (0.9, 0.95), 0.1, 256, 100 * 2000, InverseSqrt, 3000),
        ("encodec", 3e-4, (0.5, 0.9), 0.0, 64, 200 * 2000, Constant, 0),
    ],
)
def test_a_paper_has_its_published_numbers(
    composed,
    paper: str,
    rate: float,
    betas: tuple[float, float],
    decay: float,
    batch: int,
    steps: int,
    schedule: type[Schedule],
    rise: int,
) -> None:
    cfg = composed("train", f"experiment=paper/{paper}", "data.root=somewhere")
    recipe = build(cfg.optim, "optim")
    assert isinstance(recipe, AdamW)
    assert (recipe.lr, recipe.betas, recipe.weight_decay) == (rate, betas, decay)
    assert isinstance(recipe.schedule, schedule)
    assert recipe.schedule.rise(steps) == rise
    assert cfg.data.batch_size * cfg.trainer.devices * cfg.trainer.num_nodes == batch
    assert cfg.trainer.max_steps == steps


def test_the_language_models_of_the_papers_have_the_published_shape(composed) -> None:
    for paper, seconds, silent in (("musicgen", 30.0, 0.3), ("audiogen", 10.0, 0.1)):
        model = composed("train", f"experiment=paper/{paper}").model
        assert (model.width, model.depth, model.heads) == (1536, 48, 24)
        assert (model.seconds, model.condition_dropout, model.dropout) == (seconds, silent, 0.0)


def test_the_command_line_wins_over_a_regime(composed) -> None:
    cfg = composed("train", "model=symbolic", "experiment=finetune", "optim=lion", "optim.lr=3e-6")
    assert cfg.optim._target_.endswith("Lion")
    assert cfg.optim.lr == 3e-6
    assert composed("train", "experiment=peft", "adapter=full").adapter._target_.endswith("Full")
