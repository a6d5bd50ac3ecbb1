"""Conditioners: what they say, to whom, and what they keep to themselves."""

import math
import shutil
from pathlib import Path

import pytest
import torch

from disco.conditioners.beats import Beats
from disco.conditioners.minilm import MiniLM, find_folder, verify
from disco.conditioners.tags import Tags
from disco.conditioners.text import Pretrained, Text
from disco.core.batch import Conditions
from disco.core.conditioning import drop_some, fuse
from disco.errors import DiscoError


def conditions(*captions: str | None, timing=None, **tags) -> Conditions:
    return Conditions(text=captions, tags=tags, timing=None if timing is None else torch.tensor(timing))


class Letters:
    """Reads a caption as one vector per letter and counts how often it is asked."""

    width = 4
    asked = 0

    def read(self, caption: str) -> torch.Tensor:
        self.asked += 1
        return torch.tensor([[float(ord(letter))] * 4 for letter in caption])


# ---------------------------------------------------------------------- text


def test_each_caption_is_read_once_and_padded_to_the_longest() -> None:
    encoder = Letters()
    text = Text(width=6, encoder=encoder)
    for _ in range(3):
        context = text(conditions("abc", None, "a", "abc"), 1, 1.0)
    assert encoder.asked == 2
    assert context.cross.shape == (4, 3, 6)
    assert context.cross_mask.sum(1).tolist() == [3, 0, 1, 3]
    assert context.cross[1].abs().sum() == 0


def test_a_batch_without_captions_is_all_masked() -> None:
    context = Text(width=6, encoder=Letters())(conditions(None, "  "), 1, 1.0)
    assert context.cross.shape[0] == 2
    assert not context.cross_mask.any()


def test_only_the_projection_learns() -> None:
    text = Text(width=6, encoder=Letters())
    assert {name for name, _ in text.named_parameters()} == {"project.weight", "project.bias"}


def test_a_t5_of_a_local_folder_is_read_as_transformers_reads_it(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = save_tiny_t5(tmp_path)
    encoder = Pretrained(name=str(folder), width=16, max_tokens=5)
    read = encoder.read("the quick reel in the quick jig")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.T5EncoderModel.from_pretrained(folder).eval()
    words = tokenizer("the quick reel in the quick jig", truncation=True, max_length=5, return_tensors="pt")
    assert torch.allclose(read, network(**words).last_hidden_state[0], atol=1e-6)
    assert read.shape == (5, 16)
    assert not read.requires_grad


def test_a_wrong_width_or_folder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(DiscoError, match="16 wide, not 24"):
        Pretrained(name=str(save_tiny_t5(tmp_path)), width=24, max_tokens=5).read("a reel")
    with pytest.raises(DiscoError, match="cannot be loaded"):
        Pretrained(name=str(tmp_path / "nowhere"), width=16, max_tokens=5).read("a reel")


def save_tiny_t5(folder: Path) -> Path:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["<pad>", "</s>", "<unk>", *["the", "quick", "reel", "in", "jig", "a"]]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=len(words),
        d_model=16,
        d_kv=4,
        d_ff=32,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    )
    transformers.T5EncoderModel(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_minilm_finds_like_captions_alike() -> None:
    """The published encoder, averaged over word pieces, as its authors use it."""
    encoder = MiniLM(max_tokens=128)
    captions = ("a lively reel on the violin", "a fast fiddle tune", "the central bank raised its rates")
    first, second, third = (torch.nn.functional.normalize(encoder.read(c).mean(0), dim=0) for c in captions)
    assert first @ second > 0.5
    assert first @ third < 0.2


def test_minilm_is_found_without_importing_its_package() -> None:
    assert (find_folder() / "config.json").is_file()


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="missing"):
        verify(tmp_path / "model.safetensors")
    forged = tmp_path / "model.safetensors"
    shutil.copyfile(find_folder() / "config.json", forged)
    with pytest.raises(DiscoError, match="not the published"):
        verify(forged)


