"""Melody, chords, sections, notes, styles, pictures: what is heard of them, when, and how they are typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from disco.audio.io import write_clip
from disco.audio.melody import chromagram, leading_classes
from disco.conditioners.chords import ChordFrames, as_harte, spelt
from disco.conditioners.chroma import Chroma
from disco.conditioners.clip_image import ClipImage
from disco.conditioners.image import VisionTransformer, fitted
from disco.conditioners.melody import MelodyFrames
from disco.conditioners.midi import AttentionReader, NoteFrames
from disco.conditioners.midi_gru import RecurrentReader
from disco.conditioners.sections import SectionFrames
from disco.conditioners.style import Style
from disco.conditioners.timeline import parse_timeline
from disco.core.asking import read_given, wanted_by
from disco.core.given import Excerpt, Labels, Melody, Notes, Picture
from disco.core.pictures import read_picture
from disco.errors import DiscoError
from disco.midi.score import score_from_notes, write_score
from disco.nets.finite_scalar import FiniteScalar
from tests.conditioners.given import GIVEN, notes, save_tiny_clip, square, told, tone

A, C, E = 440.0, 523.25, 659.26


def in_turn(*clips):
    return type(clips[0])(torch.cat([clip.wave for clip in clips], 1), clips[0].rate)


# -------------------------------------------------------------------- melody


def test_tones_lead_where_they_sound() -> None:
    silence = tone(A, 1.0)
    silence.wave.zero_()
    classes = leading_classes(in_turn(tone(A, 1.0), tone(C, 1.0), silence, tone(E, 1.0)), 10.0)
    assert len(classes) == 40
    assert set(classes[1:9]) == {9}
    assert set(classes[11:19]) == {0}
    assert set(classes[21:29]) == {-1}
    assert set(classes[31:39]) == {4}


def test_octaves_are_one_pitch_class_and_loudness_does_not_choose() -> None:
    for octave in (0.5, 1.0, 2.0):
        assert chromagram(tone(A * octave), 10.0).argmax(1)[5] == 9
    quiet = tone(A)
    quiet.wave.mul_(0.01)
    assert set(leading_classes(quiet, 10.0)) == {9}


def test_each_frame_is_told_its_pitch_class_and_the_clock_moves_on() -> None:
    part = MelodyFrames(width=4, dropout=0.0)
    melody, rows = GIVEN["melody"][0], part.embedding.weight
    said = part(told("melody", melody, melody.later(0.5), None), 64, 32.0).added
    assert torch.equal(said[0], rows[[2] * 16 + [6] * 16 + [9] * 16 + [1] * 16])
    assert torch.equal(said[1, :48], said[0, 16:])
    assert torch.equal(said[1, 48:], rows[[1] * 16])  # what lies beyond its end is a rest
    assert torch.equal(said[2], rows[[0] * 64])


def test_other_frame_rates_hear_the_same_melody() -> None:
    part = MelodyFrames(width=4, dropout=0.0)
    coarse = part(told("melody", GIVEN["melody"][0]), 16, 8.0).added
    fine = part(told("melody", GIVEN["melody"][0]), 64, 32.0).added
    assert torch.equal(coarse, fine[:, 2::4])


def test_chroma_is_musicgens_row_of_one_hot_vectors() -> None:
    part = Chroma(width=4, per_second=7.8125, dropout=0.0)
    context = part(told("melody", GIVEN["melody"][0], None), 1500, 50.0)
    assert context.cross.shape == (2, 235, 4)
    assert context.cross_mask.all(1).tolist() == [True, False]
    column = part.project.weight[:, 0] + part.project.bias
    assert torch.allclose(context.cross[0, 0], column)
    assert torch.allclose(context.cross[0, 100], part.project.bias)  # the melody has ended


def test_a_melody_is_read_from_sound_and_from_a_score(tmp_path: Path) -> None:
    write_clip(tmp_path / "tune.wav", in_turn(tone(A, 1.0), tone(C, 1.0)))
    score = score_from_notes(notes((0.0, 1.0, 69), (0.0, 1.0, 45), (1.0, 2.0, 72)))
    write_score(tmp_path / "tune.mid", score)
    part = MelodyFrames(width=4, dropout=0.0)
    for name in ("tune.wav", "tune.mid"):
        melody = part.understand(str(tmp_path / name), tempo_bpm=120.0)
        assert melody.at(np.array([0.5, 1.5])).tolist() == [9, 0]


# ----------------------------------------------------- chords and sections


def test_chords_that_share_notes_are_alike() -> None:
    assert spelt("C:maj").nonzero()[0].tolist() == [0, 12, 16, 19, 24]
    assert spelt("N").nonzero()[0].tolist() == [24]
    assert not spelt(None).any()
    assert as_harte("Am7") == "A:min7"
    assert (spelt(as_harte("Am7")) * spelt("C:maj")).sum() == 4  # C, E, G, and that something is known


def test_each_frame_is_told_its_chord() -> None:
    part = ChordFrames(width=6, dropout=0.0)
    said = part(told("chords", Labels((0.0, 1.0), ("C:maj", "A:min"), 1.5)), 8, 4.0).added[0]
    wanted = [part.project(torch.from_numpy(spelt(name))) for name in ("C:maj", "A:min")]
    assert torch.allclose(said, torch.stack([wanted[0]] * 4 + [wanted[1]] * 2 + [0 * wanted[0]] * 2))


def test_chords_are_typed_with_their_lengths() -> None:
    part = ChordFrames(width=6, dropout=0.0)
    labels = part.understand("C:4 G7, Am:2", tempo_bpm=120.0)
    assert labels == Labels((0.0, 2.0, 4.0), ("C:maj", "G:7", "A:min"), 5.0)


@pytest.mark.parametrize(
    ("words", "says"),
    [("", "says nothing"), ("C:x", "has no length"), ("C:-1", "has no length"), ("H:4", "no chord 'H'")],
)
def test_chords_that_are_none_are_refused(words: str, says: str) -> None:
    with pytest.raises(DiscoError, match=says):
        ChordFrames(width=6, dropout=0.0).understand(words, tempo_bpm=120.0)


def test_a_section_tells_how_far_in_a_frame_is() -> None:
    part = SectionFrames(width=4, names=["A", "B"], steps=2, dropout=0.0)
    labels = part.understand("A:4 B:4", tempo_bpm=120.0)
    said = part(told("sections", labels), 8, 2.0).added[0]
    names, places = part.section_embedding.weight, part.place_embedding.weight
    assert torch.equal(said, (names[[1, 1, 1, 1, 2, 2, 2, 2]] + places[[1, 1, 2, 2, 1, 1, 2, 2]]))
    with pytest.raises(DiscoError, match="no section 'Z'"):
        part.understand("Z:4", tempo_bpm=120.0)
    assert parse_timeline("A:1", tempo_bpm=60.0, what="sections").end == 1.0


# ---------------------------------------------------------------------- midi


@pytest.fixture(params=["attention", "recurrent"])
def notes_heard(request) -> NoteFrames:
    torch.manual_seed(0)
    reader = (
        AttentionReader(width=16, depth=1, heads=2)
        if request.param == "attention"
        else RecurrentReader(width=16, depth=1)
    )
    return NoteFrames(width=16, reader=reader, most_notes=4, dropout=0.0).eval()


def test_notes_are_heard_in_the_frames_in_which_they_sound(notes_heard) -> None:
    said = notes_heard(told("midi", Notes(notes((0.5, 1.0, 60))), None), 8, 4.0).added
    assert said[0].abs().sum(-1).gt(1e-4).tolist() == [False, False, True, True] + [False] * 4
    assert (said[0, 2] - said[0, 3]).abs().max() > 1e-4  # it begins in the first of them
    assert not said[1].any()


def test_pitches_differ_and_notes_before_the_window_still_sound(notes_heard) -> None:
    low, high = (notes_heard(told("midi", Notes(notes((0.0, 1.0, p)))), 4, 4.0).added for p in (60, 61))
    assert (low - high).abs().max() > 1e-4
    held = Notes(notes((0.0, 1.0, 60), (0.2, 0.4, 62))).later(0.5)
    assert len(held.table) == 1
    assert notes_heard(told("midi", held), 4, 4.0).added[0].abs().sum(-1).gt(1e-4).tolist() == [
        True, True, False, False,
    ]  # fmt: skip


def test_notes_beyond_the_most_are_not_heard_and_none_is_no_error(notes_heard) -> None:
    many = [(0.25 * place, 0.25 * place + 0.25, 60 + place) for place in range(8)]
    said = notes_heard(told("midi", Notes(notes(*many)), Notes(notes())), 8, 4.0).added
    assert said[0].abs().sum(-1).gt(1e-4).tolist() == [True] * 4 + [False] * 4
    assert said.isfinite().all()


# ----------------------------------------------------------- style and image


def style(**changed) -> Style:
    torch.manual_seed(0)
    settings = {"seconds": 1.0, "bands": 16, "channels": 8, "vectors": 2, "levels": [5, 4], "dropout": 0.0}
    return Style(width=6, **(settings | changed)).eval()


def test_the_bottleneck_lets_so_many_things_through_and_no_more() -> None:
    levels = FiniteScalar(levels=[5, 4])
    asked = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)) * 3
    asked.requires_grad_()
    said = levels(asked)
    assert len(said.unique(dim=0)) == 20
    assert levels.bits == pytest.approx(np.log2(20))
    assert said.abs().max() <= 1
    assert (levels.codes(asked).amin(0).tolist(), levels.codes(asked).amax(0).tolist()) == ([0, 0], [4, 3])
    said.sum().backward()
    assert asked.grad.gt(0).any(), "gradients pass the rounding"


def test_a_style_is_of_colour_and_not_of_loudness() -> None:
    part = style()
    loud, soft = tone(A), tone(A)
    soft.wave.mul_(0.1)
    heard = [part.described(part._fitted(clip)[None]) for clip in (loud, soft)]
    assert torch.allclose(*heard, atol=1e-3)


def test_a_short_excerpt_is_repeated_and_an_empty_one_is_silence() -> None:
    part = style()
    short = part._fitted(tone(A, 0.3))
    assert torch.equal(short[:4800], short[4800:9600])
    nothing = tone(A, 0.3)
    assert not part._fitted(type(nothing)(nothing.wave[:, :0], nothing.rate)).any()


def test_a_picture_is_cut_to_its_middle_and_read_from_a_file(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGBA", (6, 4), (255, 0, 51, 255)).save(tmp_path / "red.png")
    picture = read_picture(tmp_path / "red.png")
    assert picture.pixels.shape == (3, 4, 6)
    assert picture.pixels[:, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])
    assert fitted(picture.pixels, 8).shape == (3, 8, 8)
    (tmp_path / "no.png").write_text("no picture")
    for name, says in (("no.png", "cannot be read"), ("nowhere.png", "not a picture that exists")):
        with pytest.raises(DiscoError, match=says):
            read_picture(tmp_path / name)


def test_clip_is_read_as_transformers_reads_it_and_is_not_saved(tmp_path: Path) -> None:
    import transformers
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = save_tiny_clip(tmp_path)
    part = ClipImage(width=6, name=str(folder), tower_width=16, dropout=0.0)
    context = part(told("image", square(1.0, 0.5, 0.0), None), 1, 1.0)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    pixels = (square(1.0, 0.5, 0.0).pixels * 255).round().byte().permute(1, 2, 0).numpy()
    inputs = processor(images=pixels, return_tensors="pt")
    network = transformers.CLIPVisionModel.from_pretrained(folder).eval()
    wanted = part.project(network(**inputs).last_hidden_state)
    assert torch.allclose(context.cross[:1], wanted, atol=1e-2)  # eight bits a colour
    assert context.cross_mask.all(1).tolist() == [True, False]
    assert set(part.state_dict()) == {"project.weight", "project.bias"}


def test_a_clip_of_another_width_or_from_nowhere_is_refused(tmp_path: Path) -> None:
    for name, width, says in (
        (save_tiny_clip(tmp_path), 24, "16 wide"),
        ("/nowhere", 16, "cannot be loaded"),
    ):
        with pytest.raises(DiscoError, match=says):
            ClipImage(width=6, name=str(name), tower_width=width, dropout=0.0)(
                told("image", square(1, 0, 0)), 1, 1.0
            )


def test_pictures_of_another_patch_size_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        VisionTransformer(width=8, size=30, patch=16, depth=1, heads=2, dropout=0.0)


# ------------------------------------------------------- how it is asked for


class Hears(torch.nn.Module):
    """Stands for a model."""

    def __init__(self, **parts) -> None:
        super().__init__()
        self.conditioners = torch.nn.ModuleDict(parts)


def test_what_is_asked_for_is_read_by_who_hears_it(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "cover.png")
    write_clip(tmp_path / "song.wav", tone(A))
    write_score(tmp_path / "tune.mid", score_from_notes(notes((0.0, 1.0, 69))))
    module = Hears(
        chroma=Chroma(width=4, per_second=8.0, dropout=0.0),
        chords=ChordFrames(width=4, dropout=0.0),
        midi=NoteFrames(width=4, reader=RecurrentReader(width=4, depth=1), most_notes=4, dropout=0.0),
        style=style(),
        image=VisionTransformer(width=8, size=32, patch=16, depth=1, heads=2, dropout=0.0),
    )
    files = {"melody": "song.wav", "midi": "tune.mid", "style": "song.wav", "image": "cover.png"}
    asked = {name: str(tmp_path / file) for name, file in files.items()} | {"chords": "C G", "sections": None}
    given = read_given(module, asked, count=2, tempo_bpm=60.0)
    kinds = {"melody": Melody, "midi": Notes, "style": Excerpt, "image": Picture, "chords": Labels}
    assert {name: type(values[1]) for name, values in given.items()} == kinds
    assert given["chords"][0].end == 8.0
    assert wanted_by(module.conditioners) == ("chords", "image", "melody", "midi", "style")


def test_what_a_run_does_not_hear_is_refused_with_what_it_hears() -> None:
    module = Hears(chords=ChordFrames(width=4, dropout=0.0))
    with pytest.raises(DiscoError, match="not trained to hear that; it hears chords"):
        read_given(module, {"melody": "tune.wav"}, count=1, tempo_bpm=120.0)
    with pytest.raises(DiscoError, match="words and tags only"):
        read_given(Hears(), {"melody": "tune.wav"}, count=1, tempo_bpm=120.0)
