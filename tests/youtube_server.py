"""A server that speaks the YouTube Data API v3, as far as channels, playlists and videos go, under the official client.

    python -m tests.youtube_server PORT VIDEOS

serves one channel, @weather, with that many videos. What it answers is made from `tests/payloads/youtube`. Like the
real one it turns pages by offset, shows 20,000 videos of a list at most, has no list for a channel without uploads, and
answers to keys only. `GET /_spent` tells how many units it was asked for.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAYLOADS = Path(__file__).parent / "payloads" / "youtube"
KEY = "a-key-for-tests"
CHANNEL_ID = "UCweatherweatherweather1"
UPLOADS_ID = "UU" + CHANNEL_ID[2:]
_NEWEST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def payload(name: str) -> Any:
    """Return a recorded answer."""
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


@dataclass
class Video:
    """A video of the server's."""

    id: str
    title: str
    published_at: datetime
    seconds: int = 600
    is_tall: bool = False
    live: str = "none"
    is_private: bool = False
    channel_id: str = CHANNEL_ID


def make_video(number: int, **changes: Any) -> Video:
    """Return the video of a number; the higher the newer, an hour apart."""
    made = {
        "id": f"vid{number:08d}",
        "title": f"Weather report {number}",
        "published_at": _NEWEST + timedelta(hours=number),
        "seconds": 300 + number % 3000,
    }
    return Video(**(made | changes))  # type: ignore[arg-type]


@dataclass
class Fault:
    """What the server answers instead, or how long it takes: for the next `times` requests of a kind (all: "")."""

    payload: str | bytes | None = None
    status: int = 0
    kind: str = ""
    times: int = 1
    delay_seconds: float = 0.0


@dataclass
class YoutubeServer:
    """The server's state; change it at any time."""

    videos: dict[str, Video] = field(default_factory=dict)
    playlists: dict[str, list[str]] = field(default_factory=dict)  # ids, in the order in which they are listed
    titles: dict[str, str] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=lambda: {"@weather": CHANNEL_ID})
    usernames: dict[str, str] = field(default_factory=lambda: {"OldWeather": CHANNEL_ID})
    channel_titles: dict[str, str] = field(default_factory=lambda: {CHANNEL_ID: "The Weather"})
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    delay_seconds: float = 0.0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def spent(self) -> Counter[str]:
        """Units by kind of request: each costs one."""
        return Counter(kind for kind, _ in self.calls)

    def upload(self, *videos: Video) -> None:
        """Let a channel have more videos, the last one the newest."""
        with self.lock:
            for video in videos:
                self.videos[video.id] = video
                self.playlists.setdefault("UU" + video.channel_id[2:], []).insert(0, video.id)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        kind = path.removeprefix("/youtube/v3/")
        with self.lock:
            self.calls.append((kind, query))
            fault = next((each for each in self.faults if each.kind in ("", kind)), None)
            if fault:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
        time.sleep(self.delay_seconds + (fault.delay_seconds if fault else 0))
        if fault and fault.payload is not None:
            if isinstance(fault.payload, bytes):
                return fault.status, fault.payload
            return fault.status or payload(fault.payload)["error"]["code"], json.dumps(payload(fault.payload)).encode()
        if query.get("key") != KEY:
            return _error("error_key")
        methods = {
            "channels": self._channels,
            "playlists": self._playlists,
            "playlistItems": self._items,
            "videos": self._videos,
        }
        with self.lock:
            return methods[kind](query) if kind in methods else (404, b"Not Found")

    def _channels(self, query: dict[str, str]) -> tuple[int, bytes]:
        asked = (
            query.get("id")
            or self.handles.get(query.get("forHandle", "").casefold())
            or self.usernames.get(query.get("forUsername", ""))
        )
        found = [asked] if asked in self.channel_titles else []
        items = [
            _fill(
                "channel",
                CHANNEL_ID=each,
                CHANNEL_TITLE=self.channel_titles[each],
                UPLOADS_ID="UU" + each[2:],
                HANDLE=next((handle[1:] for handle, channel in self.handles.items() if channel == each), "nobody"),
            )
            for each in found
            if each
        ]
        # With nothing to show the real one leaves `items` out.
        return 200, json.dumps({"kind": "youtube#channelListResponse", **({"items": items} if items else {})}).encode()

    def _playlists(self, query: dict[str, str]) -> tuple[int, bytes]:
        known = query["id"] in self.playlists and query["id"] in self.titles
        items = [_fill("playlist", PLAYLIST_ID=query["id"], PLAYLIST_TITLE=self.titles[query["id"]])] if known else []
        return 200, json.dumps({"kind": "youtube#playlistListResponse", "items": items}).encode()

    def _items(self, query: dict[str, str]) -> tuple[int, bytes]:
        listed = self.playlists.get(query["playlistId"], [])
        if not listed:
            return _error("error_playlist_not_found")
        try:
            start = int(base64.urlsafe_b64decode(query.get("pageToken", "Q0FVUTA=")).removeprefix(b"CAUQ"))
        except ValueError:
            return _error("error_page_token")
        size = min(int(query.get("maxResults", "5")), 50)
        end = min(start + size, 20_000)
        items = [self._item(self.videos[each], query["playlistId"]) for each in listed[start:end]]
        more = {"nextPageToken": base64.urlsafe_b64encode(b"CAUQ%d" % end).decode()} if end < len(listed) else {}
        info = {"totalResults": len(listed), "resultsPerPage": size}
        answer = {"kind": "youtube#playlistItemListResponse", **more, "items": items, "pageInfo": info}
        return 200, json.dumps(answer).encode()

    def _item(self, video: Video, playlist_id: str) -> Any:
        return _fill(
            "playlist_item_private" if video.is_private else "playlist_item",
            VIDEO_ID=video.id,
            VIDEO_TITLE=video.title,
            VIDEO_DESCRIPTION=f"About {video.title}",
            CHANNEL_ID=video.channel_id,
            CHANNEL_TITLE=self.channel_titles.get(video.channel_id, "Somebody"),
            PLAYLIST_ID=playlist_id,
            PUBLISHED_AT=_written(video.published_at),
            ADDED_AT=_written(video.published_at),
        )

    def _videos(self, query: dict[str, str]) -> tuple[int, bytes]:
        ids = query["id"].split(",")
        if len(ids) > 50:
            return 400, json.dumps({"error": {"code": 400, "message": "Too many ids.", "errors": []}}).encode()
        shown = [self.videos[each] for each in ids if each in self.videos and not self.videos[each].is_private]
        answer = {"kind": "youtube#videoListResponse", "items": [self._video(video) for video in shown]}
        return 200, json.dumps(answer).encode()

    def _video(self, video: Video) -> Any:
        made = _fill(
            "video",
            VIDEO_ID=video.id,
            VIDEO_TITLE=video.title,
            VIDEO_DESCRIPTION=f"About {video.title}",
            CHANNEL_ID=video.channel_id,
            CHANNEL_TITLE=self.channel_titles.get(video.channel_id, "Somebody"),
            PUBLISHED_AT=_written(video.published_at),
            DURATION=_duration(0 if video.live in ("live", "upcoming") else video.seconds),
        )
        if video.is_tall:
            made["player"] |= {"embedHeight": "720", "embedWidth": "405"}
        if video.live != "none":
            made["snippet"]["liveBroadcastContent"] = "none" if video.live == "was_live" else video.live
            made["liveStreamingDetails"] = {"scheduledStartTime": _written(video.published_at)}
        return made


