"""The queue of transcripts: one at a time, in the order in which they came, over restarts and dead workers."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from sonicgen.errors import SonicGenError, UnavailableError
from sonicgen.local.assemblyai.answers import from_given
from sonicgen.local.assemblyai.faults import take_fault
from sonicgen.local.assemblyai.service import Service, upload_id_of
from sonicgen.local.assemblyai.work import WorkerProcess
from sonicgen.log import log

logger = logging.getLogger(__name__)

# A file that ends the worker this often is given up.
MOST_TRIES = 3
# An idle worker keeps about 260 MB; starting another takes a second or two.
IDLE_SECONDS = 20.0


class JobFailedError(SonicGenError):
    """The transcript ends with an error; the message is what its owner reads."""


async def run_jobs(service: Service) -> None:
    """Work on what is queued until cancelled."""
    worker = WorkerProcess(service.options)
    try:
        while True:
            changed = service.jobs_changed
            row = service.database.one("take_job", now=time.time())
            if row is not None:
                await _do(service, worker, row)
                continue
            due = service.database.one("next_job_due")
            wait = None if due is None or due["due_at"] is None else max(0.0, due["due_at"] - time.time())
            with anyio.move_on_after(IDLE_SECONDS if wait is None else min(wait, IDLE_SECONDS)) as idle:
                await changed.wait()
            if idle.cancelled_caught and (wait is None or wait > IDLE_SECONDS):
                await worker.stop()
                if wait is None:
                    await changed.wait()
    finally:
        with anyio.CancelScope(shield=True):
            await worker.stop()


async def _do(service: Service, worker: WorkerProcess, row: sqlite3.Row) -> None:
    fault = take_fault(service.database, "work")
    if fault.get("exit"):
        os._exit(70)
    if fault.get("delay_seconds"):
        service.database.run("put_off_job", id=row["id"], due_at=time.time() + float(fault["delay_seconds"]))
        return
    if fault.get("error"):
        _finish(service, row, "error", {"error": str(fault["error"])})
        return
    try:
        result = await _result(service, worker, row)
    except UnavailableError as error:
        log(logger, str(error), level=logging.WARNING, transcript_id=row["id"])
        if row["tries"] < MOST_TRIES:
            service.database.run("give_back_job", id=row["id"])
        else:
            _finish(service, row, "error", {"error": f"{error} It did so {MOST_TRIES} times over this file."})
    except JobFailedError as error:
        _finish(service, row, "error", {"error": str(error)})
    else:
        _finish(service, row, "completed", result)


async def _result(service: Service, worker: WorkerProcess, row: sqlite3.Row) -> Mapping[str, Any]:
    with TemporaryDirectory(dir=service.work_folder) as folder:
        path, digest = await _file(service, row["audio_url"], Path(folder))
        given = service.database.one("find_answer", sha256=digest)
        if given is not None:
            return from_given(json.loads(given["answer"]))
        result_path = Path(folder) / "result.json"
        job = {"path": str(path), "result_path": str(result_path), "order": json.loads(row["request"])}
        answer = await worker.do(job)
        if "error" in answer:
            raise JobFailedError(answer["error"])
        result: dict[str, Any] = json.loads(result_path.read_text())
        return result


async def _file(service: Service, audio_url: str, folder: Path) -> tuple[Path, str]:
    """Return the sound's file and its SHA-256; raise JobFailedError when it cannot be had."""
    upload_id = upload_id_of(audio_url)
    upload = None if upload_id is None else service.database.one("find_upload", id=upload_id)
    if upload is not None:
        return service.upload_path(upload["id"]), upload["sha256"]
    storage = service.options.storage_url
    if storage is None or urlsplit(audio_url).netloc != urlsplit(storage).netloc:
        raise JobFailedError(
            f"Download error, unable to download {audio_url}: the local stand-in reads only its own uploads and the "
            "embedded Cloud Storage."
        )
    path, digest = folder / "sound", hashlib.sha256()
    try:
        async with httpx.AsyncClient(timeout=30.0) as client, client.stream("GET", audio_url) as response:
            response.raise_for_status()
            async with await anyio.open_file(path, "wb") as file:
                async for chunk in response.aiter_bytes():
                    digest.update(chunk)
                    await file.write(chunk)
    except httpx.HTTPError as error:
        raise JobFailedError(f"Download error, unable to download {audio_url}: {error}") from error
    return path, digest.hexdigest()


def _finish(service: Service, row: sqlite3.Row, status: str, result: Mapping[str, Any]) -> None:
    """Store the outcome and order the webhook's call, both or neither."""
    now = time.time()
    with service.database.transaction():
        done = service.database.run("finish_job", id=row["id"], status=status, result=json.dumps(result), now=now)
        if done and json.loads(row["request"]).get("webhook_url"):
            fault = take_fault(service.database, "webhook")
            for _ in range(int(fault.get("calls", 1))):
                due_at = now + float(fault.get("delay_seconds", 0.0))
                service.database.run("insert_call", transcript_id=row["id"], due_at=due_at)
    service.drop_upload(row["audio_url"])
    service.ring_calls()
