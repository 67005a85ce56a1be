"""The parts of one stand-in, and what its requests and workers share."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import anyio

from sonicgen.local.sqlite import Database

# What nobody asked to be transcribed: the real one keeps it for a day or so.
UPLOAD_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """How the stand-in behaves. The waits are AssemblyAI's own (docs/transcripts.md)."""

    key: str
    recogniser: str = "pocketsphinx"
    whisper_model: str | None = None
    storage_url: str | None = None  # the embedded Cloud Storage: the only server that sound is fetched from
    webhook_tries: int = 10
    webhook_wait_seconds: float = 10.0
    webhook_timeout_seconds: float = 10.0


@dataclass(slots=True)
class Service:
    """The state in one folder, and the bells that wake who waits for it to change."""

    folder: Path
    options: Options
    database: Database
    jobs_changed: anyio.Event = field(default_factory=anyio.Event)
    calls_changed: anyio.Event = field(default_factory=anyio.Event)

    def ring_jobs(self) -> None:
        """Tell that there is work."""
        self.jobs_changed.set()
        self.jobs_changed = anyio.Event()

    def ring_calls(self) -> None:
        """Tell that a webhook is to be called."""
        self.calls_changed.set()
        self.calls_changed = anyio.Event()

    @property
    def work_folder(self) -> Path:
        """Where a job keeps its files while it lasts; empty after a start."""
        return self.folder / "work"

    def upload_path(self, upload_id: str) -> Path:
        """Return where an upload's bytes lie."""
        return self.folder / "uploads" / upload_id

    async def keep_upload(self, chunks: AsyncIterator[bytes]) -> str | None:
        """Write a body to disk as it comes; return the upload's id, None for an empty one."""
        upload_id = str(uuid4())
        path = self.upload_path(upload_id)
        digest, size = hashlib.sha256(), 0
        try:
            async with await anyio.open_file(path, "wb") as file:
                async for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    await file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if not size:
            path.unlink()
            return None
        self.database.run("insert_upload", id=upload_id, sha256=digest.hexdigest(), size_bytes=size, now=time.time())
        return upload_id

    def drop_upload(self, audio_url: str) -> None:
        """Remove the sound of a job that is over, as the real one does, unless another job waits for it."""
        upload_id = upload_id_of(audio_url)
        if upload_id is not None and self.database.run("delete_idle_upload", id=upload_id):
            self.upload_path(upload_id).unlink(missing_ok=True)


def open_service(folder: Path, options: Options) -> Service:
    """Open the state in a folder: what was being worked on begins again, what nobody needs any more goes."""
    (folder / "uploads").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "work", ignore_errors=True)
    (folder / "work").mkdir()
    database = Database(folder / "assemblyai.sqlite", __package__)
    database.run("give_back_jobs")
    database.run("delete_old_uploads", before=time.time() - UPLOAD_SECONDS)
    known = {row["id"] for row in database.all("list_upload_ids")}
    for path in (folder / "uploads").iterdir():
        if path.name not in known:
            path.unlink()
    return Service(folder, options, database)


def upload_id_of(audio_url: str) -> str | None:
    """Return the id in the address of an upload, None for any other address."""
    folder, _, name = urlsplit(audio_url).path.rpartition("/")
    return name if folder == "/upload" else None
