"""What a person says of a match decides what the recording is, and outlives its being heard again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sonicgen.cloud.objects import delete_object, upload_file
from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.errors import ConflictError, NotFoundError
from sonicgen.events.objects import ObjectFinalized
from sonicgen.local.demo_sounds import RATE_HZ, Sound, make_music, write_sound
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.review_match import review_match, undo_review
from sonicgen.steps.services import Services
from sonicgen.steps.transcription_plan import make_plan
from sonicgen.store import matches, recordings

# No clip of some seconds is that unlikely by chance: whatever is found is uncertain.
NEVER_SURE = 1e-250


def hear(services: Services, identifier: UUID) -> Recording:
    """Do what the recording's event does, and return what came of it."""
    one = recordings.get(services.database, identifier)
    upload = ObjectFinalized(
        one.bucket, one.object_name, one.generation, one.size_bytes, None, None, "", video_id=identifier
    )
    fingerprint_match(services, upload)
    return recordings.get(services.database, identifier)


def add(services: Services, folder: Path, sound: Sound) -> Recording:
    identifier = uuid4()
    path = folder / f"{identifier}.mp3"
    write_sound(path, sound, 96_000)
    with services.database.transaction() as connection:
        connection.execute("insert into videos (id, title) values (%s, 'a recording')", (identifier,))
    stored = upload_file(services.settings.media_bucket, f"audio/{identifier}.mp3", path)
    upload = ObjectFinalized(
        stored.bucket, stored.name, stored.generation, stored.size_bytes, None, None, "", video_id=identifier
    )
    fingerprint_match(services, upload)
    return recordings.get(services.database, identifier)


@pytest.fixture
def music() -> Sound:
    return make_music(5, seconds=24, beats_per_minute=104, metre=4)


def test_an_accepted_match_makes_a_copy_and_undone_an_original(
    make_services: Callable[..., Services], tmp_path: Path, music: Sound
) -> None:
    services = make_services(false_positive_rate=NEVER_SURE)
    whole = add(services, tmp_path, music)
    part = add(services, tmp_path, music[4 * RATE_HZ : 11 * RATE_HZ])
    [found] = matches.of(services.database, part.id)
    assert (part.match_status, found.decision) == (MatchStatus.FINGERPRINTED, Decision.UNSURE)

    review_match(services, found.id, "accepted", reviewed_by="Ada")
    part = hear(services, part.id)
    assert (part.match_status, part.original_video_id) == (MatchStatus.MATCHED, whole.id)
    [kept] = matches.of(services.database, part.id)
    assert (kept.id, kept.decision, kept.review, kept.reviewed_by) == (found.id, Decision.MATCH, "accepted", "Ada")
    with pytest.raises(ConflictError, match="accepted by Ada"):
        review_match(services, found.id, "rejected", reviewed_by="Bob")

    undo_review(services, found.id)
    part = hear(services, part.id)
    assert (part.match_status, part.original_video_id) == (MatchStatus.FINGERPRINTED, None)
    [again] = matches.of(services.database, part.id)
    assert (again.decision, again.review) == (Decision.UNSURE, None)
    with pytest.raises(NotFoundError):
        undo_review(services, again.id)


def test_a_rejected_match_counts_for_nothing(services: Services, tmp_path: Path, music: Sound) -> None:
    whole = add(services, tmp_path, music)
    part = add(services, tmp_path, music[4 * RATE_HZ : 20 * RATE_HZ])
    assert part.original_video_id == whole.id
    [found] = matches.of(services.database, part.id)
    assert make_plan(part, [found]).sent == []

    review_match(services, found.id, "rejected", reviewed_by="Ada")
    part = hear(services, part.id)
    assert (part.match_status, part.original_video_id) == (MatchStatus.FINGERPRINTED, None)
    [kept] = matches.of(services.database, part.id)
    assert (kept.id, kept.decision, kept.review) == (found.id, Decision.UNSURE, "rejected")
    assert make_plan(part, [kept]).sent == [(0.0, part.duration_seconds)], "its words are not another's"


def test_without_its_sound_a_recording_stays_what_it_is(services: Services, tmp_path: Path, music: Sound) -> None:
    whole = add(services, tmp_path, music)
    part = add(services, tmp_path, music[4 * RATE_HZ : 20 * RATE_HZ])
    delete_object(part.bucket, part.object_name)
    [found] = matches.of(services.database, part.id)
    done = review_match(services, found.id, "rejected", reviewed_by="Ada")
    assert done.match.review == "rejected"
    part = recordings.get(services.database, part.id)
    assert (part.match_status, part.original_video_id) == (MatchStatus.MATCHED, whole.id)
