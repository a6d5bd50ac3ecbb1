"""Captions made of metadata: as often as was set, the same for the same item, and the same when asked for."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.augment.words import Words, fields_of
from disco.core.contracts import seeded
from disco.core.record import Record
from disco.data.crops import Crop
from disco.data.serve_words import WordedItems
from disco.errors import DiscoError

RECORD = Record(
    id="a", file_path="a.wav", duration=9.0, sample_rate=16000, caption="A tune.", genre=["reel"],
    key="Bbmin", tempo=120.0, metre="4/4", instruments=["violin", "viola", "cello"], mood=["sad"],
)  # fmt: skip
BARE = replace(RECORD, caption=None)
DRAWS = 4000
BOUND = 4 * math.sqrt(0.25 / DRAWS)  # four deviations of a share, at most


def words(**settings: Any) -> Words:
    node = OmegaConf.load(CONF / "augment" / "words.yaml").words
    return build(OmegaConf.merge(node, settings), "augment.words")


def told(augment: Words, record: Record, draws: int = DRAWS) -> list[str | None]:
    return [augment(record, seeded(0, draw)) for draw in range(draws)]


def test_each_field_is_left_out_as_often_as_was_set() -> None:
    drop = {"genre": 0.0, "key": 0.25, "metre": 0.5, "instruments": 0.75, "tempo": 1.0, "mood": 0.1}
    said = told(words(drop=drop), BARE)
    marks = {"genre": "reel", "key": "B flat minor", "metre": "4/4", "instruments": "cello", "tempo": "120",
             "mood": "sad"}  # fmt: skip
    for name, mark in marks.items():
        share = sum(mark.lower() not in str(one).lower() for one in said) / DRAWS
        assert abs(share - drop[name]) <= BOUND, name
    both = sum("4/4" not in str(one) and "B flat" not in str(one) for one in said) / DRAWS
    assert abs(both - 0.25 * 0.5) <= BOUND, "each by itself"


def test_captions_fields_and_both_come_as_often_as_was_set() -> None:
    said = told(words(alone=0.3, both=0.2, drop={"genre": 0.0}), RECORD)
    own = sum(one == "A tune." for one in said) / DRAWS
    joined = sum(str(one).startswith("A tune. ") for one in said) / DRAWS
    assert abs(own - 0.5) <= BOUND
    assert abs(joined - 0.2) <= BOUND


def test_half_of_the_sentences_are_shuffled_evenly_and_wordings_take_turns() -> None:
    nothing = dict.fromkeys(("genre", "key", "instruments", "tempo", "mood", "year"), 1.0)
    phrases = {"metre": ["in {}"], "key": ["in {}"]}
    said = told(words(phrases=phrases, drop={**nothing, "key": 0.0, "metre": 0.0}, shuffle=0.5), BARE)
    turned = sum(str(one).startswith("In 4/4") for one in said) / DRAWS
    assert abs(turned - 0.25) <= BOUND, "half of the half that is shuffled"
    ways = Counter(told(words(drop={**nothing, "metre": 0.0, "key": 1.0}, shuffle=0.0), BARE))
    assert set(ways) == {"In 4/4 time.", "In 4/4."}
    assert abs(ways["In 4/4."] / DRAWS - 0.5) <= BOUND


def test_what_is_asked_for_by_tags_is_a_sentence_that_training_says() -> None:
    augment = words()
    asked = {"rhythm": "reel", "key": "Bbmin", "metre": "4/4", "instrument": "violin", "tempo": 120.0}
    sentence = augment.say(asked)
    assert sentence == "A reel, in B flat minor, in 4/4 time, played on the violin, at 120 bpm."
    alike = replace(BARE, instruments=["violin"], mood=[])
    assert sentence in set(told(words(drop=dict.fromkeys(augment.drop, 0.0)), alike, 800))
    assert augment.say({"key": None, "rhythm": ""}) is None
    assert augment.say({"genre": "jig"}) == "A jig."
    assert augment.say({"colour": "red"}) is None


def test_a_piece_of_which_nothing_is_known_stays_as_it_is() -> None:
    nothing = Record(id="a", file_path="a.wav", duration=1.0, sample_rate=1)
    assert set(told(words(), nothing, 50)) == {None}
    assert set(told(words(alone=1.0, both=0.0), replace(nothing, caption="Hm."), 50)) == {"Hm."}
    assert fields_of(replace(BARE, key="H quite odd"))["key"] == "H quite odd"


class Items:
    """Items as a data module has them."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, key: tuple[int, int]) -> tuple[Crop, torch.Tensor]:
        return Crop(replace(RECORD, id=str(key[1])), 0.0, 1.0), torch.zeros(1)


def test_an_items_words_depend_on_seed_epoch_and_place_alone() -> None:
    items = WordedItems(Items(), [words(alone=1.0, both=0.0)], seed=3)
    keys = [(epoch, index) for epoch in range(3) for index in range(5)]
    first = {key: items[key][0].record.caption for key in keys}
    torch.manual_seed(99)
    resumed = WordedItems(Items(), [words(alone=1.0, both=0.0)], seed=3)
    assert {key: resumed[key][0].record.caption for key in reversed(keys)} == first
    other = WordedItems(Items(), [words(alone=1.0, both=0.0)], seed=4)
    assert {key: other[key][0].record.caption for key in keys} != first
    assert len(set(first.values())) > 5


@pytest.mark.slow
def test_training_is_told_in_other_words_and_validation_is_not(composed, corner) -> None:
    from disco.apps.parts import build_data
    from disco.core.views import AudioView

    def served() -> tuple[list[str | None], list[str | None]]:
        cfg = composed("train", *corner, "augment=[words]", "augment.words.alone=1", "augment.words.both=0")
        data = build_data(cfg).serve(AudioView(rate=16000, channels=1, seconds=2.0))
        data.prepare_data()
        train = [text for batch in data.train_dataloader() for text in batch.conditions.text]
        return train, [text for batch in data.val_dataloader() for text in batch.conditions.text]

    train, val = served()
    assert (train, val) == served(), "the same in another process"
    assert sum(", " in str(text) and "played" not in str(text) for text in train) > 0
    records = {record.caption for record in Served.records(composed, corner)}
    assert {*val} <= records
    assert not {*train} <= records


class Served:
    """What stands in the manifest of the corner of the corpus."""

    @staticmethod
    def records(composed, corner) -> list[Record]:
        from disco.apps.parts import build_data

        data = build_data(composed("train", *corner))
        return [record for split in ("train", "val") for record in data.records(split)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"phrases": {"colour": ["{}"]}}, "there is no field 'colour'"),
        ({"drop": {"colour": 0.5}}, "there is no field 'colour'"),
        ({"phrases": {"key": ["in a key"]}}, "must hold {} once"),
        ({"phrases": {"key": ["in {0.__class__}"]}}, "must hold {} once"),
        ({"alone": 0.7, "both": 0.7}, "are more than all"),
        ({"alone": 1.5}, "alone"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(DiscoError, match=says):
        words(**settings)
