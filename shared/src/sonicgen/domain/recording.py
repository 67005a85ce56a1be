"""A recording, the states it passes through and the reasons it ends in one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from sonicgen.domain.quality import Quality
from sonicgen.errors import ConflictError

# The namespace of recording ids. It must never change: ids of known recordings derive from it.
RECORDING_NAMESPACE = UUID("6f0f7a3e-2a53-5e0c-9d8e-0d7f5b1c4a10")


class MatchStatus(StrEnum):
    """Where a recording stands; `None` in its place means that nobody has claimed it yet."""

    PENDING = "pending"
    FINGERPRINTED = "fingerprinted"
    MATCHED = "matched"
    TOO_SHORT = "too_short"
    FLAG = "flag"


class Reason(StrEnum):
    """Why a recording is in its state, as a stable code; `explanation` is the sentence for people."""

    NEW = "new"
    DUPLICATE = "duplicate"
    IDENTICAL_FILE = "identical_file"
    TRUNCATED = "truncated"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    EMPTY_FILE = "empty_file"
    NOT_AUDIO = "not_audio"
    NO_AUDIO_STREAM = "no_audio_stream"
    OBJECT_GONE = "object_gone"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"


EXPLANATIONS: dict[Reason, str] = {
    Reason.NEW: "Nothing like it was known; it is now in the index.",
    Reason.DUPLICATE: "It is a copy of a known recording.",
    Reason.IDENTICAL_FILE: "It is byte for byte the same file as a known recording.",
    Reason.TRUNCATED: "The file ends early or is damaged; what could be decoded is in the index.",
    Reason.TOO_SHORT: "It holds too little sound to recognise; at least about two seconds are needed.",
    Reason.SILENT: "It holds no sound that can be told apart from silence or a steady tone.",
    Reason.EMPTY_FILE: "The file has no bytes.",
    Reason.NOT_AUDIO: "The file is not audio or video in any format that ffmpeg reads.",
    Reason.NO_AUDIO_STREAM: "The file is a video without sound.",
    Reason.OBJECT_GONE: "The file was removed from the bucket before it could be read.",
    Reason.ATTEMPTS_EXHAUSTED: "It failed too often; its message lies among the dead letters: sonicgen replay.",
}

# Every move a recording may make. A final state leads back to PENDING only when the work is asked for again (replay, a
# new algorithm version).
ALLOWED_MOVES: dict[MatchStatus | None, frozenset[MatchStatus]] = {
    None: frozenset({MatchStatus.PENDING, MatchStatus.FLAG}),
    MatchStatus.PENDING: frozenset(MatchStatus),  # PENDING to PENDING: taken over after a crash
    MatchStatus.FINGERPRINTED: frozenset({MatchStatus.PENDING}),
    MatchStatus.MATCHED: frozenset({MatchStatus.PENDING}),
    MatchStatus.TOO_SHORT: frozenset({MatchStatus.PENDING}),
    MatchStatus.FLAG: frozenset({MatchStatus.PENDING}),
}

FINAL_STATUSES = frozenset(MatchStatus) - {MatchStatus.PENDING}


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording that SonicGen knows.

    `number` is its place in the order of arrival in the index (postings carry it); `index_version` is the fingerprint
    algorithm that made its postings, None where it has none; `judged_version` the one by which it was compared;
    `quality` how good it sounds, once it was heard. A video that was discovered and not yet downloaded has no object:
    its bucket and object_name are empty, generation and size_bytes are 0. `published_uri` is where it was published,
    None for what was uploaded by hand.
    """

    id: UUID
    title: str
    bucket: str
    object_name: str
    generation: int
    size_bytes: int
    match_status: MatchStatus | None = None
    reason: Reason | None = None
    reason_detail: str | None = None
    youtube_id: str | None = None
    duration_seconds: float | None = None
    original_video_id: UUID | None = None
    attempts: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    content_md5: str | None = None
    content_type: str | None = None
    number: int | None = None
    index_version: int | None = None
    judged_version: int | None = None
    published_uri: str | None = None
    published_at: datetime | None = None
    channel_id: str | None = None
    quality: Quality | None = None

    @property
    def is_stored(self) -> bool:
        """Whether its bytes lie in a bucket."""
        return self.generation > 0

    @property
    def heard_version(self) -> int:
        """The version of fingerprints by which it was last heard and compared; 1 from before that was kept."""
        return min((one for one in (self.judged_version, self.index_version) if one is not None), default=1)

    @property
    def source_uri(self) -> str | None:
        """Where its bytes lie; None as long as they lie nowhere."""
        return f"gs://{self.bucket}/{self.object_name}" if self.is_stored else None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.match_status in FINAL_STATUSES

    def explain(self) -> str:
        """Return one sentence that tells a person why the recording is in its state."""
        if self.reason is None and self.match_status is None:
            return "Waiting for its turn." if self.is_stored else "Discovered, waiting for its download."
        if self.reason is None:
            return "Being read."
        sentence = EXPLANATIONS[self.reason]
        return f"{sentence} {self.reason_detail}" if self.reason_detail else sentence


def recording_id(bucket: str, name: str, generation: int) -> UUID:
    """Return the id of the recording that this very upload holds; the same upload always gets the same id."""
    return uuid5(RECORDING_NAMESPACE, f"gs://{bucket}/{name}#{generation}")


def check_move(before: MatchStatus | None, after: MatchStatus) -> None:
    """Raise ConflictError when a recording may not go from one state to the other."""
    if after not in ALLOWED_MOVES[before]:
        raise ConflictError(f"A recording that is {before or 'unclaimed'} cannot become {after}.")
