"""Structured logs: one JSON object per line, in the form that Cloud Logging reads.

Fields set with `log_context` (event_id, recording_id, step…) are on every line that is logged inside it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_context: ContextVar[dict[str, object]] = ContextVar("sonicgen_log_context", default={})  # noqa: B039 (never mutated)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON with severity, time, message, the context's fields and the record's own."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "context", {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class _ContextFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.context = _context.get()
        return True


def setup_logging(level: str = "INFO") -> None:
    """Send this process's logs to standard error as JSON lines. Calling it again changes only the level."""
    root = logging.getLogger()
    root.setLevel(level)
    for handler in root.handlers:
        if isinstance(handler.formatter, JsonFormatter):
            return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_ContextFilter())
    root.addHandler(handler)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Put fields on every line logged inside the block, in this thread or task."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def log(logger: logging.Logger, message: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log a sentence with its own fields."""
    logger.log(level, message, extra={"fields": fields})