def make_channel(count: int) -> YoutubeServer:
    """Return a server with one channel, @weather, of so many videos."""
    server = YoutubeServer()
    server.upload(*(make_video(number) for number in range(count)))
    return server


@contextmanager
def serving(server: YoutubeServer, port: int = 0) -> Iterator[YoutubeServer]:
    """Serve inside the block; `server.url` is the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/_spent":
                status, body = 200, json.dumps({**server.spent, "all": server.spent.total()}).encode()
            else:
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                status, body = server.answer(parts.path, query)
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # who asked did not wait
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def _error(name: str) -> tuple[int, bytes]:
    error = payload(name)
    return error["error"]["code"], json.dumps(error).encode()


def _fill(name: str, **values: str) -> Any:
    def fill(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: fill(value) for key, value in part.items()}
        if isinstance(part, list):
            return [fill(value) for value in part]
        if isinstance(part, str):
            for key, value in values.items():
                part = part.replace(key, value)
        return part

    return fill(_template(name))


_TEMPLATES: dict[str, Any] = {}


def _template(name: str) -> Any:
    if name not in _TEMPLATES:
        _TEMPLATES[name] = payload(name)
    return _TEMPLATES[name]


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(seconds: int) -> str:
    if not seconds:
        return "P0D"
    hours, rest = divmod(seconds, 3600)
    parts = ((hours, "H"), (rest // 60, "M"), (rest % 60, "S"))
    return "PT" + "".join(f"{value}{unit}" for value, unit in parts if value)


def main() -> None:
    """Serve a channel until the process is ended."""
    port, count = map(int, sys.argv[1:3])
    server = make_channel(count)
    server.delay_seconds = float((*sys.argv[3:], "0")[0])
    with serving(server, port):
        print(f"{count} videos of @weather at {server.url}, the key is {KEY}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
