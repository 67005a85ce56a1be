"""Object finalized in a bucket: fingerprint the recording, find where it is from, link it or store it."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.objects import parse_object_event
from sonicgen.steps.fingerprint_match import fingerprint_match, prepare
from sonicgen.steps.read_event import read_event
from sonicgen.steps.services import services

prepare()


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """Translate the event and run the step; what it raises makes the event come again."""
    upload = read_event(services(), "fingerprint_match", parse_object_event, event)
    if upload is not None:
        fingerprint_match(services(), upload)
