"""One JSON object per line, with the fields of its context."""

from __future__ import annotations

import json
import logging
import sys

from sonicgen.log import JsonFormatter, _ContextFilter, log, log_context


def format_one(record: logging.LogRecord) -> dict[str, object]:
    _ContextFilter().filter(record)
    entry: dict[str, object] = json.loads(JsonFormatter().format(record))
    return entry


def test_a_line_carries_context_and_own_fields() -> None:
    lines: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(format_one(record))

    logger = logging.Logger("test")
    logger.addHandler(Keep())
    with log_context(event_id="e1"), log_context(recording_id="r1"):
        log(logger, "Step: decoding", step="decoding", seconds=1.5)
    log(logger, "outside")
    assert lines[0] | {"time": ""} == {
        "severity": "INFO", "time": "", "logger": "test", "message": "Step: decoding", "event_id": "e1",
        "recording_id": "r1", "step": "decoding", "seconds": 1.5,
    }  # fmt: skip
    assert "event_id" not in lines[1]


def test_a_line_stays_one_line_whatever_it_says() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "two\nlines “and” 🎵 %s", ("\n",), None)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == "two\nlines “and” 🎵 \n"


def test_an_exception_is_told() -> None:
    try:
        int("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    assert "ValueError: invalid literal" in str(format_one(record)["exception"])
