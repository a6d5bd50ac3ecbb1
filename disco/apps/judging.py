"""Systems go to metrics, and rows become values; what was heard before is not heard again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf

from disco.apps.cells import cells_of, is_set_wise, per_take
from disco.apps.listeners import Failed, Job, Task, listen
from disco.apps.parts import build_many
from disco.apps.row_cache import RowCache, decode, digest, encode, metric_key, settings_key, take_key
from disco.apps.scores import Cell, Skipped
from disco.apps.takes import Piece
from disco.core.embedder import content
from disco.core.metric import Metric, Take
from disco.errors import DiscoError
from disco.metrics.training import Studied

LEARNT = digest("learnt")
Rows = list[Any]  # encoded
Change = Callable[[Take], Take]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A piece that was read once.

    Attributes:
        key: hash of all that a judge gets; sound: of its samples.
    """

    piece: Piece
    key: str
    sound: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What all metrics say of one system.

    Attributes:
        values: of each take, in order: measure to value.
        not_computed: metric or measure to the reason.
    """

    cells: dict[str, Cell]
    values: list[dict[str, float]]
    not_computed: dict[str, str]


@dataclass(frozen=True)
class Ask:
    """What a metric must hear for one of its rows, and the pieces that this takes."""

    job: Job
    pieces: tuple[Known, ...]


Plan = Mapping[str, list[Ask] | str]  # metric to what it must hear, or why it cannot


@dataclass
class Judge:
    """Feeds systems to metrics.

    Attributes:
        nodes: the metrics' config; metrics: what it builds, by name.
        workers: processes that listen; 0 listens here, None here and, where there is much, in others.
        partial: a metric that cannot be computed is listed instead of refused.
        change: done to every take once it is read, where one thing more must be known of it.
    """

    nodes: DictConfig
    cache: RowCache
    workers: int | None = 0
    partial: bool = False
    change: Change | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    heard: dict[tuple[str, str], Rows | Failed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics = build_many(self.nodes, "metric")
        for name, metric in self.metrics.items():
            node = OmegaConf.to_container(self.nodes[name], resolve=True)
            assert isinstance(node, dict)
            plain = {str(key): value for key, value in node.items()}
            self.keys[name] = metric_key(plain, training="training" in metric.needs)
            self.settings[name] = settings_key(plain)

    def know(self, pieces: Sequence[Piece], *, skipped: list[Skipped] | None) -> list[Known]:
        """Read every piece once; `skipped` takes up files that cannot be read, else one is an error."""
        known = []
        for piece in pieces:
            try:
                take = self._load(piece)
            except DiscoError as error:
                if skipped is None:
                    raise
                skipped.append(Skipped(file=piece.record.file_path, reason=str(error)))
                continue
            known.append(Known(piece=piece, key=take_key(take), sound=content(take.sound)))
        return known

    def plan(
        self, made: Sequence[Known], reference: Sequence[Known], pairs: Sequence[Known | None] | None
    ) -> Plan:
        """Return what must be heard of one system.

        `pairs` are the references that its takes belong to, None where no name tells.
        """
        return {
            name: self._asks(name, metric, made, reference, pairs) for name, metric in self.metrics.items()
        }

    def hear(self, plans: Iterable[Plan]) -> None:
        """Make sure that what several systems need is heard, every piece read once for all of them."""
        wanted: dict[tuple[str, str], Ask] = {}
        for ask in (
            ask for plan in plans for asks in plan.values() if not isinstance(asks, str) for ask in asks
        ):
            known = self.keys[ask.job.metric], ask.job.key
            if known in self.heard or known in wanted:
                continue
            kept = self.cache.get(*known)
            if kept is None:
                wanted[known] = ask
            else:
                self.heard[known] = kept
        learnt, failed = self._learn(sorted({ask.job.metric for ask in wanted.values()}))
        for known, ask in wanted.items():
            if ask.job.metric in failed:
                self.heard[known] = Failed(failed[ask.job.metric])
        tasks = tasks_of([ask for known, ask in wanted.items() if known not in self.heard])
        load = None if self.change is None else self._load
        for found in listen(tasks, self.metrics, self.nodes, learnt, load, self.workers):
            for job, rows in found.items():
                known = self.keys[job.metric], job.key
                self.heard[known] = rows
                if not isinstance(rows, Failed):
                    self.cache.put(*known, rows)

    def _learn(self, names: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Let metrics study what a model was trained on, once for all processes.

        Returns:
            What they learnt, encoded; and of those that cannot, why.
        """
        learnt: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for name in names:
            metric = self.metrics[name]
            if not isinstance(metric, Studied) or self.change is not None:  # a codec of its own taught it
                continue
            kept = self.cache.get(self.keys[name], LEARNT)
            try:
                rows = [encode(metric.learnt)] if kept is None else kept
            except (DiscoError, ValueError) as error:
                failed[name] = str(error)
                continue
            metric.learnt = decode(rows[0])
            if kept is None:
                self.cache.put(self.keys[name], LEARNT, rows)
            learnt[name] = rows[0]
        return learnt, failed

    def judge(
        self, made: Sequence[Known], reference: Sequence[Known], pairs: Sequence[Known | None] | None
    ) -> Judged:
        """Measure one system, as `plan` is given it.

        Raises:
            DiscoError: a metric cannot be computed, and `partial` is off.
        """
        plan = self.plan(made, reference, pairs)
        self.hear([plan])
        judged = Judged(cells={}, values=[{} for _ in made], not_computed={})
        for name, asks in plan.items():
            reason = asks if isinstance(asks, str) else self._sum_up(name, asks, judged)
            if reason is not None:
                if not self.partial:
                    raise DiscoError(
                        f"metric={name}: {reason}", do="or list it as not computed: partial=true"
                    )
                judged.not_computed[name] = reason
        return judged

    def _sum_up(self, name: str, asks: Sequence[Ask], judged: Judged) -> str | None:
        """Add a metric's cells and values; return why there are none."""
        metric = self.metrics[name]
        found = self.rows_of(name, asks)
        if isinstance(found, Failed):
            return found.reason
        metric.rows = found
        try:
            singles = per_take(metric, len(judged.values))
            cells, missing = cells_of(name, metric, singles)
        except (DiscoError, ValueError) as error:
            return str(error)
        finally:
            metric.rows = []
        if not cells:
            return "no take defines what it measures (was a key, tempo or instrument asked for?)"
        judged.cells.update(cells)
        for mine, values in zip(judged.values, singles, strict=True):
            mine.update({f"{name}/{key}": value for key, value in values.items()})
        judged.not_computed.update(dict.fromkeys(missing, "no take defines it"))
        return None

    def rows_of(self, name: str, asks: Sequence[Ask]) -> list[Any] | Failed:
        """Return what a metric noted of what it has heard, in the order of what it was asked."""
        rows: list[Any] = []
        for ask in asks:
            found = self.heard[self.keys[name], ask.job.key]
            if isinstance(found, Failed):
                return found
            rows += [decode(row) for row in found]
        return rows

    def _asks(
        self,
        name: str,
        metric: Metric,
        made: Sequence[Known],
        reference: Sequence[Known],
        pairs: Sequence[Known | None] | None,
    ) -> list[Ask] | str:
        """Return what a metric must hear, or why it cannot."""
        compares = "reference" in metric.needs
        if compares and not reference:
            return f"{name} compares with a reference; give reference=<folder>"
        if not compares:
            return [Ask(Job(name, "made", digest(one.key), one.key), (one,)) for one in made]
        if is_set_wise(metric):
            return [Ask(Job(name, "made", digest("made", one.key), one.key), (one,)) for one in made] + [
                Ask(Job(name, "reference", digest("reference", one.key), one.key), (one,))
                for one in reference
            ]
        if pairs is None or None in pairs:
            lost = made[0] if pairs is None else made[list(pairs).index(None)]
            return (
                f"{name} compares take by take, and no reference belongs to '{lost.piece.name}'; give files "
                "that belong together the same name in both folders"
            )
        found = []
        for one, other in zip(made, pairs, strict=True):
            assert other is not None
            job = Job(name, "pair", digest(one.key, other.key), one.key, other.key)
            found.append(Ask(job, (one, other)))
        return found

    def _load(self, piece: Piece) -> Take:
        take = piece.load()
        return take if self.change is None else self.change(take)


def tasks_of(asks: Sequence[Ask]) -> list[Task]:
    """Bring together what is heard of takes that belong together: each is read and transcribed once."""
    home = {ask.job.take: ask.job.other for ask in asks if ask.job.other is not None}
    groups: dict[str, list[Ask]] = {}
    for ask in asks:
        groups.setdefault(home.get(ask.job.take, ask.job.take), []).append(ask)
    return [
        Task({one.key: one.piece for ask in group for one in ask.pieces}, tuple(ask.job for ask in group))
        for group in groups.values()
    ]
