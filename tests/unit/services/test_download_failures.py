"""The sorter against recorded messages, raised through yt-dlp's own classes.

What only a site itself says (that a video is private, for members, checked for robots) cannot be provoked here; the
sentences are in tests/payloads/yt_dlp_messages.json. Those that yt-dlp writes are looked for in its source, so that its
next version cannot change them unseen. What a server can do is provoked for real in test_downloader.py.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yt_dlp.extractor
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, ProxyError, TransportError
from yt_dlp.utils import (
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    RegexNotFoundError,
    ThrottledDownload,
    UnsupportedError,
    UserNotLive,
)

from sonicgen.services.download_failures import sort_failure

MESSAGES = json.loads((Path(__file__).parents[2] / "payloads" / "yt_dlp_messages.json").read_text())
EXTRACTORS = Path(yt_dlp.extractor.__file__).parent


def raised(error: Exception) -> DownloadError:
    """Return an error as YoutubeDL hands it out: wrapped, with the original inside."""
    try:
        raise error
    except type(error) as original:
        return DownloadError(f"ERROR: {original}", (type(original), original, original.__traceback__))


def status(code: int) -> HTTPError:
    return HTTPError(Response(io.BytesIO(), "http://example.org/", {}, status=code))


@pytest.mark.parametrize("row", MESSAGES, ids=[row["message"][:40] for row in MESSAGES])
def test_what_sites_say_is_sorted(row: dict[str, str]) -> None:
    failure = sort_failure(raised(ExtractorError(row["message"], expected=True, video_id="x", ie=row["site"])))
    assert str(failure.reason) == row["reason"]
    assert failure.detail is not None
    assert "--cookies" not in failure.detail
    assert row["message"].startswith(failure.detail[:20])


@pytest.mark.parametrize("row", [row for row in MESSAGES if "words" in row], ids=lambda row: row["words"][:40])
def test_this_yt_dlp_still_says_so(row: dict[str, str]) -> None:
    assert row["words"] in (EXTRACTORS / row["written_in"]).read_text()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GeoRestrictedError("not here"), "geo_blocked"),
        (UserNotLive(), "not_yet_begun"),
        (ThrottledDownload(), "stalled"),
        (UnsupportedError("http://example.org"), "not_media"),
        (RegexNotFoundError("Unable to extract title"), "site_changed"),
        (ExtractorError("Unable to extract universal data for rehydration"), "site_changed"),
        (ExtractorError("The owner has other plans", expected=True), "other"),
        (ExtractorError("Unable to download webpage", cause=status(404), expected=True), "gone"),
        (ExtractorError("Unable to download webpage: HTTP Error 403: Forbidden", cause=status(403)), "refused"),
        (status(401), "login_required"),
        (status(402), "members_only"),
        (status(403), "refused"),
        (status(410), "gone"),
        (status(429), "rate_limited"),
        (status(451), "geo_blocked"),
        (status(503), "network"),
        (TransportError("timed out"), "network"),
        (ProxyError("refused"), "network"),
        (IncompleteRead(1, 2), "network"),
        (DownloadError("[download] Got error: 5 bytes read, 9 more expected. Giving up after 2 retries"), "network"),
        (KeyError("title"), "other"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
def test_classes_and_statuses_are_sorted(error: Exception, reason: str) -> None:
    assert str(sort_failure(raised(error)).reason) == reason
