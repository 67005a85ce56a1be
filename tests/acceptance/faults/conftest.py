"""A world behind proxies that can be told to misbehave."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from google.cloud import firestore

from sonicgen import settings as settings_module
from sonicgen.local.demo_sounds import write_sound
from sonicgen.local.postgres import LocalPostgres
from sonicgen.steps import services as services_module
from tests.acceptance.conftest import sound
from tests.acceptance.faults.bus import Bus
from tests.acceptance.faults.functions import Functions
from tests.acceptance.faults.grpc_proxy import GrpcProxy
from tests.acceptance.faults.http_proxy import HttpProxy
from tests.acceptance.faults.orders import Orders
from tests.acceptance.faults.postgres_proxy import PostgresProxy
from tests.acceptance.faults.world import LEASE_SECONDS, World, make_buckets, make_topics
from tests.cloud_fixture import PROJECT, served_provider
from tests.postgres_fixture import url_of

SECRET = "a secret of ours that is long"
# How often each fault is tried anew, with other sounds: `python -m bench faults` asks for more.
ROUNDS = int(os.environ.get("SONICGEN_FAULT_ROUNDS", "1"))


@dataclass(frozen=True)
class Proxies:
    """Proxies in front of the embedded servers, and the servers' own addresses."""

    orders: Orders
    environment: dict[str, str]
    direct: dict[str, str]


@pytest.fixture(scope="package")
def proxies(emulators: dict[str, str]) -> Iterator[Proxies]:
    """Proxies for all tests of this folder."""
    orders = Orders()
    storage = HttpProxy("storage", emulators["STORAGE_EMULATOR_HOST"].removeprefix("http://"), orders)
    pubsub = GrpcProxy("pubsub", emulators["PUBSUB_EMULATOR_HOST"], orders)
    firestore = GrpcProxy("firestore", emulators["FIRESTORE_EMULATOR_HOST"], orders)
    yield Proxies(
        orders,
        {
            "STORAGE_EMULATOR_HOST": f"http://{storage.address}",
            "PUBSUB_EMULATOR_HOST": pubsub.address,
            "FIRESTORE_EMULATOR_HOST": firestore.address,
        },
        emulators,
    )
    for proxy in (storage, pubsub, firestore):
        proxy.close()


@pytest.fixture(scope="package")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """The functions of the pipeline; what loading them sets in this process is put back."""
    before, handlers = dict(os.environ), list(logging.getLogger().handlers)
    level = logging.getLogger().level
    os.environ |= {"SONICGEN_DATA": str(tmp_path_factory.mktemp("data")), "SONICGEN_LOG_LEVEL": "CRITICAL"}
    yield Functions()
    os.environ.clear()
    os.environ.update(before)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def orders(proxies: Proxies) -> Iterator[Orders]:
    """What goes wrong in a test."""
    proxies.orders.clear()
    yield proxies.orders
    proxies.orders.clear()


@pytest.fixture(scope="module")
def database_url(postgres_server: LocalPostgres, database_template: str) -> Iterator[str]:
    """The address of a database for a module's tests."""
    name = f"test_faults_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {database_template} strategy file_copy")
    yield url_of(postgres_server, name)
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def lease_seconds() -> float:
    """How long an event belongs to whoever works on it."""
    return LEASE_SECONDS


@pytest.fixture(scope="module")
def archive(proxies: Proxies, functions: Functions, database_url: str, lease_seconds: float) -> Iterator[World]:
    """A world for a module's tests: database, buckets, subscriptions and provider are nobody else's."""
    name = uuid4().hex[:12]
    with served_provider() as provider, pytest.MonkeyPatch.context() as patch:
        postgres = PostgresProxy(database_url, proxies.orders)
        assembly = HttpProxy("assemblyai", provider.url.removeprefix("http://"), proxies.orders)
        environment = proxies.environment | {
            "DATABASE_URL": postgres.url,
            "SONICGEN_INBOX_BUCKET": f"inbox-{name}",
            "SONICGEN_MEDIA_BUCKET": f"media-{name}",
            "SONICGEN_TRANSCRIPTION": "assemblyai",
            "ASSEMBLYAI_API_KEY": "a key",
            "ASSEMBLYAI_BASE_URL": f"http://{assembly.address}",
            "SONICGEN_WEBHOOK_URL": "https://hook.test/transcription_webhook",
            "SONICGEN_WEBHOOK_SECRET": SECRET,
            "SONICGEN_LEASE_SECONDS": str(lease_seconds),
            "SONICGEN_LOG_LEVEL": "CRITICAL",
        }
        patch.setenv("FIRESTORE_EMULATOR_HOST", proxies.direct["FIRESTORE_EMULATOR_HOST"])
        documents = firestore.Client(project=PROJECT)
        for key, value in environment.items():
            patch.setenv(key, value)
        _forget_services()
        make_topics(proxies.direct["PUBSUB_EMULATOR_HOST"])
        services = services_module.services()
        make_buckets(services)
        bus = Bus(proxies.direct["PUBSUB_EMULATOR_HOST"], name)
        yield World(services, provider, functions, bus, documents, database_url, postgres)
        bus.close()
        documents.close()
        services.close()
        postgres.close()
        assembly.close()
        _forget_services()


@pytest.fixture
def world(archive: World, orders: Orders) -> Iterator[World]:
    """The module's world, emptied of what earlier tests added; nothing is on its way."""
    archive.begin_anew()
    orders.clear()
    yield archive
    orders.clear()


def _forget_services() -> None:
    settings_module.settings.cache_clear()
    services_module.services.cache_clear()


@pytest.fixture(scope="package")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a maker of small, distinct pieces of music as files; the same one is made once."""
    folder = tmp_path_factory.mktemp("pieces")

    def make(seed: int, seconds: float = 8.0, suffix: str = ".mp3") -> Path:
        path = folder / f"piece {seed} {seconds:g}{suffix}"
        if not path.exists():
            write_sound(path, sound(seed, seconds))
        return path

    return make
