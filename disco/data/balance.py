"""How often each item is drawn, so that what is rare in a catalogue is heard more often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from disco.core.record import Record, field_types
from disco.errors import DiscoError


def balanced(records: Sequence[Record], by: str, power: float) -> list[float]:
    """Return a weight for each item: a value that has a share p of the items is drawn with p^power.

    With `power` 1 every item counts the same, with 0 every value does. An item with several values has the
    mean of what each would give it; what has none counts as a value of its own. Weights have mean 1.

    Raises:
        DiscoError: records have no such field, or it holds no words or numbers to count by.
    """
    values = [_values(record, by) for record in records]
    count = Counter(value for one in values for value in one)
    whole = sum(count.values())
    drawn = {value: (number / whole) ** power / number for value, number in count.items()}
    weights = [sum(drawn[value] for value in one) / len(one) for one in values]
    mean = sum(weights) / max(1, len(weights))
    return [weight / mean for weight in weights]


def _values(record: Record, by: str) -> list[object]:
    if by not in field_types():
        raise DiscoError(
            f"data.balance_by={by}: a record has no such field", do=f"choose from {', '.join(field_types())}"
        )
    value = getattr(record, by)
    if isinstance(value, dict):
        raise DiscoError(f"data.balance_by={by} has no values to count by", do="use genre, artist, key, …")
    if isinstance(value, list):
        return list(dict.fromkeys(value)) or [None]
    return [value]
