"""A web site with one page, and podcast feeds to put there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ITUNES = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:media="http://search.yahoo.com/mrss/"'


def rss(*items: str, head: str = "") -> bytes:
    """Return a feed of these entries."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {ITUNES}><channel><title>The Show</title>{head}'
        f"{''.join(items)}</channel></rss>"
    ).encode()


def item(number: int, enclosure: str | None = None, more: str = "") -> str:
    """Return an entry; the higher its number the newer."""
    enclosure = enclosure or f'<enclosure url="/audio/{number}.mp3?utm_source=x" type="audio/mpeg" length="5"/>'
    date = f"Mon, 06 Sep 2021 {number // 60 % 24:02d}:{number % 60:02d}:00 +0000"
    return f"<item><title>Part {number}</title><guid>g{number}</guid><pubDate>{date}</pubDate>{enclosure}{more}</item>"


class Site:
    """A web site of one page; `status` and `etag` say how it answers."""

    def __init__(self) -> None:
        self.body = rss(item(1))
        self.status = 200
        self.etag = '"one"'
        self.location = ""
        self.asked: list[dict[str, str]] = []
        self.url = ""


@contextmanager
def serving_site() -> Iterator[Site]:
    """Serve the page inside the block."""
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append({name.lower(): value for name, value in self.headers.items()})
            same = self.headers.get("If-None-Match") == state.etag
            self.send_response(304 if same else state.status)
            self.send_header("ETag", state.etag)
            self.send_header("Last-Modified", "Mon, 06 Sep 2021 00:00:00 GMT")
            if state.location:
                self.send_header("Location", state.location)
            self.end_headers()
            if not same:
                self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/show/feed.xml"
        yield state
        server.shutdown()
        thread.join()
