"""What adapting made the base forget: its own test suite, asked of it before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict
from rich.table import Column, Table

from disco.apps.compose import build
from disco.apps.differences import compare
from disco.apps.losses import held_out_loss
from disco.apps.making import make
from disco.apps.parts import build_data
from disco.apps.runs import Run, first_run, open_run
from disco.apps.scores import Cell, Found
from disco.core.ranges import NaturalFloat
from disco.errors import DiscoError
from disco.metrics.forgetting import Delta, backward_transfer, deltas

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule

SYSTEM = "base"
LEVEL = 0.05  # how often, at most, a measure of takes is said to be lost where none is


@dataclass(frozen=True, kw_only=True)
class Before:
    """What the base did with its own test suite.

    Attributes:
        folder: of its takes.
        losses: its cross-entropy in nats per token, if it is a language model.
        transfer: mean gain of the likelihood, in nats per token, on the data of all runs that the adapted one
            came from, since each was trained; negative is forgetting.
    """

    folder: Path
    losses: Mapping[str, float]
    transfer: float | None


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """How a run is held beside the run that it was adapted from, on that run's own test music.

    Args:
        suite: measures beside the loss, by name; those that are asked for anyway count too.
        most: share of its value that a measure may lose before the evaluation fails; what paired takes, or
            the intervals of what does not pair, do not tell from chance never fails it. None only tells.
    """

    suite: Mapping[str, Any]
    most: NaturalFloat | None

    def examine(self, cfg: DictConfig, folder: Path, adapted: GenerativeModule) -> Before:
        """Let the base make what the adapted run was asked for."""
        base = base_of_run(first_run(cfg.run))
        asked = cfg.copy()
        asked.run, asked.losses, asked.floors = str(base.folder), False, False
        made = make(asked, folder, None)
        if not cfg.losses or hasattr(adapted, "reconstruct"):
            return Before(folder=made.folders["made"], losses={}, transfer=None)
        learnt = [_loss(made.module, cfg.data, cfg.split)]
        now = [_loss(adapted, cfg.data, cfg.split)]
        while base.config.weights.get("run"):  # what the base itself came from
            base = base_of_run(base)
            data = base.config.data
            learnt.append(_loss(open_run(base.folder).to(adapted.device), data, cfg.split))
            now.append(_loss(adapted, data, cfg.split))
        transfer = backward_transfer([-loss for loss in learnt], [-loss for loss in now])
        return Before(folder=made.folders["made"], losses={"loss": learnt[0]}, transfer=transfer)

    def tell(self, found: Found, before: Before) -> tuple[Found, list[Delta]]:
        """Return what was lost, and the evaluation with it: `forgetting/<measure>` of the adapted run."""
        systems = {name: dict(row) for name, row in found.systems.items()}
        losses = {name: Cell(value=loss, higher_is_better=False) for name, loss in before.losses.items()}
        systems[SYSTEM] = losses | systems[SYSTEM]
        told = replace(found, systems=systems)
        rows = compared(told)
        not_computed = {name: dict(reasons) for name, reasons in found.not_computed.items()}
        for row in rows:
            name = f"forgetting/{row.measure}"
            if row.after is None:
                not_computed.setdefault(found.subject, {})[name] = "what was made does not define it any more"
            else:
                systems[found.subject][name] = Cell(value=row.loss, higher_is_better=False)
        if before.transfer is not None:
            cell = Cell(value=before.transfer, higher_is_better=True)
            systems[found.subject]["forgetting/backward_transfer"] = cell
        return replace(told, not_computed=not_computed), rows


def split_off(cfg: DictConfig) -> Forgetting | None:
    """Part `metric=forgetting`, which compares two runs, from the metrics, to which it adds its suite."""
    if "forgetting" not in cfg.metric:
        return None
    node = cfg.metric.forgetting
    forgetting = build(node, "metric.forgetting")
    with open_dict(cfg.metric):
        for name, metric in node.suite.items():
            if name not in cfg.metric:
                cfg.metric[name] = metric
        del cfg.metric["forgetting"]
    return forgetting


def data_to_judge_on(cfg: DictConfig) -> DictConfig:
    """Return the data that a run was trained on: its base's, where it is asked what that forgot."""
    run = first_run(cfg.run)
    return (base_of_run(run) if "forgetting" in cfg.metric else run).config.data


def base_of_run(run: Run) -> Run:
    """Return the run that a run was adapted from.

    Raises:
        DiscoError: there is none.
    """
    folder = run.config.weights.get("run")
    if not folder:
        raise DiscoError(
            f"{run.folder} was not adapted from another run: there is no base that could forget",
            do="name a run that was trained with weights=run",
        )
    return Run(Path(folder))


def compared(found: Found) -> list[Delta]:
    """Hold what was made beside what the base made, measure by measure."""
    before, after = _only(found, SYSTEM), _only(found, found.subject)
    cells = before.systems["made"]
    differences = compare(before, after, (SYSTEM, "adapted"), system="made", level=LEVEL).differences
    chance = [name for name, one in differences.items() if one.p_value is not None and not one.claimed]
    chance += [
        name
        for name, one in differences.items()
        if one.p_value is None and _overlap(cells[name], after.systems["made"][name])
    ]
    values = found.table()
    return deltas(
        values[SYSTEM],
        values[found.subject],
        higher_is_better={name: cell.higher_is_better for name, cell in cells.items()},
        real=values.get("real", {}),
        chance=chance,
    )


def table(rows: Sequence[Delta]) -> Table:
    """Lay out what was lost, most first."""
    columns = (SYSTEM, "adapted", "lost", "")
    shown = Table(Column("measure", overflow="fold"), *columns, title="What was forgotten")
    for row in rows:
        after = "" if row.after is None else f"{row.after:.4g}"
        lost = "all" if row.after is None else f"{row.loss:+.1%}"
        shown.add_row(row.measure, f"{row.before:.4g}", after, lost, "" if row.sure else "may be chance")
    return shown


def _only(found: Found, system: str) -> Found:
    samples = [replace(one, system="made") for one in found.samples if one.system == system]
    return replace(found, systems={"made": found.systems[system]}, samples=samples)


def _overlap(one: Cell, other: Cell) -> bool:
    ends = (one.low, one.high, other.low, other.high)
    if None in ends:
        return False
    low, high, other_low, other_high = (float(end or 0.0) for end in ends)
    return low <= other_high and other_low <= high


def _loss(module: GenerativeModule, node: DictConfig, split: str) -> float:
    data = build_data(OmegaConf.create({"data": node})).serve(module.view)
    data.prepare_data()
    return held_out_loss(module, data, split)
