"""A large queue must neither slow the server down nor block the loop it shares."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Cloud

SUBSCRIPTION = "projects/test/subscriptions/reader"

# 20,000 messages take about 5 s on two busy cores; the bound only catches work that grows with the queue.
MESSAGES = 20_000
LONGEST_SECONDS = 30.0

# The loop also serves storage and documents; 10 ms is usual, the bound allows for a busy machine.
LONGEST_PAUSE_SECONDS = 0.5


def test_twenty_thousand_messages_pass(cloud: Cloud) -> None:
    cloud.create(enable_message_ordering=True)
    watch = asyncio.run_coroutine_threadsafe(_longest_pause(), cloud._loop)
    began = time.monotonic()
    for start in range(0, MESSAGES, 1000):
        # Half of them share one ordering key: the blocked ones must cost nothing.
        cloud.publish(*[f"{start + n}" for n in range(500)], key="k")
        cloud.publish(*[f"{start + n}" for n in range(500, 1000)])
    assert cloud.figures().queued == MESSAGES
    seen: set[bytes] = set()
    while len(seen) < MESSAGES // 2 + 20:
        received = cloud.pull(1000)
        seen.update(each.message.data for each in received)
        cloud.acknowledge(received)
    assert cloud.figures().queued == MESSAGES - len(seen)
    assert time.monotonic() - began < LONGEST_SECONDS
    watch.cancel()
    assert max(_pauses) < LONGEST_PAUSE_SECONDS


_pauses: list[float] = []


async def _longest_pause() -> None:
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        _pauses.append(time.monotonic() - began - 0.005)
