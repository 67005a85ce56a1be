"""The voices of recordings as Postgres keeps them: when each speaks, its clips, whose it is, and the names of lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.domain.speaker import Clip, RecordingVoice, VoiceState
from sonicgen.domain.turn import Turn
from sonicgen.domain.voice import VoiceModel
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("voices")

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whose voice it is, as the model says; `suggested_id` is who it may be where that was not sure enough."""

    speaker_id: UUID
    outcome: str
    probability: float | None
    margin: float | None
    cosine: float | None
    suggested_id: UUID | None
    model: str
    thresholds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a clip is; `in_profile` says whether its vectors teach who they are."""

    speaker_id: UUID
    is_known: bool
    in_profile: bool
    video_id: UUID | None
    label: str | None


def of_video(connection: Connection, video_id: UUID) -> list[RecordingVoice]:
    """Return a recording's voices with their clips, by label."""
    return _with_clips(connection, connection.execute(_SQL["of_video"], {"video_id": video_id}).fetchall())


def of_speaker(connection: Connection, speaker_id: UUID) -> list[RecordingVoice]:
    """Return where somebody is heard, newest recording first, with clips."""
    return _with_clips(connection, connection.execute(_SQL["of_speaker"], {"speaker_id": speaker_id}).fetchall())


def lock_of_speakers(connection: Connection, speaker_ids: Sequence[UUID]) -> list[RecordingVoice]:
    """Return all voices of some speakers; nobody changes them until the transaction ends."""
    values = {"speaker_ids": list(speaker_ids)}
    return _with_clips(connection, connection.execute(_SQL["of_speakers_locked"], values).fetchall())


def by_ids(connection: Connection, ids: Sequence[UUID]) -> list[RecordingVoice]:
    """Return those of these voices that there are."""
    return _with_clips(connection, connection.execute(_SQL["by_ids"], {"ids": list(ids)}).fetchall())


def samples_of(connection: Connection, speaker_ids: Sequence[UUID]) -> dict[UUID, list[Clip]]:
    """Return the clips that people were enrolled with, by person."""
    found: dict[UUID, list[Clip]] = {}
    for row in connection.execute(_SQL["clips_of_speakers"], {"ids": list(speaker_ids)}):
        found.setdefault(row["speaker_id"], []).append(_clip(row))
    return found


def find_clip(connection: Connection, clip_id: UUID) -> Clip | None:
    """Return a clip, None when there is none."""
    row = connection.execute(_SQL["clip"], {"id": clip_id}).fetchone()
    return _clip(row) if row else None


def insert(
    connection: Connection,
    voice_id: UUID,
    video_id: UUID,
    label: str,
    turns: Sequence[Range],
    *,
    state: VoiceState = VoiceState.CUTTING,
    source: RecordingVoice | None = None,
) -> None:
    """Make a voice, in place of the one that had its label; with `source` it is whoever that one is."""
    values = {
        "id": voice_id,
        "video_id": video_id,
        "label": label,
        "state": source.state.value if source else state.value,
        **_turn_columns(turns),
        "speaker_id": source.speaker_id if source else None,
        "source_id": source.id if source else None,
        "outcome": "inherited" if source else None,
        "decided_by": "inherited" if source else None,
    }
    connection.execute(_SQL["insert"], values)


def set_turns(connection: Connection, voice_id: UUID, turns: Sequence[Range]) -> None:
    """Note when a voice speaks."""
    connection.execute(_SQL["set_turns"], {"id": voice_id, **_turn_columns(turns)})


def relabel(connection: Connection, labels: Mapping[UUID, str]) -> None:
    """Give voices the labels that they have in a new transcript."""
    values = {"ids": list(labels), "labels": list(labels.values())}
    connection.execute(_SQL["unlabel"], values)
    connection.execute(_SQL["relabel"], values)


def delete(connection: Connection, ids: Sequence[UUID]) -> None:
    """Remove voices and the rows of their clips; objects and vectors are the caller's."""
    connection.execute(_SQL["delete"], {"ids": list(ids)})


