"""The data folder of the embedded cloud: where each thing lies, who holds it, and where its parts answer.

inbox/        the door for people: files copied here are uploaded
objects/      the buckets' bytes and their table
postgres/     the database cluster
cloud/        the state of Pub/Sub and Firestore
downloads/    what is being downloaded right now
logs/         one file per process
run/          addresses of the running parts, sockets; remade at each start
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sonicgen.errors import LocalError

# A start needs room for Postgres' first write-ahead log (about 100 MB with its catalogue, measured) and some to work.
MINIMUM_FREE_BYTES = 300 * 2**20


class DataFolder:
    """Paths inside one data folder, its lock and its table of addresses."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.inbox = self.root / "inbox"
        self.objects = self.root / "objects"
        self.postgres = self.root / "postgres"
        self.cloud = self.root / "cloud"
        self.downloads = self.root / "downloads"
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.queues = self.run / "queues.json"
        self._addresses = self.run / "addresses.json"
        self._lock = self.root / ".lock"

    def prepare(self) -> None:
        """Create what is missing.

        Raises LocalError when the folder cannot be written or its disk is almost full.
        """
        try:
            for folder in (self.root, self.inbox, self.objects, self.cloud, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalError(
                f"The data folder {self.root} cannot be created ({error.strerror}); name another one with --data."
            ) from error
        if not os.access(self.root, os.W_OK):
            raise LocalError(f"The data folder {self.root} cannot be written; name another one with --data.")
        free = shutil.disk_usage(self.root).free
        if free < MINIMUM_FREE_BYTES:
            raise LocalError(
                f"The disk of {self.root} has {free // 2**20} MB left and {MINIMUM_FREE_BYTES // 2**20} MB are needed "
                "to start; free some space or name another folder with --data."
            )

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder for this process alone; the hold ends with the process, however it ends.

        Raises LocalError when another SonicGen runs on it.
        """
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise LocalError(
                    f"SonicGen already runs on {self.root} (process {owner});"
                    " use it, or name another folder with --data."
                ) from error
            self._addresses.unlink(missing_ok=True)  # left by one that was killed
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                self._addresses.unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Whether a SonicGen runs on this folder now."""
        try:
            with self._lock.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def write_addresses(self, environment: Mapping[str, str]) -> None:
        """Publish the environment with which other processes reach the running parts."""
        part = self._addresses.with_suffix(".part")
        part.write_text(json.dumps(dict(environment), indent=1))
        part.replace(self._addresses)

    def read_addresses(self) -> dict[str, str]:
        """Return the environment of the running SonicGen.

        Raises LocalError when none runs on this folder.
        """
        if self.is_held():
            try:
                addresses: dict[str, str] = json.loads(self._addresses.read_text())
            except FileNotFoundError as error:
                raise LocalError(f"SonicGen on {self.root} is still starting; try again in a moment.") from error
            return addresses
        raise LocalError(
            f"SonicGen does not run on {self.root}. Start it with `sonicgen up`"
            " (or name its folder with --data, or set DATABASE_URL and the Google Cloud project)."
        )
