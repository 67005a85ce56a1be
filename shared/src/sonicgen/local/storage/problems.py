"""What the server refuses, in the words and shape of the Cloud Storage JSON API."""

from __future__ import annotations

import errno
import sqlite3

from starlette.responses import JSONResponse, Response

# EFBIG: a limit on the size of a file is, for whoever uploads, the same as a full disk.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Problem(Exception):  # noqa: N818  # an answer to a client, not a failure of the server
    """A request that is answered with an error."""

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers
        self.status = status
        self.reason = reason
        self.message = message

    def response(self) -> Response:
        """Return the answer in Google's form."""
        if self.status == 304:
            return Response(status_code=304)
        item = {"message": self.message, "domain": "global", "reason": self.reason}
        return JSONResponse(
            {"error": {"code": self.status, "message": self.message, "errors": [item]}},
            status_code=self.status,
            headers=self.headers,
        )


def invalid(message: str) -> Problem:
    """Return the problem of a request that can never work."""
    return Problem(400, "invalid", message)


def missing(message: str) -> Problem:
    """Return the problem of something that is not there."""
    return Problem(404, "notFound", message)


def no_such_object(bucket: str, name: str) -> Problem:
    """Return the problem of an object, or a generation of it, that is not there."""
    return missing(f"No such object: {bucket}/{name}")


def conflict(message: str) -> Problem:
    """Return the problem of something that is in the way."""
    return Problem(409, "conflict", message)


def as_problem(error: OSError | sqlite3.Error) -> Problem | None:
    """Return what a client is told of a failing disk; None when the failure is none of that kind.

    A full disk is 507, which the Google clients report at once: they repeat 503 for two minutes, and a disk does not
    empty itself.
    """
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return Problem(507, "insufficientStorage", "There is no room left on the disk that holds the objects.")
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
    }:
        return Problem(507, "insufficientStorage", "There is no room left on the disk that holds the object list.")
    return None
