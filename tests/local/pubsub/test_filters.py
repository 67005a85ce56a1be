from __future__ import annotations

import pytest

from sonicgen.errors import InputError
from sonicgen.local.pubsub.filters import compile_filter

ATTRIBUTES = {"type": "audio", "name": "inbox/one.wav", "ce-type": "a.b", "odd key": 'say "yes"'}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ('attributes.type = "audio"', True),
        ('attributes.type="video"', False),
        ('attributes.type != "video"', True),
        ('attributes.type != "audio"', False),
        ('attributes.missing != "x"', True),
        ('attributes.missing = ""', False),
        ("attributes:type", True),
        ("attributes:missing", False),
        ("NOT attributes:missing", True),
        ("-attributes:type", False),
        ('hasPrefix(attributes.name, "inbox/")', True),
        ('hasPrefix(attributes.name, "outbox/")', False),
        ('hasPrefix(attributes.missing, "")', False),
        ('attributes.ce-type = "a.b"', True),
        ('attributes."odd key" = "say \\"yes\\""', True),
        ('attributes:type AND attributes:name AND NOT attributes.type = "video"', True),
        ('attributes.type = "x" OR attributes.type = "y"', False),
        ('(attributes.type = "x" OR attributes.type = "audio") AND attributes:name', True),
        ("NOT (attributes:type AND attributes:missing)", True),
    ],
)
def test_filter_chooses_by_attributes(expression: str, expected: bool) -> None:
    assert compile_filter(expression)(ATTRIBUTES) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "type = 1",
        "attributes.type",
        "attributes.type = audio",
        'attributes.type == "audio"',
        'attributes.type < "audio"',
        "attributes:a AND attributes:b OR attributes:c",
        "(attributes:a",
        "attributes:a attributes:b",
        "NOT",
        'hasPrefix(attributes.name "x")',
        'attributes.type = "\\q"',
        f'attributes.type = "{"x" * 256}"',
    ],
)
def test_wrong_filter_is_explained(expression: str) -> None:
    with pytest.raises(InputError, match="filter"):
        compile_filter(expression)
