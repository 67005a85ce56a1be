"""Which site a link leads to, by its exact host name: how people call it, and whom a cool-down spares."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from sonicgen.domain.address import YOUTUBE_HOSTS


class Platform(StrEnum):
    """The sites that are known by name; every other one is `other`."""

    YOUTUBE = "youtube"
    TIKTOK = "tiktok"
    INSTAGRAM = "instagram"
    OTHER = "other"


NAMES = {Platform.YOUTUBE: "YouTube", Platform.TIKTOK: "TikTok", Platform.INSTAGRAM: "Instagram"}
_HOSTS: dict[Platform, frozenset[str]] = {
    Platform.YOUTUBE: YOUTUBE_HOSTS | {"youtu.be", "www.youtu.be"},
    Platform.TIKTOK: frozenset(f"{name}tiktok.com" for name in ("", "www.", "m.", "vm.", "vt.")),
    Platform.INSTAGRAM: frozenset(
        {"instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am", "www.instagr.am"}
    ),
}
_MAIN_HOST = {
    Platform.YOUTUBE: "youtube.com",
    Platform.TIKTOK: "tiktok.com",
    Platform.INSTAGRAM: "instagram.com",
}


def platform_of(url: str) -> Platform:
    """Return the site that a link leads to; only exact host names count (youtube.com.evil.example is `other`)."""
    host = _host(url)
    return next((platform for platform, hosts in _HOSTS.items() if host in hosts), Platform.OTHER)


def site_name(url: str) -> str:
    """Return what people call the site of a link: its name, or its host."""
    return NAMES.get(platform_of(url)) or _host(url) or "The site"


def cooled_host(url: str) -> str:
    """Return the host that a pause concerns: one for all the names of a site, with the port where it is unusual."""
    main = _MAIN_HOST.get(platform_of(url))
    if main is not None:
        return main
    parts = urlsplit(url)
    host = _host(url).removeprefix("www.")
    return f"{host}:{parts.port}" if parts.port else host


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
