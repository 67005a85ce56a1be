"""A site of our own for yt-dlp, through its own plugin interface: it says what its pages tell it to say.

A page below /pretend/ is JSON: `message` is said as YouTube's extractor says it (with `raise_no_formats`), `info` is
what the site knows of the recording. With it the way from a site's words to a state is walked through the real yt-dlp.
"""

from __future__ import annotations

from typing import Any

from yt_dlp.extractor.common import InfoExtractor


class PretendIE(InfoExtractor):  # type: ignore[misc]  # yt-dlp has no types
    """Reads http://127.0.0.1:PORT/pretend/ID."""

    IE_NAME = "pretend"
    _VALID_URL = r"http://127\.0\.0\.1:\d+/pretend/(?P<id>[\w-]+)"

    def _real_extract(self, url: str) -> dict[str, Any]:
        identifier = self._match_id(url)
        page = self._download_json(url, identifier)
        info: dict[str, Any] = {"id": identifier, "title": identifier, "formats": [], **page.get("info", {})}
        if page.get("message"):
            self.raise_no_formats(page["message"], expected=True, video_id=identifier)
        return info
