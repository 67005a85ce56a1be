"""Finds on a real hot standby: the same answers, nothing written, and the primary may be away."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sonicgen.errors import UnavailableError
from sonicgen.local.demo_sounds import RATE_HZ, make_music, write_sound
from sonicgen.local.postgres import LocalPostgres, _binary, popen_options, socket_folder
from sonicgen.settings import read_settings
from sonicgen.sound.fingerprint import fingerprint
from sonicgen.steps.find_clip import find_clip
from sonicgen.steps.services import Services
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate
from tests.unit.steps.test_search_index import store

SONG = make_music(9, seconds=40.0, beats_per_minute=100, metre=4)


@pytest.fixture
def pair() -> Iterator[tuple[LocalPostgres, LocalPostgres]]:
    """A primary and a standby that follows it, as a managed service keeps them."""
    folder = Path(tempfile.mkdtemp(prefix="sonicgen-replica-"))
    folder.chmod(0o755)  # the standby's server reaches the primary's socket through it
    try:
        with LocalPostgres(folder / "primary") as primary:
            copy = primary.folder / "copy"  # the server's own user may write here
            command = [str(_binary("pg_basebackup")), "-h", str(socket_folder(primary.folder)), "-U", "postgres"]
            command += ["-D", str(copy), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
            subprocess.run(command, check=True, capture_output=True, **popen_options(primary.folder))
            copy.rename(folder / "standby")
            with LocalPostgres(folder / "standby") as standby:
                yield primary, standby
    finally:
        shutil.rmtree(folder)


def caught_up(primary: LocalPostgres, standby: LocalPostgres) -> bool:
    with psycopg.connect(primary.url) as ours, psycopg.connect(standby.url) as theirs:
        written = ours.execute("select pg_current_wal_lsn()::text").fetchone()
        assert written is not None
        replayed = theirs.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", written).fetchone()
        return replayed is not None and bool(replayed[0])


def test_finds_ask_the_replica_alone(pair: tuple[LocalPostgres, LocalPostgres], tmp_path: Path) -> None:
    primary, standby = pair
    song, clip = tmp_path / "song.wav", tmp_path / "clip.wav"
    write_sound(song, SONG)
    write_sound(clip, SONG[10 * RATE_HZ : 20 * RATE_HZ])
    with Database(primary.url) as database:
        migrate(database)
        store(database, fingerprint(song))
    deadline = time.monotonic() + 20
    while not caught_up(primary, standby):
        assert time.monotonic() < deadline, "the standby does not follow"
        time.sleep(0.05)

    services = Services(read_settings(DATABASE_URL=primary.url, SONICGEN_DATABASE_READ_URL=standby.url))
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), services.replica.transaction() as connection:
        connection.execute("delete from noisy_hashes")
    primary.stop(signal.SIGQUIT)  # at once: a clean end waits for the standby
    (found,) = find_clip(services, clip).found
    assert found.match.reference_start_seconds == pytest.approx(10.0, abs=0.1)
    with pytest.raises(UnavailableError), services.database.transaction():
        pass
    services.close()


def test_without_a_replica_there_is_one_database(database_url: str) -> None:
    services = Services(read_settings(DATABASE_URL=database_url))
    assert services.replica is services.database
    services.close()
