from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from google.cloud import firestore

from sonicgen.cloud import cooldowns as cooldowns_module
from sonicgen.cloud.cooldowns import COLLECTION, Cooldowns
from sonicgen.cloud.documents import close_client, document_id
from sonicgen.domain.download import RULES, DownloadReason
from sonicgen.local.firestore.threaded import ThreadedFirestore

BOT = DownloadReason.BOT_CHECK


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[firestore.Client]:
    """A client of an empty Firestore."""
    with ThreadedFirestore(tmp_path / "firestore.sqlite") as running:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", running.address)
        made = firestore.Client(project=f"test-{uuid.uuid4().hex[:8]}")
        yield made
        close_client(made)


def end_pause(client: firestore.Client, host: str, ago: timedelta) -> None:
    """Move a pause's end into the past."""
    reference = client.collection(COLLECTION).document(document_id(host, "direct"))
    reference.update({"until": reference.get().read_time - ago})


def test_pauses_grow_and_are_forgotten(client: firestore.Client) -> None:
    cooldowns = Cooldowns(client, "direct")
    waits = RULES[BOT].waits_seconds
    assert cooldowns.active("youtube.com") is None
    for strikes, wait in enumerate((*waits, waits[-1]), start=1):
        pause = cooldowns.pause("youtube.com", BOT)
        active = cooldowns.active("youtube.com")
        assert active is not None
        assert (active.strikes, active.reason) == (strikes, BOT)
        assert active.until == pause.until
        read = client.collection(COLLECTION).document(document_id("youtube.com", "direct")).get().read_time
        assert timedelta(seconds=wait - 30) < pause.until - read <= timedelta(seconds=wait)
        end_pause(client, "youtube.com", timedelta(seconds=1))
        assert cooldowns.active("youtube.com") is None
    end_pause(client, "youtube.com", timedelta(days=3))
    assert cooldowns.pause("youtube.com", BOT).strikes == 1
    cooldowns.lift("youtube.com")
    cooldowns.lift("youtube.com")
    assert cooldowns.active("youtube.com") is None


def test_many_complaints_about_one_moment_are_one(client: firestore.Client) -> None:
    cooldowns = Cooldowns(client, "direct")
    with ThreadPoolExecutor(6) as pool:
        pauses = list(pool.map(lambda _: cooldowns.pause("tiktok.com", BOT), range(12)))
    assert {pause.strikes for pause in pauses} == {1}
    assert len({pause.until for pause in pauses}) == 1
    assert cooldowns_module._ROUNDS > 1


def test_hosts_and_ways_out_are_apart(client: firestore.Client) -> None:
    direct, proxied = Cooldowns(client, "direct"), Cooldowns(client, "proxy.example:3128")
    direct.pause("youtube.com", BOT)
    assert proxied.active("youtube.com") is None
    assert direct.active("tiktok.com") is None
