"""What this server refuses, beyond the common errors; `rpc` gives each its gRPC status."""

from __future__ import annotations

from sonicgen.errors import InputError, UnavailableError


class AlreadyExistsError(InputError):
    """A topic or subscription of that name exists."""


class WrongKindError(InputError):
    """The subscription is of the other kind: pull asked of a push subscription."""


class StorageFullError(UnavailableError):
    """The disk that holds the queue is full."""
