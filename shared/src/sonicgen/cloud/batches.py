"""Publishing for those who come many at once: what waits at the same time goes in one request.

A publish costs a round trip and, in the embedded cloud, a commit; hundreds of requests that each publish one event
would wait for one another. A single thread takes whatever has come since its last request.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from functools import lru_cache

from sonicgen.cloud.bus import CALL_SECONDS, Event, publish_events
from sonicgen.errors import SonicGenError, UnavailableError

_MOST_AT_ONCE = 200


class Batches:
    """One topic's waiting events and the thread that publishes them."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._waiting: queue.SimpleQueue[tuple[Event, Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"publish-{topic}", daemon=True).start()

    def publish(self, event: Event) -> None:
        """Publish an event and return when it is safe; raises what `publish_event` does."""
        done: Future[None] = Future()
        self._waiting.put((event, done))
        try:
            done.result(CALL_SECONDS + 1)
        except TimeoutError as error:
            raise UnavailableError("Pub/Sub did not take the event in time; try again later.") from error

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < _MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            failure: SonicGenError | None = None
            try:
                publish_events(self._topic, [event for event, _ in batch])
            except SonicGenError as error:
                failure = error
            except Exception as error:  # the thread must outlive whatever a client raises
                failure = UnavailableError(f"The event could not be published: {error}")
            for _, done in batch:
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)


@lru_cache(maxsize=8)
def _batches(topic: str) -> Batches:
    return Batches(topic)


def publish_soon(topic: str, event: Event) -> None:
    """Publish an event together with others that come at the same time; return when it is safe.

    Raises what `publish_event` does.
    """
    _batches(topic).publish(event)


def close() -> None:
    """Forget the threads; the next call makes new ones."""
    _batches.cache_clear()
