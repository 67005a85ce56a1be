"""What is stored of an event, and many who want it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.cloud import firestore

from sonicgen.cloud.documents import document_id
from sonicgen.cloud.once import LEDGER_COLLECTION

LONG = 60.0

SHORT = 1.5

FUNCTION = "fingerprint_match"


def stored(client: firestore.Client, key: str) -> dict[str, Any]:
    content: dict[str, Any] = client.collection(LEDGER_COLLECTION).document(document_id(FUNCTION, key)).get().to_dict()
    return content


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run the work in threads that start together; return each one's result or error."""
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        except Exception as error:  # the errors are what the tests look at
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
