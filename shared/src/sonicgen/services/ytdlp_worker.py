"""A process of its own in which yt-dlp runs: it can be stopped at any moment, and it can reach nothing but the guard.

    python -m sonicgen.services.ytdlp_worker

It reads one JSON request from its standard input, writes JSON lines to its standard output, and ends when its input
ends: a worker that was killed takes it along. Threads could not be stopped, and a download would go on behind them.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from yt_dlp import YoutubeDL
from yt_dlp.utils import DownloadCancelled

from sonicgen.domain.download import DownloadReason, Failure
from sonicgen.services.download_failures import sort_failure

# How often the progress is told.
_TELL_SECONDS = 0.25
# yt-dlp's own tries within one download; more than that is the business of the retry rules.
_TRIES = 2
_SOCKET_SECONDS = 20
# What yt-dlp fetches by itself. The others start programs (ffmpeg, rtmpdump), which would go around the guard.
SAFE_PROTOCOLS = frozenset({"http", "https", "m3u8_native", "m3u8", "http_dash_segments", "ism"})

Tell = Callable[[dict[str, Any]], None]


class _Stop(DownloadCancelled):  # type: ignore[misc]  # yt-dlp has no types
    """Our own reason to end a download."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def choose_format(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the one format to fetch: the best that is sound alone, else the smallest that has sound.

    It is yt-dlp's `bestaudio`, except that a file with pictures, whose pictures nobody looks at, is the smallest one.
    """
    safe = [each for each in context["formats"] if each.get("protocol") in SAFE_PROTOCOLS]
    if context["formats"] and not safe:
        raise _Stop(Failure(DownloadReason.UNSUPPORTED))
    sounding = [each for each in safe if each.get("acodec") != "none"]
    if not sounding:
        raise _Stop(Failure(DownloadReason.NO_AUDIO))
    alone = [each for each in sounding if each.get("vcodec") == "none"]
    # yt-dlp sorts from the worst to the best.
    yield alone[-1] if alone else min(enumerate(sounding), key=lambda each: (_size(each[1]), each[0]))[1]


def _size(chosen: dict[str, Any]) -> float:
    size = chosen.get("filesize") or chosen.get("filesize_approx")
    return float(size or (chosen.get("tbr") or 1e9) * 1e6)


class _Silent:
    """What yt-dlp logs to; what matters is told by its errors."""

    def debug(self, _: str) -> None: ...
    def info(self, _: str) -> None: ...
    def warning(self, _: str) -> None: ...
    def error(self, _: str) -> None: ...


def options(request: dict[str, Any], hook: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return yt-dlp's options for a request."""
    folder = Path(request["folder"])
    chosen: dict[str, Any] = {
        "logger": _Silent(),
        "quiet": True,
        "noprogress": True,
        "proxy": request["proxy"],
        "format": choose_format,
        "outtmpl": {"default": str(folder / "media.%(ext)s")},
        "paths": {"home": str(folder), "temp": str(folder)},
        "cachedir": False,
        "noplaylist": True,
        "playlist_items": "1",
        "socket_timeout": _SOCKET_SECONDS,
        "retries": _TRIES,
        "extractor_retries": _TRIES,
        "fragment_retries": _TRIES,
        "file_access_retries": 0,
        "skip_unavailable_fragments": False,
        "hls_prefer_native": True,
        "fixup": "never",
        "ffmpeg_location": str(folder / "no-ffmpeg"),
        "external_downloader": {"default": "native"},
        "nopart": False,
        "continuedl": False,
        "overwrites": True,
        "updatetime": False,
        "writethumbnail": False,
        "progress_hooks": [hook],
        "ratelimit": request.get("bytes_per_second"),
        "throttledratelimit": request.get("throttled_bytes_per_second"),
        "cookiefile": request.get("cookie_file"),
        "enable_file_urls": False,
    }
    if pause := request.get("sleep_seconds"):
        chosen |= {"sleep_interval": pause, "max_sleep_interval": pause * 1.5, "sleep_interval_requests": pause / 10}
    if provider := request.get("pot_provider_url"):
        chosen["extractor_args"] = {"youtubepot-bgutilhttp": {"base_url": [provider]}}
    return chosen


