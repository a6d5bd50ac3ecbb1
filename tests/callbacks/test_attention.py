"""Pictures of attention: the weights that the network itself uses, read back from TensorBoard's file."""

import io

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from disco.callbacks.attention import AttentionMaps, heard, stack_of
from disco.errors import DiscoError
from tests.callbacks.toy_models import Adam, ToyAudio, fit, trainer_for
from tests.contracts.models import FAMILIES, batch_for, build_tiny


@pytest.fixture
def told(composed):
    """A model that is told of its music by tags, and a batch for it."""
    module = build_tiny(composed("train", *FAMILIES["symbolic"], "model.dropout=0.3"))
    return module, batch_for(module)


def trained(module, batch, folder, callbacks, **options):
    module.recipe, module.fresh = Adam(), False
    trainer = trainer_for(folder, callbacks, every_batches=1000, **options)
    data = DataLoader([batch] * 6, batch_size=None)
    trainer.fit(module, data, data)


def pictures(folder):
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0})
    found.Reload()
    return found


def test_a_step_hears_all_before_it_and_each_row_adds_up_to_one(told):
    module, batch = told
    for (_, kind), weights in heard(module, batch, [0, 1]).items():
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-5)
        assert kind == "told" or not weights.triu(1).any()


def test_the_weights_are_those_that_the_network_uses(told):
    module, batch = told
    module.eval()
    own, _ = stack_of(module)[1]
    seen = {}
    own.value.register_forward_hook(lambda _, __, value: seen.update(value=own.split(value)[:1]))
    own.out.register_forward_pre_hook(lambda _, inputs: seen.update(mixed=inputs[0][:1]))
    weights = heard(module, batch, [1])[1, "own"]
    assert torch.allclose((weights @ seen["value"]).transpose(1, 2).flatten(-2), seen["mixed"], atol=1e-5)


def test_chosen_heads_of_chosen_layers_are_drawn_when_their_step_has_come(told, tmp_path):
    module, batch = told
    callback = AttentionMaps(every_steps=2, layers=[-1], heads=[0, 1])
    trained(module, batch, tmp_path, [callback], steps=3)
    found = pictures(tmp_path)
    tags = ["attention/1/0", "attention/1/0/told", "attention/1/1", "attention/1/1/told"]
    assert sorted(found.Tags()["images"]) == tags
    for tag in tags:
        assert [event.step for event in found.Images(tag)] == [2, 3]
    picture = Image.open(io.BytesIO(found.Images("attention/1/0")[0].encoded_image_string)).convert("L")
    assert picture.size == (480, 480)
    upper = picture.crop((300, 20, 440, 120)).getextrema()  # what comes later: dark
    first = picture.crop((88, 16, 92, 20)).getextrema()  # the first step hears itself alone
    assert upper[1] < 30
    assert first[1] > 200


def test_training_is_the_same_with_and_without(composed, tmp_path):
    weights = []
    for name, callbacks in (("off", []), ("on", [AttentionMaps(every_steps=1, layers=[0], heads=[0])])):
        torch.manual_seed(0)
        module = build_tiny(composed("train", *FAMILIES["symbolic"], "model.dropout=0.3"))
        trained(module, batch_for(module), tmp_path / name, callbacks, steps=2)
        assert module.decoder.drop.training
        assert not any("attend" in vars(own) for own, _ in stack_of(module)), "nothing stays behind"
        weights.append(module.head.weight.detach().clone())
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"layers": [2]}, r"callbacks.attention.layers=\[2\]: there is no 2; choose from 0 to 1"),
        ({"layers": [-3]}, r"callbacks.attention.layers=\[-3\]: there is no -3"),
        ({"heads": [0, 7]}, r"callbacks.attention.heads=\[0, 7\]: there is no 7; choose from 0 to 1"),
    ],
)
def test_what_is_not_there_is_refused_before_the_first_step(asked, says, told, tmp_path):
    module, batch = told
    callback = AttentionMaps(every_steps=1, **{"layers": [0], "heads": [0], **asked})
    with pytest.raises(DiscoError, match=says):
        trained(module, batch, tmp_path, [callback], steps=1)
    assert module.trainer.global_step == 0


def test_a_model_without_attention_gets_none(tmp_path):
    fit(ToyAudio(), tmp_path, [AttentionMaps(every_steps=1, layers=[0], heads=[0])], steps=2)
    assert pictures(tmp_path).Tags()["images"] == []


def test_without_a_board_no_pass_is_made(told, tmp_path):
    module, batch = told
    passes = []
    module.decoder.register_forward_hook(lambda *_: passes.append(1))
    callback = AttentionMaps(every_steps=1, layers=[0], heads=[0])
    trained(module, batch, tmp_path, [callback], steps=2, logger=False)
    assert len(passes) == 2, "those of training"
