from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.types import firestore as calls

from sonicgen.errors import LocalError
from sonicgen.local.firestore.server import FirestoreServer
from sonicgen.local.firestore.threaded import ThreadedFirestore


def test_get_and_get_all(client: firestore.Client, collection: firestore.CollectionReference) -> None:
    collection.document("a").set({"n": 1, "m": 2})
    found = {s.id: s for s in client.get_all([collection.document("a"), collection.document("b")], field_paths=["n"])}
    assert found["a"].to_dict() == {"n": 1}
    assert not found["b"].exists
    assert found["b"].read_time is not None


def test_the_calls_beneath_the_client(client: firestore.Client, collection: firestore.CollectionReference) -> None:
    api = client._firestore_api
    parent = f"{client._database_string}/documents"
    request = calls.CreateDocumentRequest(parent=parent, collection_id=collection.id, document={"fields": {}})
    made = api.create_document(request=request)
    assert len(made.name.rsplit("/", 1)[1]) == 20
    made.fields["n"] = {"integer_value": 7}
    updated = api.update_document(request={"document": made, "update_mask": {"field_paths": ["n"]}})
    assert updated.update_time > made.update_time
    assert api.get_document(request={"name": made.name}).fields["n"].integer_value == 7
    api.delete_document(request={"name": made.name})
    with pytest.raises(exceptions.NotFound):
        api.get_document(request={"name": made.name})


@pytest.mark.parametrize("name", ["nonsense", "projects/p/databases/d/documents/only-a-collection"])
def test_wrong_names_are_refused(client: firestore.Client, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        client._firestore_api.get_document(request={"name": name})


def test_listing_goes_over_pages_and_shows_missing_parents(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    for n in range(7):
        collection.document(f"d{n}").set({"n": n})
    collection.document("missing").collection("inner").document("x").set({})
    assert sorted(d.id for d in collection.list_documents(page_size=3)) == [*(f"d{n}" for n in range(7)), "missing"]
    assert [c.id for c in collection.document("missing").collections()] == ["inner"]
    assert collection.id in {c.id for c in client.collections()}
    assert list(collection.document("d0").collections()) == []


def test_recursive_delete_removes_everything_below(
    client: firestore.Client, collection: firestore.CollectionReference
) -> None:
    top = collection.document("top")
    top.set({})
    top.collection("inner").document("x").set({})
    collection.document("topping").set({})
    assert client.recursive_delete(top) == 2
    assert [d.id for d in collection.list_documents()] == ["topping"]


def test_projects_and_databases_are_apart(server: ThreadedFirestore, client: firestore.Client) -> None:
    other = firestore.Client(project="another")
    try:
        client.document("shared/name").set({"n": 1})
        assert not other.document("shared/name").get().exists
    finally:
        other._firestore_api.transport.close()


def test_streams_that_are_absent_say_so(client: firestore.Client) -> None:
    requests = iter([calls.ListenRequest(database=client._database_string)])
    with pytest.raises(exceptions.MethodNotImplemented, match="Listen"):
        list(client._firestore_api.listen(requests=requests))


def test_the_async_client_works_too(server: ThreadedFirestore, client: firestore.Client) -> None:
    async def use() -> tuple[list[int], int]:
        made = firestore.AsyncClient(project="test")
        counter = made.collection(f"c{uuid.uuid4().hex}").document("counter")
        await counter.set({"n": 0})

        async def add(transaction: firestore.AsyncTransaction) -> None:
            snapshot = await counter.get(transaction=transaction)
            transaction.update(counter, {"n": snapshot.get("n") + 1})

        await asyncio.gather(*(firestore.async_transactional(add)(made.transaction()) for _ in range(10)))
        found = [snapshot.get("n") async for snapshot in counter.parent.stream()]
        counted = (await counter.parent.count().get())[0][0].value
        await made._firestore_api.transport.close()
        return found, counted

    assert asyncio.run(use()) == ([10], 1)


def test_a_port_in_use_is_explained(server: ThreadedFirestore, tmp_path: Path) -> None:
    port = int(server.address.rsplit(":", 1)[1])
    second = FirestoreServer(tmp_path / "other.sqlite", port=port)
    with pytest.raises(LocalError, match="cannot listen"):
        asyncio.run(second.start())


def test_a_file_that_cannot_be_opened_is_explained() -> None:
    with pytest.raises(LocalError, match="cannot open"):
        asyncio.run(FirestoreServer(Path("/dev/null/documents.sqlite")).start())
