"""Read what came; what can never be read is put on record with its reason, so that its sender may let go of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sonicgen.cloud.once import run_once
from sonicgen.errors import InputError
from sonicgen.events.envelope import CloudEvent
from sonicgen.log import log
from sonicgen.steps.services import Services

logger = logging.getLogger(__name__)

_LONGEST_ID = 200
Read = TypeVar("Read")


def read_event(
    services: Services, function: str, parse: Callable[[CloudEvent | Mapping[str, Any]], Read], event: CloudEvent
) -> Read | None:
    """Return what an event says; None for one that is broken, which is among the ledger's failures from then on.

    It would be as broken at its tenth delivery. Raises UnavailableError when that cannot be put on record.
    """
    try:
        return parse(event)
    except InputError as error:
        broken = error
    identity = str(event.get("id") or "no id")
    key = identity if len(identity) <= _LONGEST_ID else hashlib.sha256(identity.encode(errors="replace")).hexdigest()

    def refuse(_: object) -> dict[str, Any]:
        raise broken

    run_once(services.ledger, function, f"unreadable {key}", refuse)
    log(logger, f"An event is refused: {broken}", level=logging.ERROR, event_id=key)
    return None
