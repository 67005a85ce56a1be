"""Every time that is written into a collection of operational state is one that Terraform leaves without an index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from google.cloud import firestore

from sonicgen.cloud import cooldowns, documents, once
from sonicgen.domain.download import DownloadReason
from sonicgen.local.firestore.threaded import ThreadedFirestore
from sonicgen.topology import topology


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[firestore.Client]:
    """A client of an empty Firestore."""
    documents.close_client()
    with ThreadedFirestore(tmp_path / "documents.sqlite") as running:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", running.address)
        yield documents.client()
        documents.close_client()


def times_of(client: firestore.Client, collection: str) -> set[str]:
    return {
        field
        for document in client.collection(collection).stream()
        for field, value in (document.to_dict() or {}).items()
        if isinstance(value, datetime)
    }


def test_no_time_is_written_that_terraform_does_not_know(client: firestore.Client) -> None:
    ledger = once.Ledger(client, lease_seconds=30.0)
    ledger.claim("fingerprint_match", "held")
    ledger.claim("fingerprint_match", "done").finish({})
    documents.report_progress("1", "decoding", 0.5)
    cooldowns.Cooldowns(client, "direct").pause("youtube.com", DownloadReason.BOT_CHECK)
    for collection, known in topology().raw["expiring_collections"].items():
        assert times_of(client, collection) == {"expires_at", *known}
