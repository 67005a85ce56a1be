"""What the real client sees of buckets and notification configs."""

from __future__ import annotations

import io
import uuid

import pytest
from google.api_core import exceptions
from google.cloud import storage


@pytest.fixture
def name() -> str:
    return f"bucket-{uuid.uuid4().hex}"


def test_a_buckets_life(client: storage.Client, name: str) -> None:
    bucket = client.bucket(name)
    assert not bucket.exists()
    bucket.storage_class = "NEARLINE"
    created = client.create_bucket(bucket, location="europe-west1")
    assert (created.name, created.location, created.storage_class) == (name, "europe-west1", "NEARLINE")
    assert bucket.exists()
    with pytest.raises(exceptions.Conflict):
        client.create_bucket(name)
    found = client.get_bucket(name)
    assert (found.metageneration, found.storage_class) == (1, "NEARLINE")
    found.labels = {"who": "test"}
    found.patch()
    assert (client.get_bucket(name).labels, found.metageneration) == ({"who": "test"}, 2)
    with pytest.raises(exceptions.PreconditionFailed):
        found.patch(if_metageneration_match=1)
    bucket.delete()
    with pytest.raises(exceptions.NotFound):
        client.get_bucket(name)
    with pytest.raises(exceptions.NotFound):
        bucket.delete()


def test_a_full_bucket_stays(client: storage.Client, name: str) -> None:
    bucket = client.create_bucket(name)
    bucket.blob("a").upload_from_string(b"x")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    bucket.delete(force=True)
    assert not bucket.exists()


def test_buckets_are_listed_in_pages(client: storage.Client, name: str) -> None:
    names = [f"{name}-{index}" for index in range(5)]
    for each in reversed(names):
        client.create_bucket(each)
    assert [bucket.name for bucket in client.list_buckets(prefix=name)] == names
    pages = [[bucket.name for bucket in page] for page in client.list_buckets(prefix=name, page_size=2).pages]
    assert pages == [names[:2], names[2:4], names[4:]]
    assert set(names) <= {bucket.name for bucket in client.list_buckets()}


@pytest.mark.parametrize("wrong", ["ab", "Upper-Case", "a" * 64, "with space"])
def test_wrong_names(client: storage.Client, wrong: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        client.create_bucket(wrong)


def test_missing_buckets(client: storage.Client) -> None:
    nowhere = client.bucket("nothing-of-this-name")
    with pytest.raises(exceptions.NotFound):
        list(nowhere.list_blobs())
    with pytest.raises(exceptions.NotFound):
        nowhere.notification(topic_name="topic").create()
    with pytest.raises(exceptions.NotFound):
        nowhere.blob("a").upload_from_file(io.BytesIO(b"x"))


class TestNotificationConfigs:
    """bucket.notification(...) of the real client."""

    def test_a_configs_life(self, bucket: storage.Bucket) -> None:
        notification = bucket.notification(
            topic_name="objects",
            topic_project="project-one",
            event_types=["OBJECT_FINALIZE"],
            blob_name_prefix="audio/",
            custom_attributes={"k": "v"},
            payload_format="JSON_API_V1",
        )
        notification.create()
        bucket.notification(topic_name="other").create()
        assert notification.exists()
        assert bucket.get_notification(notification.notification_id).event_types == ["OBJECT_FINALIZE"]
        found = next(iter(bucket.list_notifications()))
        assert (found.topic_name, found.topic_project) == ("objects", "project-one")
        assert (found.event_types, found.blob_name_prefix) == (["OBJECT_FINALIZE"], "audio/")
        assert (found.custom_attributes, found.payload_format) == ({"k": "v"}, "JSON_API_V1")
        assert [each.topic_name for each in bucket.list_notifications()] == ["objects", "other"]
        found.delete()
        assert not notification.exists()
        with pytest.raises(exceptions.NotFound):
            found.delete()
        assert [each.topic_name for each in bucket.list_notifications()] == ["other"]

    @pytest.mark.parametrize(
        "wrong", [{"event_types": ["OBJECT_PAINTED"]}, {"payload_format": "XML"}, {"topic_project": "a/b"}]
    )
    def test_wrong_configs(self, bucket: storage.Bucket, wrong: dict[str, object]) -> None:
        with pytest.raises(exceptions.BadRequest):
            bucket.notification(topic_name="topic", **wrong).create()

    def test_a_bucket_takes_its_configs_along(self, client: storage.Client, bucket: storage.Bucket) -> None:
        bucket.notification(topic_name="topic").create()
        bucket.delete()
        assert list(client.create_bucket(bucket.name).list_notifications()) == []

    def test_the_service_account(self, client: storage.Client) -> None:
        assert "@" in client.get_service_account_email()