# ---------------------------------------------------------------------- tags


def test_tags_read_their_rows_and_unknown_ones_share_row_0() -> None:
    tags = Tags(width=5, vocabularies={"rhythm": ["reel", "jig"], "key": ["D"]})
    context = tags(conditions(None, None, None, rhythm=("jig", "polka", None)), 1, 1.0)
    table = tags.embeddings["rhythm"].weight
    assert torch.equal(context.cross[:, 0], table[[2, 0, 0]])
    assert torch.equal(context.cross[:, 1], tags.embeddings["key"].weight[[0, 0, 0]])


# --------------------------------------------------------------------- beats


def beats() -> Beats:
    return Beats(width=4, per_quarter=16, per_quarter_in_bar=4, longest_bar=4)


def test_at_hop_500_and_120_bpm_each_frame_is_one_step_of_the_grid() -> None:
    said = beats()(conditions(None, timing=[[120.0, 4.0, 0.0]]), 96, 32.0).added[0]
    part = beats_tables()
    wanted = torch.stack(
        [
            part.beat_embedding.weight[1 + f % 16] + part.bar_embedding.weight[1 + (f // 4) % 16]
            for f in range(96)
        ]
    )
    torch.manual_seed(0)
    assert torch.equal(part(conditions(None, timing=[[120.0, 4.0, 0.0]]), 96, 32.0).added[0], wanted)
    assert said.shape == (96, 4)


def beats_tables() -> Beats:
    torch.manual_seed(0)
    return beats()


def test_the_clock_starts_where_the_crop_does() -> None:
    part = beats_tables()
    whole = part(conditions(None, timing=[[90.0, 3.0, 0.0]]), 80, 24.0).added
    later = part(conditions(None, timing=[[90.0, 3.0, 2.0]]), 48, 24.0).added  # 2 quarters are 32 frames
    assert torch.equal(whole[:, 32:80], later)


def test_a_pickup_counts_from_behind_the_bar_line() -> None:
    part = beats_tables()
    before = part(conditions(None, timing=[[120.0, 4.0, -1.0]]), 16, 32.0).added
    last = part(conditions(None, timing=[[120.0, 4.0, 3.0]]), 16, 32.0).added
    assert torch.equal(before, last)


def test_unknown_timing_reads_one_row() -> None:
    part = beats_tables()
    unknown = part(conditions(None, None, timing=[[math.nan] * 3, [120.0, 4.0, 0.0]]), 8, 32.0).added
    silent = part(conditions(None), 8, 32.0).added
    assert torch.equal(unknown[0], silent[0])
    assert (silent[0] == silent[0, 0]).all()
    assert not torch.equal(unknown[1], unknown[0])


# ------------------------------------------------------------------- joining


def test_fused_parts_stand_side_by_side_with_their_masks() -> None:
    parts = {
        "tags": Tags(width=4, vocabularies={"rhythm": ["reel"]}),
        "text": Text(width=4, encoder=Letters()),
        "beats": beats(),
    }
    context = fuse(parts, conditions("ab", None, rhythm=("reel", "reel")), frames=5, frame_rate=32.0)
    assert context.cross.shape == (2, 3, 4)
    assert context.cross_mask.tolist() == [[True, True, True], [True, False, False]]
    assert context.added.shape == (2, 5, 4)


def test_no_conditioners_no_context() -> None:
    context = fuse({}, conditions("a"), frames=5, frame_rate=32.0)
    assert (context.cross, context.cross_mask, context.added) == (None, None, None)


def test_conditions_are_dropped_item_by_item_at_the_asked_rate() -> None:
    torch.manual_seed(0)
    kept = drop_some(conditions(*["a"] * 4000), 0.3).text
    assert kept.count(None) / 4000 == pytest.approx(0.3, abs=0.03)
    assert drop_some(asked := conditions("a"), 0.0) is asked
