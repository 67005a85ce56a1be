"""Every effect happens once, however often and in whatever order its event comes, and whoever dies on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.pubsub_v1 import SubscriberClient

from sonicgen.cloud.bus import publish_message
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.events.objects import ObjectFinalized
from sonicgen.sound.fingerprint import fingerprint as take_fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.fingerprint_match import STEPS
from sonicgen.steps.fingerprint_match import TOPIC as RECORDING_FINGERPRINTED
from sonicgen.steps.video_download import MEDIA_OBJECTS
from tests.acceptance.conftest import Cloud, cloud, killing_functions, wait_for

LEASE_SECONDS = 2


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An embedded cloud whose fingerprint function can be told to die, with leases that end soon."""
    functions = killing_functions(tmp_path_factory.mktemp("functions") / "all")
    environment = {"SONICGEN_FUNCTIONS": str(functions), "SONICGEN_LEASE_SECONDS": str(LEASE_SECONDS)}
    with cloud(tmp_path_factory.mktemp("data"), **environment) as running:
        yield running


def posting_count(system: Cloud, recording: Recording) -> int:
    """Return how many postings the index holds of a recording, by its number alone."""
    with system.services.database.transaction() as connection:
        row = connection.execute(
            "SELECT count(*) FROM fingerprints WHERE loc >> 24 = %s", (recording.number,)
        ).fetchone()
    assert row is not None
    return int(row["count"])


def announcements(system: Cloud, subscription: str) -> list[str]:
    """Return the ids of all events that wait on a subscription."""
    ids = []
    with SubscriberClient() as client:
        path = client.subscription_path(system.services.settings.project_id, subscription)
        with suppress(DeadlineExceeded):  # nothing more came
            while received := client.pull(subscription=path, max_messages=100, timeout=2, retry=None).received_messages:
                ids += [message.message.attributes["ce-id"] for message in received]
                client.acknowledge(subscription=path, ack_ids=[message.ack_id for message in received])
    return ids


def listen(system: Cloud, name: str) -> None:
    with SubscriberClient() as client:
        project = system.services.settings.project_id
        client.create_subscription(
            name=client.subscription_path(project, name), topic=f"projects/{project}/topics/{RECORDING_FINGERPRINTED}"
        )


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_a_step_ends_as_if_nothing_had_been(mortal: Cloud, music: Callable[..., Path], step: str) -> None:
    listen(mortal, f"listener-{step}")
    path = music(100 + STEPS.index(step), f"killed while {step}.mp3")
    kill_at = mortal.folder.run / "kill_at"
    kill_at.write_text(step)
    add_recording(mortal.services.settings, path)
    wait_for(lambda: not kill_at.exists())
    recording = mortal.final(path.name)
    assert recording.match_status is MatchStatus.FINGERPRINTED
    assert recording.reason is Reason.NEW
    keys, _ = index_landmarks(take_fingerprint(path).peaks)
    assert posting_count(mortal, recording) == len(keys)
    outcome = wait_for(lambda: _outcome(mortal, recording))
    assert outcome["status"] == "fingerprinted"
    ids = announcements(mortal, f"listener-{step}")
    assert len(set(ids)) == 1, "announced under one id"


def _outcome(system: Cloud, recording: Recording) -> dict[str, object] | None:
    key = f"{recording.bucket}/{recording.object_name}#{recording.generation}"
    entry = system.services.ledger.read("fingerprint_match", key)
    return dict(entry.ended.value) if entry and entry.ended else None


def test_every_event_twice_and_out_of_order(system: Cloud, music: Callable[..., Path]) -> None:
    listen(system, "listener-shuffled")
    paths = [music(200 + n) for n in range(6)]
    added = [add_recording(system.services.settings, path) for path in paths]
    notifications = [
        ObjectFinalized(
            bucket=one.bucket, name=one.object_name, generation=one.generation, size_bytes=path.stat().st_size,
            md5=None, content_type=None, event_id="",
        ).to_notification()
        for one, path in zip(added, paths, strict=True)
    ] * 2  # fmt: skip
    random.Random(5).shuffle(notifications)  # noqa: S311
    for data, attributes in notifications:
        publish_message(MEDIA_OBJECTS, data, attributes)
    finals = [system.final(path.name) for path in paths]
    assert {r.match_status for r in finals} == {MatchStatus.FINGERPRINTED}
    wait_for(lambda: _queue_is_empty(system))
    assert [r.id for r in system.all()].count(finals[0].id) == 1
    for path, recording in zip(paths, finals, strict=True):
        assert posting_count(system, recording) == len(index_landmarks(take_fingerprint(path).peaks)[0])
        assert recording.attempts == 1
    assert len(announcements(system, "listener-shuffled")) == len(paths), "done work announces nothing again"


def _queue_is_empty(system: Cloud) -> bool:
    from sonicgen.steps.system_status import system_status

    queues = {str(queue["subscription"]): queue for queue in system_status(system.services)["queues"]}  # type: ignore[attr-defined]
    queue = next(value for name, value in queues.items() if name.endswith("fingerprint-match"))
    return bool(queue["queued"] == 0 and queue["in_flight"] == 0)


def test_the_same_event_ten_times_at_once(system: Cloud, music: Callable[..., Path]) -> None:
    path = music(300)
    added = add_recording(system.services.settings, path)
    upload = ObjectFinalized(
        bucket=added.bucket, name=added.object_name, generation=added.generation, size_bytes=path.stat().st_size,
        md5=None, content_type=None, event_id="",
    )  # fmt: skip
    for _ in range(10):
        publish_message(MEDIA_OBJECTS, *upload.to_notification())
    recording = system.final(path.name)
    wait_for(lambda: _queue_is_empty(system))
    assert recording.attempts == 1
    assert posting_count(system, recording) == len(index_landmarks(take_fingerprint(path).peaks)[0])
