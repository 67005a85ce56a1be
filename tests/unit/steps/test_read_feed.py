"""Podcast feeds as sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sonicgen.domain.source import SourceReason, SourceState
from sonicgen.steps import read_feed as read_feed_module
from sonicgen.steps import reading as reading_module
from sonicgen.steps.services import Services
from sonicgen.store import recordings, sources
from tests.feed_site import Site, item, rss, serving_site
from tests.sources_fixture import MakeServices, Topic
from tests.unit.steps.channel_ingest.ingest import events, ingest, videos


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as running:
        yield running


@pytest.fixture
def services(site: Site, make_source_services: MakeServices) -> Services:
    return make_source_services(allowed_hosts=urlsplit(site.url).netloc)


@pytest.fixture
def discovered(topic: Callable[[str], Topic], services: Services) -> Topic:
    return topic("video-discovered")


def test_a_feed_is_read_and_then_only_what_is_new(services: Services, site: Site, discovered: Topic) -> None:
    site.body = rss(*map(item, range(3)))
    source = ingest(services, site.url)
    assert (source.state, source.reason, source.title) == (SourceState.DONE, SourceReason.READ, "The Show")
    assert (source.discovered, source.taken) == (3, 3)
    known = videos(services)
    assert {video.channel_id for video in known} == {f"feed:{source.id}"}
    assert {video.title for video in known} == {"Part 0", "Part 1", "Part 2"}
    assert len(events(discovered)) == 3

    unchanged = ingest(services, site.url)
    assert site.asked[-1]["if-none-match"] == '"one"'
    assert (unchanged.discovered, unchanged.reason) == (0, SourceReason.READ)

    moved = '<enclosure url="https://cdn.example.org/moved/1.mp3" type="audio/mpeg"/>'
    site.body, site.etag = rss(item(0), item(1, moved), item(2), item(3)), '"two"'
    again = ingest(services, site.url)
    assert (again.discovered, again.taken) == (1, 1)  # an entry that moved is the same entry
    assert [event.title for event in events(discovered)] == ["Part 3"]


def test_filters_and_limits_hold_for_feeds_too(services: Services, site: Site, discovered: Topic) -> None:
    site.body = rss(*(item(number, more=f"<itunes:duration>{number * 60}</itunes:duration>") for number in range(20)))
    source = ingest(services, site.url, min_duration_seconds=300, max_videos=4)
    assert (source.taken, source.filtered) == (4, 16)
    assert {video.title for video in videos(services)} == {"Part 16", "Part 17", "Part 18", "Part 19"}
    site.body, site.etag = rss(*map(item, range(22))), '"two"'
    assert ingest(services, site.url, min_duration_seconds=300, max_videos=4).taken == 2


def test_ten_thousand_entries(services: Services, site: Site, discovered: Topic) -> None:
    site.body = rss(*map(item, range(10_000)))
    started = time.monotonic()
    source = ingest(services, site.url)
    assert (source.taken, source.pages, source.state) == (10_000, 20, SourceState.DONE)
    assert recordings.counts_by_status(services.database)[None] == 10_000
    # 8 s, of which 5 are feedparser's; much more would mean that something grows with the square.
    assert time.monotonic() - started < 90


def test_a_feed_that_breaks_off_goes_on(
    services: Services, site: Site, discovered: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_feed_module, "BATCH", 5)
    site.body = rss(*map(item, range(12)))
    announce = reading_module.announce_videos  # type: ignore[attr-defined]
    calls = []

    def crash(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return int(announce(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr(reading_module, "announce_videos", crash)
        with pytest.raises(KeyboardInterrupt):
            ingest(services, site.url, event_id="one")
    assert len(videos(services)) == 10
    source = ingest(services, site.url, event_id="one")
    assert (source.discovered, source.taken) == (12, 12)
    assert len({event.id for event in events(discovered)}) == 12


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html><body>A page</body></html>", "not_a_feed"),
        (200, rss("<item><title>Words</title><link>https://example.org/</link></item>"), "no_enclosures"),
        (404, b"", "not_found"),
        (403, b"", "refused"),
    ],
)
def test_what_is_no_podcast_says_so(services: Services, site: Site, status: int, body: bytes, reason: str) -> None:
    site.status, site.body = status, body
    source = ingest(services, site.url)
    assert (source.state, source.reason) == (SourceState.FAILED, SourceReason(reason))
    assert videos(services) == []


def test_an_empty_feed_is_empty(services: Services, site: Site) -> None:
    site.body = rss()
    source = ingest(services, site.url)
    assert (source.state, source.reason) == (SourceState.DONE, SourceReason.EMPTY)


def test_a_watched_feed_that_fails_is_looked_at_again(services: Services, site: Site, discovered: Topic) -> None:
    site.status = 404
    failed = ingest(services, site.url, watch=True)
    assert failed.state is SourceState.FAILED
    assert failed.next_poll_at is not None
    site.status = 200
    assert ingest(services, site.url).reason is SourceReason.WATCHED
    assert sources.get(services.database, failed.id).taken == 1
