"""Nothing is ever lost: dead letters and stranded recordings get another chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sonicgen.cloud.bus import publish_message
from sonicgen.cloud.objects import upload_file
from sonicgen.domain.recording import MatchStatus
from sonicgen.events.objects import ObjectFinalized
from sonicgen.steps.add_recording import add_recording
from sonicgen.store import recordings
from sonicgen.topology import topology
from tests.acceptance.conftest import Cloud


def test_a_dead_letter_is_shown_and_replayed(system: Cloud, music: Callable[..., Path]) -> None:
    path = music(600, "given up.mp3")
    settings = system.services.settings
    # Outside audio/ the media bucket tells nobody, as if every delivery of the event had failed.
    stored = upload_file(settings.media_bucket, "elsewhere/given up.mp3", path)
    upload = ObjectFinalized(
        bucket=stored.bucket, name=stored.name, generation=stored.generation, size_bytes=stored.size_bytes,
        md5=stored.md5, content_type=stored.content_type, event_id="",
    )  # fmt: skip
    data, attributes = upload.to_notification()
    source = "CloudPubSubDeadLetterSource"
    publish_message(
        topology().dead_letter_topic,
        data,
        attributes
        | {
            f"{source}Subscription": "fingerprint-match",
            f"{source}SubscriptionProject": settings.project_id,
            f"{source}DeliveryCount": "10",
        },
    )
    bus = next(part for part in system.json("doctor") if part["name"] == "bus")
    assert bus["detail"] == "1 dead letters; sonicgen replay"
    done = system.command("replay")
    assert "Sent again: 1 dead letters" in done.stdout, done.stderr
    assert system.final("given up.mp3").match_status is MatchStatus.FINGERPRINTED
    assert "Nothing to replay" in system.command("replay").stdout


def test_a_stranded_recording_is_sent_on(system: Cloud, music: Callable[..., Path]) -> None:
    path = music(601, "stranded.mp3")
    add_recording(system.services.settings, path)
    recording = system.final(path.name)
    with system.services.database.transaction() as connection:
        recordings.ask_again(connection, recording.id)
    assert "Nothing to replay" in system.command("replay").stdout, "it may still have a worker"
    done = system.command("replay", "--stranded-seconds", "0")
    assert "1 stranded recordings" in done.stdout, done.stderr
    again = system.final(path.name)
    assert again.match_status is MatchStatus.FINGERPRINTED
    assert again.number is not None
    assert recording.number is not None
    assert again.number > recording.number, "stored anew"
