"""A whole embedded cloud for the tests, started as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from sonicgen.domain.recording import Recording
from sonicgen.local.demo_sounds import Sound, make_music, write_sound
from sonicgen.local.folder import DataFolder
from sonicgen.local.supervisor import free_port
from sonicgen.settings import REPOSITORY, read_settings
from sonicgen.steps.services import Services
from sonicgen.store import recordings

KILLING_FUNCTIONS = Path(__file__).parent / "killing_functions"
# Work that was lost with its worker is taken over after this long; nobody wants to wait for half a minute here.
LEASE_SECONDS = "4"
T = TypeVar("T")
COMMAND = (sys.executable, "-m", "sonicgen")


@dataclass
class Cloud:
    """A running `sonicgen up` and the services that reach it."""

    folder: DataFolder
    port: int
    process: subprocess.Popen[bytes]
    services: Services

    def command(self, *arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `sonicgen` with arguments, as a person does in another terminal."""
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=clean_environment(self.folder.root),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *arguments: str | Path) -> Any:
        """Run a command with --json and return what it printed."""
        done = self.command(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def final(self, title: str, timeout: float = 60) -> Recording:
        """Wait until the recording with this title is final, and return it."""
        return wait_for(lambda: next((r for r in self.all() if r.title == title and r.is_final), None), timeout)

    def all(self) -> list[Recording]:
        """Return every recording."""
        return recordings.list_page(self.services.database, limit=1_000).recordings

    def children(self, name: str) -> list[int]:
        """Return the process ids of a part: the program that the supervisor started under this name."""
        marks = {"postgres": "postgres", "servers": "sonicgen.local.servers", "inbox": "sonicgen.local.inbox",
                 "console": "uvicorn", "fingerprint_match": "fingerprint_match"}  # fmt: skip
        return [
            child.pid
            for child in psutil.Process(self.process.pid).children()
            if marks[name] in " ".join(child.cmdline())
        ]


def killing_functions(folder: Path) -> Path:
    """Make a folder of all functions in which those that can be told to die take the place of the real ones."""
    folder.mkdir()
    for each in (*REPOSITORY.joinpath("functions").iterdir(), *KILLING_FUNCTIONS.iterdir()):
        place = folder / each.name
        place.unlink(missing_ok=True)
        place.symlink_to(each)
    return folder


def wait_for(look: Callable[[], T | None], timeout: float = 60) -> T:
    """Return the first result that is not None or False."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        result = look()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def clean_environment(data: Path, **more: str) -> dict[str, str]:
    """Return the environment of a person who has set nothing but the data folder."""
    ours = (
        "SONICGEN_",
        "ASSEMBLYAI_",
        "DATABASE_URL",
        "GOOGLE_",
        "STORAGE_EMULATOR",
        "PUBSUB_EMULATOR",
        "FIRESTORE_EMULATOR",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "SONICGEN_DATA": str(data), **more}


@contextmanager
def cloud(data: Path, **environment: str) -> Iterator[Cloud]:
    """Run `sonicgen up` on a data folder."""
    port = free_port()
    folder = DataFolder(data)
    process = subprocess.Popen(
        [*COMMAND, "up", "--port", str(port)],
        # Most tests are about recordings; those about transcripts and voices turn these on.
        env=clean_environment(data, **{"SONICGEN_TRANSCRIPTION": "off", "SONICGEN_EMBEDDER": "off"} | environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        said = b""
        while b"is up after" not in said:
            line = process.stdout.readline()
            assert line, said.decode()
            said += line
        with pytest.MonkeyPatch.context() as patch:
            for name, value in folder.read_addresses().items():
                patch.setenv(name, value)
            services = Services(read_settings())
            yield Cloud(folder, port, process, services)
            services.close()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One embedded cloud for a module's tests."""
    with cloud(tmp_path_factory.mktemp("data"), SONICGEN_LEASE_SECONDS=LEASE_SECONDS) as running:
        yield running


@pytest.fixture
def music(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of small, distinct pieces of music as files."""

    def make(seed: int, name: str | None = None, seconds: float = 12.0) -> Path:
        path = tmp_path / (name or f"piece {seed}.mp3")
        write_sound(path, sound(seed, seconds))
        return path

    return make


def sound(seed: int, seconds: float = 12.0) -> Sound:
    """Return the sound that `music` writes."""
    return make_music(seed, seconds=seconds, beats_per_minute=90 + 7 * (seed % 13), metre=3 + seed % 3)
