"""An index goes into a file and comes out of it the same; what is wrong with a file is noticed before anything is
written."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from psycopg.sql import SQL, Identifier

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.errors import ConflictError, InputError
from sonicgen.sound.fingerprint import fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.steps.find_clip import Found, find_fingerprint
from sonicgen.steps.move_index import export_index, import_index
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.search_index import packed_segments
from sonicgen.steps.services import Services
from sonicgen.store import matches, postings, recordings
from sonicgen.store.database import Database
from tests.unit.sound.signals import Samples, encoded, fingerprint_of, music

SONGS = [music(25.0, seed=1200 + number) for number in range(6)]
MATCH = Match(1, 0.0, 5.0, 7.5, 12.5, 1.01, 1.0, 321.0, 0.99999, -17.25, Decision.MATCH)
Elsewhere = Callable[[], Services]


@pytest.fixture
def elsewhere(
    make_services: Callable[..., Services], make_database_url: Callable[[str | None], str], database_template: str
) -> Elsewhere:
    """Return what makes services with another, empty database."""
    return lambda: make_services(database_url=make_database_url(database_template))


def store(database: Database, sound: Samples, title: str, identifier: UUID | None = None) -> UUID:
    """Put a recording into the index, with a transcript of one line."""
    identifier = identifier or uuid4()
    made = fingerprint_of(sound)
    recordings.claim(
        database, identifier, title=title, bucket="inbox", object_name=title, generation=1, size_bytes=1,
        md5=None, content_type=None,
    )  # fmt: skip
    with database.transaction() as connection:
        recordings.finish(connection, identifier, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=made.seconds)
        keys, frames = index_landmarks(made.peaks)
        postings.store(connection, identifier, keys, frames, packed_segments(made.peaks), made.version)
        transcript = uuid4()
        connection.execute(
            "insert into transcripts (id, video_id, state, reason) values (%s, %s, 'ready', 'done')",
            (transcript, identifier),
        )
        connection.execute(
            "insert into utterances (video_id, transcript_id, position, start_seconds, end_seconds, speaker, "
            "speaker_name, text, word_texts, word_starts_ms, word_ends_ms, word_confidences) values "
            "(%s, %s, 0, 0, 1, 'A', 'Ada', %s, array['said'], array[0], array[900], array[980])",
            (identifier, transcript, f"said in {title}"),
        )
    return identifier


@pytest.fixture
def filled(services: Services) -> list[UUID]:
    """An index of five recordings, three of them packed, one of these forgotten; and of a person."""
    database = services.database
    ids = [store(database, song, f"song {number}") for number, song in enumerate(SONGS[:4])]
    pack_index(database)
    with database.transaction() as connection:
        recordings.delete(connection, ids.pop(1))
    ids += [store(database, SONGS[4], "song 4")]
    with database.transaction() as connection:
        matches.replace(connection, ids[0], [(ids[1], MATCH)], "test")
        speaker = uuid4()
        connection.execute("insert into speakers (id, name, name_key) values (%s, 'Ada', 'ada')", (speaker,))
        connection.execute(
            "insert into speaker_embeddings (id, model, version, dim, embedding, duration_seconds, source, speaker_id, "
            "is_known, video_id) values (%s, 'm', '1', 3, '[0.6,0.8,0]', 12, 'clip', %s, true, %s)",
            (uuid4(), speaker, ids[0]),
        )
        connection.execute(
            "insert into decisions (kind, subject_ids, decided_by) values ('speaker_named', array[%s], 'me'), "
            "('origin', array[%s], 'originals')",
            (speaker, ids[0]),
        )
    return ids


def answers(services: Services, songs: list[Samples] = SONGS) -> list[list[tuple[object, ...]]]:
    """Return what is found of clips of all songs, without the database's own numbers."""

    def of(one: Found) -> tuple[object, ...]:
        match = one.match
        return one.recording.id, match.query_start_seconds, match.reference_start_seconds, match.score, match.decision

    clips = [fingerprint_of(song[5 * SAMPLE_RATE_HZ : 13 * SAMPLE_RATE_HZ]) for song in songs]
    return [[of(one) for one in find_fingerprint(services, clip)] for clip in clips]


def sums(services: Services, path: Path, *, with_voices: bool = True) -> dict[str, dict[str, object]]:
    exported = export_index(services, path, with_voices=with_voices)
    return {name: total.to_json() for name, total in exported.tables.items()}


