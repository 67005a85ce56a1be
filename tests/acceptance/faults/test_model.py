"""Any order of adds, copies, forgets, crashes, doubled and lost messages, against a model of what should come of it.

Three sources of ten seconds are told apart by ear. Of each, whole copies come (the same bytes, or encoded anew) and an
excerpt of eight seconds. What an ideal archive would hold in the end is simple: of each source that is present one
original, a whole one if there is any, and everything else a copy of it; each second heard by the provider once, for as
long as anybody has it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from sonicgen.domain.recording import MatchStatus
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.store import recordings
from tests.acceptance.conftest import sound
from tests.acceptance.faults.conftest import ROUNDS
from tests.acceptance.faults.orders import Deed, Orders
from tests.acceptance.faults.world import Whims, World, all_recordings, check_consistency

pytestmark = pytest.mark.timeout(1_800)
SECONDS, START, END = 10.0, 1.0, 9.0
SOURCES = 3
WHOLE = ("whole.mp3", "whole.opus")
EXCERPT = "excerpt.mp3"
# A stretch at a border belongs to one side or the other by a part of a second.
TOLERANCE_SECONDS = 0.6


@dataclass(frozen=True)
class Held:
    """A recording as the model knows it."""

    source: int
    kind: str

    @property
    def covers(self) -> frozenset[int]:
        """The seconds of its source that it holds."""
        return frozenset(range(int(START), int(END))) if self.kind == EXCERPT else frozenset(range(int(SECONDS)))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], Path]:
    """One file of each source and kind."""
    folder = tmp_path_factory.mktemp("sources")
    made = {}
    for source in range(SOURCES):
        samples = sound(40 + source, SECONDS)
        for kind in (*WHOLE, EXCERPT):
            path = folder / f"{source} {kind}"
            part = samples[int(START * RATE_HZ) : int(END * RATE_HZ)] if kind == EXCERPT else samples
            write_sound(path, part.astype(np.float32))
            made[source, kind] = path
    return made


class Archive(RuleBasedStateMachine):
    """A world and its model, side by side."""

    def __init__(self, world: World, orders: Orders, files: dict[tuple[int, str], Path]) -> None:
        super().__init__()
        self.world, self.orders, self.files = world, orders, files
        world.begin_anew()
        orders.clear()
        self.folder = tempfile.TemporaryDirectory()
        self.held: dict[UUID, Held] = {}
        self.number = 0
        self.may_pay = dict.fromkeys(range(SOURCES), 0.0)
        self.is_quiet = True

    @rule(source=st.integers(0, SOURCES - 1), kind=st.sampled_from((*WHOLE, EXCERPT)))
    def add(self, source: int, kind: str) -> None:
        """Add a copy under a name of its own."""
        self.number += 1
        path = Path(self.folder.name) / f"{self.number} {kind}"
        shutil.copy(self.files[source, kind], path)
        one = Held(source, kind)
        present = [each.covers for each in self.held.values() if each.source == source]
        self.may_pay[source] += len(one.covers - frozenset().union(*present))
        self.held[self.world.add(path)] = one
        self.is_quiet = False

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """Forget a recording, wherever it is on its way."""
        identifier = data.draw(st.sampled_from(sorted(self.held)))
        recording = recordings.find(self.world.services.database, identifier)
        if recording is None:
            return  # nobody knows of it yet, so nobody can ask for it
        one = self.held.pop(identifier)
        forget_recording(self.world.services, recording)
        rest = [each for each in self.held.values() if each.source == one.source]
        if not self.is_quiet and rest:
            # It may have been under way to the provider, and what it would have left must be heard anew.
            self.may_pay[one.source] += SECONDS
        self.is_quiet = False

    @rule(twice=st.booleans(), lost=st.booleans(), late=st.booleans(), shuffled=st.booleans())
    def change_whims(self, twice: bool, lost: bool, late: bool, shuffled: bool) -> None:
        """Have the bus disturb what comes."""
        self.world.whims = Whims(twice=0.5 * twice, lost=0.5 * lost, late=0.5 * late, shuffled=shuffled)

    @rule(after=st.integers(1, 60), is_released=st.booleans())
    def crash(self, after: int, is_released: bool) -> None:
        """Have the work break off at one of its next statements, with its lease given back or not."""
        self.orders.add("postgres", Deed.CUT, skip=after)
        if not is_released:
            self.orders.add("firestore Commit", Deed.REFUSE, skip=after // 20, times=3)

    @rule(steps=st.integers(1, 3))
    def deliver_some(self, steps: int) -> None:
        """Deliver what has come so far, and no more."""
        for _ in range(steps):
            self.world.pending += self.world.disturbed(self.world.bus.take())
            self.world.step()

    @rule()
    def settle(self) -> None:
        """Deliver until nothing is on its way, and compare."""
        self.world.run()
        self.orders.clear()
        self.is_quiet = True
        self.compare()

    def teardown(self) -> None:
        """Compare in the end."""
        try:
            self.settle()
        finally:
            self.orders.clear()
            self.folder.cleanup()

    def compare(self) -> None:
        """Assert that the archive holds what the model says."""
        check_consistency(self.world)
        known = {one.id: one for one in all_recordings(self.world)}
        assert known.keys() == self.held.keys()
        for source in range(SOURCES):
            of_source = {i: one for i, one in self.held.items() if one.source == source}
            originals = [i for i in of_source if known[i].match_status is MatchStatus.FINGERPRINTED]
            assert len(originals) == bool(of_source), [(self.held[i], known[i].match_status) for i in of_source]
            whole = [i for i, one in of_source.items() if one.kind != EXCERPT]
            assert not whole or originals[0] in whole, "an excerpt of what is there whole"
            for identifier in of_source.keys() - set(originals):
                assert known[identifier].match_status is MatchStatus.MATCHED
                assert known[identifier].original_video_id == originals[0]
        self._compare_words()

    def _compare_words(self) -> None:
        paid = dict.fromkeys(range(SOURCES), 0.0)
        with self.world.services.database.transaction() as connection:
            rows = connection.execute(
                "select v.id, t.state, t.reason, (select count(*) from utterances u where u.video_id = v.id) as lines "
                "from videos v left join transcripts t on t.video_id = v.id"
            ).fetchall()
        for row in rows:
            assert row["state"] in ("ready", "inherited"), (self.held[row["id"]], row)
            assert row["lines"] > 0, (self.held[row["id"]], row)
        for job in self.world.provider.jobs:
            paid[self._source_of(job)] += self.world.sound_seconds(job)
        for source, seconds in paid.items():
            assert seconds <= self.may_pay[source] + TOLERANCE_SECONDS, f"source {source} was paid for twice"

    def _source_of(self, job: str) -> int:
        """Return which source the sound of a job is of, by its likeness."""
        return self.world.source_of_job(job, [self.files[source, WHOLE[0]] for source in range(SOURCES)])


def test_the_archive_is_what_the_model_says(
    world: World, orders: Orders, files: dict[tuple[int, str], Path], pieces: Callable[..., Path]
) -> None:
    run_state_machine_as_test(
        cast(type[RuleBasedStateMachine], lambda: Archive(world, orders, files)),  # it takes what makes one, too
        settings=settings(
            max_examples=5 * ROUNDS, stateful_step_count=12, deadline=None, derandomize=ROUNDS == 1, database=None,
            phases=(Phase.generate,), suppress_health_check=list(HealthCheck), print_blob=True,
        ),
    )  # fmt: skip
