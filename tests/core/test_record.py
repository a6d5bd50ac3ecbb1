"""A manifest's line is a record or is answered with its number; the guide's own example is a record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from disco.core.record import (
    Record,
    field_types,
    read_manifest,
    record_of,
    row_of,
    safe_id,
    write_manifest,
)
from disco.core.schema import schema, schema_text
from disco.errors import DiscoError

GUIDE = {
    "id": "unique_identifier",
    "file_path": "path/to/audio.wav",
    "duration": 30.5,
    "sample_rate": 44100,
    "channels": 2,
    "genre": ["jazz", "fusion"],
    "instruments": ["piano", "bass", "drums"],
    "tempo": 120,
    "key": "Cmaj",
    "mood": ["energetic", "complex"],
    "year": 2018,
    "source": "original_dataset_name",
    "split": "train",
    "features": {"spectral_centroid_mean": 2145.7, "tempo_confidence": 0.87, "dynamic_range": 14.3},
}
PLAIN = {"id": "a", "file_path": "a.wav", "duration": 1.0, "sample_rate": 8000}


def manifest(folder: Path, *lines: bytes | str | dict) -> Path:
    path = folder / "manifest.jsonl"
    told = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in told) + b"\n")
    return path


def test_the_guides_example_is_a_record_and_is_written_back_unchanged(tmp_path: Path) -> None:
    (record,) = read_manifest(manifest(tmp_path, GUIDE))
    write_manifest(tmp_path / "again.jsonl", [record])
    again = json.loads((tmp_path / "again.jsonl").read_text())
    assert {name: again[name] for name in GUIDE} == GUIDE
    assert valid(again, schema())
    assert valid(GUIDE, schema())


def test_a_record_survives_the_disk_whatever_it_says(tmp_path: Path) -> None:
    record = Record(
        **PLAIN, caption='two\nlines, "quoted"\u2028and \x85 a smile \U0001f600', artist="Björk",
        provenance={"artist": "human"}, start=2.5, gain_db=-3.0, metre="6/8",
        extra={"isrc": "X1", "n": [1, None]},
    )  # fmt: skip
    path = tmp_path / "metadata" / "manifest.jsonl"
    write_manifest(path, [record, replace(record, id="b")])
    assert read_manifest(path) == [record, replace(record, id="b")]


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    nan = float("nan")
    record = Record(**PLAIN, tempo=nan, features={"loudness_lufs": -float("inf"), "dynamic_range": 3.0})
    write_manifest(tmp_path / "m.jsonl", [record])
    (back,) = read_manifest(tmp_path / "m.jsonl")
    assert back.tempo is None
    assert back.features == {"dynamic_range": 3.0}


FAULTY = {
    "not JSON": b'{"id": "a", ',
    "not UTF-8": b'{"id": "\xff"}',
    "no object": b"[1, 2]",
    "NaN, which is not JSON": json.dumps({**PLAIN, "tempo": float("nan")}),
    "Infinity, which is not JSON": json.dumps({**PLAIN, "features": {"x": float("inf")}}),
    "the key 'id' stands in it twice": '{"id": "a", "id": "b"}',
    "no duration and no sample_rate": {"id": "a", "file_path": "a.wav"},
    "tempo is 'fast', not a finite number": {**PLAIN, "tempo": "fast"},
    "genre is 'jazz', not a list of texts": {**PLAIN, "genre": "jazz"},
    "year is 2018.5, not a whole number": {**PLAIN, "year": 2018.5},
    "channels is True": {**PLAIN, "channels": True},
    "features is {'x': 'loud'}": {**PLAIN, "features": {"x": "loud"}},
    "split is 'dev', not one of train, val, test": {**PLAIN, "split": "dev"},
    "duration is 0.0, not above 0": {**PLAIN, "duration": 0.0},
    "start is -1.0, not 0 or more": {**PLAIN, "start": -1},
    "metre is '3'": {**PLAIN, "metre": "3"},
    "duration is inf": {**PLAIN, "duration": 10**400},
    "caption has 150,000 characters": {**PLAIN, "caption": "la" * 75_000},
    "longer than 1,000,000 bytes": {**PLAIN, "caption": "x" * 10_000_000},
    "nested too deeply": "[" * 200_000,
    "id '../../etc/passwd' holds a slash": {**PLAIN, "id": "../../etc/passwd"},
    "id is '..'": {**PLAIN, "id": ".."},
    "control character": {**PLAIN, "id": "a\u202eb"},
    "its id 'first' stands in line 1 too": {**PLAIN, "id": "first"},
}


@pytest.mark.parametrize("reason", FAULTY)
def test_a_faulty_line_is_named_and_costs_no_other(reason: str, tmp_path: Path) -> None:
    path = manifest(tmp_path, {**PLAIN, "id": "first"}, FAULTY[reason], "", {**PLAIN, "id": "last"})
    with pytest.raises(DiscoError, match=r"manifest\.jsonl, line 2: ") as strict:
        read_manifest(path)
    assert reason in str(strict.value)
    faults: list = []
    assert [record.id for record in read_manifest(path, faults=faults)] == ["first", "last"]
    assert [fault.line for fault in faults] == [2]
    assert reason in faults[0].reason
    assert len(faults[0].reason) < 300, "however long the line was"


def test_a_byte_order_mark_and_carriage_returns_are_no_fault(tmp_path: Path) -> None:
    path = manifest(
        tmp_path, b"\xef\xbb\xbf" + json.dumps(PLAIN).encode() + b"\r", json.dumps({**PLAIN, "id": "b"})
    )
    assert [record.id for record in read_manifest(path)] == ["a", "b"]


def test_numbers_may_be_written_as_spreadsheets_do() -> None:
    record = record_of({**PLAIN, "sample_rate": 8000.0, "duration": 3, "tempo": None, "genre": None})
    assert (record.sample_rate, record.duration, record.tempo, record.genre) == (8000, 3.0, None, [])
    assert isinstance(record.sample_rate, int)


def test_what_others_wrote_is_kept_under_its_name() -> None:
    row = {**PLAIN, "isrc": "GB123", "extra": {"deep": 1}}
    assert row_of(record_of(row)).items() >= row.items()


def test_safe_ids_name_a_file_and_stay_apart() -> None:
    names = ["a/b", "a b", "a-b", "ü", "ö", "", "..", "../x", "日本", "x" * 300, "x" * 301, "a\0b", "A"]
    safe = [safe_id(name) for name in names]
    assert len(set(safe)) == len(names)
    assert all(record_of({**PLAIN, "id": name}).id == name for name in safe)
    assert all("/" not in name and not name.startswith(".") and len(name) < 100 for name in safe)
    assert safe_id("track-01_a.b") == "track-01_a.b"


def test_the_schema_beside_the_code_is_the_one_of_the_code() -> None:
    path = Path(__file__).resolve().parents[2] / "disco" / "core" / "record.schema.json"
    assert path.read_text() == schema_text(), (
        "run: python -m disco.core.schema > disco/core/record.schema.json"
    )


def test_the_schema_refuses_what_reading_refuses() -> None:
    told = schema()
    assert set(told["properties"]) == set(field_types()) - {"extra"}
    for reason, line in FAULTY.items():
        if (
            isinstance(line, dict)
            and "inf" not in reason
            and "control" not in reason
            and "stands in" not in reason
        ):
            if line.get("id") == ".." or len(str(line)) > 1_000_000:
                continue  # a rule of ours that JSON Schema has no word for
            assert not valid(line, told), reason


def valid(value: object, node: dict) -> bool:
    """Judge by the words of JSON Schema that the schema uses."""
    import re

    kinds = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "array": list,
        "object": dict,
        "null": type(None),
    }
    if "enum" in node:
        return value in node["enum"]
    wanted = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if isinstance(value, bool) or not any(isinstance(value, kinds[one]) for one in wanted):
        return False
    if isinstance(value, str):
        long = node.get("minLength", 0) <= len(value) <= node.get("maxLength", 1e9)
        return long and bool(re.search(node.get("pattern", ""), value))
    if isinstance(value, (int, float)):
        return value >= node.get("minimum", -1e99) and value > node.get("exclusiveMinimum", -1e99)
    if isinstance(value, list):
        return all(valid(one, node["items"]) for one in value)
    if isinstance(value, dict):
        named = node.get("properties", {})
        return set(node.get("required", ())) <= set(value) and all(
            valid(one, named.get(name) or node["additionalProperties"])
            for name, one in value.items()
            if name in named or "additionalProperties" in node
        )
    return True
