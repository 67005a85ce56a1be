"""Which recording is the original, whatever order they come in; on the real index, with real sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.cloud.objects import delete_object, upload_file
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.errors import InputError
from sonicgen.events.objects import ObjectFinalized
from sonicgen.events.recording_fingerprinted import RecordingFingerprinted
from sonicgen.local.demo_sounds import CONVERSATION_FILE, RATE_HZ, Sound, disturb, make_music, read_sound, write_sound
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.services import Services
from sonicgen.steps.set_origin import origin_of, set_copy, set_original, undo_origin
from sonicgen.steps.transcription_submit import transcription_submit
from sonicgen.store import decisions, matches, recordings, transcripts
from tests.cloud_fixture import Provider

MARCH, MAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class Archive:
    """Puts sound into the bucket and does what its event would have done."""

    services: Services
    folder: Path

    def add(
        self, title: str, sound: Sound, *, bit_rate: int = 192_000, published: datetime | None = None,
        channel: str | None = None, suffix: str = ".mp3",
    ) -> UUID:  # fmt: skip
        identifier = uuid4()
        path = self.folder / f"{title}{suffix}"
        write_sound(path, sound, bit_rate)
        with self.services.database.transaction() as connection:
            if channel is not None:
                connection.execute("insert into channels values (%s, %s) on conflict do nothing", (channel, channel))
            connection.execute(
                "insert into videos (id, title, published_at, channel_id) values (%s, %s, %s, %s)",
                (identifier, title, published, channel),
            )
        stored = upload_file(self.services.settings.media_bucket, f"audio/{identifier}{suffix}", path)
        self.process(identifier, stored.name, stored.generation, stored.size_bytes)
        return identifier

    def process(self, identifier: UUID, name: str, generation: int, size_bytes: int) -> None:
        bucket = self.services.settings.media_bucket
        upload = ObjectFinalized(bucket, name, generation, size_bytes, None, None, "", video_id=identifier)
        fingerprint_match(self.services, upload)

    def again(self, identifier: UUID) -> None:
        recording = self.get(identifier)
        self.process(identifier, recording.object_name, recording.generation, recording.size_bytes)

    def get(self, identifier: UUID) -> Recording:
        return recordings.get(self.services.database, identifier)

    def originals(self, *identifiers: UUID) -> list[UUID | None]:
        return [self.get(identifier).original_video_id for identifier in identifiers]


@pytest.fixture
def archive(services: Services, tmp_path: Path) -> Archive:
    return Archive(services, tmp_path)


@pytest.fixture(scope="module")
def music() -> Callable[[int], Sound]:
    made: dict[int, Sound] = {}

    def make(seed: int) -> Sound:
        if seed not in made:
            made[seed] = make_music(seed, seconds=30, beats_per_minute=96 + 7 * seed, metre=3 + seed % 2)
        return made[seed]

    return make


def cut(sound: Sound, start_seconds: float, end_seconds: float) -> Sound:
    return sound[int(start_seconds * RATE_HZ) : int(end_seconds * RATE_HZ)]


def test_an_excerpt_becomes_a_copy_when_the_whole_arrives(archive: Archive, music: Callable[[int], Sound]) -> None:
    excerpt = archive.add("excerpt", cut(music(1), 5, 27))
    repost = archive.add("repost of the excerpt", cut(music(1), 7, 23), bit_rate=64_000)
    assert archive.originals(excerpt, repost) == [None, excerpt]
    whole = archive.add("whole", music(1))
    assert archive.originals(whole, excerpt, repost) == [None, whole, whole]
    assert archive.get(excerpt).match_status is MatchStatus.MATCHED
    assert archive.get(excerpt).number is None, "its landmarks are the whole's now"
    [place] = [m for m in matches.of(archive.services.database, repost) if m.reference_id == whole]
    assert place.reference_start_seconds == pytest.approx(7.0, abs=0.1)
    assert place.reference_end_seconds == pytest.approx(23.0, abs=0.3)
    assert place.decided_by == "originals"


def test_what_an_excerpt_has_beyond_the_whole_stays_in_the_index(
    make_services: Callable[..., Services], tmp_path: Path, music: Callable[[int], Sound]
) -> None:
    archive = Archive(make_services(duplicate_coverage=0.6), tmp_path)
    edition = np.concatenate([cut(music(1), 2, 28), cut(music(2), 0, 12)])
    longer = archive.add("with an ending", edition, published=MAY)
    clip = archive.add("the ending", cut(music(2), 1, 11))
    assert archive.originals(clip) == [longer]
    whole = archive.add("whole", music(1), published=MARCH)
    assert archive.get(longer).match_status is MatchStatus.PENDING, "it is read again"
    archive.again(longer)
    assert archive.originals(longer, clip) == [whole, longer]
    assert archive.get(longer).number is not None
    again = archive.add("the ending again", cut(music(2), 1, 11), bit_rate=96_000)
    assert archive.originals(again) == [longer]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_an_earlier_date_decides_in_every_order(
    archive: Archive, music: Callable[[int], Sound], order: Sequence[int]
) -> None:
    sound = music(3)
    given = [
        ("first", sound, 96_000, MARCH),
        ("better but later", sound, 192_000, MAY),
        ("poor", disturb(sound, start_seconds=0, seconds=30, speed=1.0, noise=0.1, seed=1), 64_000, MAY),
    ]
    ids = {}
    for number in order:
        title, samples, bit_rate, published = given[number]
        ids[number] = archive.add(title, samples, bit_rate=bit_rate, published=published)
    assert archive.originals(ids[0], ids[1], ids[2]) == [None, ids[0], ids[0]]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_the_better_sound_decides_where_no_date_does(
    archive: Archive, music: Callable[[int], Sound], order: Sequence[int]
) -> None:
    ids = {}
    for number in order:
        ids[number] = archive.add(f"at {(256, 64, 40)[number]}", music(4), bit_rate=(256, 64, 40)[number] * 1000)
    assert archive.originals(ids[0], ids[1], ids[2]) == [None, ids[0], ids[0]]


def test_a_compilation_is_the_source_of_nothing(archive: Archive, music: Callable[[int], Sound]) -> None:
    pieces = [cut(music(seed), 8, 23) for seed in (5, 6, 7)]
    compilation = archive.add("compilation", np.concatenate(pieces))
    clip = archive.add("clip", cut(music(5), 9, 21))
    assert archive.originals(clip) == [compilation]
    sources = [archive.add(f"source {seed}", music(seed)) for seed in (5, 6, 7)]
    assert archive.originals(compilation, *sources) == [None, None, None, None]
    assert archive.originals(clip) == [sources[0]]


def test_a_trusted_channel_decides(
    make_services: Callable[..., Services], tmp_path: Path, music: Callable[[int], Sound]
) -> None:
    archive = Archive(make_services(trusted_channels="UC_ours, UC_theirs"), tmp_path)
    repost = archive.add("repost", music(8), published=MARCH)
    ours = archive.add("ours", music(8), published=MAY, channel="UC_ours", bit_rate=96_000)
    assert archive.originals(repost, ours) == [ours, None]


def test_each_decision_is_on_record_with_its_reasons(archive: Archive, music: Callable[[int], Sound]) -> None:
    later = archive.add("later", music(9), published=MAY)
    earlier = archive.add("earlier", music(9), published=MARCH, bit_rate=128_000)
    assert archive.originals(later) == [earlier]
    [decision] = decisions.about(archive.services.database, later)
    assert decision.kind == "origin"
    assert decision.subject_ids == (later, earlier)
    told = decision.thresholds
    assert isinstance(told["probability"], float)
    assert told["probability"] > 0.9
    evidence = told["evidence"]
    assert isinstance(evidence, list)
    assert evidence[0]["kind"] == "published"
    assert "61 days earlier" in evidence[0]["text"]


def test_what_a_person_decided_stays_until_it_is_undone(archive: Archive, music: Callable[[int], Sound]) -> None:
    services = archive.services
    first = archive.add("first", music(10), published=MAY)
    set_original(services, archive.get(first))
    second = archive.add("second", music(10), published=MARCH, bit_rate=320_000)
    assert archive.originals(first, second) == [None, None], "the earlier date tells that neither is the other's copy"
    undo_origin(services, archive.get(first))
    archive.again(first)
    assert archive.originals(first, second) == [second, None]
    told = origin_of(services, archive.get(first))
    assert told.original is not None
    assert told.original.id == second
    assert told.decision is not None
    assert told.decision.decided_by == "originals"


def test_a_person_swaps_an_original_and_its_copy(archive: Archive, music: Callable[[int], Sound]) -> None:
    services = archive.services
    first = archive.add("first", music(11), published=MARCH)
    second = archive.add("second", music(11), published=MAY)
    stranger = archive.add("stranger", music(12))
    with pytest.raises(InputError, match="holds 0%"):
        set_copy(services, archive.get(first), archive.get(stranger))
    set_copy(services, archive.get(first), archive.get(second))
    archive.again(second)
    assert archive.originals(first, second) == [second, None]
    third = archive.add("third", music(11), published=MAY, bit_rate=64_000)
    assert archive.originals(first, second, third) == [second, None, second]


@pytest.mark.parametrize("excerpt_first", [False, True])
def test_an_excerpt_in_a_poorer_codec_is_a_copy_of_the_conversation(archive: Archive, excerpt_first: bool) -> None:
    conversation = read_sound(CONVERSATION_FILE)
    third = len(conversation) / RATE_HZ / 3

    def add(excerpt: bool) -> UUID:
        if excerpt:
            return archive.add("middle", cut(conversation, third, 2 * third), bit_rate=32_000, suffix=".opus")
        return archive.add("conversation", conversation)

    ids = {excerpt: add(excerpt) for excerpt in (excerpt_first, not excerpt_first)}
    assert archive.originals(ids[False], ids[True]) == [None, ids[False]]


def test_a_codec_that_fills_the_top_of_speech_makes_no_original(archive: Archive) -> None:
    conversation = read_sound(CONVERSATION_FILE)
    first = archive.add("conversation", conversation)
    repost = archive.add("repost", conversation, bit_rate=32_000, suffix=".opus")
    assert archive.originals(first, repost) == [None, first]


def add_through_a_poorer_one(archive: Archive, sound: Sound, *, other: Sound) -> tuple[UUID, UUID]:
    """Add a recording without its first seconds, and a whole copy, which is then taken for a copy of that."""
    introduced = np.concatenate([cut(other, 0, 2.5), cut(sound, 2, 30)])
    poorer = archive.add("another intro", introduced, published=MARCH)
    whole_copy = archive.add("re-encoded", sound, bit_rate=64_000, published=MAY)
    assert archive.originals(whole_copy) == [poorer]
    return poorer, whole_copy


def test_a_copy_that_was_seen_through_a_poorer_one_is_read_again(
    archive: Archive, music: Callable[[int], Sound]
) -> None:
    sound = music(13)
    poorer, whole_copy = add_through_a_poorer_one(archive, sound, other=music(14))
    source = archive.add("source", sound, published=MARCH - timedelta(days=30))
    assert archive.originals(poorer) == [source]
    assert archive.get(whole_copy).match_status is MatchStatus.PENDING, "its first seconds were never compared"
    archive.again(whole_copy)
    assert archive.originals(whole_copy) == [source]
    [place] = [m for m in matches.of(archive.services.database, whole_copy) if m.reference_id == source]
    assert (place.query_start_seconds, place.reference_start_seconds) == pytest.approx((0, 0), abs=0.1)


def test_a_copy_that_would_be_read_again_is_moved_by_what_is_on_record_when_its_sound_is_gone(
    archive: Archive, music: Callable[[int], Sound]
) -> None:
    sound = music(13)
    poorer, copy = add_through_a_poorer_one(archive, sound, other=music(14))
    delete_object(archive.services.settings.media_bucket, archive.get(copy).object_name)
    source = archive.add("source", sound, published=MARCH - timedelta(days=30))
    assert archive.get(source).match_status is MatchStatus.FINGERPRINTED
    assert archive.originals(poorer, copy) == [source, source]
    assert archive.get(copy).match_status is MatchStatus.MATCHED


def test_an_original_with_more_to_it_stays_one_when_its_sound_is_gone(
    make_services: Callable[..., Services], tmp_path: Path, music: Callable[[int], Sound]
) -> None:
    archive = Archive(make_services(duplicate_coverage=0.6), tmp_path)
    longer = archive.add("with an ending", np.concatenate([cut(music(1), 2, 28), cut(music(2), 0, 12)]), published=MAY)
    delete_object(archive.services.settings.media_bucket, archive.get(longer).object_name)
    whole = archive.add("whole", music(1), published=MARCH)
    assert archive.originals(longer, whole) == [None, None]
    assert archive.get(longer).match_status is MatchStatus.FINGERPRINTED
    assert archive.originals(archive.add("the ending", cut(music(2), 1, 11))) == [longer]


def test_every_copy_is_found_although_one_of_them_explains_it_all(
    archive: Archive, music: Callable[[int], Sound]
) -> None:
    sound = music(15)
    advert = cut(music(16), 0, 2.5)
    interrupted = np.concatenate([cut(sound, 0, 12), advert, cut(sound, 12, 30)])
    copies = [archive.add(f"at {rate}", sound, bit_rate=rate * 1000) for rate in (192, 96)]
    edition = archive.add("with an advert", interrupted, bit_rate=64_000)
    assert archive.originals(*copies, edition) == [None, copies[0], copies[0]]
    places = [m for m in matches.of(archive.services.database, edition) if m.reference_id == copies[0]]
    found = [(m.query_start_seconds, m.query_end_seconds, m.reference_start_seconds) for m in places]
    assert found == [pytest.approx((0, 12, 0), abs=0.3), pytest.approx((14.5, 32.5, 12), abs=0.3)]


def test_what_was_paid_for_an_excerpt_is_not_paid_again_for_the_whole(
    archive: Archive, provider: Provider, music: Callable[[int], Sound]
) -> None:
    services = archive.services

    def transcribe(identifier: UUID) -> float:
        told = RecordingFingerprinted(identifier, archive.get(identifier).match_status or MatchStatus.PENDING, MAY)
        transcription_submit(services, told)
        transcript = transcripts.find(services.database, identifier)
        return transcript.paid_seconds if transcript else 0.0

    excerpt = archive.add("excerpt", cut(music(17), 8, 30))
    assert transcribe(excerpt) == pytest.approx(22, abs=0.5)
    whole = archive.add("whole", music(17))
    assert archive.originals(whole, excerpt) == [None, whole]
    assert transcribe(whole) == pytest.approx(8, abs=0.5), "of the thirty seconds the eight that nobody has paid for"
    transcribe(excerpt)
    assert provider.posts == 2
