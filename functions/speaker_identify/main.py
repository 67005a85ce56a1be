"""Clips are ready: whose voices are they?"""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.clips_ready import parse_clips_ready
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services
from sonicgen.steps.speaker_identify import speaker_identify

setup_logging(settings().log_level)


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    clips = read_event(services(), "speaker_identify", parse_clips_ready, event)
    if clips is not None:
        speaker_identify(services(), clips)
