"""The JSON Schema of a manifest's lines, for programs that know nothing of this one.

`python -m disco.core.schema > disco/core/record.schema.json` writes it anew after a change of `Record`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from disco.core.record import (
    ABOVE_ZERO,
    LONGEST_ID,
    LONGEST_TEXT,
    NOT_BELOW_ZERO,
    Record,
    field_types,
)

_PLAIN = {str: "string", int: "integer", float: "number"}


def schema() -> dict[str, Any]:
    """Return the schema of one line; unknown keys are allowed, as they are kept when read."""
    hints = field_types()
    needed = [one.name for one in fields(Record) if one.default is MISSING and one.default_factory is MISSING]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Record",
        "description": "One line of metadata/manifest.jsonl: a piece of music. Times are seconds, rates Hz.",
        "type": "object",
        "required": needed,
        "properties": {name: _property(name, hint) for name, hint in hints.items() if name != "extra"},
    }


def _property(name: str, hint: Any) -> dict[str, Any]:
    node = _of(hint)
    if name in ABOVE_ZERO:
        node["exclusiveMinimum"] = 0
    if name in NOT_BELOW_ZERO:
        node["minimum"] = 0
    if name == "id":
        node |= {"minLength": 1, "maxLength": LONGEST_ID, "pattern": r"^[^/\\]+$"}
    if name == "metre":
        node["pattern"] = "^[1-9][0-9]?/[1-9][0-9]?$"
    return node if name in ("id", "file_path", "duration", "sample_rate") else _or_null(node)


def _of(hint: Any) -> dict[str, Any]:
    inner = [one for one in get_args(hint) if one is not NoneType]
    if NoneType in get_args(hint):
        return _of(inner[0])
    if get_origin(hint) is Literal:
        return {"enum": list(inner)}
    if get_origin(hint) is list:
        return {"type": "array", "items": _of(inner[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _or_null(_of(inner[1]))}
    return {"type": _PLAIN[hint]} | ({"maxLength": LONGEST_TEXT} if hint is str else {})


def _or_null(node: dict[str, Any]) -> dict[str, Any]:
    """Null stands for a field that says nothing."""
    if "enum" in node:
        return {**node, "enum": [*node["enum"], None]}
    return {**node, "type": [node["type"], "null"]}


def schema_text() -> str:
    """Return the schema as the file beside this one holds it."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
