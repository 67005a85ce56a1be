"""Feeds as they are out there, fetched from a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonicgen.errors import SourceError, UnavailableError
from sonicgen.services.feeds import fetch_feed, read_clock, read_feed
from sonicgen.services.guard import Guard
from tests.feed_site import Site, item, rss, serving_site


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as running:
        yield running


@pytest.fixture
def guard(site: Site) -> Guard:
    return Guard(allowed_hosts=frozenset({site.url.split("/")[2]}))


def test_a_podcast(site: Site, guard: Guard) -> None:
    site.body = rss(
        item(
            1, more="<itunes:duration>1:02:03</itunes:duration><description>&lt;b&gt;Rain&lt;/b&gt; again</description>"
        ),
        item(2, '<enclosure url="https://CDN.example.org/2.m4a" type=""/>'),
        item(3, '<media:content url="https://cdn.example.org/3.ogg" type="audio/ogg" duration="90"/>'),
        item(4, '<enclosure url="https://cdn.example.org/4.jpg" type="image/jpeg"/>'),
        item(5, '<enclosure url="ftp://example.org/5.mp3" type="audio/mpeg"/>'),
        item(6, '<enclosure url="http://[broken/6.mp3" type="audio/mpeg"/>'),
        head='<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="hub" href="https://hub.example.org/"/>',
    )
    feed = fetch_feed(site.url, guard=guard)
    assert feed is not None
    assert (feed.title, feed.listed, feed.hub) == ("The Show", 6, "https://hub.example.org/")
    assert (feed.etag, feed.last_modified) == ('"one"', "Mon, 06 Sep 2021 00:00:00 GMT")
    first, second, third = feed.entries
    assert first.item == "g1"
    assert first.url == site.url.replace("/show/feed.xml", "/audio/1.mp3")
    assert (first.title, first.description, first.duration_seconds) == ("Part 1", "Rain again", 3723.0)
    assert first.published_at == datetime(2021, 9, 6, 0, 1, tzinfo=UTC)
    assert second.url == "https://cdn.example.org/2.m4a"
    assert third.duration_seconds == 90.0


def test_what_has_not_changed_is_not_sent_again(site: Site, guard: Guard) -> None:
    first = fetch_feed(site.url, guard=guard)
    assert first is not None
    assert fetch_feed(site.url, etag=first.etag, last_modified=first.last_modified, guard=guard) is None
    assert site.asked[1]["if-none-match"] == '"one"'
    assert site.asked[1]["if-modified-since"] == first.last_modified
    site.etag = '"two"'
    assert fetch_feed(site.url, etag=first.etag, guard=guard) is not None


@pytest.mark.parametrize(
    ("status", "body", "reason", "words"),
    [
        (200, b"<html><body>Hello</body></html>", "not_a_feed", "no RSS or Atom feed"),
        (200, b"", "not_a_feed", "no RSS or Atom feed"),
        (200, b'{"version": 1}', "not_a_feed", "no RSS or Atom feed"),
        (200, b"\x00\x01\x02 nothing", "not_a_feed", "no RSS or Atom feed"),
        (200, b"/etc/passwd", "not_a_feed", "no RSS or Atom feed"),
        (404, b"", "not_found", "answers 404"),
        (410, b"", "not_found", "answers 410"),
        (403, b"", "refused", "answers 403"),
    ],
)
def test_what_is_no_feed_is_told(site: Site, guard: Guard, status: int, body: bytes, reason: str, words: str) -> None:
    site.status, site.body = status, body
    with pytest.raises(SourceError, match=words) as told:
        fetch_feed(site.url, guard=guard)
    assert told.value.reason == reason


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_comes_again(site: Site, guard: Guard, status: int) -> None:
    site.status = status
    with pytest.raises(UnavailableError, match=str(status)):
        fetch_feed(site.url, guard=guard)


def test_a_feed_may_not_lead_into_private_networks(site: Site, guard: Guard) -> None:
    for address in ("http://169.254.169.254/latest/", "http://localhost:1/feed"):
        with pytest.raises(SourceError, match="may not be fetched") as told:
            fetch_feed(address, guard=guard)
        assert told.value.reason == "refused"
    site.status, site.location = 302, "http://169.254.169.254/latest/"
    with pytest.raises(SourceError, match="may not be fetched"):
        fetch_feed(site.url, guard=guard)


def test_a_feed_without_end_is_cut(site: Site, guard: Guard) -> None:
    site.body = rss(*map(item, range(1000)))
    with pytest.raises(SourceError, match="too large") as told:
        fetch_feed(site.url, guard=guard, maximum_bytes=10_000)
    assert told.value.reason == "too_large"


def test_a_damaged_feed_is_read_as_far_as_it_goes() -> None:
    whole = rss(item(1), item(2))
    assert len(read_feed(whole[: whole.index(b"Part 2")], "https://example.org/").entries) == 1
    assert len(read_feed(whole.replace(b"Part 1", b"Rain & snow"), "https://example.org/").entries) == 2


def test_a_file_is_never_opened_by_a_feeds_content(tmp_path: Path) -> None:
    secret = tmp_path / "feed.xml"
    secret.write_bytes(rss(item(1)))
    with pytest.raises(SourceError):
        read_feed(str(secret).encode(), "https://example.org/")


def test_entities_do_not_explode() -> None:
    layers = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = (
        f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "ha">{layers}]><rss version="2.0"><channel>'
        "<title>&l9;</title></channel></rss>"
    )
    # The parser gives up after eight million characters; all of them would be two billion, and no test's time.
    feed = read_feed(bomb.encode(), "https://example.org/")
    assert len(feed.title or "") <= 500


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3600", 3600), ("60:00", 3600), ("1:00:00", 3600), ("00:00:05.5", 5.5), (" 90 ", 90), ("", None), ("1h", None),
     ("a:b", None), ("-5", None)],
)  # fmt: skip
def test_clocks(text: str, seconds: float | None) -> None:
    assert read_clock(text) == seconds