def put_clips(connection: Connection, voice: RecordingVoice, clips: Sequence[Clip], digest: str) -> None:
    """Make these all clips of a voice, those of before keep their vectors; when they are others it waits to be heard.

    The vectors of clips that are gone are the caller's to remove.
    """
    kept = [clip.object_name for clip in clips]
    connection.execute(_SQL["delete_clips"], {"voice_id": voice.id, "kept": kept})
    for clip in clips:
        _insert_clip(connection, clip, voice_id=voice.id)
    is_changed = set(kept) != {clip.object_name for clip in voice.clips}
    values = {"id": voice.id, "digest": digest, "clips": len(clips), "is_changed": is_changed}
    connection.execute(_SQL["set_clips_cut"], values)


def add_sample(connection: Connection, speaker_id: UUID, clip: Clip, sha256: str) -> None:
    """Keep a clip that somebody was enrolled with."""
    _insert_clip(connection, clip, speaker_id=speaker_id, sha256=sha256)


def owner_of_sample(connection: Connection, sha256: str) -> tuple[UUID, str] | None:
    """Return who was enrolled with this very file, None when nobody was."""
    row = connection.execute(_SQL["samples_with"], {"sha256": sha256}).fetchone()
    return (row["speaker_id"], row["name"] or "") if row else None


def add_voiceprints(connection: Connection, made: Sequence[tuple[UUID, UUID]]) -> None:
    """Note the vectors of clips, as (clip, voiceprint)."""
    values = {"clip_ids": [clip for clip, _ in made], "voiceprint_ids": [voiceprint for _, voiceprint in made]}
    connection.execute(_SQL["add_voiceprints"], values)


def drop_voiceprints(connection: Connection, ids: Sequence[UUID]) -> None:
    """Note that vectors are gone."""
    connection.execute(_SQL["drop_voiceprints"], {"ids": list(ids)})


def decide(connection: Connection, voice_id: UUID, decision: Decision) -> bool:
    """Set whose voice it is, as the model says; False when a person has said so, or the voice is gone."""
    values = {
        "id": voice_id,
        "speaker_id": decision.speaker_id,
        "outcome": decision.outcome,
        "probability": decision.probability,
        "margin": decision.margin,
        "cosine": decision.cosine,
        "suggested_id": decision.suggested_id,
        "model": decision.model,
        "thresholds": Jsonb(decision.thresholds),
        "decided_by": f"model {decision.model}",
    }
    return connection.execute(_SQL["decide"], values).fetchone() is not None


def assign(
    connection: Connection, ids: Sequence[UUID], speaker_id: UUID, *, decided_by: str | None, is_confirmed: bool
) -> None:
    """Say whose these voices are; `decided_by` None leaves that as it was."""
    values = {"ids": list(ids), "speaker_id": speaker_id, "decided_by": decided_by, "is_confirmed": is_confirmed}
    connection.execute(_SQL["assign"], values)


def follow_sources(connection: Connection, ids: Sequence[UUID]) -> None:
    """Let copies' voices be whoever their originals' are, for these originals or copies."""
    connection.execute(_SQL["follow_sources"], {"ids": list(ids)})


def erase(connection: Connection, speaker_id: UUID) -> int:
    """Make somebody's voices nobody's, for good; return how many there were."""
    count = len(connection.execute(_SQL["erase"], {"speaker_id": speaker_id}).fetchall())
    connection.execute(_SQL["forget_suggestions"], {"speaker_id": speaker_id})
    return count


def recordings_of(connection: Connection, speaker_ids: Sequence[UUID]) -> list[UUID]:
    """Return the recordings in which some speakers are heard."""
    found = connection.execute(_SQL["recordings_of_speakers"], {"speaker_ids": list(speaker_ids)})
    return [row["video_id"] for row in found]


def recordings_called(connection: Connection, stem: str) -> list[UUID]:
    """Return recordings with voices that have this title, with any ending or none; two at most."""
    return [row["video_id"] for row in connection.execute(_SQL["recordings_called"], {"stem": stem})]


def write_names(connection: Connection, video_ids: Iterable[UUID]) -> list[UUID]:
    """Write into the lines of recordings what their voices are called; return the recordings in which that is new.

    Names that somebody wrote into single lines stay. A transcript whose names change has a new revision.
    """
    values = {"video_ids": sorted(set(video_ids))}
    connection.execute(_SQL["lock_names"], values)
    return [row["video_id"] for row in connection.execute(_SQL["write_names"], values)]


