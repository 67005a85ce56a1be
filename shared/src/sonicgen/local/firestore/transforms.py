"""Field transforms: what the server computes from the value a field has when the write is applied."""

from __future__ import annotations

import math
from collections.abc import Callable

from sonicgen.local.firestore.faults import invalid
from sonicgen.local.firestore.fields import get_field, put_field
from sonicgen.local.firestore.messages import Message, ServerValue, Value
from sonicgen.local.firestore.paths import parse_field_path
from sonicgen.local.firestore.values import make_null, make_number, make_time, number_of, sort_key


def apply_transform(fields: Message, transform: Message, now_microseconds: int) -> Message:
    """Change one field in place; return the value that the caller gets as the transform's result."""
    path = parse_field_path(transform.field_path)
    kind = transform.WhichOneof("transform_type")
    before = get_field(fields, path)
    if kind == "set_to_server_value":
        if transform.set_to_server_value != ServerValue.REQUEST_TIME:
            raise invalid("The only server value is REQUEST_TIME.")
        after = make_time(now_microseconds)
    elif kind in _NUMBERS:
        after = _NUMBERS[kind](before, getattr(transform, kind))
    elif kind in _ARRAYS:
        after = _ARRAYS[kind](before, getattr(transform, kind).values)
    else:
        raise invalid(f"The transform of {transform.field_path!r} names no operation.")
    put_field(fields, path, after)
    return make_null() if kind in _ARRAYS else after


def _increment(before: Message | None, operand: Message) -> Message:
    number, amount = number_of(before), _operand(operand)
    return make_number(amount if number is None else number + amount)


def _extreme(before: Message | None, operand: Message, wins: Callable[[float, float], bool]) -> Message:
    number, other = number_of(before), _operand(operand)
    if number is None or math.isnan(other):
        return operand
    # Equal numbers of two types leave the field as it is, and NaN is both maximum and minimum.
    return operand if not math.isnan(number) and wins(other, number) else before


def _operand(operand: Message) -> int | float:
    number = number_of(operand)
    if number is None:
        raise invalid("The operand of this transform must be a number.")
    return number


def _union(before: Message | None, items: Message) -> Message:
    after = _array(before)
    seen = {sort_key(item) for item in after.array_value.values}
    for item in items:
        key = sort_key(item)
        if key not in seen:
            seen.add(key)
            after.array_value.values.add().CopyFrom(item)
    return after


def _without(before: Message | None, items: Message) -> Message:
    removed = {sort_key(item) for item in items}
    after = _array(None)
    for item in _array(before).array_value.values:
        if sort_key(item) not in removed:
            after.array_value.values.add().CopyFrom(item)
    return after


def _array(value: Message | None) -> Message:
    array = Value()
    array.array_value.SetInParent()
    if value is not None and value.WhichOneof("value_type") == "array_value":
        array.CopyFrom(value)
    return array


_NUMBERS: dict[str, Callable[[Message | None, Message], Message]] = {
    "increment": _increment,
    "maximum": lambda before, operand: _extreme(before, operand, lambda new, old: new > old),
    "minimum": lambda before, operand: _extreme(before, operand, lambda new, old: new < old),
}
_ARRAYS: dict[str, Callable[[Message | None, Message], Message]] = {
    "append_missing_elements": _union,
    "remove_all_from_array": _without,
}
