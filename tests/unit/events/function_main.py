"""A function for the real functions-framework: writes down what it parsed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import functions_framework

from sonicgen.events.objects import parse_object_event
from sonicgen.events.recording_fingerprinted import RecordingFingerprinted, parse_recording_fingerprinted


@functions_framework.cloud_event  # type: ignore[untyped-decorator]  # it ships no types
def note(event: Any) -> None:
    """Parse as the entries do and append the outcome to a file."""
    if RecordingFingerprinted.TYPE in (
        event["type"],
        ((event.data.get("message") or {}).get("attributes") or {}).get("ce-type"),
    ):
        fingerprinted = parse_recording_fingerprinted(event)
        line: dict[str, Any] = {"data": fingerprinted.to_data(), "time": fingerprinted.time.isoformat()}
    else:
        found = parse_object_event(event)
        line = {"identity": found.identity, "size": found.size_bytes, "id": found.event_id} if found else {}
    with Path(os.environ["NOTES"]).open("a") as file:
        file.write(json.dumps(line) + "\n")
