"""The real yt-dlp, unpatched, against a server with every kind of trouble."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from sonicgen.domain.download import DownloadReason
from sonicgen.errors import DownloadError
from sonicgen.local.demo_sounds import make_music, write_sound
from sonicgen.services.downloader import Downloader
from sonicgen.services.scratch import scratch_folder, sweep
from sonicgen.settings import read_settings
from tests.media_server import MediaServer

Make = Callable[..., Downloader]
HLS = "application/vnd.apple.mpegurl"


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Some seconds of our own music as an mp3 file."""
    path = tmp_path_factory.mktemp("music") / "piece.mp3"
    write_sound(path, make_music(5, seconds=8, beats_per_minute=100, metre=4))
    return path.read_bytes()


@pytest.fixture
def make(server: MediaServer, tmp_path: Path) -> Make:
    """Return a maker of downloaders that may reach the server."""

    def make(**overrides: Any) -> Downloader:
        chosen = {"allowed_hosts": server.place, "download_dir": tmp_path / "downloads", "download_stall_seconds": 3.0}
        return Downloader(read_settings(**(chosen | overrides)))

    return make


def failure(downloader: Downloader, url: str) -> DownloadError:
    """Download in vain, see that nothing is left, and return the error."""
    with pytest.raises(DownloadError) as raised, downloader.download(url, downloader.limits(is_job=False)):
        pass
    assert_nothing_left(downloader)
    return raised.value


def assert_nothing_left(downloader: Downloader) -> None:
    assert list(downloader._settings.download_dir.glob("*")) == []
    assert [child for child in psutil.Process().children() if "ytdlp_worker" in " ".join(child.cmdline())] == []


def playlist(*lines: str) -> bytes:
    return "\n".join(("#EXTM3U", "#EXT-X-VERSION:3", *lines)).encode()


def test_the_file_comes_as_it_is_with_progress(server: MediaServer, make: Make, music: bytes) -> None:
    url = server.add("/piece.mp3", music, "audio/mpeg", bytes_per_second=len(music))
    downloader, told = make(), []
    with downloader.download(url, downloader.limits(is_job=False), lambda *done: told.append(done)) as done:
        assert hashlib.sha256(done.path.read_bytes()).digest() == hashlib.sha256(music).digest()
        assert (done.bytes, done.media.title, done.media.extension) == (len(music), "piece", "mp3")
        assert stat.S_IMODE(done.path.parent.stat().st_mode) == 0o700
    assert_nothing_left(downloader)
    assert told
    assert all(0 < got <= total == len(music) for got, total in told)


def test_the_smallest_file_with_sound_is_taken_when_none_is_sound_alone(
    server: MediaServer, make: Make, music: bytes
) -> None:
    variants = []
    for kilobits in (900, 300, 600):
        server.add(f"/{kilobits}.ts", music + bytes(kilobits), "video/mp2t")
        segments = playlist("#EXT-X-TARGETDURATION:8", "#EXTINF:8,", f"/{kilobits}.ts", "#EXT-X-ENDLIST")
        server.add(f"/{kilobits}.m3u8", segments, HLS)
        variants += [f'#EXT-X-STREAM-INF:BANDWIDTH={kilobits}000,CODECS="avc1.4d401f,mp4a.40.2"', f"/{kilobits}.m3u8"]
    downloader = make()
    url = server.add("/all.m3u8", playlist(*variants), HLS)
    with downloader.download(url, downloader.limits(is_job=False)) as done:
        assert done.bytes == len(music) + 300