def count(database: Database, table: str) -> int:
    with database.transaction() as connection:
        row = connection.execute(SQL("select count(*) as n from {}").format(Identifier(table))).fetchone()
    assert row is not None
    return int(row["n"])


def test_a_round_trip_changes_nothing(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    before = answers(services)
    assert [bool(found) for found in before] == [True, False, True, True, True, False]
    written = sums(services, tmp_path / "index.tar")
    other = elsewhere()
    taken = import_index(other, tmp_path / "index.tar")
    assert (taken["videos"].added, taken["videos"].known) == (4, 0)
    assert answers(other) == before
    assert sums(other, tmp_path / "again.tar") == written
    assert postings.state(other.database).seconds == postings.state(services.database).seconds
    assert postings.counts_by_version(other.database) == {1: 4}
    for table in ("utterance_words", "speaker_profiles"):  # made anew from what was taken in
        assert count(other.database, table) == count(services.database, table)
    # Both go on from there alike.
    for one in (services, other):
        store(one.database, SONGS[5], "song 5", UUID(int=5))
        pack_index(one.database)
    assert answers(other) == answers(services)
    assert answers(other)[5]


def test_an_index_that_has_some_of_it_takes_the_rest(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    other = elsewhere()
    own = store(other.database, SONGS[5], "its own")
    export_index(services, tmp_path / "index.tar", with_voices=True)
    assert import_index(other, tmp_path / "index.tar")["videos"].added == 4
    found = answers(other)
    assert [[row[0] for row in rows] for rows in found] == [
        [filled[0]],
        [],
        [filled[1]],
        [filled[2]],
        [filled[3]],
        [own],
    ]
    again = import_index(other, tmp_path / "index.tar")
    assert {name: one.added for name, one in again.items() if one.added} == {}
    assert again["utterances"].known == 4
    pack_index(other.database)
    assert answers(other) == found
    # What came since is exported and comes alone.
    late = store(services.database, SONGS[1], "late")
    export_index(services, tmp_path / "later.tar")
    assert import_index(other, tmp_path / "later.tar")["videos"].added == 1
    assert [row[0] for row in answers(other)[1]] == [late]
    with other.database.transaction() as connection:
        recordings.delete(connection, filled[0])
    assert answers(other)[0] == []


def test_what_differs_is_told_before_anything_is_written(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    other = elsewhere()
    export_index(services, tmp_path / "index.tar")
    import_index(other, tmp_path / "index.tar")
    late = store(services.database, SONGS[1], "late")
    export_index(services, tmp_path / "later.tar")
    with other.database.transaction() as connection:
        connection.execute("update videos set title = 'renamed' where id = %s", (filled[0],))
        connection.execute("delete from matches")
        connection.execute("update utterances set text = 'corrected' where video_id = %s", (filled[1],))
    with pytest.raises(ConflictError, match=r"1 recordings differ .* “song 0”; nothing was written"):
        import_index(other, tmp_path / "later.tar")
    with other.database.transaction() as connection:
        connection.execute("update videos set title = 'song 0' where id = %s", (filled[0],))
    with pytest.raises(ConflictError, match="1 rows of matches differ"):
        import_index(other, tmp_path / "later.tar")
    assert recordings.find(other.database, late) is None
    before = answers(services)
    import_index(other, tmp_path / "later.tar", replace=True)
    assert answers(other) == before
    assert (
        sums(other, tmp_path / "other.tar", with_voices=False).keys()
        == sums(services, tmp_path / "this.tar", with_voices=False).keys()
    )
    with other.database.transaction() as connection:
        said = connection.execute("select text from utterances order by text").fetchall()
    assert [row["text"] for row in said] == [f"said in {t}" for t in ("late", "song 0", "song 2", "song 3", "song 4")]
    assert len(matches.of(other.database, filled[0])) == 1


def test_without_voices_nobody_is_named(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    written = sums(services, tmp_path / "index.tar", with_voices=False)
    assert "speakers" not in written
    assert written["decisions"]["rows"] == 1
    assert b"Ada" not in b"".join(pieces_of(tmp_path / "index.tar"))
    assert b"Ada" in b"".join(pieces_of(sums_path(services, tmp_path / "with.tar")))
    other = elsewhere()
    import_index(other, tmp_path / "index.tar")
    assert count(other.database, "utterances") == 4


def sums_path(services: Services, path: Path) -> Path:
    export_index(services, path, with_voices=True)
    return path


def pieces_of(path: Path) -> list[bytes]:
    import gzip

    with tarfile.open(path) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar]
        return [gzip.decompress(file.read()) for name, file in files if file is not None and name.endswith(".gz")]


def test_an_export_is_of_one_moment(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    started, ended = threading.Event(), threading.Event()

    def say(table: str) -> None:
        if table == "videos":
            started.set()
            assert ended.wait(20)

    writer = threading.Thread(target=export_index, args=(services, tmp_path / "index.tar"), kwargs={"say": say})
    writer.start()
    assert started.wait(20)
    store(services.database, SONGS[5], "too late")
    with services.database.transaction() as connection:
        recordings.delete(connection, filled[0])
    pack_index(services.database)
    ended.set()
    writer.join()
    other = elsewhere()
    import_index(other, tmp_path / "index.tar")
    assert [bool(found) for found in answers(other)] == [True, False, True, True, True, False]


def test_a_file_that_is_cut_off_or_altered_is_refused(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    path = tmp_path / "index.tar"
    export_index(services, path)
    whole = path.read_bytes()
    other = elsewhere()
    broken = tmp_path / "broken.tar"
    rng = np.random.default_rng(4)
    cuts = [0, 100, 512, *rng.integers(600, len(whole) - 11_000, 12).tolist()]
    for cut in cuts:
        broken.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"cut off|no archive|altered"):
            import_index(other, broken)
    refused = 0
    for place in rng.integers(0, len(whole) - 11_000, 40).tolist():
        altered = bytearray(whole)
        altered[place] ^= 0x55
        broken.write_bytes(altered)
        try:
            import_index(other, broken)
        except InputError:
            refused += 1
            assert count(other.database, "videos") == 0
        else:  # a byte of a tar's padding, which nobody reads
            with other.database.transaction() as connection:
                connection.execute("truncate videos, channels cascade")
                connection.execute("truncate packed_segments, packed_postings, packed_forgotten, fingerprints")
    assert refused >= 30
    with pytest.raises(InputError, match="cannot be read"):
        import_index(other, tmp_path / "nowhere.tar")


def rewritten(path: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """Write an archive anew with another beginning."""
    made = path.with_name("changed.tar")
    with tarfile.open(path) as tar, tarfile.open(made, "w") as out:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            content = file.read()
            if member.name == "sonicgen-index.json":
                head = json.loads(content)
                change(head)
                content = json.dumps(head).encode()
                member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return made


def test_what_is_newer_is_refused_with_a_sentence(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    export_index(services, tmp_path / "index.tar")
    other = elsewhere()
    with pytest.raises(InputError, match="has format 2 and this release reads up to 1; update SonicGen"):
        import_index(other, rewritten(tmp_path / "index.tar", lambda head: head.update(format=2)))
    with pytest.raises(InputError, match=r"altered or damaged at sonicgen-index.json"):
        import_index(other, rewritten(tmp_path / "index.tar", lambda head: head.update(release="0")))
    with services.database.transaction() as connection:
        connection.execute("insert into schema_migrations (name, checksum) values ('9999_later.sql', '')")
    export_index(services, tmp_path / "newer.tar")
    with pytest.raises(InputError, match=r"has 9999_later.sql that this one does not know; update SonicGen"):
        import_index(other, tmp_path / "newer.tar")
    assert count(other.database, "videos") == 0


def test_nothing_is_left_of_an_export_that_fails(services: Services, tmp_path: Path) -> None:
    taken = tmp_path / "taken.tar"
    taken.write_text("mine")
    with pytest.raises(InputError, match="there already"):
        export_index(services, taken)
    with pytest.raises(InputError, match="cannot be written"):
        export_index(services, tmp_path / "no" / "folder.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.tar"]


def test_a_find_by_file_after_an_import(
    services: Services, filled: list[UUID], elsewhere: Elsewhere, tmp_path: Path
) -> None:
    export_index(services, tmp_path / "index.tar")
    other = elsewhere()
    import_index(other, tmp_path / "index.tar")
    clip = fingerprint(io.BytesIO(encoded(SONGS[2][:88_200], "mp3", "libmp3lame", SAMPLE_RATE_HZ, bit_rate=64_000)))
    assert [one.recording.id for one in find_fingerprint(other, clip)] == [filled[1]]
