"""What the events of our own topics have in common: a type, a source, an identity, and how they are read.

A subclass is a frozen dataclass with a field `time`, a TYPE and a SOURCE; its schema lies in `schemas/`. Within a
version fields are only added, never changed, and unknown ones are ignored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import uuid5

from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.errors import InputError
from sonicgen.events.envelope import CloudEvent, open_envelope

_PREFIX, _VERSION = "sonicgen.", ".v1"


class OwnEvent(ABC):
    """An event of one of our own topics; what `sonicgen.cloud.bus` publishes."""

    __slots__ = ()
    TYPE: ClassVar[str]
    SOURCE: ClassVar[str]

    time: datetime

    @property
    @abstractmethod
    def told(self) -> str:
        """What makes an event the same one, however often and by whomever it is told."""

    @property
    @abstractmethod
    def data(self) -> Mapping[str, Any]:
        """What is published."""

    @classmethod
    @abstractmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is wrong."""

    @property
    def id(self) -> str:
        """The event's identity, which the ledger knows it by."""
        return str(uuid5(RECORDING_NAMESPACE, f"{self.TYPE}\n{self.told}"))

    @property
    def type(self) -> str:
        """The event's type and version."""
        return self.TYPE

    @property
    def source(self) -> str:
        """Who tells of it."""
        return self.SOURCE

    @classmethod
    def parse(cls, event: CloudEvent | Mapping[str, Any]) -> Self:
        """Return the event of whatever it arrived in; raise InputError when it is another, or a broken one."""
        envelope = open_envelope(event)
        if envelope.event_type != cls.TYPE:
            raise InputError(f"An event of type {envelope.event_type} is no {cls.TYPE}.")
        if envelope.time is None:
            raise InputError(f"The {cls.whose()} has no time.")
        return cls.from_data(envelope.data, envelope.time)

    @classmethod
    def whose(cls) -> str:
        """Return how sentences about it name it."""
        return f"event {cls.TYPE.removeprefix(_PREFIX).removesuffix(_VERSION)}"

    @classmethod
    @contextmanager
    def refusing(cls) -> Iterator[None]:
        """Within the block, make an InputError of what a value of the wrong kind raises."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise InputError(f"The {cls.whose()} holds something unknown: {error}.") from error