def download(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Fetch what lies at the request's link; return what is known of it and the file's path."""

    def hook(status: dict[str, Any]) -> None:
        done = int(status.get("downloaded_bytes") or 0)
        total = int(status.get("total_bytes") or status.get("total_bytes_estimate") or 0)
        if max(done, int(status.get("total_bytes") or 0)) > request["maximum_bytes"]:
            raise _Stop(Failure(DownloadReason.TOO_LARGE, f"{max(done, total):,} bytes"))
        tell({"bytes": done, "total": total})

    with YoutubeDL(options(request, hook)) as ydl:
        info = ydl.extract_info(request["url"], download=False)
        while info and info.get("_type") in ("playlist", "multi_video"):
            info = next(iter(info.get("entries") or ()), None)
        if not info:
            raise _Stop(Failure(DownloadReason.NOT_MEDIA))
        described = describe(info)
        _check(info, request)
        tell({"media": described})
        result = ydl.process_ie_result(info, download=True)
        files = [Path(each["filepath"]) for each in result.get("requested_downloads") or () if each.get("filepath")]
    if not files or not files[0].exists():
        raise _Stop(Failure(DownloadReason.NETWORK, "nothing was received"))
    return {
        "media": describe(result) | {"extension": files[0].suffix.removeprefix(".") or "bin"},
        "path": str(files[0]),
    }


def _check(info: dict[str, Any], request: dict[str, Any]) -> None:
    """Stop before the download what cannot or must not be fetched."""
    if info.get("live_status") == "is_live" or info.get("is_live"):
        raise _Stop(Failure(DownloadReason.LIVE))
    if info.get("live_status") == "is_upcoming":
        raise _Stop(Failure(DownloadReason.NOT_YET_BEGUN, release_at=_moment(info.get("release_timestamp"))))
    seconds = info.get("duration")
    if seconds and seconds > request["maximum_seconds"]:
        raise _Stop(Failure(DownloadReason.TOO_LONG, f"{seconds / 3600:.1f} h"))
    long_seconds = request.get("long_seconds")
    if long_seconds and ((seconds and seconds > long_seconds) or (not seconds and info.get("was_live"))):
        raise _Stop(Failure(DownloadReason.LONG))


def list_entries(request: dict[str, Any], _: Tell) -> dict[str, Any]:
    """Return what a link lists, without looking into each; a single recording is a list of one."""
    chosen = options(request, lambda _: None) | {
        "extract_flat": "in_playlist",
        "playlist_items": f"1-{request['limit']}",
        "noplaylist": False,
    }
    with YoutubeDL(chosen) as ydl:
        info = ydl.extract_info(request["url"], download=False, process=True) or {}
        entries = info.get("entries")
        listed = [info] if entries is None else [each for each in entries if each]
    return {"title": info.get("title"), "entries": [describe(each) for each in listed[: request["limit"]]]}


def describe(info: dict[str, Any]) -> dict[str, Any]:
    """Return of yt-dlp's information what `domain.download.Media` has."""
    published = _moment(info.get("timestamp"))
    return {
        "title": str(info.get("title") or ""),
        "extension": str(info.get("ext") or ""),
        "duration_seconds": float(info["duration"]) if info.get("duration") else None,
        "site_id": str(info["id"]) if info.get("id") else None,
        "extractor": info.get("extractor_key") or info.get("ie_key"),
        "uploader": info.get("uploader") or info.get("channel"),
        "published_at": published.isoformat() if published else None,
        "url": info.get("webpage_url") or info.get("url"),
    }


def _moment(timestamp: object) -> datetime | None:
    return datetime.fromtimestamp(timestamp, UTC) if isinstance(timestamp, int | float) and timestamp > 0 else None


def _premiere(request: dict[str, Any]) -> datetime | None:
    """Return when the site says that it begins; asked for only once it said that it has not begun."""
    with YoutubeDL(options(request, lambda _: None) | {"ignore_no_formats_error": True}) as ydl:
        info = ydl.extract_info(request["url"], download=False, process=False) or {}
    return _moment(info.get("release_timestamp"))


def _run(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    work = {"download": download, "list": list_entries}[request["mode"]]
    try:
        return {"done": work(request, tell)}
    except _Stop as stop:
        failure = stop.failure
    except Exception as error:  # yt-dlp raises anything; whatever it is must become a state and a sentence
        if "No space left on device" in str(error) or "Errno 28" in str(error):
            return {"full": True}
        failure = sort_failure(error)
        if failure.reason is DownloadReason.NOT_YET_BEGUN and failure.release_at is None:
            try:
                failure = Failure(failure.reason, failure.detail, _premiere(request))
            except Exception:
                tell({"warning": "the time of the premiere is not known"})
    release = failure.release_at.isoformat() if failure.release_at else None
    return {"failed": {"reason": str(failure.reason), "detail": failure.detail, "release_at": release}}


def _confine(request: dict[str, Any]) -> None:
    """Let this process connect to the guard only (and to the PO-token provider), and write no more than it may."""
    reachable = {tuple(place) for place in request["reachable"]}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            address = arguments[1]
            if not isinstance(address, tuple) or (address[0], address[1]) not in reachable:
                raise ConnectionRefusedError(f"the guard is the only way out, not {address!r}")

    sys.addaudithook(watch)
    most = request["maximum_bytes"] + (64 << 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Answer the one request."""
    answers: TextIO = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what anything prints must not mix with the answers
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    _confine(request)
    if request.get("pot_provider_url"):
        from yt_dlp.plugins import load_all_plugins

        load_all_plugins()
    told_at = 0.0

    def tell(line: dict[str, Any]) -> None:
        nonlocal told_at
        now = time.monotonic()
        if "bytes" not in line or now - told_at >= _TELL_SECONDS:
            told_at = now
            answers.write(json.dumps(line) + "\n")

    answers.write(json.dumps(_run(request, tell)) + "\n")
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
