"""A provider said that a transcript is over: fetch it, store it, announce it."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.transcript_completed import parse_transcript_completed
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services
from sonicgen.steps.transcript_fetch import transcript_fetch

setup_logging(settings().log_level)


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    completed = read_event(services(), "transcript_fetch", parse_transcript_completed, event)
    if completed is not None:
        transcript_fetch(services(), completed)
