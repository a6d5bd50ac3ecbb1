"""A frozen text encoder is asked once for a caption, whoever trains on it and how often."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from disco.apps import prepare, train
from disco.apps.captions import read_ahead
from disco.conditioners.caption_cache import CaptionCache
from disco.conditioners.minilm import MiniLM
from disco.conditioners.text import Pretrained, Text
from disco.core.batch import Conditions
from disco.core.views import AudioView
from disco.errors import DiscoError
from tests.conditioners.test_conditioners import save_tiny_t5
from tests.data.folder import RATE, record, serving, write
from tests.tiny_runs import TINY, TINY_CODEC

CAPTIONS = ["a reel", "an air", "a slow jig, played on the flute", "日本の曲"]


class Letters:
    """Reads a caption as one vector per letter and writes down what it is asked."""

    width = 4

    def __init__(self, name: str = "letters") -> None:
        self.name = name
        self.asked: list[str] = []

    def fingerprint(self) -> str:
        return self.name

    def read(self, caption: str) -> torch.Tensor:
        self.asked.append(caption)
        return torch.tensor([[float(ord(letter)) / 7] * 4 for letter in caption])


def said(text: Text, *captions: str | None) -> torch.Tensor:
    context = text(Conditions(text=captions), 1, 1.0)
    assert context.cross is not None
    return context.cross


def text(encoder: Letters) -> Text:
    torch.manual_seed(0)
    return Text(width=6, encoder=encoder)


def test_a_second_run_asks_nothing_and_hears_the_same_bits(tmp_path: Path) -> None:
    live, first, second = (text(Letters()) for _ in range(3))
    assert first.read_ahead(tmp_path, [*CAPTIONS, None, "  ", "a reel"]) == 4
    assert second.read_ahead(tmp_path, CAPTIONS) == 0
    asked = [*CAPTIONS, None, "  "]
    assert torch.equal(said(live, *asked), said(second, *asked))
    assert torch.equal(said(live, *asked), said(first, *asked))
    encoders = [one._reader.encoder for one in (live, first, second)]
    assert [len(encoder.asked) for encoder in encoders] == [4, 4, 0]  # type: ignore[attr-defined]
    assert not {None, "", "  "} & set(encoders[1].asked), "silence is no question"  # type: ignore[attr-defined]


def test_a_caption_that_is_new_is_asked_for_alone(tmp_path: Path) -> None:
    text(Letters()).read_ahead(tmp_path, CAPTIONS[:3])
    encoder = Letters()
    part = text(encoder)
    assert part.read_ahead(tmp_path, CAPTIONS) == 1
    assert encoder.asked == CAPTIONS[3:]
    said(part, "never seen", "never seen")
    assert encoder.asked == [*CAPTIONS[3:], "never seen"]


@pytest.mark.parametrize("change", ["name", "layout", "width"])
def test_what_another_encoder_said_is_never_heard(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(Letters()).read_ahead(tmp_path, CAPTIONS)
    encoder = Letters("other weights" if change == "name" else "letters")
    if change == "width":
        monkeypatch.setattr(Letters, "width", 3)
        monkeypatch.setattr(encoder, "read", lambda caption: torch.ones(len(caption), 3))
    if change == "layout":
        (index,) = tmp_path.glob("*/index.json")
        index.write_text(json.dumps({**json.loads(index.read_text()), "version": -1}))
    assert CaptionCache(tmp_path, encoder).fill(CAPTIONS) == 4
    assert len(list(tmp_path.iterdir())) == (2 if change == "name" else 1)


def test_a_flipped_bit_is_asked_again_and_not_trained_on(tmp_path: Path) -> None:
    text(Letters()).read_ahead(tmp_path, CAPTIONS)
    (vectors,) = tmp_path.glob("*/vectors-*.npy")
    data = bytearray(vectors.read_bytes())
    data[-3] ^= 8  # in what was said to the last caption
    vectors.write_bytes(data)
    encoder = Letters()
    part = text(encoder)
    part.read_ahead(tmp_path, CAPTIONS)
    assert torch.equal(said(part, *CAPTIONS), said(text(Letters()), *CAPTIONS))
    assert encoder.asked == CAPTIONS[3:]


def test_an_interrupted_filling_keeps_what_was_said(tmp_path: Path) -> None:
    class Tired(Letters):
        def read(self, caption: str) -> torch.Tensor:
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().read(caption)

    with pytest.raises(KeyboardInterrupt):
        CaptionCache(tmp_path, Tired()).fill(CAPTIONS)
    encoder = Letters()
    assert CaptionCache(tmp_path, encoder).fill(CAPTIONS) == 2
    assert encoder.asked == CAPTIONS[2:]


def test_a_fingerprint_follows_weights_and_settings(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = save_tiny_t5(tmp_path / "t5")
    prints = [Pretrained(name=str(folder), width=16, max_tokens=n).fingerprint() for n in (5, 5, 6)]
    assert prints[0] == prints[1] != prints[2]
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert Pretrained(name=str(folder), width=16, max_tokens=5).fingerprint() != prints[0]
    assert MiniLM(max_tokens=8).fingerprint() != MiniLM(max_tokens=9).fingerprint()


def test_a_cached_t5_is_bit_equal_and_is_not_loaded(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = save_tiny_t5(tmp_path / "t5")
    first, second = (Pretrained(name=str(folder), width=16, max_tokens=5) for _ in range(2))
    captions = ["the quick reel", "a jig"]
    CaptionCache(tmp_path / "kept", first).fill(captions)
    kept = CaptionCache(tmp_path / "kept", second)
    assert kept.fill(captions) == 0
    for caption in captions:
        cached = kept.read(caption)
        assert cached is not None
        assert torch.equal(cached, first.read(caption))
    assert second._loaded is None, "no memory and no time for an encoder that is not needed"


def test_a_data_set_keeps_what_was_said_and_a_disk_that_refuses_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sides = ("train", "val", "test", "train")
    write(tmp_path, [record(f"p{n}", 1.0, split=sides[n], caption=c) for n, c in enumerate(CAPTIONS)])
    data = serving(tmp_path, AudioView(rate=RATE, channels=1, seconds=1.0))
    module = torch.nn.ModuleDict({"told": text(Letters())})
    assert read_ahead(module, data) == 4
    assert len(list((tmp_path / "multimodal").glob("text-*"))) == 1
    assert read_ahead(torch.nn.ModuleDict({"told": text(Letters())}), data) == 0
    assert read_ahead(torch.nn.ModuleDict(), data) == 0
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", [record("p", 1.0, caption="a reel")])
    (tmp_path / "other" / "multimodal").write_text("in the way")
    other = serving(tmp_path / "other", AudioView(rate=RATE, channels=1, seconds=1.0))
    part = text(Letters())
    assert read_ahead(torch.nn.ModuleDict({"told": part}), other) == 0
    assert "captions are not kept" in caplog.text
    assert torch.equal(said(part, "a reel"), said(text(Letters()), "a reel"))


@pytest.mark.slow
def test_preparing_and_training_share_the_cache(
    composed, tmp_path: Path, corner: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "music").mkdir()
    with pytest.raises(DiscoError, match="conditioner=tags has no text encoder"):
        prepare.main(composed("prepare", "conditioner=[tags]"))
    demo = corner[0].partition("=")[2]
    places = [
        f"prepare.target={demo}",
        "prepare.hours=0.025",
        "prepare.max_seconds=9.0",
        "prepare.rate=16000",
    ]
    prepare.main(composed("prepare", *places, "conditioner=[text]"))
    assert "captions for conditioner=text:" in capsys.readouterr().out
    codec = composed("train", *TINY_CODEC, *corner, "trainer.max_steps=1")
    train.main(codec)
    monkeypatch.setattr(MiniLM, "read", lambda *_: pytest.fail("the encoder is asked again"))
    tiny = [*TINY, "model=musicgen", "model.seconds=2.0", "conditioner=[text]", *corner]
    train.main(
        composed("train", *tiny, "codec=run", f"codec.run={codec.run_dir}", "trainer.max_steps=2",
                 f"hydra.run.dir={tmp_path / 'lm'}")
    )  # fmt: skip
