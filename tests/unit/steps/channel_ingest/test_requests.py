"""Requests: those that cannot be done say why; newer ones take over; watched sources are looked at again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sonicgen.domain.source import SourceReason, SourceState
from sonicgen.events.channel_ingest import ChannelIngest
from sonicgen.steps import reading as reading_module
from sonicgen.steps.channel_ingest import channel_ingest
from sonicgen.steps.poll_sources import poll_due_sources
from sonicgen.steps.services import Services
from sonicgen.store import sources
from tests.sources_fixture import MakeServices, Topic
from tests.unit.steps.channel_ingest.ingest import NOW, events, ingest, videos
from tests.youtube_server import YoutubeServer, make_video


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        ("@nobody", "unknown_channel", "YouTube knows no such channel; check the handle"),
        ("PLprivateplaylist", "unknown_playlist", "private or gone; make it public or unlisted"),
        ("https://youtu.be/aaaaaaaaaaa", "unknown_video", "private or gone"),
        ("@the weather", "bad_request", "A handle has no spaces; did you mean @theweather?"),
        ("weather", "bad_request", "Did you mean @weather?"),
        ("ftp://example.org/x", "bad_request", "http:// or https://"),
        ("http://169.254.169.254/feed.xml", "refused", "may not be fetched"),
    ],
)
def test_what_cannot_be_read_says_why(services: Services, source: str, reason: str, words: str) -> None:
    failed = ingest(services, source)
    assert (failed.state, failed.reason) == (SourceState.FAILED, SourceReason(reason))
    assert words in failed.explain()
    assert videos(services) == []


def test_an_empty_channel_is_empty(services: Services, server: YoutubeServer) -> None:
    server.playlists.clear()
    source = ingest(services, "@weather", watch=False)
    assert (source.state, source.reason, source.title) == (SourceState.DONE, SourceReason.EMPTY, "The Weather")


def test_a_channel_that_went_away_is_told(services: Services, server: YoutubeServer, discovered: Topic) -> None:
    ingest(services, "@weather")
    server.playlists.clear()
    assert ingest(services, "@weather").reason is SourceReason.UNKNOWN_CHANNEL


def test_a_key_that_is_missing_or_wrong_is_named(make_source_services: MakeServices, server: YoutubeServer) -> None:
    missing = ingest(make_source_services(youtube_endpoint=server.url), "@weather")
    assert missing.reason is SourceReason.NO_KEY
    assert "YOUTUBE_API_KEY is not set. Make a key (https://console.cloud.google.com" in missing.explain()
    wrong = ingest(make_source_services(youtube_endpoint=server.url, youtube_api_key="wrong"), "@weather")
    assert wrong.reason is SourceReason.BAD_KEY
    assert "API key not valid" in wrong.explain()
    assert "wrong" not in wrong.explain()


def test_single_videos_need_no_key(make_source_services: MakeServices, services: Services, discovered: Topic) -> None:
    keyless = make_source_services(youtube_endpoint=services.settings.youtube_endpoint)
    assert ingest(keyless, "https://youtu.be/vid00000005").state is SourceState.DONE
    assert ingest(keyless, "https://example.org/talks/One%20talk.mp3?x=1#t").title == "One talk.mp3"
    assert ingest(services, "https://www.youtube.com/watch?v=vid00000006").title == "Weather report 6"
    assert {(event.youtube_id, event.url) for event in events(discovered)} == {
        ("vid00000005", "https://www.youtube.com/watch?v=vid00000005"),
        (None, "https://example.org/talks/One%20talk.mp3?x=1"),
        ("vid00000006", "https://www.youtube.com/watch?v=vid00000006"),
    }


def test_a_newer_message_takes_over_from_an_older(
    services: Services, server: YoutubeServer, discovered: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce = reading_module.announce_videos  # type: ignore[attr-defined]
    ran: list[int] = []

    def interfere(*arguments: Any) -> int:
        if not ran:
            ran.append(1)
            ran.append(ingest(services, "@weather").taken)
        return announce(*arguments)

    monkeypatch.setattr(reading_module, "announce_videos", interfere)
    source = ingest(services, "@weather")  # keeps its first page, then the other one reads on
    assert (source.discovered, source.state) == (120, SourceState.DONE)
    assert ran == [1, 120]
    assert server.spent["playlistItems"] == 4  # the older notices at its next page
    assert len({event.id for event in events(discovered)}) == 120


def test_long_readings_go_on_in_another_message(
    services: Services, discovered: Topic, topic: Callable[[str], Topic], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = topic("channel-ingest")
    monkeypatch.setattr(reading_module, "SLICE_SECONDS", -1.0)
    source = ingest(services, "@weather")
    for _ in range(2):
        assert (source.state, source.reason) == (SourceState.ACTIVE, SourceReason.READING)
        (message,) = requests.take()
        channel_ingest(services, ChannelIngest.from_data(json.loads(message.data), NOW, message.attributes["ce-id"]))
        source = sources.get(services.database, source.id)
    assert (source.state, source.discovered, source.units) == (SourceState.DONE, 120, 7)
    assert requests.take() == []


def test_a_watched_source_is_looked_at_and_can_be_stopped(
    services: Services, server: YoutubeServer, discovered: Topic, topic: Callable[[str], Topic]
) -> None:
    requests = topic("channel-ingest")
    source = ingest(services, "@weather", watch=True, poll_every_seconds=600)
    assert (source.state, source.reason) == (SourceState.ACTIVE, SourceReason.WATCHED)
    assert source.next_poll_at is not None
    assert 500 < (source.next_poll_at - datetime.now(UTC)).total_seconds() <= 600
    soon = source.next_poll_at
    assert poll_due_sources(services, at=soon).due == 1
    assert poll_due_sources(services, at=soon).due == 0  # taken
    (message,) = requests.take()
    server.upload(make_video(200))
    channel_ingest(services, ChannelIngest.from_data(json.loads(message.data), NOW, message.attributes["ce-id"]))
    watched = sources.get(services.database, source.id)
    assert (watched.taken, watched.reason, watched.filters) == (1, SourceReason.WATCHED, source.filters)
    sources.stop(services.database, source.id)
    stopped = sources.get(services.database, source.id)
    assert (stopped.state, stopped.reason, stopped.next_poll_at) == (SourceState.DONE, SourceReason.STOPPED, None)
    late = ChannelIngest(address="", time=NOW, source_id=source.id)
    assert channel_ingest(services, late).value["state"] == "superseded"
