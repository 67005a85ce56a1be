"""The one tree of errors.

SonicGenError
├── InputError              the caller gave something that cannot work; says what to change
│   ├── MediaError          a file that is not usable audio; carries a reason code for the recording's state
│   ├── ForbiddenAddressError  a link leads into a private network
│   ├── TooLargeError       more bytes than the limit set for it
│   ├── DownloadError       a recording that could not be downloaded; carries a reason code for the download's state
│   ├── SourceError         a source that cannot be read; carries a reason code for the source's state
│   ├── NotFoundError       a recording, object or message that does not exist
│   └── SettingsError       a variable is missing or wrong; names it
├── TransientError          may work when tried again: the event comes back
│   ├── LeaseHeldError      another worker holds the same work right now
│   ├── ConflictError       someone else wrote first
│   │   ├── SupersededError newer work on the same thing has begun, or it was stopped: this one ends
│   │   └── StaleError      somebody changed it since the caller looked at it
│   ├── QuotaError          a service's units of the day are spent; work goes on when they are given anew
│   └── UnavailableError    a service (database, bucket, bus) does not answer
└── LocalError              the embedded cloud cannot start or go on; says which part and why

Every message is one sentence for a person. `exit_code` is what the command `sonicgen` ends with.
"""

from __future__ import annotations

from datetime import datetime


class SonicGenError(Exception):
    """Something went wrong that SonicGen can explain."""

    exit_code = 3


class InputError(SonicGenError):
    """The input cannot work as given."""

    exit_code = 2


class MediaError(InputError):
    """The file holds no audio that can be used.

    `reason` is the stable code kept with the recording (see `sonicgen.domain.recording.Reason`).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceError(InputError):
    """A source cannot be read as it is.

    `reason` is the stable code kept with the source (see `sonicgen.domain.source.SourceReason`); `detail` is what the
    code's own sentence does not say.
    """

    def __init__(self, reason: str, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.detail = detail


class ForbiddenAddressError(InputError):
    """The link leads to an address that is not public."""


class TooLargeError(InputError):
    """What was fetched is larger than the limit set for it."""


class DownloadError(InputError):
    """A recording could not be downloaded.

    `reason` is the stable code kept with the download (see `sonicgen.domain.download.DownloadReason`), `detail` what
    the site itself said, `release_at` when it begins there, if the site told.
    """

    def __init__(self, reason: str, detail: str | None = None, release_at: datetime | None = None) -> None:
        super().__init__(f"The download ended: {reason}{f' ({detail})' if detail else ''}.")
        self.reason = reason
        self.detail = detail
        self.release_at = release_at


class NotFoundError(InputError):
    """What was asked for does not exist."""

    exit_code = 1


class SettingsError(InputError):
    """A setting is missing or wrong."""


class TransientError(SonicGenError):
    """The same work may succeed when it is tried again."""


class LeaseHeldError(TransientError):
    """Another worker holds the lease on this work."""


class ConflictError(TransientError):
    """Somebody else changed the same thing first."""


class SupersededError(ConflictError):
    """Newer work on the same thing has begun, or it was stopped; the older ends and is not tried again."""


class StaleError(ConflictError):
    """Somebody changed the same thing since the caller looked at it."""


class QuotaError(TransientError):
    """The units that a service gives for a day are spent."""


class UnavailableError(TransientError):
    """A service that is needed does not answer."""


class LocalError(SonicGenError):
    """The embedded cloud cannot start or go on."""
