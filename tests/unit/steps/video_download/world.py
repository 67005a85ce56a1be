"""What tests of downloads work with: services, a web server, the events between them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sonicgen.cloud.objects import list_objects
from sonicgen.events.video_discovered import parse_video_discovered
from sonicgen.steps.add_link import add_link
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import video_download
from sonicgen.store import downloads
from tests.media_server import MediaServer

TOPIC = "video-discovered"


@dataclass
class World:
    """What a test works with."""

    services: Services
    server: MediaServer
    discovered: Any
    stored: Any

    def add(self, url: str) -> UUID:
        """Add a link and work on its event, as the bus would have it done."""
        identifier = add_link(self.services, url)
        self.work()
        return identifier

    def work(self) -> int:
        """Work on every event that was published meanwhile."""
        messages = self.discovered.take()
        for message in messages:
            video_download(self.services, parse_video_discovered(envelope(message)))
        return len(messages)

    def download(self, identifier: UUID) -> Any:
        """Return a video's download."""
        found = downloads.find(self.services.database, identifier)
        assert found is not None
        return found

    def objects(self) -> list[str]:
        """Return what lies in the bucket."""
        return [stored.name for stored in list_objects(self.services.settings.media_bucket)]


def envelope(message: Any) -> dict[str, Any]:
    """Return a message as a push subscription delivers it."""
    import base64

    raw = {"data": base64.b64encode(message.data).decode(), "attributes": dict(message.attributes), "messageId": "1"}
    return {
        "id": "1",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": "//pubsub",
        "data": {"message": raw},
    }


def take_stored(world: World) -> list[Any]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if messages := world.stored.take():
            return list(messages)
        time.sleep(0.05)
    return []
