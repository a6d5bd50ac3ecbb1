"""The same weights give the same answers here and in audiocraft, and its patterns are ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps.export_audiocraft import ToAudiocraft, answer, open_lm
from disco.apps.export_fit import text_of
from disco.apps.export_source import Source, asked_of
from disco.core.batch import Conditions
from disco.core.contracts import Sampler
from disco.models.musicgen import MusicGen
from disco.models.musicgen_playing import Performance
from disco.nets.patterns import CoarseFirst, Delay, Flatten, Parallel, Pattern
from disco.weights.musicgen import MusicgenWeights
from tests.models.helpers import ToyCodec
from tests.parity.networks import CARDINALITY, CODEBOOKS, our_musicgen, save_t5
from tests.parity.stand_ins import import_audiocraft

pytestmark = [pytest.mark.audiocraft, pytest.mark.filterwarnings("ignore")]
STEREO = [0, 0, 1, 1, 2, 2, 3, 3]
FRAMES = 11


@pytest.fixture(scope="module", autouse=True)
def _audiocraft() -> None:
    import_audiocraft()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MusicGen:
    folder = save_t5(tmp_path_factory.mktemp("t5"))
    return our_musicgen(ToyCodec(num_codebooks=CODEBOOKS, cardinality=CARDINALITY), folder, seconds=30.0)


@pytest.fixture(scope="module")
def folder(model: MusicGen, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from omegaconf import OmegaConf

    path = tmp_path_factory.mktemp("audiocraft")
    config = OmegaConf.create({"codec": {"path": "facebook/encodec_32khz"}})
    target, source = ToAudiocraft(), Source(path, config, model, model, None)
    target.check(source)
    target.write(source, path)
    assert target.compare(source, path) is not None
    assert torch.load(path / "compression_state_dict.bin")["pretrained"] == "facebook/encodec_32khz"
    return path


def providers() -> list[tuple[Pattern, str, dict, int]]:
    """Return our pattern, the name of theirs and its settings, and the codebooks."""
    found: list[tuple[Pattern, str, dict, int]] = [
        (Delay(delays=STEREO), "DelayedPatternProvider", {"delays": STEREO}, 8)
    ]
    for count in (4, 8, 9):
        found += [
            (Delay(delays=None), "DelayedPatternProvider", {}, count),
            (Parallel(), "ParallelPatternProvider", {}, count),
            (Flatten(), "UnrolledPatternProvider", {}, count),
            (CoarseFirst(delays=None), "CoarseFirstPattern", {}, count),
            (
                CoarseFirst(delays=list(range(count - 1))),
                "CoarseFirstPattern",
                {"delays": list(range(count - 1))},
                count,
            ),
        ]
    return found


@pytest.mark.parametrize(("ours", "name", "settings", "count"), providers())
def test_pattern_tables_are_theirs(ours: Pattern, name: str, settings: dict, count: int) -> None:
    from audiocraft.modules import codebooks_patterns

    theirs = getattr(codebooks_patterns, name)(count, **settings).get_pattern(FRAMES)
    layout = ours.layout(count, FRAMES)
    codes = torch.randint(50, (2, count, FRAMES), generator=torch.Generator().manual_seed(0))
    steps, _, mask = theirs.build_pattern_sequence(codes, 50, keep_only_valid_steps=False)
    kept = layout.frame.shape[1]  # they go on to the last step that any delay could need
    assert torch.equal(layout.lay_out(codes, 50), steps[..., :kept])
    assert (steps[..., kept:] == 50).all()
    assert torch.equal(layout.frame >= 0, mask[:, :kept])
    back, _, every = theirs.revert_pattern_sequence(steps, special_token=50)
    assert every.all()
    assert torch.equal(layout.gather(steps), back)


def test_logits_are_the_same(model: MusicGen, folder: Path) -> None:
    theirs = open_lm(folder)
    for codes, caption, ours in asked_of(model):
        assert (answer(theirs, model, codes, caption) - ours).abs().max() < 1e-4
        nothing = {"description": (torch.zeros(1, 1, 32), torch.zeros(1, 1))}
        silent = theirs.compute_predictions(codes, [], nothing, keep_only_valid_steps=False)
        assert (silent.logits - ours).abs().max() > 1e-3  # the caption is heard


def test_what_they_hold_comes_back(model: MusicGen, folder: Path) -> None:
    other = our_musicgen(ToyCodec(num_codebooks=CODEBOOKS, cardinality=CARDINALITY), Path("nowhere"))
    with torch.no_grad():
        other.embedding.weight.zero_()
    MusicgenWeights(path=str(folder)).load(other)
    mine = model.state_dict()
    assert all(torch.equal(value, mine[name]) for name, value in other.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_greedy_playing_takes_the_same_tokens_for_256_steps(
    model: MusicGen, folder: Path, guidance: float
) -> None:
    from audiocraft.modules.conditioners import ConditioningAttributes

    theirs, frames, caption = open_lm(folder), 256, "a quick reel"
    with torch.no_grad():
        heard = theirs.condition_provider.conditioners["description"].output_proj(
            text_of(model).read(caption)[None]
        )
    said = torch.cat([heard, torch.zeros_like(heard)])  # as its T5 conditioner says it, and nothing
    theirs.condition_provider.tokenize = lambda conditions: {}
    theirs.condition_provider.forward = lambda _: {"description": (said, torch.ones(said.shape[:2]))}
    asked = ConditioningAttributes(text={"description": caption})
    played = theirs.generate(conditions=[asked], max_gen_len=frames, use_sampling=False, cfg_coef=guidance)
    sampler = Sampler(temperature=0.0, guidance=guidance)
    ours = Performance(model, Conditions(text=(caption,)), frames=frames, sampler=sampler, seed=0).tokens(
        frames
    )
    assert torch.equal(ours, played)
    assert len(ours.unique()) > 4
