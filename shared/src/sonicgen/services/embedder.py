"""The embedder, asked over HTTP: vectors of voices, who they are, who speaks when.

Asking is free of effects, so what fails on the way is asked again here a few times; after that the event comes back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

import httpx

from sonicgen.domain.embedding import (
    Diarized,
    Embedded,
    EmbedderState,
    Hints,
    Identified,
    NearVoice,
    Problem,
    Runner,
    Sound,
    SoundVectors,
    Span,
    SpanVector,
    Voice,
    VoiceIdentity,
)
from sonicgen.domain.turn import Turn
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError, NotFoundError, SettingsError, SonicGenError, UnavailableError
from sonicgen.log import log
from sonicgen.services.identity_tokens import IdentityTokens
from sonicgen.settings import Settings

logger = logging.getLogger(__name__)

# An hour of sound takes the embedder half a minute on one core; Cloud Run itself ends a request after an hour.
ANSWER_SECONDS = 900.0
CONNECT_SECONDS = 10.0
# How often it is asked in all, and how long this waits for it in between: an event that comes back waits more cheaply.
TRIES = 4
LONGEST_WAIT_SECONDS = 20.0
_FIRST_WAIT_SECONDS = 0.5

Tokens = Callable[[], str]


class Embedder(Protocol):
    """Who turns voices into vectors; safe to share between threads.

    Methods raise InputError when the request can never work, NotFoundError for an object that is not there,
    UnavailableError when the embedder does not answer, is not ready or has too much to do.
    """

    def state(self) -> EmbedderState:
        """Return how it stands."""

    def runner(self) -> Runner:
        """Return which model runs, and on what."""

    def embed(self, sounds: Sequence[Sound]) -> Embedded:
        """Return a vector for each span of each sound; what cannot be used has its problem in its place."""

    def identify(self, voices: Sequence[Voice], thresholds: Mapping[str, float] | None = None) -> Identified:
        """Return who the voices of one recording are; nobody is named twice.

        `thresholds` override some of `sonicgen.voices.identify.Thresholds`.
        """

    def diarize(self, sound: Sound, hints: Hints | None = None) -> Diarized:
        """Return who speaks when in an object."""

    def close(self) -> None:
        """Close the connections."""


def make_embedder(settings: Settings) -> HttpEmbedder:
    """Return the client of the embedder that the settings name; raise SettingsError when they name none."""
    if settings.embedder_url is None:
        raise SettingsError(
            "SONICGEN_EMBEDDER_URL is not set; `sonicgen up` starts an embedder, or give the address of yours."
        )
    return HttpEmbedder(settings.embedder_url)


class HttpEmbedder:
    """The embedder at an address. Where that begins with https, an identity token of this account is sent along."""

    def __init__(
        self, base_url: str, *, tokens: Tokens | None = None, answer_seconds: float = ANSWER_SECONDS, tries: int = TRIES
    ) -> None:
        base_url = base_url.rstrip("/")
        self._tokens = tokens or (IdentityTokens(base_url) if base_url.startswith("https://") else None)
        self._tries = tries
        timeout = httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS)
        # Our own address, reached directly: a proxy that is set for downloads has no business with it.
        self._client = httpx.Client(base_url=base_url, timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def runner(self) -> Runner:
        """Return which model runs, and on what; raise UnavailableError when it is not ready."""
        return self.state().runner

    def state(self) -> EmbedderState:
        """Return how it stands; raise UnavailableError when it is not ready."""
        answer = self._ask("GET", "/health/ready")
        return EmbedderState(
            answer["status"],
            answer["reason"],
            _runner(answer),
            answer["diarizer"],
            answer["times_real_time"],
            tuple(answer["notes"]),
        )

    def embed(self, sounds: Sequence[Sound]) -> Embedded:
        """Return a vector for each span of each sound; what cannot be used has its problem in its place."""
        answer = self._ask("POST", "/embed", {"sounds": [_sound_json(sound) for sound in sounds]})
        found = [_sound_vectors(sound, each) for sound, each in zip(sounds, answer["sounds"], strict=True)]
        return Embedded(_runner(answer), tuple(found))

    def identify(self, voices: Sequence[Voice], thresholds: Mapping[str, float] | None = None) -> Identified:
        """Return who the voices of one recording are; nobody is named twice."""
        asked = [
            {
                "label": voice.label,
                "sounds": [_sound_json(sound) for sound in voice.sounds],
                "vectors": [{"vector": v.vector, "speech_seconds": v.speech_seconds} for v in voice.vectors],
            }
            for voice in voices
        ]
        answer = self._ask("POST", "/identify", {"voices": asked, "thresholds": dict(thresholds or {})})
        found = tuple(_identity(each) for each in answer["voices"])
        return Identified(_runner(answer), found, answer["thresholds"], answer["people"], answer["index"])

    def diarize(self, sound: Sound, hints: Hints | None = None) -> Diarized:
        """Return who speaks when in an object; its spans are ignored."""
        hints = hints or Hints()
        asked = _sound_json(sound) | {
            "num_speakers": hints.num_speakers,
            "min_speakers": hints.min_speakers,
            "max_speakers": hints.max_speakers,
            "min_duration": hints.minimum_seconds,
        }
        answer = self._ask("POST", "/diarize/object", asked)
        turns = (Turn(each["start"], each["end"], each["speaker"]) for each in answer["diarization_results"])
        return Diarized(_runner(answer), answer["diarizer"], answer["audio_duration"], tuple(turns))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer; ask again while it may help."""
        wait = _FIRST_WAIT_SECONDS
        for number in range(1, self._tries + 1):
            try:
                return self._ask_once(method, path, body)
            except _RetryableError as again:
                if number == self._tries:
                    raise again.error from again.__cause__
                # What the embedder asks for counts, but no more than an event's worker can afford to wait.
                pause = min(LONGEST_WAIT_SECONDS, again.after_seconds if again.after_seconds is not None else wait)
                log(logger, "The embedder is asked again.", level=logging.WARNING, path=path, wait_seconds=pause)
                time.sleep(pause)
                wait *= 2
        raise AssertionError("unreachable")

    def _ask_once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens()}"} if self._tokens else {}
        try:
            response = self._client.request(method, path, json=body, headers=headers)
        except httpx.ReadTimeout as error:  # asked again it would only compute the same once more, for as long
            raise UnavailableError(f"The embedder did not answer {path} in time; try again later.") from error
        except httpx.HTTPError as error:
            raise _RetryableError(UnavailableError(f"The embedder does not answer {path}: {error}.")) from error
        if response.status_code == httpx.codes.OK:
            try:
                return response.json()
            except ValueError as error:
                raise UnavailableError(f"The embedder answered {path} with something that is no JSON.") from error
        raise _failure(response, path)


