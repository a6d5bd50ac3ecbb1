"""What a command line asks for, as the conditions that a model is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from omegaconf import DictConfig

from disco.apps.compose import build
from disco.apps.runs import first_run
from disco.core.asking import NAMES, read_given
from disco.core.batch import Conditions
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.apps.ensembles import Ensemble
    from disco.core.module import GenerativeModule


def wish(
    cfg: DictConfig, module: GenerativeModule | None = None, ensemble: Ensemble | None = None
) -> Conditions:
    """Return the same wish for every take that is made, beginning on a bar line.

    Args:
        cfg: of `conf/generate.yaml`.
        module: an opened model, which reads what is given beside words; without it nothing is read.
        ensemble: what becomes of several wordings.

    Raises:
        DiscoError: what is asked for cannot be read, or this model does not hear it.
    """
    metre = re.fullmatch(r"([1-9][0-9]?)/([1-9][0-9]?)", str(cfg.metre))
    if metre is None:
        raise DiscoError(f"metre={cfg.metre}: this is no metre", do="write it like metre=6/8")
    beats = 4.0 * int(metre[1]) / int(metre[2])
    asked = {name: cfg.get(name) for name in NAMES}
    given, text = {}, None if cfg.prompt is None else str(cfg.prompt)
    if module is not None:
        given = read_given(module, asked, count=cfg.count, tempo_bpm=float(cfg.tempo_bpm))
        text = spoken(cfg)
    conditions = Conditions(
        text=(text,) * cfg.count,
        tags={str(name): (str(value),) * cfg.count for name, value in cfg.tags.items() if value is not None},
        timing=torch.tensor([[float(cfg.tempo_bpm), beats, 0.0]] * cfg.count),
        given=given,
    )
    if ensemble is None:
        return conditions
    return _in_wordings(cfg, conditions, ensemble, module)


def _in_wordings(
    cfg: DictConfig, conditions: Conditions, ensemble: Ensemble, module: GenerativeModule | None
) -> Conditions:
    texts = texts_of(cfg)
    if len(texts) > 1 and module is not None and not hears_words(module):
        raise DiscoError("wordings: this run was not trained with words", do="leave wordings=… out")
    try:
        return ensemble.tell(conditions, texts)
    except ValueError as error:
        raise DiscoError(f"ensemble: {error}", do="see ensemble.weights and wordings=[…]") from error


def spoken(cfg: DictConfig) -> str | None:
    """Return the prompt; without one what the tags are in words, if the run was trained on such sentences."""
    if cfg.prompt is not None:
        return str(cfg.prompt)
    words = (first_run(cfg.run).config.get("augment") or {}).get("words")
    if words is None:
        return None
    said = {str(name): value for name, value in cfg.tags.items()}
    return build(words, "augment.words").say({**said, "tempo": float(cfg.tempo_bpm)})


def texts_of(cfg: DictConfig) -> list[str]:
    """Return the prompt and the other wordings of it."""
    return [str(one) for one in (cfg.prompt, *cfg.wordings) if one is not None]


def hears_words(module: GenerativeModule) -> bool:
    """Return whether a model was told by captions."""
    from disco.conditioners.text import Text

    return any(isinstance(part, Text) for part in module.modules())
