"""The pipeline in one process: the real functions behind the framework, real servers behind proxies, and a bus's whims.

What a test adds goes its whole way: bucket, notification, fingerprint, match, transcription, callback, words. Messages
are pulled and handed to the functions as pushes are, so that a test decides which of them come late, twice or never.
"""

from __future__ import annotations

import io
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from uuid import UUID

import av
import grpc
import psycopg
from google.api_core.exceptions import AlreadyExists
from google.cloud import firestore
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from sonicgen.cloud.objects import delete_object, ensure_bucket, ensure_notification, list_objects
from sonicgen.cloud.once import LEDGER_COLLECTION
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.sound.fingerprint import fingerprint as take_fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.steps.services import Services
from sonicgen.store import recordings
from tests.acceptance.faults.bus import Bus, Pending
from tests.acceptance.faults.functions import MOST_DELIVERIES, Functions
from tests.acceptance.faults.postgres_proxy import PostgresProxy
from tests.cloud_fixture import PROJECT, TOPICS, Provider, line

# How long an event belongs to whoever works on it. A call to Firestore may take a third of it; 2 s made that too little
# now and then on a machine that others kept busy.
LEASE_SECONDS = 6.0
# In the cloud the fifth delivery comes two and a half minutes after the first (10, 20, 40, 80 s); here after three.
_PATIENT_DELIVERIES = 5
# Nobody works on anything between two deliveries: a lease that is held then belongs to a worker that died, and comes to
# its end. The first delivery after that still meets it.
_DELIVERIES_WITHIN_A_LEASE = 2
_LONGEST_PAUSE_SECONDS = 1.2
_PATIENCE_SECONDS = 120.0

Deliver = Callable[[str, dict[str, str], bytes], int]
"""Hands a push (headers, body) to a function and returns the status it answers with."""


@dataclass
class Whims:
    """What the bus does to messages, as shares of them; `random` decides which."""

    random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    twice: float = 0.0
    lost: float = 0.0  # delivered and its acknowledgement lost, so that it comes again
    late: float = 0.0  # set aside until everything else was delivered
    shuffled: bool = False


