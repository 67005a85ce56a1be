"""Copies know who speaks from their originals: a copy's voices are never listened to, they are whoever those are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from sonicgen.domain.speaker import RecordingVoice, voice_id
from sonicgen.domain.transcript import Utterance
from sonicgen.speech.clips import turns_by_label
from sonicgen.steps.services import Services
from sonicgen.store import transcripts, utterances, voices
from sonicgen.store.database import Connection


def inherit_voices(services: Services, video_id: UUID) -> None:
    """Let the voices of inherited lines be those of the originals, as far as these are known. Safe to repeat."""
    lines = utterances.of(services.database, video_id)
    inherited = [line for line in lines if line.inherited_from is not None and line.speaker]
    with services.database.transaction() as connection:
        transcript = transcripts.lock(connection, video_id)
        if transcript is None:
            return
        prefixes = {s.source.source_id: s.source.label_prefix for s in transcripts.sources_of(connection, transcript)}
        present = {voice.label: voice for voice in voices.of_video(connection, video_id)}
        stale = [v.id for v in present.values() if v.source_id is not None and v.label not in _labels(inherited)]
        voices.delete(connection, stale)
        _take_over(connection, video_id, inherited, prefixes, present)
        voices.follow_sources(connection, [voice.id for voice in voices.of_video(connection, video_id)])


def pass_on(services: Services, video_id: UUID) -> None:
    """Tell a recording's copies, and theirs, whose voices these are."""
    seen, waiting = {video_id}, [video_id]
    while waiting:
        for heir in transcripts.heirs_of(services.database, waiting.pop()):
            if heir in seen:
                continue
            seen.add(heir)
            waiting.append(heir)
            inherit_voices(services, heir)
            with services.database.transaction() as connection:
                voices.write_names(connection, [heir])


def _take_over(
    connection: Connection,
    video_id: UUID,
    inherited: Sequence[Utterance],
    prefixes: Mapping[UUID, str],
    present: Mapping[str, RecordingVoice],
) -> None:
    turns = turns_by_label(inherited)
    for label, source_id in _labels(inherited).items():
        wanted = label.removeprefix(prefixes.get(source_id, ""))
        source = next((v for v in voices.of_video(connection, source_id) if v.label == wanted), None)
        if source is None or label not in turns:
            continue  # not known yet, or forgotten: what the copy has stays
        root = voices.by_ids(connection, [source.source_id])[0] if source.source_id else source
        identifier = voice_id(video_id, label, f"of {root.id}")
        before = present.get(label)
        if before is not None and before.id != identifier:
            voices.delete(connection, [before.id])
        voices.insert(connection, identifier, video_id, label, turns[label], source=root)


def _labels(inherited: Sequence[Utterance]) -> dict[str, UUID]:
    """Return which recording each label's lines come from, for the most part."""
    counted: dict[str, Counter[UUID]] = {}
    for line in inherited:
        if line.speaker and line.inherited_from:
            counted.setdefault(line.speaker, Counter())[line.inherited_from] += 1
    return {label: counts.most_common(1)[0][0] for label, counts in counted.items()}
