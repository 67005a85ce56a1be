"""What people write to name a source."""

from __future__ import annotations

import pytest

from sonicgen.domain.address import canonical_url, parse_address
from sonicgen.domain.source import SourceKind
from sonicgen.errors import InputError

CHANNEL = "UCabcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("@SomeChannel", "channel", "@somechannel"),
        ("  @Some.Channel-1_  ", "channel", "@some.channel-1_"),
        ("@Ünïcode", "channel", "@ünïcode"),
        (CHANNEL, "channel", CHANNEL),
        (f"https://www.youtube.com/channel/{CHANNEL}/videos", "channel", CHANNEL),
        ("https://www.youtube.com/@SomeChannel/shorts?si=abc", "channel", "@somechannel"),
        ("youtube.com/@SomeChannel", "channel", "@somechannel"),
        ("https://m.youtube.com/%40SomeChannel", "channel", "@somechannel"),
        ("https://www.youtube.com/user/OldName", "channel", "user/OldName"),
        ("https://www.youtube.com/c/OldName", "channel", "c/OldName"),
        (f"https://www.youtube.com/feeds/videos.xml?channel_id={CHANNEL}", "channel", CHANNEL),
        ("PLabcdefghijklmnop", "playlist", "PLabcdefghijklmnop"),
        ("https://www.youtube.com/playlist?list=PLabcdefghijklmnop", "playlist", "PLabcdefghijklmnop"),
        ("https://music.youtube.com/playlist?list=OLAK5uy_abcdef", "playlist", "OLAK5uy_abcdef"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "video", "dQw4w9WgXcQ"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=PLabcdefghijklmnop&t=5s", "video", "dQw4w9WgXcQ"),
        ("http://youtu.be/dQw4w9WgXcQ?si=x", "video", "dQw4w9WgXcQ"),
        ("youtu.be/dQw4w9WgXcQ", "video", "dQw4w9WgXcQ"),
        ("https://www.youtube.com/shorts/dQw4w9WgXcQ", "video", "dQw4w9WgXcQ"),
        ("https://www.youtube.com/live/dQw4w9WgXcQ?feature=share", "video", "dQw4w9WgXcQ"),
        ("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ", "video", "dQw4w9WgXcQ"),
        ("https://Example.org/show/feed.XML", "feed", "https://example.org/show/feed.XML"),
        ("https://example.org/feed/", "feed", "https://example.org/feed/"),
        ("https://example.org/podcast?format=rss&utm_source=x", "link", "https://example.org/podcast?format=rss"),
        ("https://www.tiktok.com/@some.one/video/123#top", "link", "https://www.tiktok.com/@some.one/video/123"),
        ("https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ", "link", "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ"),
    ],
)  # fmt: skip
def test_what_is_meant(text: str, kind: str, address: str) -> None:
    read = parse_address(text)
    assert (read.kind, read.address) == (SourceKind(kind), address)
    assert read.url.startswith("https://")
    assert parse_address(read.url, read.kind).address == address  # its own link leads back to it


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no source"),
        ("@Some Channel", "no spaces; did you mean @SomeChannel"),
        ("@a b", "3 to 30"),
        ("@" + "x" * 31, "3 to 30"),
        ("@some/channel", "3 to 30"),
        ("SomeChannel", "Did you mean @SomeChannel"),
        ("Some Channel", "Did you mean @SomeChannel"),
        ("https://www.youtube.com/", "no channel, playlist or video"),
        ("https://www.youtube.com/channel/short", "no channel, playlist or video"),
        ("https://youtu.be/tooshort", "11 characters"),
        ("https://www.youtube.com/watch?v=", "no channel, playlist or video"),
        ("ftp://example.org/a.mp3", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("https://user:secret@example.org/", "name or password"),
        ("https://", "no link"),
        ("https://exa mple.org/", "no link"),
        ("https://[::1", "no link"),
        ("https://example.org:x/", "no link"),
        ("https://example.org/" + "x" * 3000, "2048"),
    ],
)
def test_what_cannot_be_meant_is_told(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_address(text)


def test_a_kind_is_taken_as_said_where_it_can_be() -> None:
    assert parse_address("https://example.org/show", SourceKind.FEED).kind is SourceKind.FEED
    assert parse_address("https://example.org/feed.xml", SourceKind.LINK).kind is SourceKind.LINK
    assert parse_address("dQw4w9WgXcQ", SourceKind.VIDEO).address == "dQw4w9WgXcQ"
    with pytest.raises(InputError, match="not lead to YouTube"):
        parse_address("https://example.org/show", SourceKind.PLAYLIST)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("HTTPS://Example.ORG:443", "https://example.org/"),
        ("http://example.org.:8080/A?b=1&a=2&utm_medium=x#f", "http://example.org:8080/A?b=1&a=2"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("https://example.org/a%20b?x=%2F", "https://example.org/a%20b?x=%2F"),
    ],
)
def test_one_form_for_a_link(text: str, canonical: str) -> None:
    assert canonical_url(text) == canonical == canonical_url(canonical)
