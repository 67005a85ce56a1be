"""Recordings as fingerprinting leaves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.cloud.objects import upload_file
from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.steps.services import Services
from sonicgen.store import matches, recordings
from tests.unit.embedder.cepstra_encoder import loader
from tests.unit.embedder.conftest import services as embedders
from tests.unit.steps.speakers import PitchEncoder

Record = Callable[..., Recording]


def match(start: float, end: float, at: float, speed: float = 1.0) -> Match:
    """Return a sure match of start to end with a source from `at` on."""
    return Match(1, start, end, at, at + (end - start) * speed, speed, 1.0, 900, 0.999999, -40.0, Decision.MATCH)


@pytest.fixture
def record(services: Services, tmp_path: Path) -> Record:
    """Return a maker of decided recordings: noise of some seconds, with matches to others."""

    def make(
        seconds: float,
        *found: tuple[UUID, Match],
        original: UUID | None = None,
        reason: Reason = Reason.NEW,
        level: float = 0.1,
        channel: str | None = None,
    ) -> Recording:
        identifier = uuid4()
        path = tmp_path / f"{identifier}.wav"
        noise = np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)) * level
        write_sound(path, noise.astype(np.float32))
        stored = upload_file(services.settings.media_bucket, f"audio/{identifier}.wav", path)
        recordings.claim(
            services.database, identifier, title=path.name, bucket=stored.bucket, object_name=stored.name,
            generation=stored.generation, size_bytes=stored.size_bytes, md5=None, content_type=None,
        )  # fmt: skip
        status = MatchStatus.FINGERPRINTED if original is None else MatchStatus.MATCHED
        with services.database.transaction() as connection:
            made = recordings.finish(
                connection, identifier, status, reason, duration_seconds=seconds, original_id=original
            )
            matches.replace(connection, identifier, found, "test")
            if channel is not None:
                connection.execute("insert into channels values (%s, %s) on conflict do nothing", (channel, channel))
                connection.execute("update videos set channel_id = %s where id = %s", (channel, identifier))
        return made

    return make


@pytest.fixture(scope="session")
def pitch_embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an embedder that tells made voices apart."""
    with embedders(tmp_path_factory.mktemp("embedder"), is_alone=False) as start:
        yield start(given=loader(PitchEncoder())).url


@pytest.fixture
def listening(make_services: Callable[..., Services], pitch_embedder: str) -> Services:
    """Services that listen to voices."""
    return make_services(embedder_url=pitch_embedder)
