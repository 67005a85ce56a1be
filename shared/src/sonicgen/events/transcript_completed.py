"""A provider said that a transcript is over: what the webhook leaves to the bus.

Internal: from `transcription_webhook` to `transcript_fetch`, which asks the provider itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sonicgen.errors import InputError
from sonicgen.events.own import OwnEvent


@dataclass(frozen=True, slots=True)
class TranscriptCompleted(OwnEvent):
    """A job is over, well or not.

    `provider_id` is the provider's name of it, `submit_key` ours; one of them is there.
    """

    TYPE = "sonicgen.transcript.completed.v1"
    SOURCE = "//sonicgen/transcription_webhook"

    time: datetime
    provider_id: str | None = None
    submit_key: UUID | None = None
    status: str = ""

    @property
    def told(self) -> str:
        """The same callback, however often it comes, has the same."""
        return f"{self.provider_id or ''}\n{self.submit_key or ''}\n{self.status}"

    @property
    def data(self) -> Mapping[str, Any]:
        """What is published."""
        return {
            "provider_id": self.provider_id,
            "submit_key": None if self.submit_key is None else str(self.submit_key),
            "status": self.status,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError when it names no job. Unknown fields are ignored."""
        provider_id, key = data.get("provider_id"), data.get("submit_key")
        if not provider_id and not key:
            raise InputError(f"The {cls.whose()} names neither a job nor a submission.")
        try:
            submit_key = None if key is None else UUID(str(key))
        except ValueError as error:
            raise InputError(f"The submit_key of the {cls.whose()} is no UUID: {key!r}.") from error
        return cls(
            time=time,
            provider_id=str(provider_id) if provider_id else None,
            submit_key=submit_key,
            status=str(data.get("status") or ""),
        )


parse_transcript_completed = TranscriptCompleted.parse
