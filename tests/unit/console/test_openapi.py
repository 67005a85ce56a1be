"""The API against its own OpenAPI document: whatever is sent, the answer is as documented and never a crash."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.console.conftest import Console

# What waits for other sites or the embedder, or streams without end, has tests of its own.
LEFT_OUT = {
    "/v1/status/stream", "/v1/jobs/{identifier}/events", "/v1/dead-letters", "/v1/dead-letters/replay",
    "/biometric/api/identify", "/biometric/api/diarize",
}  # fmt: skip
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = {GenerationMode.POSITIVE: 5, GenerationMode.NEGATIVE: 3}


def document(console: Console) -> dict[str, Any]:
    made: dict[str, Any] = console.ask.get("/v1/openapi.json").json()
    return made


def test_the_document_is_openapi_3_1_and_names_every_route(console: Console) -> None:
    made = document(console)
    assert made["openapi"].startswith("3.1")
    wanted = {
        "/v1/find", "/v1/jobs", "/v1/jobs/{identifier}/events", "/v1/originals/{identifier}/copies", "/v1/recordings",
        "/v1/matches", "/v1/transcripts/{identifier}", "/v1/search", "/v1/costs", "/v1/stats", "/v1/uploads",
        "/v1/backfills",
    }  # fmt: skip
    assert wanted <= set(made["paths"])
    for path, methods in made["paths"].items():
        for method, described in methods.items():
            assert described.get("summary"), (method, path)
            assert "4XX" in described["responses"], (method, path)
    references = {part.split('"')[0] for part in json.dumps(made).split('"#/components/schemas/')[1:]}
    assert references <= set(made["components"]["schemas"])


def operations(console: Console) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, methods in document(console)["paths"].items()
        for method in methods
        if path not in LEFT_OUT
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_documented_whatever_is_asked(console: Console, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(document(console))
    tried = 0
    for method, path in operations(console):
        operation = schema[path][method]

        @settings(
            max_examples=EXAMPLES[mode],
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(base_url=console.url, checks=CHECKS)

        with suppress(Unsatisfiable):  # a route without parameters can be asked nothing wrong
            ask()
    assert tried > 60