TROUBLES = {
    "/status/404": DownloadReason.GONE,
    "/status/403": DownloadReason.REFUSED,
    "/status/429": DownloadReason.RATE_LIMITED,
    "/status/451": DownloadReason.GEO_BLOCKED,
    "/status/500": DownloadReason.NETWORK,
    "/cut": DownloadReason.NETWORK,
    "/page.html": DownloadReason.NOT_MEDIA,
    "/live.m3u8": DownloadReason.LIVE,
    "/drm.m3u8": DownloadReason.DRM,
    "/mute.m3u8": DownloadReason.NO_AUDIO,
    "/huge": DownloadReason.TOO_LARGE,
    "/huge-chunked": DownloadReason.TOO_LARGE,
    "/stall": DownloadReason.STALLED,
    "/drip": DownloadReason.STALLED,
    "/silent": DownloadReason.STALLED,
    "/redirect?to=http://169.254.169.254/latest/": DownloadReason.PRIVATE_ADDRESS,
    "/inward.m3u8": DownloadReason.PRIVATE_ADDRESS,
}
LINKS = {
    "http://169.254.169.254/latest/meta-data/": DownloadReason.PRIVATE_ADDRESS,
    "http://2852039166/a.mp3": DownloadReason.PRIVATE_ADDRESS,
    "https://youtube.com@169.254.169.254/": DownloadReason.UNSUPPORTED,
    "file:///etc/passwd": DownloadReason.UNSUPPORTED,
    "http://no-such-host.invalid/a.mp3": DownloadReason.NETWORK,
}


def test_every_trouble_is_told_apart_and_leaves_nothing(server: MediaServer, make: Make) -> None:
    server.add("/page.html", b"<html><title>words</title><body>only words</body></html>", "text/html")
    segment = ("#EXT-X-TARGETDURATION:4", "#EXTINF:4,", "/segment.ts")
    server.add("/live.m3u8", playlist(*segment), HLS)
    inward = ("#EXT-X-TARGETDURATION:4", "#EXTINF:4,", "http://169.254.169.254/segment.ts", "#EXT-X-ENDLIST")
    server.add("/inward.m3u8", playlist(*inward), HLS)
    key = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"'
    server.add("/drm.m3u8", playlist(key, *segment, "#EXT-X-ENDLIST"), HLS)
    server.add("/mute.m3u8", playlist('#EXT-X-STREAM-INF:BANDWIDTH=90000,CODECS="avc1.4d401f"', "/a.m3u8"), HLS)
    downloader = make(download_bytes=3_000_000, download_stall_seconds=3)

    def try_it(url: str) -> str:
        with pytest.raises(DownloadError) as raised, downloader.download(url, downloader.limits(is_job=False)):
            pass
        return raised.value.reason

    expected = {server.url(path): reason for path, reason in TROUBLES.items()} | LINKS
    with ThreadPoolExecutor(6) as pool:
        found = dict(zip(expected, pool.map(try_it, expected), strict=True))
    assert found == expected
    assert_nothing_left(downloader)
    assert server.sent_bytes < 200_000_000


def test_the_wall_clock_stops_the_work_itself(server: MediaServer, make: Make, music: bytes) -> None:
    url = server.add("/slow.mp3", music * 50, "audio/mpeg", bytes_per_second=100_000)
    started = time.monotonic()
    error = failure(make(download_seconds=2), url)
    assert error.reason == DownloadReason.TIME_LIMIT
    assert time.monotonic() - started < 4
    sent = server.sent_bytes
    time.sleep(0.5)
    assert server.sent_bytes <= sent + 20_000


def test_what_the_caller_raises_stops_the_work(server: MediaServer, make: Make, music: bytes) -> None:
    url = server.add("/slow.mp3", music * 50, "audio/mpeg", bytes_per_second=100_000)
    downloader = make()

    def lose(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), downloader.download(url, downloader.limits(is_job=False), lose):
        pass
    assert_nothing_left(downloader)


def test_length_decides_before_the_download(server: MediaServer, make: Make, music: bytes) -> None:
    server.add("/segment.ts", music, "video/mp2t")
    long = playlist("#EXT-X-TARGETDURATION:9000", "#EXTINF:9000,", "/segment.ts", "#EXT-X-ENDLIST")
    server.add("/long.m3u8", playlist('#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS="mp4a.40.2"', "/media.m3u8"), HLS)
    server.add("/media.m3u8", long, HLS)
    assert failure(make(download_long_hours=2), server.url("/long.m3u8")).reason == DownloadReason.LONG
    assert failure(make(download_maximum_hours=2), server.url("/long.m3u8")).reason == DownloadReason.TOO_LONG
    downloader = make(download_long_hours=2)
    with downloader.download(server.url("/long.m3u8"), downloader.limits(is_job=True)) as done:
        assert done.bytes == len(music)


