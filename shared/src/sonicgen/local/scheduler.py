"""What Cloud Scheduler does in the cloud: a message on a topic, again and again."""

from __future__ import annotations

import logging
import threading

from sonicgen.cloud.bus import publish_message
from sonicgen.errors import SonicGenError
from sonicgen.log import log

logger = logging.getLogger(__name__)


class Scheduler:
    """Publishes an empty message at a fixed pace, from a thread; the first after one interval."""

    def __init__(self, topic: str, every_seconds: float) -> None:
        self._topic = topic
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"scheduler-{topic}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a message that is being published still goes out."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                publish_message(self._topic, b"{}", {})
            except SonicGenError as error:
                log(logger, f"The message on {self._topic} is left out: {error}", level=logging.WARNING)
