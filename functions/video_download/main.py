"""A video was discovered: bring its sound into the media bucket."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.video_discovered import parse_video_discovered
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services
from sonicgen.steps.video_download import prepare, video_download

prepare()


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    video = read_event(services(), "video_download", parse_video_discovered, event)
    if video is not None:
        video_download(services(), video)
