"""Backfills: everything once, whoever works, dies and comes back; as fast and as far as was allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sonicgen.cloud.objects import StoredObject, delete_object, ensure_bucket, upload_file
from sonicgen.domain.backfill import Backfill, BackfillState, ItemState, Limits
from sonicgen.domain.recording import MatchStatus, recording_id
from sonicgen.errors import InputError, UnavailableError
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.steps import backfill as backfill_step
from sonicgen.steps import retry_recording
from sonicgen.steps.backfill import begin_files, begin_refingerprint, run_backfill, stop_backfills
from sonicgen.steps.backfill_item import do_item
from sonicgen.steps.backfill_listing import list_further
from sonicgen.steps.services import Services
from sonicgen.steps.uploads import upload_of_object
from sonicgen.store import backfills, postings, recordings
from sonicgen.store.backfills import Ended, Item, Shard, Wait
from tests.unit.sound.signals import encoded, music
from tests.unit.steps.versions import second_version

Put = Callable[..., StoredObject]
NO_LIMITS = Limits()


@pytest.fixture
def archive(services: Services) -> str:
    """A bucket that nothing is known of."""
    bucket = f"archive-{uuid4()}"
    ensure_bucket(bucket)
    return bucket


@pytest.fixture
def put(tmp_path: Path, archive: str) -> Put:
    """Return what puts an object there: text, unless it is given sound."""

    def make(name: str, content: bytes = b"no sound at all", bucket: str = archive) -> StoredObject:
        path = tmp_path / str(uuid4())
        path.write_bytes(content)
        return upload_file(bucket, name, path)

    return make


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    for name in ("_FIRST_REST_SECONDS", "_LONGEST_REST_SECONDS", "_HELD_REST_SECONDS"):
        monkeypatch.setattr(backfill_step, name, 0.05)


def sound(seed: int, seconds: float = 4.0) -> bytes:
    return encoded(music(seconds, seed=seed), "wav", "pcm_s16le", SAMPLE_RATE_HZ)


def id_of(stored: StoredObject) -> UUID:
    return recording_id(stored.bucket, stored.name, stored.generation)


def counts(backfill: Backfill) -> tuple[int, int, int, int]:
    return backfill.listed, backfill.known, backfill.done, backfill.failed


def test_a_bucket_takes_the_way_of_uploads(services: Services, archive: str, put: Put) -> None:
    fresh = put("2019/talk.wav", sound(1))
    lost = put("2019/lost.mp3")
    put("2019/cover.jpg")
    put("2020/other.mp3")
    # The database was lost, while the ledger still says that this one is done.
    services.ledger.claim(retry_recording.FUNCTION, upload_of_object(lost).identity).finish({})
    begun = begin_files(services, f"gs://{archive}/2019/", NO_LIMITS)
    ended = run_backfill(services, begun.id, "one")
    assert ended.state is BackfillState.DONE
    assert counts(ended) == (2, 0, 2, 0)
    assert ended.seconds == pytest.approx(4.0, abs=0.01)
    assert recordings.get(services.database, id_of(fresh)).match_status is MatchStatus.FINGERPRINTED
    assert recordings.get(services.database, id_of(lost)).match_status is MatchStatus.FLAG
    entry = services.ledger.read(retry_recording.FUNCTION, upload_of_object(fresh).identity)
    assert entry is not None
    assert entry.state == "done"
    assert backfills.outcomes(services.database, begun.id) == {"fingerprinted": 1, "flag": 1}

    put("2019/later.mp3")
    again = begin_files(services, f"gs://{archive}/2019/", NO_LIMITS, takes_all=True)
    assert again.id == begun.id
    assert counts(run_backfill(services, again.id, "one")) == (4, 0, 4, 0)


def test_what_is_known_is_left_alone(services: Services, archive: str, put: Put) -> None:
    for number in range(3):
        put(f"{number}.mp3")
    first = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    run_backfill(services, first.id, "one")
    other = begin_files(services, f"gs://{archive}", NO_LIMITS)  # the same place by another name
    assert other.id == first.id
    part = begin_files(services, f"gs://{archive}/1", Limits(most_files=1, recordings_per_minute=0.1))
    assert counts(run_backfill(services, part.id, "one")) == (1, 1, 0, 0)


def test_a_list_names_what_it_likes(services: Services, tmp_path: Path, archive: str, put: Put) -> None:
    inbox = services.settings.inbox_bucket
    named = put(f"{uuid4()}.mp3", bucket=inbox)
    elsewhere = put("elsewhere.mp3")
    local = tmp_path / "örtlich.wav"
    local.write_bytes(sound(2))
    gone = f"gs://{archive}/gone.mp3"
    listed = tmp_path / "list.txt"
    lines = ["# what we have", "", named.name, f"gs://{archive}/elsewhere.mp3", str(local), gone, named.name]
    listed.write_text("\n".join(lines))
    begun = begin_files(services, str(listed), NO_LIMITS)
    ended = run_backfill(services, begun.id, "one")
    assert counts(ended) == (4, 0, 3, 1)
    assert {id_of(named), id_of(elsewhere)} <= {
        recording.id for recording in recordings.list_page(services.database).recordings
    }
    (failure,) = backfills.failures(services.database, begun.id)
    assert (failure.address, failure.outcome) == (gone, "refused")
    assert "There is no gs://" in failure.detail
    put("gone.mp3")  # it is there after all
    assert counts(run_backfill(services, begin_files(services, str(listed), NO_LIMITS).id, "one")) == (4, 0, 4, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [("http://x/y.mp3", "no address in a bucket"), ("/no/such/file.mp3", "no such file"), ("\xff", "no list")],
)
def test_a_list_that_is_none(services: Services, tmp_path: Path, content: str, said: str) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=said):
        begin_files(services, str(listed), NO_LIMITS)


def test_places_that_are_no_source(services: Services) -> None:
    with pytest.raises(InputError, match="holds downloads"):
        begin_files(services, f"gs://{services.settings.media_bucket}/audio/", NO_LIMITS)
    with pytest.raises(InputError, match="neither a list nor an address"):
        begin_files(services, "nowhere", NO_LIMITS)


def test_many_workers_do_everything_once(
    services: Services, archive: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [put(f"{number:02}.mp3") for number in range(24)]
    worked: list[str] = []
    real = do_item

    def counted(*arguments: object) -> object:
        worked.append(arguments[2].address)  # type: ignore[attr-defined]
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backfill_step, "do_item", counted)
    monkeypatch.setattr("sonicgen.steps.backfill_listing.PAGE", 5)
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    threads = [
        threading.Thread(target=run_backfill, args=(services, begun.id, f"w{n}"), kwargs={"index": n, "count": 4})
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = backfills.get(services.database, begun.id)
    assert counts(ended) == (24, 0, 24, 0)
    assert sorted(worked) == [f"gs://{one.bucket}/{one.name}" for one in objects]


def test_what_a_dead_worker_held_is_done_by_others(services: Services, put: Put, archive: str) -> None:
    for number in range(3):
        put(f"{number}.mp3")
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    assert isinstance(backfills.claim(services.database, begun.id, Shard("dead"), 3600.0), Wait)
    list_further(services, begun.id)
    held = [backfills.claim(services.database, begun.id, Shard(name), 3600.0) for name in ("dead", "back")]
    assert all(isinstance(item, Item) for item in held)
    stopping = threading.Event()
    other = threading.Thread(target=run_backfill, args=(services, begun.id, "other"), kwargs={"stopping": stopping})
    other.start()
    deadline = time.monotonic() + 30
    while not backfills.get(services.database, begun.id).done and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.6)  # time to ask again: the rest is held
    stopping.set()
    other.join()
    assert counts(backfills.get(services.database, begun.id)) == (3, 0, 1, 0)
    with services.database.transaction() as connection:  # an hour later
        connection.execute("update backfill_items set claimed_until = now() where claimed_by = 'dead'")
    ended = run_backfill(services, begun.id, "back")  # its own at once, the dead one's after its lease
    assert counts(ended) == (3, 0, 3, 0)
    # The dead one was only slow: what it brings late is not counted again.
    assert isinstance(held[0], Item)
    assert not backfills.finish(services.database, ended, held[0], ItemState.DONE, outcome="late")
    assert counts(backfills.get(services.database, begun.id)) == (3, 0, 3, 0)


def test_a_shard_takes_its_own_first(services: Services, put: Put, archive: str) -> None:
    for number in range(6):
        put(f"{number}.mp3")
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    list_further(services, begun.id)
    taken = [backfills.claim(services.database, begun.id, Shard("w", 1, 2), 60) for _ in range(6)]
    shares = [item.position % 2 for item in taken if isinstance(item, Item)]
    assert shares == [1, 1, 1, 0, 0, 0]


def test_the_rate_holds_for_all_together(services: Services, put: Put, archive: str) -> None:
    for number in range(6):
        put(f"{number}.mp3")
    begun = begin_files(services, f"gs://{archive}/", Limits(recordings_per_minute=240))  # one in 0.25 s
    started = time.monotonic()
    threads = [threading.Thread(target=run_backfill, args=(services, begun.id, f"w{n}")) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 5 * 0.25
    assert backfills.get(services.database, begun.id).done == 6


def test_a_rate_in_hours_waits_after_long_recordings(services: Services, put: Put, archive: str) -> None:
    for number in range(2):
        put(f"{number}.mp3")
    begun = begin_files(services, f"gs://{archive}/", Limits(hours_per_minute=1.0))
    list_further(services, begun.id)
    item = backfills.claim(services.database, begun.id, Shard("w"), 60)
    assert isinstance(item, Item)
    backfills.finish(services.database, begun, item, ItemState.DONE, outcome="fingerprinted", seconds=60.0)
    waits = backfills.claim(services.database, begun.id, Shard("w"), 60)
    assert isinstance(waits, Wait)  # a minute of sound is a sixtieth of an hour: one second
    assert 0.5 < waits.seconds <= 1.0


@pytest.mark.parametrize(
    ("limits", "named", "done"),
    [
        (Limits(most_files=2), "2 files", 2),
        (Limits(most_hours=7 / 3600), "hours", 2),
        (Limits(most_cost=Decimal("0.0003")), "USD", 2),
    ],
)
def test_a_budget_stops_it_and_a_larger_one_goes_on(
    services: Services, put: Put, archive: str, limits: Limits, named: str, done: int
) -> None:
    for number in range(4):
        put(f"{number}.wav", sound(10 + number))
    begun = begin_files(services, f"gs://{archive}/", limits)
    ended = run_backfill(services, begun.id, "one")
    assert ended.state is BackfillState.PAUSED
    assert ended.reason is not None
    assert named in ended.reason
    assert ended.done == done
    assert isinstance(backfills.claim(services.database, begun.id, Shard("w"), 60), Ended)
    begin_files(services, f"gs://{archive}/", NO_LIMITS)
    assert counts(run_backfill(services, begun.id, "one")) == (4, 0, 4, 0)


def test_it_is_stopped_by_hand(services: Services, put: Put, archive: str) -> None:
    put("1.mp3")
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    assert begun.id in [one.id for one in stop_backfills(services)]
    assert run_backfill(services, begun.id, "one").state is BackfillState.PAUSED
    assert stop_backfills(services) == []


def test_what_may_pass_is_tried_again_and_then_told(
    services: Services, put: Put, archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("1.mp3")
    put("2.mp3")
    real, tries = do_item, list[str]()

    def failing(services: Services, kind: object, item: Item) -> object:
        tries.append(item.address)
        if item.address.endswith("1.mp3") or item.attempts < 3:
            raise UnavailableError("The bucket does not answer; try again.")
        return real(services, kind, item)  # type: ignore[arg-type]

    monkeypatch.setattr(backfill_step, "do_item", failing)
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    assert counts(run_backfill(services, begun.id, "one")) == (2, 0, 1, 1)
    assert len(tries) == backfill_step.MOST_ATTEMPTS + 3
    (failure,) = backfills.failures(services.database, begun.id)
    assert (failure.outcome, failure.detail) == ("gave_up", "The bucket does not answer; try again.")


def test_what_kills_its_workers_is_left_alone(services: Services, put: Put, archive: str) -> None:
    put("1.mp3")
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    list_further(services, begun.id)
    for _ in range(backfill_step.MOST_DEATHS + 1):
        assert isinstance(backfills.claim(services.database, begun.id, Shard("w"), 60), Item)
        backfills.free(services.database, begun.id, "w")  # it died, and its task starts again
    assert counts(run_backfill(services, begun.id, "w")) == (1, 0, 0, 1)
    (failure,) = backfills.failures(services.database, begun.id)
    assert failure.detail == "Its worker died 3 times."


def test_a_fault_of_ours_ends_one_file_alone(
    services: Services, put: Put, archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("1.mp3")
    put("2.mp3")
    real = do_item

    def faulty(services: Services, kind: object, item: Item) -> object:
        if item.address.endswith("1.mp3"):
            raise ZeroDivisionError
        return real(services, kind, item)  # type: ignore[arg-type]

    monkeypatch.setattr(backfill_step, "do_item", faulty)
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    assert counts(run_backfill(services, begun.id, "one")) == (2, 0, 1, 1)


def test_an_event_that_is_at_the_same_file_is_waited_for(services: Services, put: Put, archive: str) -> None:
    stored = put("1.mp3")
    claim = services.ledger.claim(retry_recording.FUNCTION, upload_of_object(stored).identity)
    begun = begin_files(services, f"gs://{archive}/", NO_LIMITS)
    threading.Timer(0.5, claim.release).start()
    ended = run_backfill(services, begun.id, "one")
    assert counts(ended) == (1, 0, 1, 0)


def test_everything_is_heard_anew(services: Services, put: Put, archive: str) -> None:
    objects = [put(f"{number}.wav", sound(20 + number)) for number in range(3)]
    put("copy of 0.wav", sound(20)[:-2])
    run_backfill(services, begin_files(services, f"gs://{archive}/", NO_LIMITS).id, "one")
    delete_object(objects[2].bucket, objects[2].name)
    with second_version():
        begun = begin_refingerprint(services, NO_LIMITS)
        ended = run_backfill(services, begun.id, "one")
        assert ended.state is BackfillState.DONE
        assert counts(ended) == (4, 0, 3, 1)
        (failure,) = backfills.failures(services.database, begun.id)
        assert failure.outcome == "object_gone"
        assert "stays as version 1 heard it" in failure.detail
        assert postings.counts_by_version(services.database) == {1: 1, 2: 2}
        again = run_backfill(services, begin_refingerprint(services, NO_LIMITS).id, "one")
        assert counts(again) == (4, 0, 3, 1)
