"""A transcript is ready: its speakers get clips."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.transcript_ready import parse_transcript_ready
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services
from sonicgen.steps.speaker_clips import speaker_clips

setup_logging(settings().log_level)


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    ready = read_event(services(), "speaker_clips", parse_transcript_ready, event)
    if ready is not None:
        speaker_clips(services(), ready)
