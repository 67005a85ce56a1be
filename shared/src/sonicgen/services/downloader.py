"""Download the sound behind a link with yt-dlp: in a process of its own, behind the guard, within limits."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from sonicgen.domain.download import DownloadReason, Media
from sonicgen.errors import DownloadError, ForbiddenAddressError, InputError, UnavailableError
from sonicgen.services.guard import Guard, read_target
from sonicgen.services.guarding_proxy import GuardingProxy, guarding_proxy
from sonicgen.services.scratch import scratch_folder
from sonicgen.settings import Settings

# Pages, players and playlists around a file: YouTube's take about 5 MB.
_OVERHEAD_BYTES = 64 << 20
# Less than this within the stall time, with a connection open, is a server that stands still.
_STALL_BYTES = 4 << 10
_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0
# A list of 10,000 entries is some megabytes.
_LIST_SECONDS = 120.0

Progress = Callable[[int, int], None]
"""Takes the bytes that have arrived and the bytes in all, 0 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one download may take; `long_seconds` is the length from which a job takes over (None: never)."""

    wall_seconds: float
    stall_seconds: float
    maximum_bytes: int
    maximum_seconds: float
    long_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that was downloaded, in its own codec; it is gone when the block ends that it was given to."""

    path: Path
    media: Media
    bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What a link lists."""

    title: str | None
    entries: tuple[Media, ...]


class Downloader:
    """yt-dlp with one set of settings; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = Guard(settings.allowed_places, settings.proxy)

    def limits(self, *, is_job: bool) -> Limits:
        """Return the limits of the function, or of the job that takes over what is long."""
        chosen = self._settings
        return Limits(
            wall_seconds=chosen.download_job_seconds if is_job else chosen.download_seconds,
            stall_seconds=chosen.download_stall_seconds,
            maximum_bytes=chosen.download_bytes,
            maximum_seconds=chosen.download_maximum_hours * 3600,
            long_seconds=None if is_job else chosen.download_long_hours * 3600,
        )

    @contextmanager
    def download(self, url: str, limits: Limits, on_progress: Progress | None = None) -> Iterator[Downloaded]:
        """Give the downloaded file inside the block.

        What `on_progress` raises stops the download. Raises DownloadError with the reason, and UnavailableError when
        this machine is at fault (its disk is full).
        """
        _check_link(url)
        with scratch_folder(self._settings.download_dir) as folder:
            done = self._ask(url, folder, limits, {"mode": "download"}, on_progress)
            path = Path(done["path"])
            yield Downloaded(path, _media(done["media"]), path.stat().st_size)

    def list_entries(self, url: str, limit: int) -> Listed:
        """Return what a link lists (a playlist, a channel, a page with several), at most `limit` of it.

        The entries are not looked into: most have only a link and a title. Raises as `download` does.
        """
        _check_link(url)
        limits = Limits(_LIST_SECONDS, self._settings.download_stall_seconds, _OVERHEAD_BYTES, float("inf"))
        with scratch_folder(self._settings.download_dir) as folder:
            done = self._ask(url, folder, limits, {"mode": "list", "limit": limit}, None)
        return Listed(done["title"], tuple(map(_media, done["entries"])))

    def _ask(
        self, url: str, folder: Path, limits: Limits, more: dict[str, Any], on_progress: Progress | None
    ) -> dict[str, Any]:
        with guarding_proxy(self._guard, limits.maximum_bytes + _OVERHEAD_BYTES) as proxy:
            request = self._request(url, folder, limits, proxy) | more
            with _child(folder, request) as child:
                answer = _follow(child, proxy, limits, on_progress)
        if "done" in answer:
            return dict(answer["done"])
        raise _explained(answer, proxy)

    def _request(self, url: str, folder: Path, limits: Limits, proxy: GuardingProxy) -> dict[str, Any]:
        chosen = self._settings
        reachable: list[tuple[str, int]] = [("127.0.0.1", proxy.port)]
        if chosen.pot_provider_url:
            provider = urlsplit(chosen.pot_provider_url)
            reachable += [(name, provider.port or 80) for name in (provider.hostname or "", "127.0.0.1", "::1")]
        return {
            "url": url,
            "folder": str(folder),
            "proxy": proxy.url,
            "reachable": reachable,
            "maximum_bytes": limits.maximum_bytes,
            "maximum_seconds": min(limits.maximum_seconds, 1e9),
            "long_seconds": limits.long_seconds,
            "bytes_per_second": chosen.download_bytes_per_second,
            "throttled_bytes_per_second": chosen.download_throttled_bytes_per_second,
            "sleep_seconds": chosen.download_sleep_seconds,
            "cookie_file": _write_cookies(folder, chosen.cookies),
            "pot_provider_url": chosen.pot_provider_url,
        }


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    lines: queue.SimpleQueue[dict[str, Any] | None]