def test_the_speed_limit_and_cookies_arrive(server: MediaServer, make: Make, music: bytes) -> None:
    url = server.add("/piece.mp3", music, "audio/mpeg")
    cookies = "127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tsession\tsecret\n"
    downloader = make(download_bytes_per_second=len(music) // 2, cookies=cookies)
    started = time.monotonic()
    with downloader.download(url, downloader.limits(is_job=False)) as done:
        assert time.monotonic() - started > 1.5
        assert stat.S_IMODE((done.path.parent / "cookies.txt").stat().st_mode) == 0o600
    assert "session=secret" in server.headers_of("/piece.mp3").get("Cookie", "")


def test_lists_are_read_flat(server: MediaServer, make: Make, music: bytes) -> None:
    items = "".join(
        f"<item><title>part {i}</title><enclosure url='{server.url(f'/{i}.mp3')}' type='audio/mpeg'/></item>"
        for i in range(30)
    )
    feed = f"<?xml version='1.0'?><rss version='2.0'><channel><title>show</title>{items}</channel></rss>"
    listed = make().list_entries(server.add("/feed.xml", feed.encode(), "application/rss+xml"), 20)
    assert listed.title == "show"
    assert [entry.title for entry in listed.entries] == [f"part {i}" for i in range(20)]
    assert server.asked == ["GET /feed.xml"]


def test_an_outside_proxy_is_used(server: MediaServer, make: Make, guard: Any, music: bytes) -> None:
    from sonicgen.services.guarding_proxy import guarding_proxy

    url = server.add("/piece.mp3", music, "audio/mpeg")
    with guarding_proxy(guard, 10**7) as outside:
        downloader = make(proxy=outside.url)
        with downloader.download(url, downloader.limits(is_job=False)) as done:
            assert done.bytes == len(music)
        assert outside.traffic.received_bytes > len(music)


def test_yt_dlp_can_reach_nothing_but_the_guard(server: MediaServer) -> None:
    program = f"""
        import socket
        from sonicgen.services import ytdlp_worker
        ytdlp_worker._confine({{"reachable": [["127.0.0.1", 1]], "maximum_bytes": 1000}})
        for place in (("127.0.0.1", {server.port}), ("8.8.8.8", 53)):
            try:
                socket.create_connection(place, timeout=2)
            except ConnectionRefusedError as error:
                print("refused", "only way out" in str(error))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "True", "refused", "True"]
    assert server.asked == []


def test_a_killed_worker_takes_its_download_along_and_is_swept(
    server: MediaServer, tmp_path: Path, music: bytes
) -> None:
    url = server.add("/slow.mp3", music * 50, "audio/mpeg", bytes_per_second=100_000)
    root = tmp_path / "downloads"
    program = f"""
        from pathlib import Path
        from sonicgen.services.downloader import Downloader
        from sonicgen.settings import read_settings
        downloader = Downloader(read_settings(allowed_hosts={server.place!r}, download_dir=Path({str(root)!r})))
        with downloader.download({url!r}, downloader.limits(is_job=False), lambda *_: print("moving", flush=True)):
            pass
    """
    worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"moving\n"
    [child] = [each for each in psutil.Process(worker.pid).children() if "ytdlp_worker" in " ".join(each.cmdline())]
    with scratch_folder(root) as living:
        assert sweep(root) == 0
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        psutil.wait_procs([child], timeout=5)
        assert not child.is_running()
        assert len(list(root.glob("job-*"))) == 4
        assert sweep(root) == 1
        assert living.exists()
    assert list(root.iterdir()) == []
