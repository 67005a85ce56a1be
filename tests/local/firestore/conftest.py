"""A local Firestore and the real client for it, one of each per module; every test gets a collection of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import firestore

from sonicgen.cloud.documents import close_client
from sonicgen.local.firestore.threaded import ThreadedFirestore


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedFirestore]:
    with ThreadedFirestore(Path(tmp_path_factory.mktemp("firestore")) / "documents.sqlite") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: ThreadedFirestore) -> Iterator[firestore.Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        made = firestore.Client(project="test")
        yield made
        close_client(made)


@pytest.fixture
def collection(client: firestore.Client) -> firestore.CollectionReference:
    return client.collection(f"c{uuid.uuid4().hex}")
