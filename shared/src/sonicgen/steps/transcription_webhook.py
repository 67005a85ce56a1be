"""Take the provider's callback: check the secret, put it on the bus, answer. Everything else happens from there.

The sender tries up to ten times, but gives up for good at any 4xx. So a 4xx says only what can never be right: a wrong
secret, or a body that names no job. Unknown jobs and repetitions are accepted (the submission's own answer may not be
stored yet); when the bus does not answer it is 503, so that the callback comes again.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sonicgen.cloud.batches import publish_soon
from sonicgen.errors import SonicGenError
from sonicgen.events.transcript_completed import TranscriptCompleted
from sonicgen.log import log, setup_logging
from sonicgen.settings import settings
from sonicgen.steps.services import Services

logger = logging.getLogger(__name__)

TOPIC = "transcript-completed"
# A callback has about 80 bytes.
MAXIMUM_BODY_BYTES = 16 * 1024
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Callback:
    """One request to the webhook; `secret` is what its header WEBHOOK_HEADER says."""

    method: str
    secret: str
    query: Mapping[str, str]
    body: bytes


def prepare() -> None:
    """Make the process ready for its first callback, without a connection yet: the server forks after this."""
    import google.pubsub_v1  # noqa: F401  (0.4 s, which the first callbacks would wait for)

    setup_logging(settings().log_level)


async def read_body(chunks: AsyncIterator[bytes]) -> bytes:
    """Return a body that comes in chunks, up to one byte more than a callback may have; the rest is left."""
    body = b""
    async for chunk in chunks:
        body += chunk
        if len(body) > MAXIMUM_BODY_BYTES:
            break
    return body[: MAXIMUM_BODY_BYTES + 1]


async def transcription_webhook(services: Services, callback: Callback) -> tuple[str, int]:
    """Accept a callback; return the answer's text and status.

    A coroutine, since callbacks come in bursts and each waits for the bus: 500 at once take half of the processor
    time that they take with a thread each (docs/transcripts.md).
    """
    if callback.method != "POST":
        return "only POST", 405
    secret = services.settings.webhook_secret
    if secret is None:
        log(logger, "A callback came, but SONICGEN_WEBHOOK_SECRET is not set.", level=logging.ERROR)
        return "not set up yet", 503
    if not hmac.compare_digest(callback.secret.encode("utf-8", "surrogateescape"), secret.encode()):
        log(logger, "A callback with a wrong secret was refused.", level=logging.WARNING)
        return "wrong secret", 401
    event = read_callback(callback)
    if event is None:
        log(logger, "A callback that names no job was refused.", level=logging.WARNING)
        return "names no transcript", 400
    try:
        await publish_soon(TOPIC, event)
    except SonicGenError as error:
        log(logger, "A callback could not be put on the bus.", level=logging.ERROR, error=str(error))
        return "try again", 503
    return "", 204


def read_callback(callback: Callback) -> TranscriptCompleted | None:
    """Return what a callback says, None when it names neither a job nor a submission.

    A body that is broken is no loss while the address names the submission: its job is asked about all the same.
    """
    body: object = None
    if len(callback.body) <= MAXIMUM_BODY_BYTES:
        try:
            body = json.loads(callback.body)
        except ValueError:
            body = None
    said: Mapping[str, object] = body if isinstance(body, Mapping) else {}
    job_id = said.get("transcript_id")
    status = said.get("status")
    if not isinstance(job_id, str) or not 0 < len(job_id) <= _LONGEST_NAME:
        job_id = None
    key = _read_key(callback.query.get("submission"))
    if job_id is None and key is None:
        return None
    return TranscriptCompleted(
        time=datetime.now(UTC),
        provider_id=job_id,
        submit_key=key,
        status=status[:_LONGEST_NAME] if isinstance(status, str) else "",
    )


def _read_key(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
