"""The `where` of a query as a predicate over documents."""

from __future__ import annotations

from collections.abc import Callable

from sonicgen.local.firestore.faults import invalid
from sonicgen.local.firestore.fields import get_field
from sonicgen.local.firestore.messages import CompositeOperator, FieldOperator, Message, UnaryOperator, Value
from sonicgen.local.firestore.paths import NAME_FIELD, FieldPath, parse_field_path
from sonicgen.local.firestore.values import SortKey, is_nan, is_null, sort_key

Predicate = Callable[[Message], bool]

# https://firebase.google.com/docs/firestore/query-data/queries#limits_on_or_queries and the notes on each operator
_MAX_DISJUNCTIONS = 30
_MAX_NOT_IN = 10

_RANGES: dict[int, Callable[[SortKey, SortKey], bool]] = {
    FieldOperator.LESS_THAN: lambda field, operand: field < operand,
    FieldOperator.LESS_THAN_OR_EQUAL: lambda field, operand: field <= operand,
    FieldOperator.GREATER_THAN: lambda field, operand: field > operand,
    FieldOperator.GREATER_THAN_OR_EQUAL: lambda field, operand: field >= operand,
}
_UNARY: dict[int, Callable[[Message], bool]] = {
    UnaryOperator.IS_NULL: is_null,
    UnaryOperator.IS_NAN: is_nan,
    UnaryOperator.IS_NOT_NULL: lambda value: not is_null(value),
    UnaryOperator.IS_NOT_NAN: lambda value: not is_nan(value) and not is_null(value),
}
# The operators that a query is ordered by when it names no order of its own.
_ORDERING = {*_RANGES, FieldOperator.NOT_EQUAL, FieldOperator.NOT_IN}
_ORDERING_UNARY = {UnaryOperator.IS_NOT_NULL, UnaryOperator.IS_NOT_NAN}


def value_at(document: Message, path: FieldPath) -> Message | None:
    """Return a field of a document; `__name__` is its name as a reference."""
    if path == NAME_FIELD:
        return Value(reference_value=document.name)
    return get_field(document.fields, path)


def make_predicate(where: Message) -> Predicate:
    """Turn a filter message into a predicate; raise FaultError (INVALID_ARGUMENT) for one that Firestore refuses."""
    kind = where.WhichOneof("filter_type")
    if kind == "composite_filter":
        return _composite(where.composite_filter)
    if kind == "field_filter":
        return _field(where.field_filter)
    if kind == "unary_filter":
        return _unary(where.unary_filter)
    raise invalid("A filter must be composite, unary or on a field.")


def ordering_fields(where: Message) -> set[FieldPath]:
    """Return the fields with an inequality, by which the results are ordered even when the query does not say so."""
    kind = where.WhichOneof("filter_type")
    if kind == "composite_filter":
        return {path for part in where.composite_filter.filters for path in ordering_fields(part)}
    if kind == "field_filter" and where.field_filter.op in _ORDERING:
        return {parse_field_path(where.field_filter.field.field_path)}
    if kind == "unary_filter" and where.unary_filter.op in _ORDERING_UNARY:
        return {parse_field_path(where.unary_filter.field.field_path)}
    return set()


def _composite(composite: Message) -> Predicate:
    parts = [make_predicate(part) for part in composite.filters]
    if not parts:
        raise invalid("A composite filter needs at least one filter.")
    if composite.op == CompositeOperator.AND:
        return lambda document: all(part(document) for part in parts)
    if composite.op == CompositeOperator.OR:
        return lambda document: any(part(document) for part in parts)
    raise invalid("A composite filter must be AND or OR.")


def _unary(unary: Message) -> Predicate:
    path = parse_field_path(unary.field.field_path)
    test = _UNARY.get(unary.op)
    if test is None:
        raise invalid("The unary operator is not known.")
    return _where_present(path, test)


def _field(comparison: Message) -> Predicate:
    path = parse_field_path(comparison.field.field_path)
    return _where_present(path, _comparison(comparison.op, comparison.value))


def _where_present(path: FieldPath, test: Callable[[Message], bool]) -> Predicate:
    def holds(document: Message) -> bool:
        value = value_at(document, path)
        return value is not None and test(value)

    return holds


def _comparison(operator: int, operand: Message) -> Callable[[Message], bool]:
    key = sort_key(operand)
    if operator in _RANGES:
        compare = _RANGES[operator]
        # An inequality holds only between values of one type.
        return lambda value: (found := sort_key(value))[0] == key[0] and compare(found, key)
    if operator == FieldOperator.EQUAL:
        return lambda value: sort_key(value) == key
    if operator == FieldOperator.NOT_EQUAL:
        return lambda value: not is_null(value) and sort_key(value) != key
    if operator == FieldOperator.ARRAY_CONTAINS:
        return lambda value: key in _item_keys(value)
    return _list_comparison(operator, operand)


def _list_comparison(operator: int, operand: Message) -> Callable[[Message], bool]:
    if operand.WhichOneof("value_type") != "array_value" or not operand.array_value.values:
        raise invalid("This operator needs an array with at least one value.")
    items = operand.array_value.values
    limit = _MAX_NOT_IN if operator == FieldOperator.NOT_IN else _MAX_DISJUNCTIONS
    if len(items) > limit:
        raise invalid(f"This operator takes {limit} values at most.")
    keys = {sort_key(item) for item in items}
    if operator == FieldOperator.IN:
        return lambda value: sort_key(value) in keys
    if operator == FieldOperator.ARRAY_CONTAINS_ANY:
        return lambda value: not keys.isdisjoint(_item_keys(value))
    if operator == FieldOperator.NOT_IN:
        # Nothing is known to differ from null, so a list with null in it matches nothing.
        hopeless = any(is_null(item) for item in items)
        return lambda value: not hopeless and not is_null(value) and sort_key(value) not in keys
    raise invalid("The operator is not known.")


def _item_keys(value: Message) -> set[SortKey]:
    return {sort_key(item) for item in value.array_value.values}
