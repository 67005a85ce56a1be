"""Every way in which a request comes to nothing: its code, its status, its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sonicgen.domain.recording import Reason
from sonicgen.errors import (
    InputError,
    MediaError,
    NotFoundError,
    SettingsError,
    SonicGenError,
    TransientError,
)

ErrorType = Literal["ValidationError", "ProcessingError", "ModelError"]


class Code(StrEnum):
    """What a client may branch on; stable, unlike the sentences."""

    INVALID_PARAMETER = "invalid_parameter"
    MISSING_FILE = "missing_file"
    INCOMPLETE_UPLOAD = "incomplete_upload"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    EMPTY_FILE = "empty_file"
    NOT_AUDIO = "not_audio"
    NO_AUDIO_STREAM = "no_audio_stream"
    SLOW_DECODING = "slow_decoding"
    TOO_SHORT = "too_short"
    NO_SPEECH = "no_speech"
    BAD_RANGE = "bad_range"
    BAD_EMBEDDING = "bad_embedding"
    PICKLE_REFUSED = "pickle_refused"
    WRONG_DIMENSION = "wrong_dimension"
    OTHER_MODEL = "other_model"
    NOT_FOUND = "not_found"
    CALLER_LEFT = "caller_left"
    BUSY = "busy"
    NOT_READY = "not_ready"
    NOT_CONFIGURED = "not_configured"
    UNAVAILABLE = "unavailable"
    MODEL_FAILED = "model_failed"
    INTERNAL = "internal"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    error_type: ErrorType


KINDS: dict[Code, _Kind] = {
    Code.INVALID_PARAMETER: _Kind(422, "ValidationError"),
    Code.MISSING_FILE: _Kind(422, "ValidationError"),
    Code.INCOMPLETE_UPLOAD: _Kind(400, "ValidationError"),
    Code.TOO_LARGE: _Kind(413, "ValidationError"),
    Code.TOO_LONG: _Kind(413, "ValidationError"),
    Code.EMPTY_FILE: _Kind(422, "ValidationError"),
    Code.NOT_AUDIO: _Kind(415, "ValidationError"),
    Code.NO_AUDIO_STREAM: _Kind(415, "ValidationError"),
    Code.SLOW_DECODING: _Kind(422, "ProcessingError"),
    Code.TOO_SHORT: _Kind(422, "ValidationError"),
    Code.NO_SPEECH: _Kind(422, "ValidationError"),
    Code.BAD_RANGE: _Kind(422, "ValidationError"),
    Code.BAD_EMBEDDING: _Kind(422, "ValidationError"),
    Code.PICKLE_REFUSED: _Kind(415, "ValidationError"),
    Code.WRONG_DIMENSION: _Kind(422, "ValidationError"),
    Code.OTHER_MODEL: _Kind(409, "ValidationError"),
    Code.NOT_FOUND: _Kind(404, "ValidationError"),
    Code.CALLER_LEFT: _Kind(499, "ProcessingError"),  # nobody reads it but our own log and metrics
    Code.BUSY: _Kind(429, "ProcessingError"),
    Code.NOT_READY: _Kind(503, "ModelError"),
    Code.NOT_CONFIGURED: _Kind(503, "ProcessingError"),
    Code.UNAVAILABLE: _Kind(503, "ProcessingError"),
    Code.MODEL_FAILED: _Kind(500, "ModelError"),
    Code.INTERNAL: _Kind(500, "ProcessingError"),
    Code.REFUSED: _Kind(400, "ValidationError"),
}

_MEDIA = {
    Reason.EMPTY_FILE: Code.EMPTY_FILE,
    Reason.NOT_AUDIO: Code.NOT_AUDIO,
    Reason.NO_AUDIO_STREAM: Code.NO_AUDIO_STREAM,
}


class RequestError(SonicGenError):
    """A request came to nothing; the code says its status, the message is for people.

    `after_seconds` is when asking again may help, None where it does not.
    """

    def __init__(self, code: Code, detail: str, after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.after_seconds = after_seconds

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.code].status

    @property
    def error_type(self) -> ErrorType:
        """The kind, as the old service named them."""
        return KINDS[self.code].error_type

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (429, 500, 503)


class CallerLeftError(RequestError):
    """Nobody waits for the answer any more."""

    def __init__(self) -> None:
        super().__init__(Code.CALLER_LEFT, "The caller left before the answer was there.")


def explained(error: Exception) -> RequestError:
    """Return any error as one of ours; what nobody foresaw becomes a sentence without its details."""
    match error:
        case RequestError():
            return error
        case MediaError():
            return RequestError(_MEDIA.get(Reason(error.reason), Code.NOT_AUDIO), str(error))
        case NotFoundError():
            return RequestError(Code.NOT_FOUND, str(error))
        case SettingsError():
            return RequestError(Code.NOT_CONFIGURED, str(error))
        case InputError():
            return RequestError(Code.REFUSED, str(error))
        case TransientError():
            return RequestError(Code.UNAVAILABLE, str(error), after_seconds=2.0)
        case _:
            return RequestError(Code.INTERNAL, "The embedder failed; its log says why.")
