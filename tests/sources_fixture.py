"""Services for the steps of sources and downloads: an emptied database, and a project of each test's own."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from sonicgen import settings as settings_module
from sonicgen.cloud import bus, documents
from sonicgen.local.postgres import LocalPostgres
from sonicgen.settings import read_settings
from sonicgen.steps.services import Services
from tests.postgres_fixture import url_of

_projects = itertools.count(1)
MakeServices = Callable[..., Services]


@pytest.fixture(scope="session")
def steps_database_url(postgres_server: LocalPostgres, database_template: str) -> Iterator[str]:
    """One database for all tests of steps: emptied after each, which takes 20 ms where a new one takes seconds."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"create database steps template {database_template} strategy file_copy")
        yield url_of(postgres_server, "steps")
        connection.execute("drop database steps with (force)")


@pytest.fixture
def steps_database(steps_database_url: str) -> Iterator[str]:
    """The address of that database, empty."""
    yield steps_database_url
    with psycopg.connect(steps_database_url, autocommit=True) as connection:
        connection.execute("truncate sources, source_items, downloads, quota_ledger, videos, channels cascade")


@pytest.fixture
def make_source_services(
    emulators: dict[str, str], steps_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeServices]:
    """Make services with settings by their names in Python; all of a test share one database and project."""
    project = f"test-{next(_projects)}"
    for name, value in {**emulators, "GOOGLE_CLOUD_PROJECT": project}.items():
        monkeypatch.setenv(name, value)
    made: list[Services] = []

    def clear() -> None:
        settings_module.settings.cache_clear()
        bus.close()
        documents.close_client()

    def make(**values: object) -> Services:
        services = Services(read_settings(database_url=steps_database, **values))
        made.append(services)
        return services

    clear()
    yield make
    for services in made:
        services.close()
    clear()


@pytest.fixture
def source_services(make_source_services: MakeServices) -> Services:
    """Services with no settings of their own."""
    return make_source_services()


class Topic:
    """A topic with a subscription of the test's, to see what was published."""

    def __init__(self, project: str, name: str) -> None:
        from google.pubsub_v1 import PublisherClient, SubscriberClient

        self._subscription = f"projects/{project}/subscriptions/{name}-reader"
        topic = f"projects/{project}/topics/{name}"
        with PublisherClient() as publisher:
            publisher.create_topic(name=topic)
        self._client = SubscriberClient()
        self._client.create_subscription(name=self._subscription, topic=topic)

    def take(self, most: int = 1000) -> list[Any]:
        """Return the messages that were published since the last time."""
        taken: list[Any] = []
        while len(taken) < most:
            request = {
                "subscription": self._subscription,
                "max_messages": most - len(taken),
                "return_immediately": True,
            }
            with warnings.catch_warnings():  # deprecated, but else an empty queue is waited at
                warnings.simplefilter("ignore", DeprecationWarning)
                received = self._client.pull(request=request, timeout=10).received_messages
            if not received:
                break
            self._client.acknowledge(subscription=self._subscription, ack_ids=[each.ack_id for each in received])
            taken += [each.message for each in received]
        return taken

    def close(self) -> None:
        self._client.transport.close()


@pytest.fixture
def topic(make_source_services: MakeServices) -> Iterator[Callable[[str], Topic]]:
    """Make topics."""
    made: list[Topic] = []

    def make(name: str) -> Topic:
        made.append(Topic(settings_module.settings().project_id, name))
        return made[-1]

    yield make
    for each in made:
        each.close()