class World:
    """One archive of a test: its services, its provider, and its bus."""

    def __init__(
        self,
        services: Services,
        provider: Provider,
        functions: Functions,
        bus: Bus,
        documents: firestore.Client,
        database_url: str,
        postgres: PostgresProxy,
    ) -> None:
        self.database_url = database_url  # past the proxy
        self._postgres = postgres
        self.services = services
        self.provider = provider
        self.functions = functions
        self.bus = bus
        self._documents = documents  # past the proxy
        self.whims = Whims()
        self.pending: list[Pending] = []
        self.deliveries: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.deliver: Deliver = functions.deliver
        self.answers_jobs = True
        self._answered: set[str] = set()

    def database_bytes(self) -> tuple[int, int]:
        """Return how many bytes went to Postgres and came from it so far."""
        return self._postgres.sent_bytes, self._postgres.received_bytes

    def begin_anew(self) -> None:
        """Forget every recording, and what was set, ordered or under way before."""
        self.pending.clear()
        self.bus.take()
        for recording in all_recordings(self):
            forget_recording(self.services, recording)
        with self.services.database.transaction() as connection:
            connection.execute("delete from cost_ledger")
        for stored in list_objects(self.services.settings.inbox_bucket):
            delete_object(stored.bucket, stored.name, missing_ok=True)
        for stored in list_objects(self.services.settings.media_bucket):
            delete_object(stored.bucket, stored.name, missing_ok=True)
        self.provider.jobs.clear()
        self.provider.uploads.clear()
        self.deliveries.clear()
        self.refused.clear()
        self.whims, self.deliver, self.answers_jobs = Whims(), self.functions.deliver, True

    def add(self, path: Path) -> UUID:
        """Upload a file into the inbox and return the id that its recording gets."""
        return add_recording(self.services.settings, path).recording_id

    def get(self, identifier: UUID) -> Recording:
        """Return a recording."""
        return recordings.get(self.services.database, identifier)

    def run(self) -> None:
        """Deliver until nothing is on its way any more and every job of the provider is answered."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        quiet = 0
        while quiet < 2:
            assert time.monotonic() < deadline, [(one.function, one.deliveries) for one in self.pending]
            self.pending += self.disturbed(self.bus.take())
            moved = self.step() or (self.answers_jobs and self.answer_jobs())
            if moved or self.pending:
                quiet = 0
                if not moved:
                    time.sleep(0.02)
                continue
            quiet += 1
            time.sleep(0.06)  # a bucket tells the bus a moment after it has told the writer

    def step(self) -> bool:
        """Deliver what may be delivered now, once; whether there was anything."""
        now = time.monotonic()
        ready = [one for one in self.pending if one.not_before <= now]
        if self.whims.shuffled:
            self.whims.random.shuffle(ready)
        for one in ready:
            self.pending.remove(one)
            if not self._try(one):
                self.pending.append(one)
        return bool(ready)

    def answer_jobs(self) -> bool:
        """Let the provider finish what it has, and call back; whether there was anything."""
        waiting = [job for identifier, job in self.provider.jobs.items() if identifier not in self._answered]
        for job in waiting:
            self._answered.add(job["id"])
            self.finish(job["id"])
            self.call_back(job["id"])
        return bool(waiting)

    def finish(self, job_id: str) -> None:
        """End a job with a word for each second of its sound."""
        seconds = self.sound_seconds(job_id)
        words = [(f"w{n}", n + 0.2, n + 0.6) for n in range(int(seconds))] or [("hm", 0.0, min(0.2, seconds))]
        self.provider.finish(job_id, [line("A", words)])

    def sound_seconds(self, job_id: str) -> float:
        """Return how long the sound is that a job was ordered for."""
        data = self.provider.uploads[self.provider.jobs[job_id]["audio_url"]]
        with av.open(io.BytesIO(data), "r") as container:
            assert container.duration is not None
            return container.duration / av.time_base

    def source_of_job(self, job_id: str, sources: Sequence[Path]) -> int:
        """Return the place of the file among `sources` whose sound the provider was sent, by common landmarks."""
        sent = take_fingerprint(io.BytesIO(self.provider.uploads[self.provider.jobs[job_id]["audio_url"]]))
        heard = set(index_landmarks(sent.peaks)[0].tolist())
        common = [len(heard & landmarks(path)) for path in sources]
        return common.index(max(common))

    def call_back(self, job_id: str, *, says: str = "completed", named: str | None = None, secret: str = "") -> int:
        """Call the webhook about a job; `named` and `secret` are said instead of the true ones."""
        job = self.provider.jobs[job_id]
        body = json.dumps({"transcript_id": named or job_id, "status": says}).encode()
        return self.functions.call_back(job["webhook_url"], secret or str(self.services.settings.webhook_secret), body)

    def let_time_pass(self) -> None:
        """Age what waits for a provider's list of jobs: by now the cloud would have waited longer than it has to."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("update transcripts set submitted_at = submitted_at - interval '2 minutes'")

    def push(self, function: str, headers: dict[str, str], body: bytes) -> None:
        """Deliver one message until it is taken, as the bus does; fails when it never is."""
        one = Pending("", function, headers, body)
        while not self._try(one):
            time.sleep(max(0.0, one.not_before - time.monotonic()))

    def let_leases_end(self) -> None:
        """Have the leases of workers that died run out: by now the cloud would have waited for longer than that."""
        ledger = self._documents.collection(LEDGER_COLLECTION)
        for held in ledger.where(filter=firestore.FieldFilter("state", "==", "claimed")).get():
            held.reference.update({"lease_seconds": 0.0})

    def _try(self, one: Pending) -> bool:
        """Deliver; whether it is over with."""
        one.deliveries += 1
        self.deliveries[one.function] += 1
        status = self.deliver(one.function, one.headers, one.body)
        if status < 300:
            return True
        self.refused[status] += 1
        if one.deliveries == _DELIVERIES_WITHIN_A_LEASE:
            self.let_leases_end()
        if one.deliveries == _PATIENT_DELIVERIES:
            self.let_time_pass()
        assert one.deliveries < MOST_DELIVERIES, [f"{one.function} would have been given up", *self.functions.refusals]
        one.not_before = time.monotonic() + min(_LONGEST_PAUSE_SECONDS, 0.1 * 2**one.deliveries)
        return False

    def disturbed(self, messages: Iterable[Pending]) -> list[Pending]:
        """Return messages as the bus' whims have them come."""
        made = []
        chance = self.whims.random.random
        for one in messages:
            made.append(one)
            if chance() < self.whims.late:
                one.not_before = time.monotonic() + 0.5
            for share in (self.whims.twice, self.whims.lost):
                if chance() < share:
                    again = Pending(one.topic, one.function, one.headers, one.body)
                    again.not_before = time.monotonic() + (0.2 if share == self.whims.lost else 0.0)
                    made.append(again)
        return made


