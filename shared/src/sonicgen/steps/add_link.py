"""Add what lies behind a link: the video's row and the event that has it downloaded."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sonicgen.cloud.bus import publish_event
from sonicgen.domain.address import parse_address
from sonicgen.domain.download import DownloadState
from sonicgen.domain.platform import cooled_host
from sonicgen.domain.source import SourceKind, linked_video_id, youtube_video_id
from sonicgen.errors import InputError
from sonicgen.events.video_discovered import VideoDiscovered
from sonicgen.services.guard import read_target
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import discovery
from sonicgen.store import downloads

TOPIC = "video-discovered"


def add_link(services: Services, url: str) -> UUID:
    """Have a link's recording downloaded, and return its id; a known one is taken up again if it had failed.

    Raises InputError for what is no link to one recording (channels and playlists are read by `sonicgen ingest`).
    """
    if not services.settings.downloads_enabled:
        raise InputError("Downloads are switched off; set SONICGEN_DOWNLOADS=on.")
    address = parse_address(url, SourceKind.LINK)
    read_target(address.url)
    if address.kind in (SourceKind.CHANNEL, SourceKind.PLAYLIST):
        raise InputError(f"{url} is a {address.kind}, not one recording; use `sonicgen ingest {url}`.")
    is_video = address.kind is SourceKind.VIDEO
    youtube_id = address.address if is_video else None
    video_id = youtube_video_id(address.address) if is_video else linked_video_id(address.address)
    database = services.database
    downloads.add_video(database, video_id, url=address.url, youtube_id=youtube_id)
    download = downloads.ensure(database, video_id, url=address.url, address_host=cooled_host(address.url))
    queued = downloads.take_one(database, video_id)
    if queued is not None:
        publish_event(TOPIC, discovery(queued))
    elif download.state is DownloadState.QUEUED:
        event = VideoDiscovered(
            video_id=video_id,
            url=address.url,
            title=address.url,
            time=datetime.now(UTC),
            youtube_id=youtube_id,
            round=download.round,
        )
        publish_event(TOPIC, event)
    return video_id
