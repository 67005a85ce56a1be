from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions
from google.cloud import firestore

THREADS = 40
ROUNDS = 5


def together(work: Callable[[], object]) -> None:
    """Run the work in many threads that start at the same moment."""
    gate = threading.Barrier(THREADS)

    def run() -> None:
        gate.wait()
        for _ in range(ROUNDS):
            work()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(run) for _ in range(THREADS)]:
            done.result()


def test_contended_increments_are_exact(collection: firestore.CollectionReference) -> None:
    counter = collection.document("counter")
    counter.set({"n": 0})
    together(lambda: counter.update({"n": firestore.Increment(1)}))
    assert counter.get().get("n") == THREADS * ROUNDS


def test_contended_transactions_are_exact_and_none_gives_up(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    counter = collection.document("counter")
    counter.set({"n": 0})

    def add(transaction: firestore.Transaction) -> None:
        transaction.update(counter, {"n": counter.get(transaction=transaction).get("n") + 1})

    in_transaction = firestore.transactional(add)
    together(lambda: in_transaction(client.transaction()))
    assert counter.get().get("n") == THREADS * ROUNDS


def test_contended_query_transactions_are_exact(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    def append(transaction: firestore.Transaction) -> None:
        size = len(list(collection.limit(1000).stream(transaction=transaction)))
        transaction.create(collection.document(f"d{size:04}"), {"size": size})

    with ThreadPoolExecutor(8) as pool:
        for done in [
            pool.submit(firestore.transactional(append), client.transaction(max_attempts=20)) for _ in range(24)
        ]:
            done.result()
    assert [snapshot.get("size") for snapshot in collection.stream()] == list(range(24))


def begun(client: firestore.Client, *, read_only: bool = False) -> firestore.Transaction:
    transaction = client.transaction(read_only=read_only)
    transaction._begin()
    return transaction


def test_commit_is_aborted_when_a_read_document_changed(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    read, written = collection.document("read"), collection.document("written")
    read.set({"n": 1})
    transaction = begun(client)
    read.get(transaction=transaction)
    read.set({"n": 2})
    transaction.set(written, {"n": 1})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()
    assert not written.get().exists


def test_commit_is_aborted_when_a_missing_document_was_created(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    read, written = collection.document("read"), collection.document("written")
    transaction = begun(client)
    assert not read.get(transaction=transaction).exists
    read.set({})
    transaction.set(written, {"n": 1})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()
    assert not written.get().exists


def test_commit_is_aborted_when_a_read_document_was_deleted(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    read = collection.document("read")
    read.set({})
    transaction = begun(client)
    read.get(transaction=transaction)
    read.delete()
    transaction.set(collection.document("written"), {})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()


def test_commit_is_aborted_when_a_document_joined_a_queried_collection(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    many = collection.where(filter=firestore.FieldFilter("n", ">", 5))
    transaction = begun(client)
    assert many.get(transaction=transaction) == []
    collection.document("outside").set({"n": 1})
    collection.document("inside").set({"n": 6})
    transaction.set(collection.document("written"), {})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()


def test_changes_beside_what_was_read_do_not_abort(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    transaction = begun(client)
    collection.where(filter=firestore.FieldFilter("n", ">", 5)).get(transaction=transaction)
    collection.document("mine").get(transaction=transaction)
    collection.document("outside").set({"n": 1})
    transaction.set(collection.document("mine"), {"n": 2})
    transaction._commit()
    assert collection.document("mine").get().to_dict() == {"n": 2}


def test_an_error_in_the_function_rolls_back(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    def fail(transaction: firestore.Transaction) -> None:
        transaction.set(collection.document("one"), {})
        raise KeyError("stop")

    with pytest.raises(KeyError):
        firestore.transactional(fail)(client.transaction())
    assert not collection.document("one").get().exists


def test_a_read_only_transaction_sees_one_moment(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    document = collection.document("one")
    document.set({"n": 1})
    transaction = begun(client, read_only=True)
    document.set({"n": 2})
    collection.document("two").set({})
    assert document.get(transaction=transaction).to_dict() == {"n": 1}
    assert [snapshot.id for snapshot in collection.stream(transaction=transaction)] == ["one"]
    transaction._commit()
    assert document.get().to_dict() == {"n": 2}


def test_a_transaction_that_is_over_is_refused(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    transaction = begun(client)
    token = transaction._id
    transaction._rollback()
    transaction._id = token
    with pytest.raises(exceptions.InvalidArgument):
        collection.document("one").get(transaction=transaction)
    transaction.set(collection.document("one"), {})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()


def test_a_retry_that_dawdles_holds_others_for_moments_only(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    document = collection.document("one")
    document.set({"n": 1})
    first = begun(client)
    first._rollback()
    dawdling = client.transaction()
    dawdling._begin(retry_id=b"an earlier attempt")
    document.get(transaction=dawdling)
    start = time.monotonic()
    document.set({"n": 2})
    assert 1.0 < time.monotonic() - start < 4.0
    dawdling.set(document, {"n": 3})
    with pytest.raises(exceptions.Aborted):
        dawdling._commit()
    assert document.get().to_dict() == {"n": 2}