def make_buckets(services: Services) -> None:
    """Make a world's buckets, which tell the bus as Terraform has them do."""
    settings = services.settings
    ensure_bucket(settings.inbox_bucket)
    ensure_bucket(settings.media_bucket)
    ensure_notification(settings.inbox_bucket, "media-objects")
    ensure_notification(settings.media_bucket, "media-objects", prefix="audio/")


def make_topics(address: str) -> None:
    """Make every topic that the pipeline publishes to."""
    with grpc.insecure_channel(address) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        for topic in TOPICS:
            with suppress(AlreadyExists):
                publisher.create_topic(name=publisher.topic_path(PROJECT, topic))


def check(world: World, added: dict[UUID, Path]) -> None:
    """Assert that a world holds what was added, whole and once, and nothing else.

    For recordings that have nothing to do with each other.
    """
    check_consistency(world)
    known = {one.id: one for one in all_recordings(world)}
    assert set(known) == set(added)
    for identifier, path in added.items():
        assert known[identifier].match_status is MatchStatus.FINGERPRINTED
        assert posting_count(world, known[identifier]) == landmark_count(path)
    with world.services.database.transaction() as connection:
        words = connection.execute(
            "select v.id, v.duration_seconds, t.state, t.paid_seconds, u.lines, u.different, c.booked, c.seconds "
            "from videos v left join transcripts t on t.video_id = v.id "
            "left join lateral (select count(*) as lines, count(distinct text) as different from utterances "
            "  where video_id = v.id) u on true "
            "left join lateral (select count(*) as booked, sum(seconds) as seconds from cost_ledger "
            "  where video_id = v.id and kind = 'transcribed') c on true"
        ).fetchall()
    for row in words:
        assert row["state"] == "ready", row
        assert row["lines"] == row["different"] == 1, row
        assert row["booked"] == 1, row
        assert abs(float(row["seconds"]) - row["duration_seconds"]) < 0.1, row
    assert len(world.provider.jobs) == len(added), "nothing was ordered twice"


def check_consistency(world: World) -> None:
    """Assert what must hold whatever was done: nothing under way, no orphan, nothing booked twice."""
    known = {one.id: one for one in all_recordings(world)}
    assert all(one.is_final for one in known.values()), [one for one in known.values() if not one.is_final]
    numbers = {one.number for one in known.values() if one.number is not None}
    with world.services.database.transaction() as connection:
        found = connection.execute("select distinct (loc >> 24)::bigint as number from fingerprints").fetchall()
        assert {row["number"] for row in found} <= numbers, "postings of nobody"
        peaks = connection.execute("select distinct video_id from recording_peaks").fetchall()
        assert {row["video_id"] for row in peaks} <= {one.id for one in known.values() if one.number is not None}
        doubled = connection.execute(
            "select 1 from cost_ledger where kind = 'transcribed' group by key having count(*) > 1"
        ).fetchall()
        assert not doubled
        rows = connection.execute("select video_id, state, raw_object, audio_object from transcripts").fetchall()
    settings = world.services.settings
    in_inbox = {(one.name, one.generation) for one in list_objects(settings.inbox_bucket)}
    stored = {(one.object_name, one.generation) for one in known.values() if one.bucket == settings.inbox_bucket}
    assert in_inbox <= stored, "an object that nobody knows"
    named = {row["raw_object"] for row in rows} | {row["audio_object"] for row in rows}
    assert {one.name for one in list_objects(settings.media_bucket)} <= named, "sound or words of nobody"


def all_recordings(world: World) -> list[Recording]:
    """Return every recording."""
    return recordings.list_page(world.services.database, limit=1_000).recordings


@lru_cache
def landmark_count(path: Path) -> int:
    """Return how many postings a file makes."""
    return len(index_landmarks(take_fingerprint(path).peaks)[0])


@lru_cache
def landmarks(path: Path) -> frozenset[int]:
    """Return the keys of a file's landmarks."""
    return frozenset(index_landmarks(take_fingerprint(path).peaks)[0].tolist())


def posting_count(world: World, recording: Recording) -> int:
    """Return how many postings the index holds of a recording."""
    with world.services.database.transaction() as connection:
        row = connection.execute(
            "select count(*) from fingerprints where loc >> 24 = %s", (recording.number,)
        ).fetchone()
    assert row is not None
    return int(row["count"])