def mark_read(connection: Connection, video_id: UUID, revision: int) -> None:
    """Note which state of a transcript its voices were read from."""
    connection.execute(_SQL["mark_read"], {"video_id": video_id, "revision": revision})


def unread(database: Database, *, older_than_seconds: float, limit: int) -> list[UUID]:
    """Return recordings with words whose voices nobody has looked for."""
    return _recordings(database, "unread", older_than_seconds, limit)


def unheard(database: Database, *, older_than_seconds: float, limit: int) -> list[UUID]:
    """Return recordings whose clips nobody has listened to."""
    return _recordings(database, "unheard", older_than_seconds, limit)


def hand_named(connection: Connection, video_id: UUID) -> set[str]:
    """Return the labels that somebody wrote into lines of a recording."""
    return {row["label"] for row in connection.execute(_SQL["hand_named"], {"video_id": video_id})}


def clips_without_model(database: Database, model: VoiceModel, after: UUID, limit: int) -> list[Clip]:
    """Return clips of somebody's voice that have no vector of a model, by id from `after` on."""
    values = {"model_key": model.key, "after": after, "limit": limit}
    return [_clip(row) for row in database.execute(_SQL["clips_without_model"], values)]


def owners_of(connection: Connection, clip_ids: Sequence[UUID]) -> dict[UUID, Owner]:
    """Return whose these clips are, of those that are somebody's."""
    found = connection.execute(_SQL["owners_of_clips"], {"ids": list(clip_ids)})
    return {
        row["id"]: Owner(row["owner_id"], row["is_known"], row["in_profile"], row["video_id"], row["label"])
        for row in found
    }


def counts(database: Database) -> dict[str, int]:
    """Return how many people are known, how many groups of unknown voices there are, and how many voices wait."""
    row = database.execute(_SQL["counts"]).fetchone()
    assert row is not None  # noqa: S101 - it is one row
    return dict(row)


def _insert_clip(
    connection: Connection,
    clip: Clip,
    *,
    voice_id: UUID | None = None,
    speaker_id: UUID | None = None,
    sha256: str | None = None,
) -> None:
    values = {
        "id": clip.id,
        "voice_id": voice_id,
        "speaker_id": speaker_id,
        "object_name": clip.object_name,
        "start_seconds": clip.start_seconds,
        "end_seconds": clip.end_seconds,
        "sample_sha256": sha256,
        "voiceprint_ids": list(clip.voiceprint_ids),
    }
    connection.execute(_SQL["insert_clip"], values)


def _recordings(database: Database, statement: str, older_than_seconds: float, limit: int) -> list[UUID]:
    values = {"older_than_seconds": older_than_seconds, "limit": limit}
    return [row["video_id"] for row in database.execute(_SQL[statement], values)]


def _turn_columns(turns: Sequence[Range]) -> dict[str, Any]:
    return {
        "turn_starts": [start for start, _ in turns],
        "turn_ends": [end for _, end in turns],
        "speech_seconds": sum(end - start for start, end in turns),
    }


def _with_clips(connection: Connection, rows: Sequence[DictRow]) -> list[RecordingVoice]:
    clips: dict[UUID, list[Clip]] = {}
    for row in connection.execute(_SQL["clips_of_voices"], {"ids": [row["id"] for row in rows]}):
        clips.setdefault(row["voice_id"], []).append(_clip(row))
    return [_voice(row, tuple(clips.get(row["id"], ()))) for row in rows]


def _clip(row: DictRow) -> Clip:
    return Clip(
        row["id"], row["object_name"], row["start_seconds"], row["end_seconds"], tuple(row["voiceprint_ids"] or ())
    )


def _voice(row: DictRow, clips: tuple[Clip, ...]) -> RecordingVoice:
    turns = zip(row["turn_starts"], row["turn_ends"], strict=True)
    names = (
        "id", "video_id", "label", "speech_seconds", "speaker_id", "source_id", "outcome", "probability", "margin",
        "cosine", "suggested_id", "model", "thresholds", "decided_by", "is_confirmed", "clips_digest",
    )  # fmt: skip
    return RecordingVoice(
        **{name: row[name] for name in names},
        state=VoiceState(row["state"]),
        turns=tuple(Turn(start, end, row["label"]) for start, end in turns),
        clips=clips,
    )
