"""AssemblyAI, or the stand-in that speaks its interface: sound goes in, and words come back later.

The SDK neither tries again nor has an idempotency key. So nothing here tries again either: whoever calls has written
down before what it is about to do, and `find_job` tells afterwards whether a job exists whose answer was lost.
https://www.assemblyai.com/docs/api-reference
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

import assemblyai as aai
import httpx
import pydantic
from assemblyai import api
from assemblyai.prerecorded.v2 import api as jobs

from sonicgen.domain.transcript import Utterance, Word
from sonicgen.errors import InputError, NotFoundError, SettingsError, SonicGenError, UnavailableError
from sonicgen.log import log

logger = logging.getLogger(__name__)

# How long the provider may be silent within a call. A submission is answered at once, an upload when it is whole.
CALL_SECONDS = 30.0
_PAGE_JOBS = 100
# A job that somebody looks for is among the newest; more pages than this are not read.
_MOST_PAGES = 20
_CLOCKS_APART = timedelta(minutes=10)

Status = Literal["queued", "processing", "completed", "error"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the provider tells that a job is over, and the header that proves that it is the provider."""

    url: str
    header_name: str
    secret: str

    def for_submission(self, submit_key: UUID) -> str:
        """Return the address with the submission in it: its job is known before the provider has named it."""
        return str(httpx.URL(self.url).copy_merge_params({"submission": str(submit_key)}))


@dataclass(frozen=True, slots=True)
class Job:
    """What the provider says of a job; `raw` is its answer as it came. Times are of the submitted sound."""

    id: str
    status: Status
    audio_url: str
    error: str | None = None
    language: str | None = None
    speech_model: str | None = None
    lines: tuple[Utterance, ...] = ()
    words: tuple[Word, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_without_speech(self) -> bool:
        """Whether the provider refused because nobody speaks: no failure, but a finding."""
        return "no spoken audio" in (self.error or "").lower()


class Transcriber:
    """One provider; safe to share between threads.

    Its methods raise UnavailableError when the provider does not answer or has too much to do, SettingsError when it
    refuses the key, InputError when it refuses the request itself.
    """

    def __init__(
        self,
        provider: str,
        api_key: str,
        base_url: str,
        *,
        key_terms: Sequence[str] = (),
        webhook: Webhook | None = None,
    ) -> None:
        self.provider = provider
        self.webhook = webhook
        self._key_terms = list(key_terms)
        settings = aai.Settings(api_key=api_key, base_url=base_url.rstrip("/"), http_timeout=CALL_SECONDS)
        self._client = aai.Client(settings=settings)

    def close(self) -> None:
        """Close the connections."""
        self._client.http_client.close()

    def check(self) -> None:
        """Return when the provider answers and takes the key."""
        with _explained("question"):
            jobs.list_transcripts(self._client.http_client, aai.types.ListTranscriptParameters(limit=1))

    def upload(self, path: Path) -> str:
        """Send a file's bytes; return the address under which the provider, and nobody else, has them."""
        with path.open("rb") as file, _explained("upload"):
            return str(api.upload_file(self._client.http_client, file))

    def submit(self, audio_url: str, submit_key: UUID) -> str:
        """Order a transcript, which costs money; return the provider's name of the job."""
        config = aai.TranscriptionConfig(speaker_labels=True, language_detection=True, punctuate=True, format_text=True)
        if self._key_terms:
            config.keyterms_prompt = self._key_terms
        if self.webhook is not None:
            config.set_webhook(self.webhook.for_submission(submit_key), self.webhook.header_name, self.webhook.secret)
        with _explained("submission"):
            request = aai.types.TranscriptRequest(audio_url=audio_url, **config.raw.model_dump(exclude_none=True))
            answer = jobs.create_transcript(self._client.http_client, request)
        if not answer.id:
            raise UnavailableError("The transcription service took the sound and named no job; its answer is awaited.")
        return str(answer.id)

    def fetch(self, job_id: str) -> Job:
        """Return how a job stands, with all its words when it is over. Raises NotFoundError for an unknown one."""
        with _explained("question"):
            # Through the SDK's client, but not its call: that keeps of the answer only what this version of it knows.
            response = self._client.http_client.get(f"{jobs.ENDPOINT_TRANSCRIPT}/{quote(job_id, safe='')}")
            if response.status_code != httpx.codes.OK:
                raise aai.TranscriptError(_reason(response), response.status_code)
            raw = response.json()
            return _job(job_id, raw, aai.types.TranscriptResponse.model_validate(raw))

    def find_job(self, audio_url: str, since: datetime) -> str | None:
        """Return the newest job that was ordered for an upload since a moment, None when there is none."""
        before: str | None = None
        for _ in range(_MOST_PAGES):
            with _explained("listing"):
                asked = aai.types.ListTranscriptParameters(limit=_PAGE_JOBS, before_id=before)
                page = jobs.list_transcripts(self._client.http_client, asked).transcripts
            for item in page:
                if item.audio_url == audio_url:
                    return str(item.id)
            if len(page) < _PAGE_JOBS or _read_time(page[-1].created) < since - _CLOCKS_APART:
                return None
            before = page[-1].id
        log(logger, "A lost job was looked for in too many others.", level=logging.WARNING, audio_url=audio_url)
        return None


def _job(job_id: str, raw: Mapping[str, Any], answer: aai.types.TranscriptResponse) -> Job:
    language = raw.get("language_code")
    return Job(
        id=job_id,
        status=answer.status.value,
        audio_url=str(answer.audio_url or ""),
        error=answer.error,
        language=str(language) if language else None,
        speech_model=answer.speech_model_used or (answer.speech_model.value if answer.speech_model else None),
        lines=tuple(_line(line) for line in answer.utterances or ()),
        words=tuple(_word(word) for word in answer.words or ()),
        raw=raw,
    )


def _line(line: aai.types.Utterance) -> Utterance:
    return Utterance(
        start_seconds=line.start / 1000,
        end_seconds=max(line.start, line.end) / 1000,
        text=line.text,
        speaker=line.speaker,
        confidence=_share(line.confidence),
        words=tuple(_word(word) for word in line.words),
    )


def _word(word: aai.types.Word) -> Word:
    return Word(word.text, word.start / 1000, max(word.start, word.end) / 1000, _share(word.confidence), word.speaker)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]


def _read_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _explained(call: str) -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except aai.AssemblyAIError as error:
        raise _by_status(error.status_code or 0, call, str(error)) from error
    except httpx.HTTPError as error:
        raise UnavailableError(f"The transcription service did not answer the {call}; try again.") from error
    except (pydantic.ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"The transcription service answered the {call} with something unknown: {error}") from error


def _by_status(status: int, call: str, message: str) -> SonicGenError:
    if status in (401, 403):
        return SettingsError(
            f"The transcription service refuses the key; set ASSEMBLYAI_API_KEY to a good one: {message}"
        )
    # A name that it does not know is answered with 400: "Transcript lookup error, transcript id not found".
    if status == 404 or (status == 400 and "id not found" in message.lower()):
        return NotFoundError(f"The transcription service does not know it: {message}")
    if 400 <= status < 500 and status not in (408, 409, 425, 429):
        return InputError(f"The transcription service refuses the {call}: {message}")
    return UnavailableError(f"The transcription service cannot take the {call} now ({status}); try again later.")
