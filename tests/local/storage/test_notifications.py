"""What is published when objects change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from google.cloud import storage

from tests.local.storage.conftest import Bus


def subscribe(bucket: storage.Bucket, **options: object) -> str:
    """Have the bucket's changes published with their resources; return the config's id."""
    notification = bucket.notification(**{"topic_name": "objects", "payload_format": "JSON_API_V1"} | options)
    notification.create()
    return str(notification.notification_id)


def test_a_new_object(bucket: storage.Bucket, bus: Bus) -> None:
    config = subscribe(bucket, custom_attributes={"env": "test"})
    blob = bucket.blob("audio/a b.mp3")
    blob.upload_from_string(b"sound", content_type="audio/mpeg")
    ((topic, data, attributes),) = bus.wait(bucket, 1)
    assert topic == "projects/test-project/topics/objects"
    time_of_event = attributes.pop("eventTime")
    assert time_of_event.endswith("Z")
    assert time_of_event[:4] == str(blob.time_created.year)
    assert attributes == {
        "env": "test",
        "notificationConfig": f"projects/_/buckets/{bucket.name}/notificationConfigs/{config}",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": bucket.name,
        "objectId": "audio/a b.mp3",
        "objectGeneration": str(blob.generation),
    }
    resource = json.loads(data)
    assert resource["name"] == "audio/a b.mp3"
    assert (resource["generation"], resource["size"]) == (str(blob.generation), "5")
    assert (resource["md5Hash"], resource["contentType"]) == (blob.md5_hash, "audio/mpeg")


def test_overwriting_updating_and_deleting(bucket: storage.Bucket, bus: Bus) -> None:
    subscribe(bucket)
    first, second = bucket.blob("a"), bucket.blob("a")
    first.upload_from_string(b"1")
    second.upload_from_string(b"22")
    second.metadata = {"k": "v"}
    second.patch()
    second.delete()
    found = {}
    for _, data, attributes in bus.wait(bucket, 5):
        found[attributes["eventType"], int(attributes["objectGeneration"])] = (attributes, json.loads(data))
    old, new = first.generation, second.generation
    assert set(found) == {
        ("OBJECT_FINALIZE", old),
        ("OBJECT_FINALIZE", new),
        ("OBJECT_DELETE", old),
        ("OBJECT_METADATA_UPDATE", new),
        ("OBJECT_DELETE", new),
    }
    assert found["OBJECT_FINALIZE", new][0]["overwroteGeneration"] == str(old)
    assert found["OBJECT_DELETE", old][0]["overwrittenByGeneration"] == str(new)
    assert "overwrittenByGeneration" not in found["OBJECT_DELETE", new][0]
    assert found["OBJECT_DELETE", old][1]["size"] == "1"
    assert found["OBJECT_METADATA_UPDATE", new][1]["metadata"] == {"k": "v"}


def test_only_what_was_asked_for(bucket: storage.Bucket, bus: Bus) -> None:
    subscribe(bucket, topic_name="audio-only", event_types=["OBJECT_FINALIZE"], blob_name_prefix="audio/")
    subscribe(bucket, topic_name="deletions", event_types=["OBJECT_DELETE"], payload_format="NONE")
    for name in ("audio/1", "video/1"):
        bucket.blob(name).upload_from_string(b"x")
        bucket.blob(name).delete()
    found = [
        (topic.rpartition("/")[2], attributes["objectId"], data) for topic, data, attributes in bus.wait(bucket, 3)
    ]
    assert [item[:2] for item in sorted(found)] == [
        ("audio-only", "audio/1"),
        ("deletions", "audio/1"),
        ("deletions", "video/1"),
    ]
    assert all(data == b"" for topic, _, data in found if topic == "deletions")


def test_every_way_to_make_an_object_is_told(bucket: storage.Bucket, bus: Bus) -> None:
    subscribe(bucket, event_types=["OBJECT_FINALIZE"])
    bucket.blob("multipart").upload_from_string(b"x")
    with bucket.blob("resumable").open("wb") as stream:
        stream.write(b"x")
    bucket.copy_blob(bucket.blob("multipart"), bucket, "copy")
    bucket.blob("rewrite").rewrite(bucket.blob("multipart"))
    bucket.blob("composed").compose([bucket.blob("multipart"), bucket.blob("copy")])
    names = {attributes["objectId"] for _, _, attributes in bus.wait(bucket, 5)}
    assert names == {"multipart", "resumable", "copy", "rewrite", "composed"}


def test_a_failing_bus_is_tried_again(bucket: storage.Bucket, bus: Bus) -> None:
    subscribe(bucket)
    bus.broken = True
    try:
        for index in range(10):
            bucket.blob(f"{index}").upload_from_string(b"x")
        while bus.refused < 20:
            time.sleep(0.01)
    finally:
        bus.broken = False
    assert len({attributes["objectId"] for _, _, attributes in bus.wait(bucket, 10)}) == 10


def test_a_notification_waits_for_a_server_with_a_bus(
    tmp_path: Path,
    serve: Callable[..., AbstractContextManager[int]],
    connect: Callable[[int], storage.Client],
) -> None:
    with serve(tmp_path) as port:
        bucket = connect(port).create_bucket("some-bucket")
        subscribe(bucket)
        bucket.blob("a").upload_from_string(b"x")
    bus = Bus()
    with serve(tmp_path, bus):
        assert bus.wait(bucket, 1)[0][2]["objectId"] == "a"
    again = Bus()
    with serve(tmp_path, again):
        time.sleep(0.1)
    assert again.messages == []


def test_a_refused_upload_is_not_told(bucket: storage.Bucket, bus: Bus) -> None:
    subscribe(bucket)
    bucket.blob("a").upload_from_string(b"x")
    with pytest.raises(Exception, match="412"):
        bucket.blob("a").upload_from_string(b"y", if_generation_match=0)
    bucket.blob("last").upload_from_string(b"x")
    assert [attributes["objectId"] for _, _, attributes in bus.wait(bucket, 2)] == ["a", "last"]
