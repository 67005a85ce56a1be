"""From a handle, a playlist, a feed or a link to discovered videos: all of them, once, at the least cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from sonicgen.domain.recording import Recording
from sonicgen.domain.source import Source, SourceReason, SourceState, youtube_video_id
from sonicgen.errors import TransientError
from sonicgen.events.channel_ingest import ChannelIngest
from sonicgen.events.video_discovered import VideoDiscovered
from sonicgen.services import youtube as youtube_module
from sonicgen.steps import channel_ingest as channel_ingest_module
from sonicgen.steps import reading as reading_module
from sonicgen.steps.channel_ingest import channel_ingest
from sonicgen.steps.poll_sources import poll_due_sources
from sonicgen.steps.services import Services
from sonicgen.store import quota, recordings, sources
from tests.sources_fixture import MakeServices, Topic
from tests.youtube_server import CHANNEL_ID, KEY, Fault, YoutubeServer, make_channel, make_video, serving

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture
def server() -> Iterator[YoutubeServer]:
    with serving(make_channel(120)) as running:
        yield running


@pytest.fixture
def services(server: YoutubeServer, make_source_services: MakeServices, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(youtube_module, "_FIRST_PAUSE_SECONDS", 0.001)
    return make_source_services(youtube_api_key=KEY, youtube_endpoint=server.url)


@pytest.fixture
def discovered(topic: Callable[[str], Topic], services: Services) -> Topic:
    return topic("video-discovered")


def ingest(services: Services, source: str, event_id: str | None = None, **data: Any) -> Source:
    """Do what a message asks for and return the source afterwards."""
    event_id = event_id or f"event-{next(_numbers)}"
    outcome = channel_ingest(services, ChannelIngest.from_data({"source": source, **data}, NOW, event_id))
    return sources.get(services.database, UUID(outcome.value["source_id"]))


def videos(services: Services) -> list[Recording]:
    return recordings.list_page(services.database, limit=100_000).recordings


def events(topic: Topic) -> list[VideoDiscovered]:
    return [VideoDiscovered.from_data(json.loads(message.data), NOW) for message in topic.take()]


def spent(services: Services) -> int:
    return quota.today(services.database, quota.YOUTUBE, 10_000).units


def test_a_channel_is_discovered_whole_once_and_at_the_least_cost(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    source = ingest(services, "@Weather")
    assert (source.state, source.reason) == (SourceState.DONE, SourceReason.READ)
    assert (source.discovered, source.taken, source.filtered, source.pages) == (120, 120, 0, 3)
    assert server.spent == {"channels": 1, "playlistItems": 3, "videos": 3}
    assert spent(services) == source.units == 7
    known = videos(services)
    assert {video.youtube_id for video in known} == set(server.videos)
    first = next(video for video in known if video.youtube_id == "vid00000007")
    assert first.id == youtube_video_id("vid00000007")
    assert (first.title, first.duration_seconds, first.channel_id) == ("Weather report 7", 307.0, CHANNEL_ID)
    assert first.published_at == server.videos["vid00000007"].published_at
    assert first.published_uri == "https://www.youtube.com/watch?v=vid00000007"
    assert (first.match_status, first.source_uri) == (None, None)
    told = events(discovered)
    assert len(told) == 120
    assert {event.video_id for event in told} == {video.id for video in known}
    assert {event.source_id for event in told} == {source.id}


def test_a_repeat_costs_one_unit_and_brings_only_what_is_new(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    ingest(services, "@weather")
    events(discovered)
    again = ingest(services, "@weather")
    assert (again.units, again.discovered) == (1, 0)
    server.upload(make_video(200), make_video(201))
    newer = ingest(services, "https://www.youtube.com/@weather/videos")
    assert newer.id == again.id
    assert (newer.units, newer.taken) == (3, 2)  # the page, the two, and the page after it, on which all is known
    assert {event.youtube_id for event in events(discovered)} == {"vid00000200", "vid00000201"}
    assert len(videos(services)) == 122


def test_the_same_message_again_does_nothing(services: Services, server: YoutubeServer, discovered: Topic) -> None:
    ingest(services, "@weather", event_id="same")
    ingest(services, "@weather", event_id="same")
    assert len(server.calls) == 7
    assert len(events(discovered)) == 120


def test_a_channel_is_one_source_under_all_its_names(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    first = ingest(services, "@weather")
    by_id = ingest(services, CHANNEL_ID)
    assert by_id.id == first.id
    assert len(server.calls) == 7 + 2  # who it is, and the first page
    ingest(services, CHANNEL_ID)
    assert len(server.calls) == 7 + 3
    alias = next(each for each in sources.list_all(services.database) if each.address == CHANNEL_ID)
    assert (alias.same_as, alias.reason) == (first.id, SourceReason.SAME_AS)


@pytest.mark.parametrize("kind", ["channels", "playlistItems", "videos"])
def test_what_breaks_off_goes_on_where_it_was(
    services: Services, server: YoutubeServer, discovered: Topic, kind: str
) -> None:
    if kind != "channels":
        server.faults.append(Fault(kind=kind))  # the first of them is answered
    server.faults.append(Fault("error_backend", kind=kind, times=4))
    with pytest.raises(TransientError):
        ingest(services, "@weather", event_id="one")
    half = sources.list_all(services.database)[0]
    assert half.state is SourceState.ACTIVE
    assert "Held up: YouTube answers with an error of its own (503)." in half.explain()
    whole = ingest(services, "@weather", event_id="one")
    assert (whole.discovered, whole.taken, whole.pages) == (120, 120, 3)
    assert len(videos(services)) == 120
    assert len(events(discovered)) == 120
    assert server.spent["playlistItems"] <= 3 + 4 + (kind == "videos")  # no page that was kept is read again


def test_events_that_a_crash_left_are_published_by_the_next(
    services: Services, discovered: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reading_module, "announce_videos", crash)
        with pytest.raises(KeyboardInterrupt):
            ingest(services, "@weather", event_id="one")
    assert len(videos(services)) == 50
    assert events(discovered) == []
    ingest(services, "@weather", event_id="one")
    assert len({event.id for event in events(discovered)}) == 120


def test_a_topic_that_is_not_there_yet_loses_nothing(services: Services, topic: Callable[[str], Topic]) -> None:
    with pytest.raises(TransientError, match=r"video-discovered does not exist in Pub/Sub"):
        ingest(services, "@weather", event_id="one")
    discovered = topic("video-discovered")
    assert ingest(services, "@weather", event_id="one").discovered == 120
    assert len({event.id for event in events(discovered)}) == 120


def test_after_the_last_try_the_source_says_so(services: Services, server: YoutubeServer) -> None:
    server.faults.append(Fault("error_backend", times=1000))
    for _ in range(channel_ingest_module.MAXIMUM_ATTEMPTS - 1):
        with pytest.raises(TransientError):
            ingest(services, "@weather", event_id="one")
    source = ingest(services, "@weather", event_id="one")
    assert (source.state, source.reason) == (SourceState.FAILED, SourceReason.UNAVAILABLE)
    assert "ten times" in source.explain()


def test_it_pauses_when_the_units_are_spent_and_goes_on_the_next_day(
    services: Services,
    make_source_services: MakeServices,
    server: YoutubeServer,
    discovered: Topic,
    topic: Callable[[str], Topic],
) -> None:
    requests = topic("channel-ingest")
    poor = make_source_services(youtube_api_key=KEY, youtube_endpoint=server.url, youtube_daily_units=4)
    paused = ingest(poor, "@weather")
    assert (paused.state, paused.reason) == (SourceState.PAUSED_QUOTA, SourceReason.QUOTA)
    assert "goes on after midnight Pacific time" in paused.explain()
    assert (paused.discovered, paused.units, len(server.calls)) == (50, 4, 4)
    assert paused.next_poll_at is not None
    midnight = paused.next_poll_at.astimezone(ZoneInfo("America/Los_Angeles"))
    assert (midnight.hour, midnight.minute) == (0, 0)
    assert timedelta(0) < paused.next_poll_at - datetime.now(UTC) <= timedelta(hours=25)
    assert ingest(poor, "@weather").state is SourceState.PAUSED_QUOTA
    assert len(server.calls) == 4  # not one unit over the limit

    assert poll_due_sources(services).due == 0
    assert poll_due_sources(services, at=midnight).due == 1
    message = requests.take()[0]
    request = ChannelIngest.from_data(json.loads(message.data), NOW, message.attributes["ce-id"])
    channel_ingest(services, request)  # with the units of a new day
    source = sources.get(services.database, paused.id)
    assert (source.state, source.discovered, source.next_poll_at) == (SourceState.DONE, 120, None)
    assert server.spent == {"channels": 1, "playlistItems": 4, "videos": 3}  # one page had no units for its videos
    assert len({event.id for event in events(discovered)}) == 120


def test_after_a_long_rest_nothing_that_moved_is_missed(
    services: Services,
    make_source_services: MakeServices,
    server: YoutubeServer,
    discovered: Topic,
    topic: Callable[[str], Topic],
) -> None:
    requests = topic("channel-ingest")
    poor = make_source_services(youtube_api_key=KEY, youtube_endpoint=server.url, youtube_daily_units=5)
    paused = ingest(poor, "@weather")
    assert paused.page_token
    with services.database.transaction() as connection:  # a day goes by
        connection.execute("alter table sources disable trigger sources_touch")
        connection.execute("update sources set updated_at = updated_at - interval '1 day'")
        connection.execute("alter table sources enable trigger sources_touch")
    # Two of the second page are deleted, so that two of the third move into it.
    uploads = server.playlists[paused.uploads_playlist_id or ""]
    del uploads[60:62]
    ingest(services, "@weather")
    assert {video.youtube_id for video in videos(services)} >= set(uploads)
    # What came meanwhile stands before the page that it went on with: it is looked at in a message of its own.
    server.upload(make_video(500))
    (message,) = requests.take()
    channel_ingest(services, ChannelIngest.from_data(json.loads(message.data), NOW, message.attributes["ce-id"]))
    assert {video.youtube_id for video in videos(services)} == set(server.videos)


def test_youtube_itself_may_say_that_nothing_is_left(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    server.faults.append(Fault("error_quota", kind="videos"))
    assert ingest(services, "@weather").state is SourceState.PAUSED_QUOTA
    assert quota.today(services.database, quota.YOUTUBE, 10_000).is_exhausted
    assert ingest(services, "@weather").state is SourceState.PAUSED_QUOTA
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("filters", "wanted", "calls"),
    [
        # The newest is number 119, at noon of 1 March 2026 and 119 hours.
        ({"published_after": "2026-03-06T00:00:00Z"}, range(108, 120), 4),
        ({"published_before": "03/02/2026"}, range(12), 5),
        ({"published_after": "2026-03-02", "published_before": "2026-03-03"}, range(12, 36), 6),
        ({"max_videos": 60}, range(60, 120), 5),
        ({"max_videos": 50}, range(70, 120), 3),
        ({"title_pattern": r"report 1\d$"}, range(10, 20), 5),
        ({"title_words": ["snow"]}, range(0), 4),
        ({"min_duration_seconds": 415}, range(115, 120), 7),
        ({"max_duration_seconds": 301, "max_videos": 1}, range(1, 2), 7),
    ],
)
def test_only_what_is_wanted_is_taken(
    services: Services, server: YoutubeServer, discovered: Topic, filters: dict[str, Any], wanted: range, calls: int
) -> None:
    source = ingest(services, "@weather", **filters)
    assert {video.youtube_id for video in videos(services)} == {f"vid{number:08d}" for number in wanted}
    assert source.state is SourceState.DONE
    assert source.taken == len(wanted)
    assert source.discovered == source.taken + source.filtered
    assert len(server.calls) == calls
    server.calls.clear()
    server.upload(make_video(300, title="snow report 15", seconds=5000))
    again = ingest(services, "@weather", **filters)
    assert again.taken <= 1
    assert len(server.calls) <= 3


def test_shorts_and_live_streams_may_stay_out(services: Services, server: YoutubeServer, discovered: Topic) -> None:
    server.upload(
        make_video(300, seconds=50, is_tall=True),
        make_video(301, seconds=50),
        make_video(302, live="was_live"),
        make_video(303, live="upcoming"),
    )
    source = ingest(services, "@weather", include_shorts=False, include_live=False)
    assert source.filtered == 3
    assert {video.youtube_id for video in videos(services)} == set(server.videos) - {
        "vid00000300", "vid00000302", "vid00000303"
    }  # fmt: skip


def test_other_filters_are_applied_to_what_was_left_out(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    ingest(services, "@weather", title_words=["7"])
    assert len(videos(services)) == 1
    ingest(services, "@weather")
    assert len(videos(services)) == 120
    assert len(events(discovered)) == 120


def test_a_limit_ends_the_past_not_the_future(services: Services, server: YoutubeServer, discovered: Topic) -> None:
    ingest(services, "@weather", max_videos=10)
    server.upload(*(make_video(number) for number in range(200, 260)))
    again = ingest(services, "@weather", max_videos=10)
    assert again.taken == 60
    assert {video.youtube_id for video in videos(services)} == {
        f"vid{number:08d}" for number in (*range(110, 120), *range(200, 260))
    }


def test_a_playlist_is_read_whole_each_time(services: Services, server: YoutubeServer, discovered: Topic) -> None:
    server.titles["PLbestofweather"] = "Best of"
    server.playlists["PLbestofweather"] = [f"vid{number:08d}" for number in range(60)]
    server.upload(make_video(400, is_private=True))
    server.playlists["PLbestofweather"].insert(3, "vid00000400")
    source = ingest(services, "PLbestofweather")
    assert (source.title, source.taken, source.filtered) == ("Best of", 60, 1)
    assert server.spent == {"playlists": 1, "playlistItems": 2, "videos": 2}
    server.playlists["PLbestofweather"].append("vid00000100")
    server.videos["vid00000400"].is_private = False
    again = ingest(services, "PLbestofweather")
    assert (again.taken, again.units) == (2, 4)
    assert ingest(services, "@weather").taken == 121 - 62
    assert len(events(discovered)) == 121


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