class _RetryableError(Exception):
    """Trying once more may help; `error` is raised when there is no try left."""

    def __init__(self, error: SonicGenError, after_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_seconds = after_seconds


def _failure(response: httpx.Response, path: str) -> Exception:
    status = response.status_code
    try:
        body = response.json()
        reason, code = str(body.get("detail") or body["reason"]), body.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, code = response.text[:200].strip() or response.reason_phrase, None
    if status in (401, 403):
        return UnavailableError(f"The embedder lets this account not in ({status}); give it the role run.invoker.")
    if status == 404 and code == "not_found":
        return NotFoundError(reason)
    if 400 <= status < 500 and status not in (408, 425, 429):
        return InputError(f"The embedder refuses {path}: {reason}")
    error = UnavailableError(f"The embedder cannot answer {path} now ({status}): {reason}")
    after = None
    with suppress(KeyError, ValueError):
        after = max(0.0, float(response.headers["retry-after"]))
    return _RetryableError(error, after)


def _sound_json(sound: Sound) -> dict[str, Any]:
    return {
        "bucket": sound.bucket,
        "name": sound.name,
        "generation": sound.generation,
        "spans": [[span.start_seconds, span.end_seconds] for span in sound.spans],
    }


def _runner(answer: Mapping[str, Any]) -> Runner:
    model = answer["model"]
    return Runner(
        VoiceModel(model["name"], model["version"], model["dimension"]),
        answer["backend"],
        answer["model_device"],
        model["slope"],
        model["offset"],
    )


def _problem(found: Mapping[str, Any] | None) -> Problem | None:
    return Problem(found["code"], found["detail"], found["is_transient"]) if found else None


def _sound_vectors(sound: Sound, found: Mapping[str, Any]) -> SoundVectors:
    vectors = [
        SpanVector(
            Span(each["start"], each["end"]), each["speech_seconds"], _vector(each["vector"]), _problem(each["error"])
        )
        for each in found["vectors"]
    ]
    return SoundVectors(sound, found["audio_duration"], tuple(vectors), _problem(found["error"]))


def _vector(values: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)


def _identity(found: Mapping[str, Any]) -> VoiceIdentity:
    return VoiceIdentity(
        label=found["label"],
        outcome=found["outcome"],
        speaker_id=_uuid(found["speaker_id"]),
        probability=found["probability"],
        margin=found["margin"],
        cosine=found["cosine"],
        best_id=_uuid(found["best_id"]),
        runner_up_id=_uuid(found["runner_up_id"]),
        unknown=tuple(NearVoice(UUID(each["speaker_id"]), each["cosine"]) for each in found["unknown"]),
        speech_seconds=found["speech_seconds"],
        vector=_vector(found["vector"]),
        problem=_problem(found["error"]),
    )


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None
