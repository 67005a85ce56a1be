from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, BaseCompositeFilter, Or
from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.vector import Vector

PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"age": 36, "city": "London", "tags": ["maths", "engine"], "score": None},
    "bob": {"age": 20, "city": "Paris", "tags": ["music"], "score": math.nan},
    "cid": {"age": 20, "city": "London", "tags": [], "score": 1.5},
    "dee": {"age": 50, "city": "Rome", "score": 3},
    "eve": {"city": "Paris", "tags": ["maths"]},
}


@pytest.fixture
def people(collection: firestore.CollectionReference) -> firestore.CollectionReference:
    for name, content in PEOPLE.items():
        collection.document(name).set(content)
    return collection


def ids(query: Any) -> list[str]:
    return [snapshot.id for snapshot in query.stream()]


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("age", "==", 20, ["bob", "cid"]),
        ("age", "==", 20.0, ["bob", "cid"]),
        ("age", "!=", 20, ["ada", "dee"]),
        ("age", "<", 36, ["bob", "cid"]),
        ("age", "<=", 36, ["bob", "cid", "ada"]),
        ("age", ">", 20, ["ada", "dee"]),
        ("age", ">=", 36, ["ada", "dee"]),
        ("age", ">", "text", []),
        ("age", "in", [36, 50, 1], ["ada", "dee"]),
        ("age", "not-in", [36, 50], ["bob", "cid"]),
        ("age", "not-in", [36, None], []),
        ("tags", "array_contains", "maths", ["ada", "eve"]),
        ("tags", "array_contains_any", ["music", "engine"], ["ada", "bob"]),
        ("score", "==", None, ["ada"]),
        ("score", "==", math.nan, ["bob"]),
        ("score", "!=", None, ["bob", "cid", "dee"]),
        ("score", "!=", math.nan, ["cid", "dee"]),
        ("score", "!=", 3, ["bob", "cid"]),
    ],
)
def test_where(
    people: firestore.CollectionReference, field: str, operator: str, value: Any, expected: list[str]
) -> None:
    assert ids(people.where(filter=firestore.FieldFilter(field, operator, value))) == expected


def _both(kind: type[BaseCompositeFilter]) -> BaseCompositeFilter:
    return kind([firestore.FieldFilter("city", "==", "London"), firestore.FieldFilter("age", "==", 20)])


@pytest.mark.parametrize(("kind", "expected"), [(And, ["cid"]), (Or, ["ada", "bob", "cid"])])
def test_composite_filters(
    people: firestore.CollectionReference, kind: type[BaseCompositeFilter], expected: list[str]
) -> None:
    assert ids(people.where(filter=_both(kind))) == expected


def test_where_on_the_name_and_on_a_quoted_field(people: firestore.CollectionReference) -> None:
    by_name = firestore.FieldFilter(FieldPath.document_id(), ">=", people.document("dee"))
    assert ids(people.where(filter=by_name)) == ["dee", "eve"]
    within = firestore.FieldFilter(FieldPath.document_id(), "in", [people.document("eve"), people.document("ada")])
    assert ids(people.where(filter=within)) == ["ada", "eve"]
    people.document("odd").set({"a field": {"with.dot": 7}})
    assert ids(people.where(filter=firestore.FieldFilter("`a field`.`with.dot`", "==", 7))) == ["odd"]


def test_order_leaves_out_documents_without_the_field_and_breaks_ties_by_name(
    people: firestore.CollectionReference,
) -> None:
    assert ids(people.order_by("age")) == ["bob", "cid", "ada", "dee"]
    down = firestore.Query.DESCENDING
    assert ids(people.order_by("age", direction=down)) == ["dee", "ada", "cid", "bob"]
    assert ids(people.order_by("city").order_by("age", direction=down)) == ["ada", "cid", "bob", "dee"]
    assert ids(people.order_by("__name__", direction=down).limit(2)) == ["eve", "dee"]


def test_order_across_types(client: firestore.Client, collection: firestore.CollectionReference) -> None:
    ordered: list[Any] = [
        None,
        False,
        True,
        math.nan,
        -math.inf,
        -1,
        -0.5,
        2,
        2.5,
        2**60,
        2**60 + 1,
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2021, 1, 1, tzinfo=UTC),
        "",
        "Z",
        "a",
        "é",
        "\uffee",
        "\U0001f600",
        b"",
        b"\x01",
        client.document("a/b"),
        client.document("a/b/c/d"),
        firestore.GeoPoint(-1, 0),
        firestore.GeoPoint(1, -5),
        [],
        [1],
        [1, 2],
        [2],
        Vector([9.0]),
        Vector([1.0, 2.0]),
        {},
        {"a": 1},
        {"a": 1, "b": 1},
        {"b": 0},
    ]
    batch = client.batch()
    for position, value in enumerate(ordered):
        # Names against the order, so that it is not the names that sort.
        batch.set(collection.document(f"d{99 - position}"), {"value": value, "position": position})
    batch.commit()
    positions = [snapshot.get("position") for snapshot in collection.order_by("value").stream()]
    assert positions == list(range(len(ordered)))


