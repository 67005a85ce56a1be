"""Calls of webhooks as AssemblyAI makes them: up to ten tries, given up at the first 4xx.

https://www.assemblyai.com/docs/deployment/webhooks-for-pre-recorded-audio
"""

from __future__ import annotations

import json
import sqlite3
import time

import anyio
import anyio.abc
import httpx

from sonicgen.local.assemblyai.service import Service

# Where the real one's calls come from, as a function behind Google's front end reads it in X-Forwarded-For.
SOURCE_ADDRESS = "44.238.19.20"
_MOST_AT_ONCE = 64


async def run_calls(service: Service) -> None:
    """Make the calls that are due until cancelled."""
    under_way: set[int] = set()
    limits = httpx.Limits(max_keepalive_connections=0)
    timeout = service.options.webhook_timeout_seconds
    async with httpx.AsyncClient(timeout=timeout, limits=limits) as client, anyio.create_task_group() as tasks:
        while True:
            changed = service.calls_changed
            for row in service.database.all("list_due_calls", now=time.time()):
                if row["id"] not in under_way and len(under_way) < _MOST_AT_ONCE:
                    under_way.add(row["id"])
                    tasks.start_soon(_call, service, client, row, under_way)
            with anyio.move_on_after(_wait_seconds(service, under_way)):
                await changed.wait()


def _wait_seconds(service: Service, under_way: set[int]) -> float | None:
    """Return how long nothing is due; a call that ends rings by itself."""
    row = service.database.one("next_call_due")
    if row is None or row["due_at"] is None:
        return None
    return None if under_way and row["due_at"] <= time.time() else max(0.01, row["due_at"] - time.time())


async def _call(service: Service, client: httpx.AsyncClient, call: sqlite3.Row, under_way: set[int]) -> None:
    try:
        await _try(service, client, call)
    finally:
        under_way.discard(call["id"])
        service.ring_calls()


async def _try(service: Service, client: httpx.AsyncClient, call: sqlite3.Row) -> None:
    database = service.database
    row = database.one("find_transcript", id=call["transcript_id"])
    order = {} if row is None else json.loads(row["request"])
    if row is None or not order.get("webhook_url"):  # deleted meanwhile
        database.run("delete_call", id=call["id"])
        return
    headers = {"user-agent": "sonicgen-local-assemblyai", "x-forwarded-for": SOURCE_ADDRESS}
    if order.get("webhook_auth_header_name"):
        headers[order["webhook_auth_header_name"]] = order["webhook_auth_header_value"]
    body = {"transcript_id": row["id"], "status": row["status"]}
    try:
        with anyio.fail_after(service.options.webhook_timeout_seconds):
            response = await client.post(order["webhook_url"], json=body, headers=headers)
        code: int | None = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError):
        code = None
    if code is not None:
        database.run("set_webhook_code", id=row["id"], code=code)
    is_over = code is not None and (200 <= code < 300 or 400 <= code < 500)
    if is_over or call["tries"] + 1 >= service.options.webhook_tries:
        database.run("delete_call", id=call["id"])
    else:
        database.run("put_off_call", id=call["id"], due_at=time.time() + service.options.webhook_wait_seconds)
