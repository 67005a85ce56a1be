"""The real step behind the real event, in a process that kills itself once where the test says.

DATA/run/kill_submit_at holds the name of a step; the file is removed by whoever dies of it.
"""

from __future__ import annotations

import os
import signal

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.events.recording_fingerprinted import parse_recording_fingerprinted
from sonicgen.settings import settings
from sonicgen.steps.services import services
from sonicgen.steps.transcription_submit import transcription_submit

KILL_AT = settings().data_dir / "run" / "kill_submit_at"


def die_if_told(step: str) -> None:
    """Die without a word in the step that the file names."""
    try:
        told = KILL_AT.read_text()
    except FileNotFoundError:
        return
    if told == step:
        KILL_AT.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


@functions_framework.cloud_event
def main(event: CloudEvent) -> None:
    """The same as functions/transcription_submit, with the listener that kills."""
    transcription_submit(services(), parse_recording_fingerprinted(event), die_if_told)
