"""Order and equality of Firestore values, across all their types.

https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering
"""

from __future__ import annotations

import math
from typing import Any

from sonicgen.local.firestore.faults import invalid
from sonicgen.local.firestore.messages import Message, Value

# (rank of the type, something comparable within the type)
SortKey = tuple[Any, ...]

_VECTOR_TYPE = "__vector__"
_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)


def sort_key(value: Message) -> SortKey:
    """Return a key that sorts as Firestore sorts the values; equal keys are equal values (3 equals 3.0)."""
    kind = value.WhichOneof("value_type")
    if kind == "map_value":
        return _map_key(value.map_value.fields)
    if kind == "array_value":
        return (9, tuple(sort_key(item) for item in value.array_value.values))
    if kind in _SCALARS:
        rank, payload = _SCALARS[kind]
        return (rank, payload(getattr(value, kind)))
    raise invalid(f"A value of the kind {kind or 'nothing'} cannot be stored or compared.")


def name_key(name: str) -> SortKey:
    """Return the key of a document's name as a value: references sort by their segments."""
    return (7, tuple(name.split("/")))


def _number_key(number: float) -> tuple[int, float]:
    # NaN is below every number and equal to itself; Python compares int with float exactly.
    return (0, 0) if math.isnan(number) else (1, number)


_SCALARS: dict[str, tuple[int, Any]] = {
    "null_value": (1, lambda _: 0),
    "boolean_value": (2, lambda flag: flag),
    "integer_value": (3, lambda number: (1, number)),
    "double_value": (3, _number_key),
    "timestamp_value": (4, lambda time: (time.seconds, time.nanos)),
    "string_value": (5, lambda text: text),  # code points sort as their UTF-8 bytes do
    "bytes_value": (6, lambda content: content),
    "reference_value": (7, lambda name: tuple(name.split("/"))),
    "geo_point_value": (8, lambda point: (point.latitude, point.longitude)),
}


def _map_key(fields: Message) -> SortKey:
    if "__type__" in fields and fields["__type__"].string_value == _VECTOR_TYPE:
        numbers = [sort_key(item) for item in fields["value"].array_value.values]
        return (10, (len(numbers), tuple(numbers)))
    return (11, tuple((name, sort_key(fields[name])) for name in sorted(fields)))


def is_null(value: Message) -> bool:
    """Say whether the value is null."""
    return bool(value.WhichOneof("value_type") == "null_value")


def is_nan(value: Message) -> bool:
    """Say whether the value is not a number."""
    return value.WhichOneof("value_type") == "double_value" and math.isnan(value.double_value)


def number_of(value: Message | None) -> int | float | None:
    """Return the number that a value holds, None when it holds none."""
    kind = value.WhichOneof("value_type") if value is not None else None
    if value is None or kind not in {"integer_value", "double_value"}:
        return None
    number: int | float = getattr(value, kind)
    return number


def make_number(number: float) -> Message:
    """Return the value of a number: an int stays an integer and saturates at 64 bits."""
    if isinstance(number, int):
        return Value(integer_value=min(max(number, _INT64_MIN), _INT64_MAX))
    return Value(double_value=number)


def make_sum(numbers: list[int | float]) -> Message:
    """Return the sum as a value: an integer unless a double took part or 64 bits are not enough."""
    total = sum(numbers)
    if isinstance(total, int) and not _INT64_MIN <= total <= _INT64_MAX:
        total = float(total)
    return make_number(total)


def make_time(microseconds: int) -> Message:
    """Return the value of a time, given in microseconds since 1970."""
    value = Value()
    value.timestamp_value.FromMicroseconds(microseconds)
    return value


def make_null() -> Message:
    """Return the value null."""
    return Value(null_value=0)
