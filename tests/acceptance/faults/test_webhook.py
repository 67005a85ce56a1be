"""A webhook that lies: whatever it is told, words are stored once, true, and paid once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.acceptance.faults.orders import Deed, Orders
from tests.acceptance.faults.world import World, check


@pytest.fixture
def ordered(world: World, pieces: Callable[..., Path]) -> tuple[World, dict[UUID, Path], str]:
    """Return a world in which one transcript is ordered, and the provider's name of it."""
    path = pieces(1)
    added = {world.add(path): path}
    world.answers_jobs = False
    world.run()
    (job,) = world.provider.jobs
    return world, added, job


def _end(world: World, job: str) -> None:
    world.finish(job)
    assert world.call_back(job) == 204
    world.run()


def test_it_is_called_with_a_wrong_secret(ordered: tuple[World, dict[UUID, Path], str]) -> None:
    world, added, job = ordered
    world.finish(job)
    for secret in ("wrong", "a secret of ours that is lonG", "\xe9", "x" * 100_000):
        assert world.call_back(job, secret=secret) in (400, 401, 431)
    world.run()
    assert world.deliveries["transcript_fetch"] == 0
    _end(world, job)
    check(world, added)


def test_it_is_called_with_the_name_of_another_job(ordered: tuple[World, dict[UUID, Path], str]) -> None:
    """The submission's key is right, the job is not: the words of another sound must not be stored."""
    world, added, job = ordered
    other = world.provider.jobs[job] | {"id": str(uuid4()), "audio_url": "https://elsewhere.test/sound"}
    world.provider.jobs[other["id"]] = other
    world.provider.uploads[other["audio_url"]] = world.provider.uploads[world.provider.jobs[job]["audio_url"]]
    world.provider.finish(other["id"], [])
    for named in (other["id"], "unknown", "../../v2/upload", "é" * 300):
        assert world.call_back(job, named=named) == 204
    _end(world, job)
    del world.provider.jobs[other["id"]]
    check(world, added)


@pytest.mark.parametrize("says", ["error", "queued", "", "completed\n", 7])
def test_it_says_another_status_than_is_true(ordered: tuple[World, dict[UUID, Path], str], says: object) -> None:
    world, added, job = ordered
    world.finish(job)
    assert world.call_back(job, says=says) == 204  # type: ignore[arg-type]
    world.run()
    _end(world, job)
    check(world, added)


def test_it_is_called_before_the_job_is_done(ordered: tuple[World, dict[UUID, Path], str]) -> None:
    world, added, job = ordered
    assert world.call_back(job) == 204
    for _ in range(40):
        world.pending += world.bus.take()
        world.step()
        if world.refused:
            break
    assert world.refused, "it is not taken for done"
    world.finish(job)
    world.run()
    check(world, added)


def test_it_is_called_before_the_orders_answer_is_stored(
    world: World, orders: Orders, pieces: Callable[..., Path]
) -> None:
    path = pieces(1)
    added = {world.add(path): path}
    orders.add("assemblyai POST /v2/transcript", Deed.LOSE, code=0)
    world.run()
    check(world, added)


def test_it_is_called_ten_times_and_late(ordered: tuple[World, dict[UUID, Path], str]) -> None:
    world, added, job = ordered
    world.finish(job)
    for _ in range(5):
        assert world.call_back(job) == 204
    world.run()
    for _ in range(5):
        assert world.call_back(job) == 204
    world.run()
    check(world, added)


def test_it_is_never_called(ordered: tuple[World, dict[UUID, Path], str]) -> None:
    from sonicgen.steps.maintenance import settle_lost_callbacks

    world, added, job = ordered
    world.finish(job)
    with world.services.database.transaction() as connection:
        connection.execute("update transcripts set next_poll_at = clock_timestamp()")
    assert settle_lost_callbacks(world.services) == 1
    world.run()
    check(world, added)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[" * 20_000, b"\xff", b"{}" * 9_000, json.dumps({"transcript_id": "x" * 10_000}).encode(),
     json.dumps({"transcript_id": ["x"], "status": {}}).encode(), b'{"transcript_id": NaN}'],
    ids=["empty", "null", "nested", "not text", "long", "long name", "wrong types", "NaN"],
)  # fmt: skip
def test_its_body_is_garbage(ordered: tuple[World, dict[UUID, Path], str], body: bytes) -> None:
    """While the address names the submission no callback is lost; without that it is refused."""
    world, added, job = ordered
    world.finish(job)
    address = world.provider.jobs[job]["webhook_url"]
    secret = str(world.services.settings.webhook_secret)
    assert world.functions.call_back("https://hook.test/?submission=nonsense", secret, body) in (204, 400)
    assert world.functions.call_back(address, secret, body) == 204
    world.run()
    check(world, added)


def test_the_job_ends_in_an_error(ordered: tuple[World, dict[UUID, Path], str]) -> None:
    from sonicgen.domain.transcript import TranscriptReason, TranscriptState
    from sonicgen.store import transcripts
    from tests.acceptance.faults.world import check_consistency

    world, added, job = ordered
    world.provider.jobs[job] |= {"status": "error", "error": "Download error, unable to download"}
    for _ in range(3):
        assert world.call_back(job) == 204
    world.run()
    found = transcripts.find(world.services.database, next(iter(added)))
    assert found is not None
    assert (found.state, found.reason) == (TranscriptState.FAILED, TranscriptReason.PROVIDER_ERROR)
    check_consistency(world)
    with world.services.database.transaction() as connection:
        assert connection.execute("select * from cost_ledger").fetchall() == [], "an error costs nothing"
