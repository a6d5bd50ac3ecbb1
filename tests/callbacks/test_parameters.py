"""How weights and gradients are spread, read back from TensorBoard's file."""

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from disco.callbacks.parameters import Parameters
from disco.losses.adversarial import Adversarial
from disco.losses.mel import Mel
from disco.nets.discriminators import MultiStftCritic
from tests.callbacks.toy_models import Adam, ToyAudio, fit, trainer_for
from tests.contracts.models import FAMILIES, batch_for, build_tiny
from tests.models.codec_parts import batch_of, music, tiny


def read(folder):
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"histograms": 0})
    found.Reload()
    return found


def test_all_that_moves_and_nothing_else_is_shown_when_its_step_has_come(composed, tmp_path):
    module = build_tiny(composed("train", *FAMILIES["symbolic"]))
    module.recipe, module.fresh = Adam(), False
    module.head.requires_grad_(False)
    moving = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    data = DataLoader([batch_for(module)] * 6, batch_size=None)
    trainer_for(tmp_path, [Parameters(every_steps=2)], steps=5).fit(module, data, data)
    found = read(tmp_path)
    tags = {f"{kind}/{name}" for kind in ("parameters", "gradients") for name in moving}
    assert set(found.Tags()["histograms"]) == tags
    for tag in tags:
        assert [event.step for event in found.Histograms(tag)] == [0, 2, 4]


def test_the_numbers_are_the_weight_before_the_step_and_its_gradient_before_clipping(tmp_path):
    module = ToyAudio()
    seen = []
    module.gain.register_hook(lambda gradient: seen.append((module.gain.item(), gradient.item())))
    fit(module, tmp_path, [Parameters(every_steps=1)], steps=3)
    found = read(tmp_path)
    for tag, wanted in (("parameters/gain", [w for w, _ in seen]), ("gradients/gain", [g for _, g in seen])):
        shown = [event.histogram_value for event in found.Histograms(tag)]
        assert [value.sum for value in shown] == pytest.approx(wanted, rel=1e-6)
        assert [value.num for value in shown] == [1.0] * 3


def test_numbers_that_are_not_finite_are_counted(tmp_path):
    class Broken(ToyAudio):
        def __init__(self):
            super().__init__()
            self.more = torch.nn.Parameter(torch.ones(4))

        def forward(self, batch):
            out = super().forward(batch)
            out.wave.add_(0 * self.more.sum())
            return out

    module = Broken()
    module.more.register_hook(lambda gradient: torch.tensor([float("inf"), float("nan"), 1.0, 2.0]))
    fit(module, tmp_path, [Parameters(every_steps=1)], steps=1)
    found = read(tmp_path)
    (value,) = found.Histograms("gradients/more")
    assert (value.histogram_value.num, value.histogram_value.sum) == (2.0, 3.0)
    assert [event.value for event in found.Scalars("gradients/more/not_finite")] == [2.0]


def test_a_critic_has_rounds_of_its_own(tmp_path):
    """It shares the count of steps with what it judges, and meets only every other of them."""
    critic = MultiStftCritic(windows=[256], filters=2)
    terms = {
        "mel": Mel(weight=1.0, windows=[512], num_bands=[40]),
        "adversarial": Adversarial(weight=1.0, features=0.0, start=0, critic=critic),
    }
    module = tiny("wave", terms=terms)
    module.fresh = False
    data = DataLoader([batch_of(music()[None, :, :8000])] * 8, batch_size=None)
    trainer_for(tmp_path, [Parameters(every_steps=4)], steps=8).fit(module, data, data)
    found = read(tmp_path)
    of_critic = {tag for tag in found.Tags()["histograms"] if "critic" in tag}
    of_codec = set(found.Tags()["histograms"]) - of_critic
    for tags in (of_critic, of_codec):
        assert any(tag.startswith("gradients/") for tag in tags)
        rounds = {tuple(event.step // 4 for event in found.Histograms(tag)) for tag in tags}
        assert rounds == {(0, 1)}


def test_training_is_the_same_with_and_without(tmp_path):
    gains = []
    for name, callbacks in (("off", []), ("on", [Parameters(every_steps=1)])):
        torch.manual_seed(0)
        module = ToyAudio()
        fit(module, tmp_path / name, callbacks)
        gains.append(module.gain.item())
    assert gains[0] == gains[1] != 0.0
