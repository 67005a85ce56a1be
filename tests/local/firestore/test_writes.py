from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.bulk_batch import BulkWriteBatch

INT64_MAX = 2**63 - 1


def test_every_type_comes_back_as_it_was_stored(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    document = collection.document("types")
    content = {
        "nothing": None,
        "flag": True,
        "integer": -(2**62),
        "double": 0.1,
        "text": "żółw \U0001f422",
        "content": b"\x00\xff",
        "time": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "place": firestore.GeoPoint(52.2, 21.0),
        "link": client.document("a/b"),
        "list": [1, "two", {"three": 3}],
        "map": {"inner": {"deep": []}, "empty": {}},
        "odd name.with `quotes` and \\": 1,
    }
    document.set(content)
    assert document.get().to_dict() == content


def test_create_refuses_an_existing_document(collection: firestore.CollectionReference) -> None:
    document = collection.document("one")
    document.create({"n": 1})
    with pytest.raises(exceptions.AlreadyExists):
        document.create({"n": 2})
    assert document.get().to_dict() == {"n": 1}


def test_update_refuses_a_missing_document(collection: firestore.CollectionReference) -> None:
    with pytest.raises(exceptions.NotFound):
        collection.document("none").update({"n": 1})
    assert not collection.document("none").get().exists


def test_update_time_precondition_holds_until_the_next_write(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    document = collection.document("one")
    first = document.set({"n": 1}).update_time
    document.update({"n": 2}, option=client.write_option(last_update_time=first))
    with pytest.raises(exceptions.FailedPrecondition):
        document.update({"n": 3}, option=client.write_option(last_update_time=first))
    with pytest.raises(exceptions.FailedPrecondition):
        document.delete(option=client.write_option(last_update_time=first))
    assert document.get().to_dict() == {"n": 2}


def test_delete_with_exists_refuses_a_missing_document_and_plain_delete_does_not(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    document = collection.document("one")
    document.delete()
    with pytest.raises(exceptions.NotFound):
        document.delete(option=client.write_option(exists=True))
    document.set({})
    document.delete(option=client.write_option(exists=True))
    assert not document.get().exists


def test_update_changes_only_the_named_fields(collection: firestore.CollectionReference) -> None:
    document = collection.document("one")
    document.set({"a": {"b": 1, "c": 2}, "d": 3, "e f": {"g.h": 4, "i": 5}})
    document.update({"a.b": 10, "d": firestore.DELETE_FIELD, "`e f`.`g.h`": 40, "new.deep.path": True})
    assert document.get().to_dict() == {
        "a": {"b": 10, "c": 2},
        "e f": {"g.h": 40, "i": 5},
        "new": {"deep": {"path": True}},
    }


def test_set_replaces_and_set_with_merge_adds(collection: firestore.CollectionReference) -> None:
    document = collection.document("one")
    document.set({"a": 1, "m": {"x": 1}})
    document.set({"b": 2, "m": {"y": 2}}, merge=True)
    assert document.get().to_dict() == {"a": 1, "b": 2, "m": {"x": 1, "y": 2}}
    document.set({"a": 5, "b": 6}, merge=["a"])
    assert document.get().to_dict() == {"a": 5, "b": 2, "m": {"x": 1, "y": 2}}
    document.set({"c": 3})
    assert document.get().to_dict() == {"c": 3}


@pytest.mark.parametrize(
    ("before", "transform", "after"),
    [
        (1, firestore.Increment(2), 3),
        (1, firestore.Increment(0.5), 1.5),
        ("text", firestore.Increment(2), 2),
        (None, firestore.Increment(2), 2),
        (INT64_MAX, firestore.Increment(1), INT64_MAX),
        (5, firestore.Maximum(7), 7),
        (5, firestore.Maximum(3), 5),
        (5, firestore.Minimum(3), 3),
        (5, firestore.Minimum(7), 5),
        ("text", firestore.Minimum(7), 7),
        ([1, 2], firestore.ArrayUnion([2, 3, 3]), [1, 2, 3]),
        ([1, 2], firestore.ArrayUnion([2.0]), [1, 2]),
        ("text", firestore.ArrayUnion([1]), [1]),
        ([1, 2, 1, {"a": 1}], firestore.ArrayRemove([1, {"a": 1}]), [2]),
        (3, firestore.ArrayRemove([1]), []),
    ],
)
def test_transforms(collection: firestore.CollectionReference, before: Any, transform: Any, after: Any) -> None:
    document = collection.document("one")
    document.set({"field": {"inner": before}, "other": 1})
    document.update({"field.inner": transform})
    assert document.get().to_dict() == {"field": {"inner": after}, "other": 1}
    assert type(document.get().get("field.inner")) is type(after)


def test_transforms_apply_to_a_document_that_is_new(collection: firestore.CollectionReference) -> None:
    document = collection.document("one")
    document.set({"n": firestore.Increment(4), "tags": firestore.ArrayUnion(["a"]), "at": firestore.SERVER_TIMESTAMP})
    snapshot = document.get()
    assert snapshot.get("n") == 4
    assert snapshot.get("tags") == ["a"]
    assert snapshot.get("at") == snapshot.update_time == snapshot.create_time


def test_transform_results_come_back(collection: firestore.CollectionReference) -> None:
    document = collection.document("one")
    document.set({"n": 1})
    (result,) = document.update({"n": firestore.Increment(41)}).transform_results
    assert result.integer_value == 42


def test_update_time_rises_with_every_change_and_only_then(collection: firestore.CollectionReference) -> None:
    document = collection.document("one")
    times = [document.set({"n": n}).update_time for n in range(50)]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert document.set({"n": 49}).update_time == times[-1]
    snapshot = document.get()
    assert (snapshot.create_time, snapshot.update_time) == (times[0], times[-1])
    assert snapshot.read_time >= snapshot.update_time
    assert abs(snapshot.read_time - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_batch_is_all_or_nothing(client: firestore.Client, collection: firestore.CollectionReference) -> None:
    collection.document("there").set({"n": 1})
    batch = client.batch()
    batch.set(collection.document("new"), {"n": 1})
    batch.update(collection.document("there"), {"n": 2})
    batch.create(collection.document("there"), {"n": 3})
    with pytest.raises(exceptions.AlreadyExists):
        batch.commit()
    assert not collection.document("new").get().exists
    assert collection.document("there").get().to_dict() == {"n": 1}


def test_a_bulk_batch_judges_each_write_alone(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    collection.document("there").set({"n": 1})
    bulk = BulkWriteBatch(client)
    bulk.create(collection.document("there"), {"n": 2})
    bulk.create(collection.document("new"), {"n": 3})
    response = bulk.commit()
    assert [status.code for status in response.status] == [6, 0]
    assert collection.document("there").get().to_dict() == {"n": 1}
    assert collection.document("new").get().to_dict() == {"n": 3}


@pytest.mark.parametrize("content", [{"a": [[1]]}, {"__reserved__": 1}, {"large": "x" * 1_100_000}])
def test_what_firestore_refuses_is_refused(collection: firestore.CollectionReference, content: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        collection.document("one").set(content)
    assert not collection.document("one").get().exists


def test_a_document_of_almost_a_mebibyte_fits(collection: firestore.CollectionReference) -> None:
    collection.document("one").set({"large": "x" * 1_048_000})
    assert len(collection.document("one").get().get("large")) == 1_048_000
