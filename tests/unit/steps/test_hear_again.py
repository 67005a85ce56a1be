"""A new version of the fingerprint takes the old one's place, recording by recording, while everybody searches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from sonicgen.cloud.objects import delete_object, upload_file
from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording, recording_id
from sonicgen.errors import InputError, NotFoundError, UnavailableError
from sonicgen.events.objects import ObjectFinalized
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.steps.find_clip import find_fingerprint
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.hear_again import HeardAgain, hear_again
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.search_versions import versions_wanted
from sonicgen.steps.sent_fingerprint import read_fingerprint, write_fingerprint
from sonicgen.steps.services import Services
from sonicgen.store import matches, postings, recordings
from tests.unit.sound.signals import Samples, encoded, music
from tests.unit.steps.versions import second_version

Add = Callable[[Samples], Recording]
SONGS = [music(30.0, seed=900 + number) for number in range(5)]


@pytest.fixture
def add(services: Services, tmp_path: Path) -> Add:
    """Return what brings sound in as an upload's event does."""

    def make(sound: Samples) -> Recording:
        path = tmp_path / f"{uuid4()}.wav"
        path.write_bytes(encoded(sound, "wav", "pcm_s16le", SAMPLE_RATE_HZ))
        stored = upload_file(services.settings.inbox_bucket, path.name, path)
        upload = ObjectFinalized(
            stored.bucket, stored.name, stored.generation, stored.size_bytes, stored.md5, None, str(uuid4())
        )
        fingerprint_match(services, upload)
        return recordings.get(services.database, recording_id(stored.bucket, stored.name, stored.generation))

    return make


def heard(services: Services, sound: Samples) -> Fingerprint:
    maker = Fingerprinter(versions_wanted(services.database))
    maker.feed(sound)
    return maker.finish()


def clip(number: int) -> Samples:
    return SONGS[number][8 * SAMPLE_RATE_HZ : 18 * SAMPLE_RATE_HZ]


def test_finds_see_the_old_or_the_new_all_along(services: Services, add: Add) -> None:
    made = [add(song) for song in SONGS]
    pack_index(services.database)
    wrong: list[str] = []
    asked = 0
    ended = threading.Event()

    def ask() -> None:
        nonlocal asked
        while not ended.is_set():
            for number, recording in enumerate(made):
                found = find_fingerprint(services, heard(services, clip(number)))
                sure = [one for one in found if one.match.decision is Decision.MATCH]
                asked += 1
                if [one.recording.id for one in sure] != [recording.id]:
                    wrong.append(f"{number}: {[one.recording.title for one in sure]}")
                elif abs(sure[0].match.reference_start_seconds - 8.0) > 0.1:
                    wrong.append(f"{number}: {sure[0].match}")

    with second_version():
        thread = threading.Thread(target=ask)
        thread.start()
        try:
            for recording in made:
                assert hear_again(services, recording) is HeardAgain.SAME
        finally:
            before = asked
            while asked < before + 2 * len(made) and thread.is_alive():
                ended.wait(0.01)
            ended.set()
            thread.join()
        assert wrong == []
        assert asked > 2 * len(made)
        assert postings.counts_by_version(services.database) == {2: len(made)}
        after = [recordings.get(services.database, recording.id) for recording in made]
        assert {(one.match_status, one.index_version, one.judged_version) for one in after} == {
            (MatchStatus.FINGERPRINTED, 2, 2)
        }
        assert hear_again(services, made[0]) is HeardAgain.KNOWN
    assert postings.indexed_seconds(services.database) == pytest.approx(150.0, abs=0.1)


def test_a_version_is_compared_with_its_own_alone(services: Services, add: Add) -> None:
    old, moved = add(SONGS[0]), add(SONGS[1])
    first = heard(services, clip(1))
    assert [one.recording.id for one in find_fingerprint(services, first)] == [moved.id]
    with second_version():
        hear_again(services, moved)
        assert versions_wanted(services.database) == (1, 2)
        both = heard(services, clip(1))
        assert set(both.by_version) == {1, 2}
        # The two versions have enough in common that they would match, were they compared.
        assert find_matches(first, PostgresIndex(services.database))
        assert find_fingerprint(services, first) == ()
        assert [one.recording.id for one in find_fingerprint(services, both)] == [moved.id]
        assert [one.recording.id for one in find_fingerprint(services, heard(services, clip(0)))] == [old.id]
    # A release that knows the first alone finds what is left of it, and stores nothing that it cannot compare.
    assert [one.recording.id for one in find_fingerprint(services, heard(services, clip(0)))] == [old.id]
    assert find_fingerprint(services, heard(services, clip(1))) == ()
    with pytest.raises(UnavailableError, match="update SonicGen"):
        add(SONGS[2])


def test_what_arrives_while_versions_are_mixed_finds_its_original(services: Services, add: Add) -> None:
    old, moved = add(SONGS[0]), add(SONGS[1])
    with second_version():
        hear_again(services, moved)
        copies = [add(SONGS[number] * np.float32(0.5)) for number in (0, 1)]
        assert [copy.original_video_id for copy in copies] == [old.id, moved.id]
        # The copies were compared by the second version; hearing the first original anew leaves them where they are.
        assert hear_again(services, old) is HeardAgain.SAME
        assert recordings.get(services.database, copies[0].id).original_video_id == old.id
        assert len(matches.of(services.database, copies[0].id)) == 1


def test_copies_are_matched_anew_and_a_new_verdict_is_told(
    services: Services, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = add(SONGS[0])
    with monkeypatch.context() as deaf:  # as if the first version had not heard that the two are the same
        deaf.setattr("sonicgen.steps.fingerprint_match.search", lambda *_, **__: [])
        twin = add(SONGS[0] * np.float32(0.6))
    copy = add(SONGS[0] * np.float32(0.4))
    assert (twin.match_status, copy.match_status) == (MatchStatus.FINGERPRINTED, MatchStatus.MATCHED)
    announced: list[object] = []
    monkeypatch.setattr("sonicgen.steps.fingerprint_match.publish_event", lambda _, event: announced.append(event))
    with second_version():
        assert hear_again(services, copy) is HeardAgain.SAME
        assert announced == []
        assert hear_again(services, twin) is HeardAgain.CHANGED
        assert recordings.get(services.database, twin.id).original_video_id == original.id
        assert len(announced) == 1
        # Its worker may have died before it told: the next one tells again, though nothing is left to do.
        assert hear_again(services, twin, is_retry=True) is HeardAgain.KNOWN
        assert len(announced) == 2


def test_what_has_lost_its_sound_stays_as_it_was_heard(services: Services, add: Add) -> None:
    gone = add(SONGS[0])
    delete_object(gone.bucket, gone.object_name)
    with second_version():
        with pytest.raises(NotFoundError):
            hear_again(services, gone)
        assert recordings.get(services.database, gone.id) == gone
        assert [one.recording.id for one in find_fingerprint(services, heard(services, clip(0)))] == [gone.id]


def test_a_fingerprint_that_was_sent_is_compared_with_its_own_version(
    services: Services, add: Add, tmp_path: Path
) -> None:
    old, moved = add(SONGS[0]), add(SONGS[1])
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(clip(0), "wav", "pcm_s16le", SAMPLE_RATE_HZ))
    sent = write_fingerprint(path)
    assert sent["version"] == 1
    with second_version():
        hear_again(services, moved)
        assert [one.recording.id for one in find_fingerprint(services, read_fingerprint(sent))] == [old.id]
        newer = write_fingerprint(path)
        assert newer["version"] == 2
    with pytest.raises(InputError, match="version 2; this server compares version 1"):
        read_fingerprint(newer)
