"""What a call may be refused with: a gRPC status code and a sentence."""

from __future__ import annotations

import sqlite3

import grpc


class FaultError(Exception):
    """A call that is refused; becomes the gRPC status of its answer."""

    def __init__(self, code: grpc.StatusCode, message: str, contended: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.contended = contended  # the document that two transactions wanted at once


def invalid(message: str) -> FaultError:
    """Return the fault of a request that can never work as it stands."""
    return FaultError(grpc.StatusCode.INVALID_ARGUMENT, message)


def unimplemented(message: str) -> FaultError:
    """Return the fault of a part of Firestore that does not exist here."""
    return FaultError(grpc.StatusCode.UNIMPLEMENTED, message)


def aborted(message: str, contended: str | None = None) -> FaultError:
    """Return the fault that makes the clients run their transaction again."""
    return FaultError(grpc.StatusCode.ABORTED, message, contended)


def storage_fault(error: sqlite3.Error) -> FaultError:
    """Return the fault of a disk that refused: RESOURCE_EXHAUSTED when full, UNAVAILABLE for the rest.

    The clients try again after both, which is right: what frees the disk lies outside of the call.
    """
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return FaultError(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "The disk that holds the documents is full; free some space."
        )
    return FaultError(grpc.StatusCode.UNAVAILABLE, f"The documents' file cannot be used right now: {error}.")