def test_cursors(people: firestore.CollectionReference) -> None:
    by_age = people.order_by("age")
    assert ids(by_age.start_at({"age": 36})) == ["ada", "dee"]
    assert ids(by_age.start_after({"age": 20})) == ["ada", "dee"]
    assert ids(by_age.end_at({"age": 36})) == ["bob", "cid", "ada"]
    assert ids(by_age.end_before({"age": 36})) == ["bob", "cid"]
    assert ids(by_age.start_after(people.document("bob").get())) == ["cid", "ada", "dee"]
    down = people.order_by("age", direction=firestore.Query.DESCENDING)
    assert ids(down.start_after({"age": 36})) == ["cid", "bob"]


def test_pages_by_cursor_cover_everything_once(people: firestore.CollectionReference) -> None:
    seen: list[str] = []
    query = people.order_by("city").limit(2)
    while page := query.get():
        seen += [snapshot.id for snapshot in page]
        query = people.order_by("city").start_after(page[-1]).limit(2)
    assert seen == ["ada", "cid", "bob", "eve", "dee"]


def test_limit_offset_and_limit_to_last(people: firestore.CollectionReference) -> None:
    by_city = people.order_by("city")
    assert ids(by_city.limit(2)) == ["ada", "cid"]
    assert ids(by_city.offset(3)) == ["eve", "dee"]
    assert ids(by_city.offset(1).limit(2)) == ["cid", "bob"]
    assert [snapshot.id for snapshot in by_city.limit_to_last(2).get()] == ["eve", "dee"]
    assert ids(people.limit(0)) == []


def test_select(people: firestore.CollectionReference) -> None:
    found = {snapshot.id: snapshot.to_dict() for snapshot in people.select(["age"]).stream()}
    assert found["ada"] == {"age": 36}
    assert found["eve"] == {}
    assert [snapshot.to_dict() for snapshot in people.select([]).limit(1).stream()] == [{}]


def test_collection_groups_reach_every_depth_and_only_their_id(client: firestore.Client) -> None:
    group = f"g{uuid.uuid4().hex}"
    client.document(f"{group}/top").set({"n": 1})
    client.document(f"x/y/{group}/inner").set({"n": 2})
    client.document(f"x/y/{group}x/other").set({"n": 3})
    assert sorted(ids(client.collection_group(group))) == ["inner", "top"]
    assert ids(client.collection_group(group).where(filter=firestore.FieldFilter("n", ">", 1))) == ["inner"]
    assert ids(client.collection(group)) == ["top"]


def test_aggregates(people: firestore.CollectionReference) -> None:
    def value(aggregation: Any) -> Any:
        return aggregation.get()[0][0].value

    assert value(people.count()) == 5
    assert value(people.where(filter=firestore.FieldFilter("city", "==", "London")).count()) == 2
    assert value(people.limit(3).count()) == 3
    assert value(people.sum("age")) == 126
    assert value(people.avg("age")) == 31.5
    assert math.isnan(value(people.sum("score")))
    nobody = people.where(filter=firestore.FieldFilter("city", "==", "Oslo"))
    assert value(nobody.sum("age")) == 0
    average = nobody.avg("age", alias="a")
    request = {"parent": people._parent_info()[0], "structured_aggregation_query": average._to_protobuf()}
    (answer,) = people._client._firestore_api.run_aggregation_query(request=request)
    # Looked at beneath the client, which reads null as 0.0.
    assert answer.result.aggregate_fields["a"]._pb.WhichOneof("value_type") == "null_value"
    three = people.count(alias="all").sum("age", alias="years")
    assert {result.alias: result.value for result in three.get()[0]} == {"all": 5, "years": 126}


def test_queries_that_firestore_refuses(people: firestore.CollectionReference) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        ids(people.where(filter=firestore.FieldFilter("age", "in", [])))
    with pytest.raises(exceptions.InvalidArgument):
        ids(people.where(filter=firestore.FieldFilter("age", "not-in", list(range(11)))))
