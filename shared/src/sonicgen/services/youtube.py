"""The YouTube Data API v3: a channel by its handle, the videos of a playlist page by page, and what they are.

Only calls of one unit are made (`channels.list`, `playlists.list`, `playlistItems.list`, `videos.list`); a search costs
a hundred. Reference: https://developers.google.com/youtube/v3/docs
"""

from __future__ import annotations

import http.client
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Self

import httplib2
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from sonicgen.domain.source import EXPLANATIONS, SourceReason
from sonicgen.errors import QuotaError, SourceError, UnavailableError
from sonicgen.services.youtube_forms import (
    Channel,
    ListedPage,
    VideoDetails,
    problem_of,
    read_channel,
    read_page,
    read_video,
)

logger = logging.getLogger(__name__)

PAGE_SIZE = 50  # of playlistItems.list and videos.list: the most that either gives at once
UNITS_A_CALL = 1
DEFAULT_TIMEOUT_SECONDS = 20.0
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
# The player's box that heights and widths are told for: only their proportion matters.
_PLAYER_PIXELS = 720

_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_RATE = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "servingLimitExceeded"})
_KEY = frozenset(
    {
        *("keyInvalid", "keyExpired", "API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "accessNotConfigured"),
        *("SERVICE_DISABLED", "ipRefererBlocked", "API_KEY_IP_ADDRESS_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED"),
        *("required", "authError", "unauthorized"),
    }
)
_NOT_FOUND = frozenset({"playlistNotFound", "channelNotFound", "videoNotFound", "notFound"})
_UNREACHED = (OSError, http.client.HTTPException, httplib2.error.HttpLib2Error)


class Youtube:
    """The API with one key; not safe to share between threads.

    `reserve` is called with the units of every request before it is sent and raises QuotaError to forbid it;
    `exhausted` is called when YouTube itself says that the day's units are spent. Raises SourceError without a key.
    """

    def __init__(
        self,
        key: str | None,
        endpoint: str | None = None,
        *,
        reserve: Callable[[int], None],
        exhausted: Callable[[], None],
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        if not key:
            raise SourceError(SourceReason.NO_KEY, EXPLANATIONS[SourceReason.NO_KEY])
        options = {"api_endpoint": endpoint.rstrip("/") + "/"} if endpoint else None
        self._http = httplib2.Http(timeout=timeout_seconds)
        self._api: Any = build(
            "youtube",
            "v3",
            developerKey=key,
            http=self._http,
            static_discovery=True,
            cache_discovery=False,
            client_options=options,
        )
        self._reserve = reserve
        self._exhausted = exhausted

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def channel(self, address: str) -> Channel:
        """Return the channel of an address (`@handle`, an id, `user/Name`, `c/Name`).

        Raises SourceError when there is none, QuotaError, UnavailableError.
        """
        if address.startswith("user/"):
            named = {"forUsername": address.removeprefix("user/")}
        elif address.startswith("UC") and "/" not in address:
            named = {"id": address}
        else:  # a custom name of old has become the handle in nearly all cases; only a search could tell the others
            named = {"forHandle": f"@{address.removeprefix('c/').removeprefix('@')}"}
        answer = self._call(self._api.channels().list(part="snippet,contentDetails", maxResults=1, **named), address)
        items = answer.get("items") or []
        if not items:
            raise _refused(SourceReason.UNKNOWN_CHANNEL, f"Asked for: {address}.")
        return read_channel(items[0])

    def playlist_title(self, playlist_id: str) -> str:
        """Return a playlist's title. Raises SourceError when nobody may see it, and as `channel` does."""
        answer = self._call(self._api.playlists().list(part="snippet", id=playlist_id, maxResults=1), playlist_id)
        items = answer.get("items") or []
        if not items:
            raise _refused(SourceReason.UNKNOWN_PLAYLIST, f"Asked for: {playlist_id}.")
        return str((items[0].get("snippet") or {}).get("title") or playlist_id)

    def page(self, playlist_id: str, page_token: str | None = None) -> ListedPage:
        """Return up to 50 videos of a playlist. Raises SourceError when it cannot be seen, and as `channel` does."""
        request = self._api.playlistItems().list(
            part="snippet,contentDetails,status",
            playlistId=playlist_id,
            maxResults=PAGE_SIZE,
            **({"pageToken": page_token} if page_token else {}),
        )
        return read_page(self._call(request, playlist_id))

    def videos(self, youtube_ids: Sequence[str]) -> dict[str, VideoDetails]:
        """Return what is known of up to 50 videos; those that nobody may see are missing. Raises as `channel` does."""
        if not youtube_ids:
            return {}
        if len(youtube_ids) > PAGE_SIZE:
            raise ValueError(f"{len(youtube_ids)} videos asked for at once, at most {PAGE_SIZE} can be")
        request = self._api.videos().list(
            part="snippet,contentDetails,liveStreamingDetails,status,player",
            id=",".join(youtube_ids),
            maxHeight=_PLAYER_PIXELS,
            maxWidth=_PLAYER_PIXELS,
        )
        details = map(read_video, self._call(request, f"{len(youtube_ids)} videos").get("items") or [])
        return {video.youtube_id: video for video in details}

    def _call(self, request: Any, asked: str) -> dict[str, Any]:
        pause = _FIRST_PAUSE_SECONDS
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._call_once(request, asked)
            except UnavailableError as error:
                logger.warning("%s Trying again (%d of %d).", error, attempt + 1, _ATTEMPTS)
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - nothing secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return self._call_once(request, asked)

    def _call_once(self, request: Any, asked: str) -> dict[str, Any]:
        self._reserve(UNITS_A_CALL)
        with self._explained(asked):
            return dict(request.execute(http=self._http))

    @contextmanager
    def _explained(self, asked: str) -> Iterator[None]:
        """Turn what the client raises into our errors. Its own words hold the URL, and with it the key: never shown."""
        try:
            yield
        except HttpError as error:
            self._judge(int(error.resp.status), *problem_of(error.content), asked)
        except _UNREACHED as error:
            raise UnavailableError(f"YouTube does not answer ({type(error).__name__}).") from None
        except (ValueError, TypeError):
            raise UnavailableError("YouTube answered with something that is no JSON object.") from None

    def _judge(self, status: int, codes: frozenset[str], message: str, asked: str) -> NoReturn:
        """Raise the error that an answer stands for."""
        if codes & _QUOTA:
            self._exhausted()
            raise QuotaError("YouTube says that the day's units of this key are spent.") from None
        if codes & _RATE or status == 429:
            raise UnavailableError("YouTube asks for fewer requests at a time.") from None
        if status >= 500:
            raise UnavailableError(f"YouTube answers with an error of its own ({status}).") from None
        said = f"YouTube says: {(message or ', '.join(sorted(codes)) or str(status)).rstrip('.')}."
        if codes & _KEY or status == 401 or "API key" in message:
            raise _refused(SourceReason.BAD_KEY, said) from None
        if status == 404 or codes & _NOT_FOUND:
            raise _refused(SourceReason.UNKNOWN_PLAYLIST, f"Asked for: {asked}.") from None
        raise _refused(SourceReason.NOT_ALLOWED if status == 403 else SourceReason.BAD_REQUEST, said) from None


def _refused(reason: SourceReason, detail: str) -> SourceError:
    return SourceError(reason, f"{EXPLANATIONS[reason]} {detail}", detail)
