"""The event ledger on an embedded Firestore, with long leases and with short ones."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import firestore

from sonicgen.cloud.documents import close_client
from sonicgen.cloud.once import Ledger
from sonicgen.local.firestore.threaded import ThreadedFirestore
from tests.unit.cloud.once.entries import LONG, SHORT


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[firestore.Client]:
    database = Path(tmp_path_factory.mktemp("ledger")) / "documents.sqlite"
    with ThreadedFirestore(database) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        made = firestore.Client(project="test")
        yield made
        close_client(made)


@pytest.fixture
def ledger(client: firestore.Client) -> Ledger:
    return Ledger(client, lease_seconds=LONG)


@pytest.fixture
def hasty(client: firestore.Client) -> Ledger:
    return Ledger(client, lease_seconds=SHORT)


@pytest.fixture
def key() -> str:
    return f"inbox/{uuid.uuid4().hex}.mp3#1"
