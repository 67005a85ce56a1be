"""Our own scripts, styles and pictures, and the names under which browsers may keep them."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "static"
_FOREVER = "public, max-age=31536000, immutable"
_BRIEFLY = "public, max-age=300"
_SMALL_BYTES = 1_000
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


@lru_cache(maxsize=1)
def version_of_files() -> str:
    """Return a text that changes whenever one of the files does; it is a part of their addresses."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


class Static:
    """Serves /static/VERSION/NAME: packed, and kept by browsers until the version is another."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        parts = request.url.path.removeprefix("/static/").split("/")
        name = parts[-1]
        if request.method not in ("GET", "HEAD") or len(parts) > 2 or name not in _names():
            raise HTTPException(404)
        is_present = parts[0] == version_of_files() and len(parts) == 2
        packs = "gzip" in request.headers.get("accept-encoding", "")
        body, media_type, is_packed = _read(name, packs)
        headers = {"Cache-Control": _FOREVER if is_present else _BRIEFLY, "Vary": "Accept-Encoding"}
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        await Response(body, headers=headers, media_type=media_type)(scope, receive, send)


STATIC = Static()


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(path.name for path in FOLDER.iterdir() if path.is_file())


@lru_cache(maxsize=128)
def _read(name: str, packs: bool) -> tuple[bytes, str, bool]:
    body = (FOLDER / name).read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if packs and len(body) > _SMALL_BYTES:
        return gzip.compress(body, 9, mtime=0), media_type, True
    return body, media_type, False
