"""What a person wrote to name a source: a handle, an id or a link, read into its kind and canonical form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from sonicgen.domain.source import SourceKind
from sonicgen.errors import InputError

YOUTUBE_HOSTS = frozenset(
    {
        *("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com"),
        *("youtube-nocookie.com", "www.youtube-nocookie.com"),
    }
)
_SHORT_HOSTS = frozenset({"youtu.be", "www.youtu.be"})

_CHANNEL_ID = re.compile(r"UC[\w-]{22}", re.ASCII)
_PLAYLIST_ID = re.compile(r"(?:PL|UU|OL|FL|EC|LL)[\w-]{10,60}", re.ASCII)
_ANY_PLAYLIST_ID = re.compile(r"[\w-]{2,64}", re.ASCII)
_VIDEO_ID = re.compile(r"[\w-]{11}", re.ASCII)
# Letters and digits of any script, and what YouTube allows between them.
_HANDLE = re.compile(r"[\w.·-]{3,30}")
_NAME = re.compile(r"[\w.·-]{1,100}")
_VIDEO_PATHS = frozenset({"shorts", "live", "embed", "v", "e"})
_LONGEST_ADDRESS = 2048
# Parameters that say who passed a link on, not what it leads to.
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|mc_[ce]id|igshid|si|feature|ref_src", re.ASCII)
_FEED_PATH = re.compile(r"\.(?:rss|atom|xml|rdf)$|/(?:feed|feeds|rss|atom|podcast\.xml)(?:/|$)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A source's kind and canonical address, and where a person can look at it.

    The address of a channel is `@handle` in lower case, its id, or `user/Name` and `c/Name` for the names of old; of a
    playlist or video its id; of anything else its URL.
    """

    kind: SourceKind
    address: str
    url: str


def parse_address(text: str, kind: SourceKind | None = None) -> Address:
    """Return what a text names; `kind` says what a URL leads to that could lead to several.

    Raises InputError with a sentence that says what to write instead.
    """
    text = text.strip()
    if not text:
        raise InputError("There is no source; give a @handle, a channel, playlist or video, a feed or a link.")
    if len(text) > _LONGEST_ADDRESS:
        raise InputError(f"The source has more than {_LONGEST_ADDRESS} characters; give a shorter link.")
    if text.startswith("@"):
        return _handle(text)
    if _CHANNEL_ID.fullmatch(text):
        return _channel(text)
    if _PLAYLIST_ID.fullmatch(text):
        return _playlist(text)
    if "://" not in text and re.match(r"(?:www\.|m\.|music\.)?(?:youtube\.com|youtu\.be)/", text, re.IGNORECASE):
        text = f"https://{text}"
    if "://" in text:
        return _link(text, kind)
    if kind is SourceKind.VIDEO and _VIDEO_ID.fullmatch(text):
        return video_address(text)
    meant = f" Did you mean @{''.join(text.split())}?" if _HANDLE.fullmatch("".join(text.split())) else ""
    raise InputError(
        f"{text!r} is no source; give a @handle, a channel or playlist id, or a link with https://.{meant}"
    )


def canonical_url(text: str) -> str:
    """Return one form for the URLs that lead to the same: host in lower case, no fragment, no tracking parameters.

    Raises InputError for anything but http and https, and for a name and password in it.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is no link; copy it again.") from error
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower().rstrip(".")
    if scheme not in _DEFAULT_PORTS:
        raise InputError(f"A link begins with http:// or https://, not with {scheme}://.")
    if not host or any(character.isspace() or ord(character) < 32 for character in text.strip()):
        raise InputError(f"{text!r} is no link; copy it again.")
    if parts.username is not None or parts.password is not None:
        raise InputError("The link holds a name or password; leave them out, they would be stored and logged.")
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        place = f"{place}:{port}"
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _TRACKING.fullmatch(name)]
    query = parts.query if len(kept) == len(pairs) else urlencode(kept)
    return urlunsplit((scheme, place, parts.path or "/", query, ""))


def video_address(youtube_id: str) -> Address:
    """Return the address of a YouTube video."""
    return Address(SourceKind.VIDEO, youtube_id, f"https://www.youtube.com/watch?v={youtube_id}")


def _handle(text: str) -> Address:
    handle = text.removeprefix("@").strip()
    if not _HANDLE.fullmatch(handle):
        together = "".join(handle.split())
        if together != handle and _HANDLE.fullmatch(together):
            raise InputError(f"A handle has no spaces; did you mean @{together}?")
        raise InputError(f"@{handle} is no handle; it has 3 to 30 letters, digits, dots, hyphens or underscores.")
    handle = handle.casefold()
    return Address(SourceKind.CHANNEL, f"@{handle}", f"https://www.youtube.com/@{quote(handle)}")


def _channel(channel_id: str) -> Address:
    return Address(SourceKind.CHANNEL, channel_id, f"https://www.youtube.com/channel/{channel_id}")


def _playlist(playlist_id: str) -> Address:
    return Address(SourceKind.PLAYLIST, playlist_id, f"https://www.youtube.com/playlist?list={playlist_id}")


def _link(text: str, kind: SourceKind | None) -> Address:
    url = canonical_url(text)
    host = urlsplit(url).hostname or ""
    if host in YOUTUBE_HOSTS or host in _SHORT_HOSTS:
        return _youtube(text, host)
    if kind in (SourceKind.CHANNEL, SourceKind.PLAYLIST, SourceKind.VIDEO):
        raise InputError(f"{url} does not lead to YouTube, so it is no {kind}; leave the kind out.")
    if kind is None:
        kind = SourceKind.FEED if _FEED_PATH.search(urlsplit(url).path) else SourceKind.LINK
    return Address(kind, url, url)


def _youtube(text: str, host: str) -> Address:
    """Read a YouTube link; a video that is shown within a playlist is the video."""
    parts = urlsplit(text.strip())
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    steps = [unquote(step) for step in parts.path.split("/") if step]
    first, second = (*steps, "", "")[:2]
    if host in _SHORT_HOSTS:
        return _video(first, text)
    if first.startswith("@"):
        return _handle(first)
    if first == "channel" and _CHANNEL_ID.fullmatch(second):
        return _channel(second)
    if first in {"user", "c"} and _NAME.fullmatch(second):
        return Address(SourceKind.CHANNEL, f"{first}/{second}", f"https://www.youtube.com/{first}/{quote(second)}")
    if first in _VIDEO_PATHS:
        return _video(second, text)
    if query.get("v"):
        return _video(query["v"], text)
    if first in {"playlist", "watch"} and _ANY_PLAYLIST_ID.fullmatch(query.get("list", "")):
        return _playlist(query["list"])
    if steps == ["feeds", "videos.xml"]:
        if _CHANNEL_ID.fullmatch(query.get("channel_id", "")):
            return _channel(query["channel_id"])
        if _ANY_PLAYLIST_ID.fullmatch(query.get("playlist_id", "")):
            return _playlist(query["playlist_id"])
    raise InputError(f"{text!r} leads to no channel, playlist or video; copy the address of one.")


def _video(youtube_id: str, text: str) -> Address:
    if not _VIDEO_ID.fullmatch(youtube_id):
        raise InputError(f"{text!r} leads to no video: an id has 11 characters; copy the link again.")
    return video_address(youtube_id)
