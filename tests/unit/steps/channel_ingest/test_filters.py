"""What is wanted of a source, and how much of it."""

from __future__ import annotations

from typing import Any

import pytest

from sonicgen.domain.source import SourceState
from sonicgen.steps.services import Services
from tests.sources_fixture import Topic
from tests.unit.steps.channel_ingest.ingest import events, ingest, videos
from tests.youtube_server import YoutubeServer, make_video


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
