"""Pushes: a hub that speaks the protocol, and our function behind the framework that runs it in the cloud."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import functions_framework
import pytest
from werkzeug.serving import make_server

from sonicgen.domain.source import Source
from sonicgen.services.websub import is_signed, youtube_topic
from sonicgen.steps import services as services_module
from sonicgen.steps.services import Services
from sonicgen.steps.websub import renew_subscriptions
from sonicgen.store import quota, recordings, sources
from tests.sources_fixture import MakeServices, Topic
from tests.unit.steps.channel_ingest.ingest import ingest
from tests.websub_hub import Hub, serving_hub
from tests.youtube_server import CHANNEL_ID, KEY, PAYLOADS, YoutubeServer, make_channel, make_video, serving

FUNCTION = Path(__file__).parents[3] / "functions" / "websub_callback" / "main.py"


@pytest.fixture
def server() -> Iterator[YoutubeServer]:
    with serving(make_channel(3)) as running:
        yield running


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving_hub() as running:
        yield running


@pytest.fixture
def services(
    server: YoutubeServer,
    hub: Hub,
    make_source_services: MakeServices,
    topic: Callable[[str], Topic],
    steps_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Services]:
    """Services whose callback is the function itself, served as in the cloud."""
    topic("video-discovered")
    app = functions_framework.create_app("main", str(FUNCTION))
    web = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings: dict[str, Any] = {
        "youtube_api_key": KEY,
        "youtube_endpoint": server.url,
        "websub_callback_url": f"http://127.0.0.1:{web.server_port}/",
        "websub_hub": hub.url,
        "allowed_hosts": urlsplit(hub.url).netloc,
    }
    made = make_source_services(**settings)
    monkeypatch.setattr(services_module, "settings", lambda: made.settings)
    services_module.services.cache_clear()
    yield made
    web.shutdown()
    thread.join()
    web.server_close()
    if services_module.services.cache_info().currsize:
        services_module.services().close()
    services_module.services.cache_clear()


@pytest.fixture
def source(services: Services) -> Source:
    """A watched channel that the hub pushes for."""
    return ingest(services, "@weather", watch=True)


def pushed(name: str = "push", **values: str) -> bytes:
    text = (PAYLOADS / f"{name}.xml").read_text("utf-8")
    known = {"CHANNEL_ID": CHANNEL_ID, "CHANNEL_TITLE": "The Weather", "VIDEO_TITLE": "New report"} | values
    for key, value in known.items():
        text = text.replace(key, value)
    return text.encode()


def titles(services: Services) -> set[str]:
    return {recording.title for recording in recordings.list_page(services.database).recordings}


def call(services: Services, path: str, **query: str) -> tuple[int, str]:
    base = urlsplit(services.settings.websub_callback_url or "").netloc
    connection = http.client.HTTPConnection(base, timeout=10)
    connection.request("GET", f"/{path}?{urlencode({f'hub.{name}': value for name, value in query.items()})}")
    answer = connection.getresponse()
    result = answer.status, answer.read().decode()
    connection.close()
    return result


def test_a_watched_channel_is_subscribed_and_proves_it(services: Services, source: Source, hub: Hub) -> None:
    (subscription,) = hub.subscriptions.values()
    assert subscription.topic == youtube_topic(CHANNEL_ID)
    assert subscription.callback.endswith(str(source.id))
    assert len(subscription.secret) == 64
    known = sources.get(services.database, source.id)
    assert known.websub_state == "verified"
    assert known.websub_lease_expires_at is not None
    assert abs(known.websub_lease_expires_at - datetime.now(UTC) - timedelta(days=5)) < timedelta(minutes=1)
    ingest(services, "@weather")  # asks for nothing again
    assert len(hub.challenges) == 1


@pytest.mark.parametrize("method", ["sha1", "sha256"])
def test_only_what_is_new_is_discovered(
    services: Services, source: Source, hub: Hub, server: YoutubeServer, method: str
) -> None:
    hub.method = method
    server.upload(make_video(50, title="New report"))
    assert hub.push(pushed(VIDEO_ID="vid00000050")) == [204]
    assert "New report" in titles(services)
    assert hub.push(pushed(VIDEO_ID="vid00000050", VIDEO_TITLE="New report, edited")) == [204]
    assert hub.push(pushed(VIDEO_ID="vid00000001", VIDEO_TITLE="Old report, edited")) == [204]
    assert hub.push(pushed("push_deleted", VIDEO_ID="vid00000001")) == [204]
    assert len(titles(services)) == 4
    assert server.spent["videos"] == 2  # the reading, and the one push with something new
    again = ingest(services, "@weather")
    assert (again.discovered, again.units) == (0, 1)


def test_a_push_passes_the_filters(services: Services, hub: Hub, server: YoutubeServer) -> None:
    ingest(services, "@weather", watch=True, title_words=["report"], include_shorts=False)
    server.upload(make_video(50, title="A song"), make_video(51, seconds=20, is_tall=True), make_video(52))
    for number in (50, 51, 52):
        assert hub.push(pushed(VIDEO_ID=f"vid{number:08d}")) == [204]
    assert titles(services) == {f"Weather report {number}" for number in (0, 1, 2, 52)}


@pytest.mark.parametrize("signature", ["", "sha1=", "sha1=" + "0" * 40, "md5=" + "0" * 32, "sha1=é", "nonsense"])
def test_what_others_push_is_ignored(
    services: Services, source: Source, hub: Hub, server: YoutubeServer, signature: str
) -> None:
    server.upload(make_video(50))
    assert hub.push(pushed(VIDEO_ID="vid00000050"), signature=signature.encode().decode("latin-1")) == [202]
    assert len(titles(services)) == 3


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"\xff\x00", b"<feed"])
def test_what_is_no_feed_is_ignored(services: Services, source: Source, hub: Hub, body: bytes) -> None:
    assert hub.push(body)[0] in (202, 204)
    assert len(titles(services)) == 3


def test_only_what_was_asked_for_is_confirmed(services: Services, source: Source) -> None:
    topic = youtube_topic(CHANNEL_ID)
    asked = {"topic": topic, "challenge": "c", "lease_seconds": "600"}
    assert call(services, str(source.id), mode="subscribe", **asked) == (200, "c")
    assert call(services, str(source.id), mode="unsubscribe", **asked)[0] == 404
    assert call(services, str(source.id), mode="subscribe", **{**asked, "topic": "https://other/"})[0] == 404
    assert call(services, str(source.id), mode="publish", **asked)[0] == 404
    assert call(services, str(source.id))[0] == 404
    assert call(services, "00000000-0000-0000-0000-000000000000", mode="subscribe", **asked)[0] == 404
    assert call(services, "no-id", mode="subscribe", **asked)[0] == 404


def test_who_stopped_is_left_alone(services: Services, source: Source, hub: Hub) -> None:
    sources.stop(services.database, source.id)
    asked = {"topic": youtube_topic(CHANNEL_ID), "challenge": "c"}
    assert call(services, str(source.id), mode="unsubscribe", **asked) == (200, "c")
    assert hub.push(pushed(VIDEO_ID="vid00000050")) == [410]
    assert hub.subscriptions == {}


def test_a_lease_is_renewed_before_it_ends(services: Services, source: Source, hub: Hub) -> None:
    assert renew_subscriptions(services) == 0
    sources.set_websub(services.database, source.id, "verified", datetime.now(UTC) + timedelta(hours=5))
    secret = next(iter(hub.subscriptions.values())).secret
    assert renew_subscriptions(services) == 1
    renewed = sources.get(services.database, source.id)
    assert renewed.websub_lease_expires_at is not None
    assert renewed.websub_lease_expires_at > datetime.now(UTC) + timedelta(days=4)
    assert next(iter(hub.subscriptions.values())).secret == secret  # pushes under way stay right
    assert renew_subscriptions(services) == 0


@pytest.mark.parametrize(
    ("status", "deny", "state"), [(500, False, "failed"), (400, False, "failed"), (202, True, "denied")]
)
def test_a_hub_that_refuses_costs_only_its_pushes(
    services: Services, hub: Hub, status: int, deny: bool, state: str
) -> None:
    hub.status, hub.deny = status, deny
    source = ingest(services, "@weather", watch=True)
    assert len(titles(services)) == 3
    known = sources.get(services.database, source.id)
    assert (known.websub_state, known.reason, known.next_poll_at is not None) == (state, "watched", True)
    hub.status, hub.deny = 202, False
    ingest(services, "@weather")  # a failure is tried again, a refusal is respected
    assert sources.get(services.database, source.id).websub_state == ("denied" if deny else "verified")


def test_a_push_waits_when_the_units_are_spent(
    services: Services, source: Source, hub: Hub, server: YoutubeServer
) -> None:
    resets_at = quota.exhaust(services.database, quota.YOUTUBE, 10_000)
    server.upload(make_video(50))
    assert hub.push(pushed(VIDEO_ID="vid00000050")) == [204]
    assert len(titles(services)) == 3
    assert sources.get(services.database, source.id).next_poll_at == resets_at


def test_signatures() -> None:
    # The values are from `printf body | openssl dgst -sha1 -hmac secret`, and with -sha256.
    sha1 = "sha1=a18991ff7e4513a1c2d2ee51e3a8e99ca891d9cd"
    sha256 = "sha256=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355"
    assert is_signed(b"body", sha1, "secret")
    assert is_signed(b"body", sha1.upper(), "secret")
    assert is_signed(b"body", sha256, "secret")
    assert not is_signed(b"Body", sha1, "secret")
    assert not is_signed(b"body", sha1, "Secret")
    assert not is_signed(b"body", None, "secret")
    assert not is_signed(b"body", sha1, None)
