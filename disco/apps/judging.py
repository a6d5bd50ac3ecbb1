"""Takes go to metrics one by one, in this process or in several; what was heard before is not heard again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from omegaconf import DictConfig, OmegaConf

from disco.apps.cells import cells_of, is_set_wise, per_take
from disco.apps.parts import build_many
from disco.apps.row_cache import RowCache, decode, digest, encode, metric_key, settings_key, take_key
from disco.apps.scores import Cell, Skipped
from disco.apps.takes import Piece
from disco.core.embedder import content
from disco.core.metric import Metric, Take
from disco.errors import DiscoError

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
class _Task:
    """Takes to be read once for several metrics; `others` are those that read the second one too."""

    made: Piece | None
    other: Piece | None
    alone: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class _Failed:
    """Why a metric gave no row."""

    reason: str


@dataclass
class Judge:
    """Feeds systems to metrics.

    Attributes:
        nodes: the metrics' config; metrics: what it builds, by name.
        workers: processes that listen; 0 listens here.
        partial: a metric that cannot be computed is listed instead of refused.
        change: done to every take once it is read, where one thing more must be known of it.
    """

    nodes: DictConfig
    cache: RowCache
    workers: int = 0
    partial: bool = False
    change: Change | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    heard: dict[tuple[str, str], Rows | _Failed] = field(default_factory=dict)

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

    def judge(
        self, made: Sequence[Known], reference: Sequence[Known], pairs: Sequence[Known | None] | None
    ) -> Judged:
        """Measure one system; `pairs` are the references that its takes belong to, None where no name tells.

        Raises:
            DiscoError: a metric cannot be computed, and `partial` is off.
        """
        plan = {name: self._asks(metric, made, reference, pairs) for name, metric in self.metrics.items()}
        self._hear([ask for asks in plan.values() if not isinstance(asks, str) for ask in asks])
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

    def _sum_up(self, name: str, asks: Sequence[_Ask], judged: Judged) -> str | None:
        """Add a metric's cells and values; return why there are none."""
        metric = self.metrics[name]
        rows: Rows = []
        for ask in asks:
            found = self.heard[self.keys[name], ask.key]
            if isinstance(found, _Failed):
                return found.reason
            rows += found
        metric.rows = [decode(row) for row in rows]
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

    def _asks(
        self,
        metric: Metric,
        made: Sequence[Known],
        reference: Sequence[Known],
        pairs: Sequence[Known | None] | None,
    ) -> list[_Ask] | str:
        """Return what a metric must hear, or why it cannot."""
        name = next(key for key, one in self.metrics.items() if one is metric)
        compares = "reference" in metric.needs
        if compares and not reference:
            return f"{name} compares with a reference; give reference=<folder>"
        if not compares:
            return [_Ask(name, one, None, digest(one.key)) for one in made]
        if is_set_wise(metric):
            return [_Ask(name, one, None, digest("made", one.key)) for one in made] + [
                _Ask(name, None, one, digest("reference", one.key)) for one in reference
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
            found.append(_Ask(name, one, other, digest(one.key, other.key)))
        return found

    def _hear(self, asks: Sequence[_Ask]) -> None:
        """Make sure that the rows for all asks are known."""
        groups: dict[tuple[str, str], list[_Ask]] = {}
        for ask in asks:
            known = self.keys[ask.metric], ask.key
            if known not in self.heard and (kept := self.cache.get(*known)) is not None:
                self.heard[known] = kept
            if known not in self.heard:
                made = "" if ask.made is None else ask.made.key
                groups.setdefault((made, "" if made or ask.other is None else ask.other.key), []).append(ask)
        groups_list = list(groups.values())
        with self._pool() as work:
            for group, rows in zip(groups_list, work([_task(group) for group in groups_list]), strict=True):
                for ask in group:
                    known = self.keys[ask.metric], ask.key
                    self.heard[known] = rows[ask.metric]
                    if not isinstance(rows[ask.metric], _Failed):
                        self.cache.put(*known, rows[ask.metric])

    @contextmanager
    def _pool(self) -> Iterator[Callable[[Sequence[_Task]], Iterator[dict[str, Any]]]]:
        if self.workers == 0 or self.change is not None:  # a model does not travel
            yield lambda tasks: (_rows(self.metrics, task, self._load) for task in tasks)
            return
        settings: Any = OmegaConf.to_container(self.nodes, resolve=True)
        with ProcessPoolExecutor(self.workers, get_context("spawn"), _begin, (settings,)) as pool:
            yield lambda tasks: pool.map(_work, tasks)

    def _load(self, piece: Piece) -> Take:
        take = piece.load()
        return take if self.change is None else self.change(take)


@dataclass(frozen=True)
class _Ask:
    """What a metric must hear for one of its rows, and the key of what it notes."""

    metric: str
    made: Known | None
    other: Known | None
    key: str


def _task(group: Sequence[_Ask]) -> _Task:
    made = next((ask.made.piece for ask in group if ask.made is not None), None)
    other = next((ask.other.piece for ask in group if ask.other is not None), None)
    alone = tuple(ask.metric for ask in group if ask.other is None)
    return _Task(made, other, alone, tuple(ask.metric for ask in group if ask.other is not None))


def _rows(metrics: Mapping[str, Metric], task: _Task, load: Callable[[Piece], Take]) -> dict[str, Any]:
    """Let metrics hear what a task holds; a reason stands for a metric that cannot."""
    made = [] if task.made is None else [load(task.made)]
    other = [] if task.other is None else [load(task.other)]
    found: dict[str, Any] = {}
    for name in (*task.alone, *task.others):
        metric = metrics[name]
        metric.rows = []
        try:
            metric.update(made, other if name in task.others else [])
            found[name] = [encode(row) for row in metric.rows]
        except (DiscoError, ValueError) as error:
            found[name] = _Failed(str(error))
        finally:
            metric.rows = []
    return found


_in_worker: dict[str, Metric] = {}


def _begin(settings: dict[str, Any]) -> None:
    import torch

    torch.set_num_threads(1)
    _in_worker.update(build_many(OmegaConf.create(settings), "metric"))


def _work(task: _Task) -> dict[str, Any]:
    return _rows(_in_worker, task, Piece.load)
