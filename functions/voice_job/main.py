"""Somebody asked about the voices in a file: who speaks when, and who they are."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.voice_job_requested import parse_voice_job_requested
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services
from sonicgen.steps.voice_jobs import voice_job

setup_logging(settings().log_level)


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    job = read_event(services(), "voice_job", parse_voice_job_requested, event)
    if job is not None:
        voice_job(services(), job)