@contextmanager
def _child(folder: Path, request: dict[str, Any]) -> Iterator[_Child]:
    """Run yt-dlp's process inside the block; afterwards it and all that it started are gone."""
    # None of our own settings, so that nothing secret is within reach of what comes from outside.
    environment = {name: os.environ[name] for name in ("LANG", "LC_ALL", "SSL_CERT_FILE") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sonicgen.services.ytdlp_worker"],  # -P: nothing is imported from its folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment
        | {
            "PATH": _search_path(),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        start_new_session=True,
    )
    requests, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(answers, lines), name="yt-dlp", daemon=True)
    reader.start()
    try:
        with suppress(BrokenPipeError):
            requests.write(json.dumps(request).encode() + b"\n")
            requests.flush()
        yield _Child(process, lines)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(_END_SECONDS)
        with suppress(BrokenPipeError):
            requests.close()
        answers.close()


def _search_path() -> str:
    # The JavaScript runtime that YouTube asks for lies beside Python when both were installed together.
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def _read(answers: IO[bytes], lines: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in answers:
        with suppress(ValueError):  # a line that was cut off by a kill
            lines.put(json.loads(line))
    lines.put(None)


def _follow(child: _Child, proxy: GuardingProxy, limits: Limits, on_progress: Progress | None) -> dict[str, Any]:
    """Return the child's last word, or ours when it takes too long."""
    ends_at = time.monotonic() + limits.wall_seconds
    watch = _StallWatch(proxy, limits.stall_seconds)
    while True:
        try:
            line = child.lines.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            line = {}
        if line is None:
            return _failed(DownloadReason.OTHER, "yt-dlp ended without an answer")
        if line.keys() & {"done", "failed", "full"}:
            return line
        if "bytes" in line and on_progress:
            on_progress(line["bytes"], line["total"])
        if proxy.traffic.is_too_much:
            return _failed(DownloadReason.TOO_LARGE)
        if time.monotonic() > ends_at:
            return _failed(DownloadReason.TIME_LIMIT, f"stopped after {limits.wall_seconds:g} s")
        if watch.is_stalled():
            return _failed(DownloadReason.STALLED, f"next to nothing for {limits.stall_seconds:g} s")


class _StallWatch:
    """Notices a server that keeps a connection open and sends next to nothing."""

    def __init__(self, proxy: GuardingProxy, seconds: float) -> None:
        self._traffic = proxy.traffic
        self._seconds = seconds
        self._restart()

    def is_stalled(self) -> bool:
        moved = self._traffic.received_bytes - self._bytes
        if moved >= _STALL_BYTES or self._traffic.open_connections == 0:
            self._restart()
        return time.monotonic() - self._since > self._seconds

    def _restart(self) -> None:
        self._since, self._bytes = time.monotonic(), self._traffic.received_bytes


def _failed(reason: DownloadReason, detail: str | None = None) -> dict[str, Any]:
    return {"failed": {"reason": str(reason), "detail": detail, "release_at": None}}


def _explained(answer: dict[str, Any], proxy: GuardingProxy) -> Exception:
    """Return the error to raise; what the guard saw says more than what yt-dlp made of it."""
    if answer.get("full"):
        return UnavailableError("The disk for downloads is full; give SONICGEN_DOWNLOAD_DIR more room.")
    failed = answer["failed"]
    reason = DownloadReason(failed["reason"])
    broken = reason in (
        DownloadReason.NETWORK,
        DownloadReason.REFUSED,
        DownloadReason.OTHER,
        DownloadReason.SITE_CHANGED,
    )
    if proxy.traffic.is_too_much:
        return DownloadError(DownloadReason.TOO_LARGE)
    if broken and isinstance(proxy.traffic.error, ForbiddenAddressError):
        return DownloadError(DownloadReason.PRIVATE_ADDRESS)
    if broken and isinstance(proxy.traffic.error, UnavailableError):
        return DownloadError(DownloadReason.NETWORK, str(proxy.traffic.error).partition(";")[0])
    if broken and isinstance(proxy.traffic.error, InputError):
        return DownloadError(DownloadReason.UNSUPPORTED, str(proxy.traffic.error).partition(";")[0])
    release = failed["release_at"]
    return DownloadError(reason, failed["detail"], datetime.fromisoformat(release) if release else None)


def _check_link(url: str) -> None:
    try:
        read_target(url)
    except InputError as error:
        raise DownloadError(DownloadReason.UNSUPPORTED, str(error).rstrip(".")) from error


def _write_cookies(folder: Path, cookies: str | None) -> str | None:
    if not cookies:
        return None
    path = folder / "cookies.txt"
    path.touch(mode=0o600)
    header = "" if cookies.startswith("# ") else "# Netscape HTTP Cookie File\n"
    path.write_text(f"{header}{cookies.strip()}\n")
    return str(path)


def _media(described: dict[str, Any]) -> Media:
    published = described.pop("published_at")
    return Media(published_at=datetime.fromisoformat(published) if published else None, **described)
