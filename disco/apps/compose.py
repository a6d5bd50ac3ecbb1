"""Checks a composed config against the signatures it calls, before anything is built."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any

from beartype import BeartypeConf
from beartype.door import is_bearable
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from disco.apps.targets import check_targets, resolve
from disco.core.ranges import phrase
from disco.errors import DiscoError

TOWER = BeartypeConf(is_pep484_tower=True)  # 1 is a float
UNIONS = (typing.Union, UnionType)


def build(cfg: DictConfig, path: str, **injected: Any) -> Any:
    """Check a node and build it; `injected` are the arguments that other parts of the config provide.

    Raises:
        DiscoError: the node does not fit its target, or the target refuses the values.
    """
    check(cfg, path, injected=injected)
    try:
        return instantiate(cfg, _convert_="all", **injected)
    except InstantiationException as error:
        cause: BaseException | None = error
        while isinstance(cause, InstantiationException):
            cause = cause.__cause__
        if isinstance(cause, DiscoError):
            raise cause from error
        if isinstance(cause, ValueError):
            raise DiscoError(f"{path}: {cause}") from error
        raise


def check(cfg: DictConfig, path: str, injected: Collection[str] = ()) -> None:
    """Refuse a node whose target is not allowed, or whose keys or values its target does not take.

    Raises:
        DiscoError: names the key, the reason and the nearest right word.
    """
    try:
        node = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or path
        raise DiscoError(f"{key}: {str(error).splitlines()[0]}", do=f"give {key}=…") from error
    assert isinstance(node, dict)
    check_targets(node, path)
    check_node(node, path, injected)


def check_node(node: Mapping[Any, Any], path: str, injected: Collection[str] = ()) -> None:
    """The same for plain values."""
    target = resolve(node.get("_target_"), path)
    name = node["_target_"].rpartition(".")[2]
    signature = inspect.signature(target)
    parameters = {n: p for n, p in signature.parameters.items() if n not in ("self", "cls")}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in node.items():
        if key in ("_target_", "_partial_", "_convert_", "_recursive_"):
            continue
        where = f"{path}.{key}"
        if key not in parameters:
            if open_ended:
                continue
            close = difflib.get_close_matches(str(key), parameters, n=1, cutoff=0.5)
            do = f"did you mean '{close[0]}'?" if close else f"it takes {', '.join(parameters)}"
            raise DiscoError(f"{where}: {name} has no parameter '{key}'", do=do)
        if isinstance(value, dict) and "_target_" in value:
            check_node(value, where, injected)
            continue
        _check_value(value, _hint(target, parameters[key]), where, name)
    required = {n for n, p in parameters.items() if p.default is p.empty and p.kind is p.KEYWORD_ONLY}
    missing = sorted(required - set(node) - set(injected))
    if missing and not node.get("_partial_"):
        raise DiscoError(f"{path}: {name} needs {', '.join(missing)}", do=f"give {path}.{missing[0]}=…")


def _hint(target: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    owner = target.__init__ if inspect.isclass(target) else target
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    scope = getattr(inspect.unwrap(owner), "__globals__", {})
    try:
        return typing.get_type_hints(
            type("one", (), {"__annotations__": {"it": parameter.annotation}}), scope, include_extras=True
        )["it"]
    except NameError:  # a name that exists for the type checker only
        return Any


def _check_value(value: Any, hint: Any, where: str, name: str) -> None:
    if hint in (Any, inspect.Parameter.empty):
        return
    if not _fits(value, hint):
        raise DiscoError(f"{where}={value!r}: {name} wants {_said(hint)}")


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value is of a type, every item of it: of a list beartype itself looks at one by chance.

    Words are no list of letters.
    """
    if isinstance(value, str):
        parts = typing.get_args(hint) if typing.get_origin(hint) in UNIONS else (hint,)
        return any(is_bearable(value, part, conf=TOWER) for part in parts if not _is_sequence(part))
    items = [[item] for item in value] if isinstance(value, list) else []
    if isinstance(value, dict):
        items = [{key: item} for key, item in value.items()]
    return all(is_bearable(one, hint, conf=TOWER) for one in (value, *items))


def _said(hint: Any) -> str:
    """Say what a hint accepts; of a list or a table, what each item of it is."""
    inner = [part for part in typing.get_args(hint) if part is not NoneType]
    origin = typing.get_origin(hint)
    if origin in UNIONS and len(inner) == 1:
        return f"{_said(inner[0])}, or null"
    if inner and isinstance(origin, type(Mapping)) and issubclass(origin, Mapping | Sequence):
        kind = "names with values" if issubclass(origin, Mapping) else "a list"
        return f"{kind}, of which each is {phrase(inner[-1])}"
    return phrase(hint)


def _is_sequence(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    return inspect.isclass(origin) and issubclass(origin, Sequence)
