"""Backfill: an event for everything that nobody knows of, and for nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from google.pubsub_v1 import SubscriberClient

from sonicgen.cloud.objects import upload_file
from sonicgen.domain.recording import recording_id
from sonicgen.errors import InputError
from sonicgen.events.objects import ObjectFinalized
from sonicgen.steps import retry_recording
from sonicgen.steps.backfill import backfill
from sonicgen.steps.services import Services
from sonicgen.store import recordings


@pytest.fixture
def told(services: Services) -> Iterator[tuple[SubscriberClient, str]]:
    """A subscription to the topic of uploads."""
    path = f"projects/{services.settings.project_id}/subscriptions/test-{uuid4()}"
    with SubscriberClient() as client:
        client.create_subscription(name=path, topic=f"projects/{services.settings.project_id}/topics/media-objects")
        yield client, path


def names(told: tuple[SubscriberClient, str]) -> set[str]:
    client, path = told
    received = client.pull(subscription=path, max_messages=20, timeout=20).received_messages
    return {json.loads(each.message.data)["name"] for each in received}


def test_what_nobody_knows_of_is_announced(
    services: Services, tmp_path: Path, told: tuple[SubscriberClient, str]
) -> None:
    inbox, prefix = services.settings.inbox_bucket, f"{uuid4()}/"
    path = tmp_path / "sound"
    path.write_bytes(b"sound")
    known, lost, fresh = (upload_file(inbox, f"{prefix}{name}", path) for name in ("known", "lost", "fresh"))
    recordings.claim(
        services.database,
        recording_id(known.bucket, known.name, known.generation),
        title="known",
        bucket=inbox,
        object_name=known.name,
        generation=known.generation,
        size_bytes=known.size_bytes,
        md5=None,
        content_type=None,
    )
    # The database was lost, while the ledger still says that this one is done.
    event = ObjectFinalized(inbox, lost.name, lost.generation, lost.size_bytes, None, None, "")
    services.ledger.claim(retry_recording.FUNCTION, event.identity).finish({})
    # And a worker is at another one.
    busy = upload_file(inbox, f"{prefix}busy", path)
    held = ObjectFinalized(inbox, busy.name, busy.generation, busy.size_bytes, None, None, "")
    services.ledger.claim(retry_recording.FUNCTION, held.identity)

    assert backfill(services, inbox, prefix) == 2
    assert names(told) == {lost.name, fresh.name}
    entry = services.ledger.read(retry_recording.FUNCTION, event.identity)
    assert entry is not None
    assert entry.state == "released"


def test_only_the_inbox_holds_uploads(services: Services) -> None:
    with pytest.raises(InputError, match="is not the inbox"):
        backfill(services, services.settings.media_bucket)
