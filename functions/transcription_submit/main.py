"""Recording fingerprinted: send what is new in it to be transcribed, let it inherit the rest."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.recording_fingerprinted import parse_recording_fingerprinted
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services
from sonicgen.steps.transcription_submit import transcription_submit

setup_logging(settings().log_level)


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    decided = read_event(services(), "transcription_submit", parse_recording_fingerprinted, event)
    if decided is not None:
        transcription_submit(services(), decided)
