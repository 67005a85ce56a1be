"""Somebody asks for a source to be read: a channel, a playlist, a video, a feed or a link.

The schema is `schemas/channel_ingest.v1.json`. People publish it by hand too, as a plain message with such JSON: only
`source` must be there, and a misspelt name is refused instead of ignored, since without it far more would be read.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID, uuid4

from sonicgen.domain.filters import Filters
from sonicgen.domain.source import SourceKind
from sonicgen.errors import InputError
from sonicgen.events.envelope import MESSAGE_PUBLISHED, CloudEvent, open_envelope, require

TYPE = "sonicgen.channel.ingest.v1"
SOURCE = "//sonicgen/ingest"

_WHOSE = "request for a source"
_SHORTEST_POLL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ChannelIngest:
    """Read a source with these filters; `watch` keeps reading what is new.

    `kind` says what an address is that could be several (a feed at an address like a page's). `source_id` is set in
    messages of our own that go on with a known source as it stands: its other fields are then not looked at.
    """

    address: str
    time: datetime
    filters: Filters = field(default_factory=Filters)
    watch: bool = False
    poll_every_seconds: int | None = None
    kind: SourceKind | None = None
    source_id: UUID | None = None
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def type(self) -> str:
        """The event's type and version."""
        return TYPE

    @property
    def source(self) -> str:
        """Who asks for it."""
        return SOURCE

    @property
    def data(self) -> Mapping[str, Any]:
        """What is published."""
        return {
            "source": self.address,
            **self.filters.to_json(),
            "watch": self.watch,
            "poll_every_seconds": self.poll_every_seconds,
            "kind": None if self.kind is None else str(self.kind),
            "source_id": None if self.source_id is None else str(self.source_id),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime, event_id: str) -> Self:
        """Return the request of its data; raise InputError naming what is missing or wrong."""
        watch, every, kind, source = (data.get(name) for name in ("watch", "poll_every_seconds", "kind", "source_id"))
        if watch is not None and not isinstance(watch, bool):
            raise InputError(f"The watch of the {_WHOSE} is neither true nor false.")
        if every is not None and (
            isinstance(every, bool) or not isinstance(every, int) or every < _SHORTEST_POLL_SECONDS
        ):
            raise InputError(
                f"The poll_every_seconds of the {_WHOSE} is no whole number from {_SHORTEST_POLL_SECONDS}."
            )
        try:
            known_kind = None if kind is None else SourceKind(kind)
            known_id = None if source is None else UUID(str(source))
        except ValueError as error:
            raise InputError(f"The {_WHOSE} has a wrong kind or source_id: {error}.") from error
        return cls(
            address=str(require(data, "source", _WHOSE)),
            time=time,
            filters=Filters.from_json(data),
            watch=bool(watch),
            poll_every_seconds=every,
            kind=known_kind,
            source_id=known_id,
            id=event_id,
        )


def parse_channel_ingest(event: CloudEvent | Mapping[str, Any]) -> ChannelIngest:
    """Return the request of whatever it arrived in, a plain message too; raise InputError when it is none."""
    envelope = open_envelope(event)
    if envelope.event_type == MESSAGE_PUBLISHED:
        _refuse_unknown(envelope.data)
    elif envelope.event_type != TYPE:
        raise InputError(f"An event of type {envelope.event_type} is no {TYPE}.")
    return ChannelIngest.from_data(envelope.data, envelope.time or datetime.now(UTC), envelope.event_id)


def _refuse_unknown(data: Mapping[str, Any]) -> None:
    known = list(ChannelIngest(address="", time=datetime.now(UTC)).data)
    for name in data:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise InputError(f"The {_WHOSE} has a field {name!r} that means nothing; {meant}")


def asked_for(event: CloudEvent | Mapping[str, Any]) -> str:
    """Return the source that an event names which is no request, as far as can be told; for those who look for it."""
    try:
        return str(open_envelope(event).data.get("source") or "")
    except InputError:
        return ""
