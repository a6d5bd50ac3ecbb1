"""`scripts/evaluate.py`: a run, or anybody's audio, is measured beside its floors and ceilings."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Column, Table

from disco.apps.compose import build
from disco.apps.cost import Efficiency
from disco.apps.evaluate_page import write_report, written
from disco.apps.forgetting import SYSTEM, Before, Forgetting, data_to_judge_on, split_off
from disco.apps.forgetting import table as table_of_losses
from disco.apps.judging import Judge, Judged, Known
from disco.apps.making import Made, make
from disco.apps.passages import nearest_passages
from disco.apps.row_cache import RowCache, digest
from disco.apps.scores import Cell, Found, Sample, Skipped, write_found
from disco.apps.systems import REFERENCE, given_systems
from disco.apps.takes import Piece, list_pieces
from disco.core.files import write_text
from disco.core.metric import Take
from disco.errors import DiscoError
from disco.metrics.copied_tokens import CopiedTokens, with_codes
from disco.metrics.forgetting import Delta, refuse_forgetting
from disco.metrics.training import training_takes

PASSAGES = 3  # of training data on the page, by each metric that looks for copies
NUMBERED = re.compile(r"-(\d{3,})$")  # as `write_takes` names pieces of one round


def main(cfg: DictConfig) -> Found:
    """Measure, print a table, and write the takes, `samples.jsonl`, `report.html` and `scores.json`."""
    if (cfg.run is None) == (cfg.audio is None):
        raise DiscoError("evaluate measures a run or a folder of audio", do="give run=… or audio=…")
    folder, console = Path(cfg.run_dir), Console()
    for name in ("scores.json", "samples.jsonl", "report.html", "efficiency.json"):
        (folder / name).unlink(missing_ok=True)  # what lies there at the end is of this evaluation
    cfg = _with_the_right_data(cfg)
    nodes, efficiency = _split_off_efficiency(cfg)
    forgetting = split_off(cfg)
    made, before, folders = _to_judge(cfg, folder, efficiency, forgetting)
    folders |= {str(name): Path(path) for name, path in cfg.beside.items()}
    skipped: list[Skipped] | None = [] if cfg.skip else None
    judge = Judge(nodes=nodes, cache=RowCache(_optional(cfg.cache)), workers=cfg.workers, partial=cfg.partial)
    _teach(judge, made)
    asked = None if made is None else float(cfg.seconds)
    systems = _systems(judge, folders, skipped, seconds=asked)
    found = _judge_all(cfg, judge, systems, made, skipped or [])
    if made is None:
        found = _without(cfg, found, {"efficiency": efficiency, "forgetting": forgetting})
    lost: list[Delta] = []
    if forgetting is not None and before is not None:
        found, lost = forgetting.tell(found, before)
    command = shlex.join(["python", *sys.argv])
    most = min(PASSAGES, cfg.shown)
    passages = nearest_passages(judge, systems[found.subject], systems.get(REFERENCE, []), most=most)
    cost = made.cost if made else {}
    write_report(
        folder,
        found,
        systems,
        command=command,
        cost=cost,
        shown=cfg.shown,
        deaf={name: metric.deaf for name, metric in judge.metrics.items()},
        passages=passages,
    )
    if made is not None and made.cost:
        write_text(folder / "efficiency.json", json.dumps(made.cost, indent=1))
    write_found(folder, found)
    _say(console, found, lost, folder)
    if forgetting is not None and forgetting.most is not None:
        refuse_forgetting(lost, most=forgetting.most)
    return found


def _to_judge(
    cfg: DictConfig, folder: Path, efficiency: Efficiency | None, forgetting: Forgetting | None
) -> tuple[Made | None, Before | None, dict[str, Path]]:
    """Let a run, and its base where asked, make what is to be judged, or find what is made already."""
    if cfg.run is None:
        return None, None, given_systems(cfg, folder)
    made = make(cfg, folder, efficiency)
    if forgetting is None:
        return made, None, dict(made.folders)
    before = forgetting.examine(cfg, folder / SYSTEM, made.module)
    return made, before, {**made.folders, SYSTEM: before.folder}


def _say(console: Console, found: Found, lost: Sequence[Delta], folder: Path) -> None:
    """Print what was found, what was not, and where it lies."""
    console.print(table(found))
    for system, reasons in found.not_computed.items():
        for name, reason in reasons.items():
            console.print(f"not computed: {system} {name}: {reason}", markup=False, soft_wrap=True)
    for one in found.skipped:
        console.print(f"skipped: {one.reason}", markup=False, soft_wrap=True)
    if lost:
        console.print(table_of_losses(lost))
    console.print(f"written to {folder / 'scores.json'}", soft_wrap=True)
    console.print(f"listen and look: {folder / 'report.html'}", soft_wrap=True)


def table(found: Found) -> Table:
    """Lay out the scores: one column per system, one row per measure."""
    shown = Table(Column("measure", overflow="fold"), *found.systems)
    for name in dict.fromkeys(name for row in found.systems.values() for name in row):
        shown.add_row(name, *(written(row.get(name)) for row in found.systems.values()))
    return shown


def _systems(
    judge: Judge, folders: dict[str, Path], skipped: list[Skipped] | None, *, seconds: float | None
) -> dict[str, list[Known]]:
    """Read every system once."""
    pieces = {name: list_pieces(path, seconds=seconds) for name, path in folders.items()}
    return {
        name: judge.know(sorted(some, key=lambda piece: piece.name), skipped=skipped)
        for name, some in pieces.items()
    }


def _judge_all(
    cfg: DictConfig,
    judge: Judge,
    systems: dict[str, list[Known]],
    made: Made | None,
    skipped: Sequence[Skipped],
) -> Found:
    lost = next((name for name, known in systems.items() if not known), None)
    if lost is not None:
        raise DiscoError(f"no file of '{lost}' can be read", do="see the reasons with skip=false")
    subject = next(iter(systems))
    reference = systems.get(REFERENCE, [])
    cells: dict[str, dict[str, Cell]] = {}
    samples: list[Sample] = []
    not_computed: dict[str, dict[str, str]] = {}
    pairs = {name: pairs_of(known, reference) for name, known in systems.items()}
    known = {name: _as_heard(judge, name, some, systems[subject]) for name, some in systems.items()}
    judge.hear([judge.plan(known[name], reference, pairs[name]) for name in systems])
    for name in systems:
        judged = judge.judge(known[name], reference, pairs[name])
        cells[name] = judged.cells
        samples += _samples(name, systems[name], pairs[name], judged)
        if judged.not_computed:
            not_computed[name] = judged.not_computed
    if made is not None:
        losses = {name: Cell(value=value, higher_is_better=False) for name, value in made.losses.items()}
        cells[subject] = {**losses, **cells[subject]}
    return Found(
        systems=cells,
        samples=samples,
        not_computed=not_computed,
        skipped=skipped,
        settings=_settings(cfg, judge, systems),
    )


def _as_heard(judge: Judge, name: str, known: list[Known], made: list[Known]) -> list[Known]:
    """Let the real music be heard where the made music is: written notes would flatter it."""
    if name != REFERENCE or any(one.piece.record.midi_path for one in made):
        return known
    return [
        judge.know([replace(one.piece, heard=True)], skipped=None)[0] if one.piece.record.midi_path else one
        for one in known
    ]


def pairs_of(made: Sequence[Known], reference: Sequence[Known]) -> list[Known | None] | None:
    """Return the reference that each take belongs to, by its name or by its number in a round of takes.

    Takes of one number whose captions differ do not belong together. None where no name tells anything.
    """
    for key in (_by_name, pair_name):
        known = {key(one.piece): one for one in reference}
        found = [known.get(key(one.piece)) for one in made]
        found = [
            other if other is not None and _agree(one.piece, other.piece) else None
            for one, other in zip(made, found, strict=True)
        ]
        if len(known) == len(reference) and any(found):
            return found
    return None


def _by_name(piece: Piece) -> str:
    return piece.name


def pair_name(piece: Piece) -> str:
    """Return what takes of several systems share that were asked for the same: number, else name."""
    number = NUMBERED.search(piece.name)
    return number[1] if number else piece.name


def _agree(one: Piece, other: Piece) -> bool:
    captions = {piece.record.caption for piece in (one, other)} - {None}
    return len(captions) < 2


def _samples(
    name: str, known: Sequence[Known], pairs: Sequence[Known | None] | None, judged: Judged
) -> list[Sample]:
    others = pairs or [None] * len(known)
    return [
        Sample(
            system=name,
            name=one.piece.name,
            pair=pair_name(one.piece),
            file=one.piece.record.file_path,
            caption=one.piece.record.caption,
            sound=one.sound,
            reference=None if other is None else other.sound,
            values=values,
        )
        for one, other, values in zip(known, others, judged.values, strict=True)
    ]


def _settings(cfg: DictConfig, judge: Judge, systems: dict[str, list[Known]]) -> dict[str, Any]:
    """Return what decides whether two evaluations may be compared."""
    sounds = sorted(one.sound for one in systems.get(REFERENCE, []))
    settings: dict[str, Any] = {
        "metrics": dict(judge.settings),
        "reference": digest(*sounds) if sounds else None,
    }
    if cfg.run is not None:
        told = ("split", "seconds", "count", "seed")
        sampler = OmegaConf.to_container(cfg.sampler, resolve=True)
        settings |= {"run": str(cfg.run), **{name: cfg[name] for name in told}, "sampler": sampler}
    return settings


def _split_off_efficiency(cfg: DictConfig) -> tuple[DictConfig, Efficiency | None]:
    """Part the metrics, which hear takes, from what is measured of the model."""
    nodes = cfg.metric
    if "efficiency" not in nodes:
        return nodes, None
    efficiency = build(nodes.efficiency, "metric.efficiency")
    with open_dict(nodes):
        del nodes["efficiency"]
    return nodes, efficiency


def _without(cfg: DictConfig, found: Found, of_runs: Mapping[str, object]) -> Found:
    """List what only a run can be asked for."""
    asked = [name for name, one in of_runs.items() if one is not None]
    reasons = {name: f"metric={name} measures a run, and audio=… is made already" for name in asked}
    if reasons and not cfg.partial:
        raise DiscoError(
            "; ".join(reasons.values()),
            do="give run=…, leave it out, or list it as not computed: partial=true",
        )
    mine = {**found.not_computed.get(found.subject, {}), **reasons}
    return replace(found, not_computed={**found.not_computed, found.subject: mine}) if reasons else found


def _teach(judge: Judge, made: Made | None) -> None:
    """Give metrics over tokens what only a model has: its codec."""
    over_tokens = [metric for metric in judge.metrics.values() if isinstance(metric, CopiedTokens)]
    codec = getattr(made.module, "codec", None) if made is not None else None
    if not over_tokens or codec is None:
        return

    def tokenized(take: Take) -> Take:
        return with_codes(take, codec)

    judge.change = tokenized
    for metric in over_tokens:
        if metric.root is not None:
            metric.learn(map(tokenized, training_takes(Path(metric.root), metric.most)))


def _with_the_right_data(cfg: DictConfig) -> DictConfig:
    """Judge on the data that the run was trained on, unless the command line names other data.

    Of anybody's audio nothing is known to have been trained on: a metric that must know says so.
    """
    typed = list(HydraConfig.get().overrides.task)
    changes = [override for override in typed if override.startswith("data.")]
    cfg = cfg.copy()
    named = any(override.startswith("data=") for override in typed)  # or by an experiment:
    if not named and HydraConfig.get().runtime.choices["data"] == "demo":
        with open_dict(cfg):
            if cfg.run is not None:
                cfg.data = data_to_judge_on(cfg)
            elif not changes:
                cfg.data = None
    return OmegaConf.merge(cfg, OmegaConf.from_dotlist(changes))  # type: ignore[return-value]


def _optional(path: str | None) -> Path | None:
    return None if path is None else Path(path)
