"""Somebody asks for a source to be read: discover its videos and announce each new one."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.errors import InputError
from sonicgen.events.channel_ingest import asked_for, parse_channel_ingest
from sonicgen.steps.channel_ingest import channel_ingest, prepare, refuse_request
from sonicgen.steps.services import services

prepare()


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    try:
        request = parse_channel_ingest(event)
    except InputError as error:
        refuse_request(services(), asked_for(event), error)
        return
    channel_ingest(services(), request)
