"""Running a structured query: where, order, cursors, offset, limit, projection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sonicgen.local.firestore.faults import invalid, unimplemented
from sonicgen.local.firestore.fields import project
from sonicgen.local.firestore.filters import Predicate, make_predicate, ordering_fields, value_at
from sonicgen.local.firestore.messages import Direction, Message, Value
from sonicgen.local.firestore.paths import NAME_FIELD, FieldPath, check_parent, parse_field_path
from sonicgen.local.firestore.storage import Reader
from sonicgen.local.firestore.values import SortKey, is_nan, make_null, make_number, make_sum, number_of, sort_key


@dataclass(frozen=True)
class _Order:
    path: FieldPath
    descending: bool


def run_query(reader: Reader, parent: str, query: Message) -> list[Message]:
    """Return the documents that a StructuredQuery below `parent` selects, in its order.

    Raises FaultError: INVALID_ARGUMENT for a query that Firestore refuses, UNIMPLEMENTED for vector search.
    """
    if query.HasField("find_nearest"):
        raise unimplemented("Vector search is not part of the local Firestore; speaker vectors lie in Postgres.")
    orders = _orders(query)
    holds: Predicate = make_predicate(query.where) if query.HasField("where") else lambda _: True
    keyed = [
        (keys, document)
        for document in _candidates(reader, parent, query)
        if holds(document) and (keys := _keys(document, orders)) is not None
    ]
    for position in reversed(range(len(orders))):
        keyed.sort(key=_at(position), reverse=orders[position].descending)
    documents = [document for keys, document in keyed if _between_cursors(keys, orders, query)]
    last = query.offset + query.limit.value if query.HasField("limit") else None
    documents = documents[query.offset : last]
    if not query.HasField("select"):
        return documents
    paths = [parse_field_path(field.field_path) for field in query.select.fields]
    return [project(document, [path for path in paths if path != NAME_FIELD]) for document in documents]


def _candidates(reader: Reader, parent: str, query: Message) -> Iterable[Message]:
    check_parent(parent)
    if len(query.from_) != 1:
        raise invalid("A query must name one collection.")
    source = query.from_[0]
    if source.all_descendants:
        return reader.in_group(parent, source.collection_id)
    if not source.collection_id:
        raise invalid("A query over one collection must name it.")
    return reader.in_collection(f"{parent}/{source.collection_id}")


def _orders(query: Message) -> list[_Order]:
    """Return the named orders, then those that inequalities imply, then the name: a total order."""
    orders = [
        _Order(parse_field_path(order.field.field_path), order.direction == Direction.DESCENDING)
        for order in query.order_by
    ]
    descending = orders[-1].descending if orders else False
    implied = sorted(ordering_fields(query.where)) if query.HasField("where") else []
    for path in [*implied, NAME_FIELD]:
        if all(order.path != path for order in orders):
            orders.append(_Order(path, descending))
    return orders


def _keys(document: Message, orders: list[_Order]) -> tuple[SortKey, ...] | None:
    """Return the document's sort keys; None when it lacks a field of the order, which leaves it out of the result."""
    values = [value_at(document, order.path) for order in orders]
    if any(value is None for value in values):
        return None
    return tuple(sort_key(value) for value in values)


def _at(position: int) -> Callable[[tuple[tuple[SortKey, ...], Message]], SortKey]:
    return lambda keyed: keyed[0][position]


def _between_cursors(keys: tuple[SortKey, ...], orders: list[_Order], query: Message) -> bool:
    if query.HasField("start_at"):
        side = _side(keys, orders, query.start_at)
        if side < 0 or (side == 0 and not query.start_at.before):
            return False
    if query.HasField("end_at"):
        side = _side(keys, orders, query.end_at)
        if side > 0 or (side == 0 and query.end_at.before):
            return False
    return True


def _side(keys: tuple[SortKey, ...], orders: list[_Order], cursor: Message) -> int:
    """Return -1, 0 or 1: before, at or after the cursor, in the query's order."""
    if len(cursor.values) > len(orders):
        raise invalid("A cursor has more values than the query has orders.")
    for key, order, value in zip(keys, orders, cursor.values, strict=False):
        at = sort_key(value)
        if key != at:
            return -1 if (key < at) is not order.descending else 1
    return 0


def run_aggregation(reader: Reader, parent: str, aggregation: Message) -> dict[str, Message]:
    """Return the value of each aggregate (count, sum, avg) of a StructuredAggregationQuery, by its alias."""
    query = type(aggregation.structured_query)()
    query.CopyFrom(aggregation.structured_query)
    query.ClearField("select")
    documents = run_query(reader, parent, query)
    results = {}
    for position, aggregate in enumerate(aggregation.aggregations):
        results[aggregate.alias or f"field_{position + 1}"] = _aggregate(aggregate, documents)
    if not results:
        raise invalid("An aggregation query needs at least one aggregate.")
    return results


def _aggregate(aggregate: Message, documents: list[Message]) -> Message:
    kind = aggregate.WhichOneof("operator")
    if kind == "count":
        count = len(documents)
        if aggregate.count.HasField("up_to"):
            count = min(count, aggregate.count.up_to.value)
        return Value(integer_value=count)
    if kind not in {"sum", "avg"}:
        raise invalid("An aggregate must be count, sum or avg.")
    path = parse_field_path(getattr(aggregate, kind).field.field_path)
    values = [value_at(document, path) for document in documents]
    numbers = [number for value in values if (number := number_of(value)) is not None]
    if kind == "sum":
        return make_number(float("nan")) if any(v is not None and is_nan(v) for v in values) else make_sum(numbers)
    return make_number(sum(numbers) / len(numbers)) if numbers else make_null()
