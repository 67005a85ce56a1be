"""Publishing for those who come many at once: what waits at the same time goes in one request.

A publish costs a round trip and, in the embedded cloud, a commit; hundreds of requests that each publish one event
would wait for one another. While one request is under way, what comes is gathered for the next.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sonicgen.cloud.bus import CALL_SECONDS, Event, publish_events
from sonicgen.errors import SonicGenError, UnavailableError


@dataclass
class _Topic:
    """One topic's waiting events, each with whoever waits for it, and the task that publishes them."""

    name: str
    waiting: list[tuple[Event, asyncio.Future[None]]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    async def publish_all(self) -> None:
        """Publish until nothing waits."""
        while self.waiting:
            batch, self.waiting = self.waiting, []
            failure = await self._publish([event for event, _ in batch])
            for _, done in batch:
                if done.done():  # whoever waited gave up
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    async def _publish(self, events: list[Event]) -> SonicGenError | None:
        try:
            await asyncio.to_thread(publish_events, self.name, events)
        except SonicGenError as error:
            return error
        except Exception as error:  # those who wait must be told whatever a client raises
            return UnavailableError(f"The event could not be published: {error}")
        return None


# A server has one loop; tests have many, and what belongs to one must not be waited for in another.
_topics: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Topic]] = WeakKeyDictionary()


async def publish_soon(topic: str, event: Event) -> None:
    """Publish an event together with others that come at the same time; return when it is safe.

    Raises what `publish_event` does.
    """
    loop = asyncio.get_running_loop()
    known = _topics.setdefault(loop, {}).setdefault(topic, _Topic(topic))
    done: asyncio.Future[None] = loop.create_future()
    known.waiting.append((event, done))
    if known.task is None or known.task.done():
        known.task = loop.create_task(known.publish_all())
    try:
        await asyncio.wait_for(done, CALL_SECONDS + 1)
    except TimeoutError as error:
        raise UnavailableError("Pub/Sub did not take the event in time; try again later.") from error
