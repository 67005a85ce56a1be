"""What sources say of themselves, and that docs/sources.md says the same.

`python -m tests.unit.domain.test_source` writes its table anew.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from sonicgen.domain.source import (
    EXPLANATIONS,
    Source,
    SourceKind,
    SourceReason,
    SourceState,
    linked_video_id,
    source_id,
    youtube_video_id,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "sources.md"
MARK = "<!-- table of sources: `python -m tests.unit.domain.test_source` writes it anew -->\n"
_STATES = {
    SourceState.ACTIVE: {SourceReason.READING, SourceReason.WATCHED},
    SourceState.DONE: {SourceReason.READ, SourceReason.EMPTY, SourceReason.STOPPED, SourceReason.SAME_AS},
    SourceState.PAUSED_QUOTA: {SourceReason.QUOTA},
}


def table() -> str:
    """Return the table as the document has it."""
    lines = ["| State | Reason | What people are told |", "|---|---|---|"]
    for reason in SourceReason:
        state = next((state for state, reasons in _STATES.items() if reason in reasons), SourceState.FAILED)
        lines.append(f"| `{state}` | `{reason}` | {EXPLANATIONS[reason]} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Return a document's text with the present table after the mark."""
    before, mark, after = text.partition(MARK)
    assert mark, "the document has no place for the table"
    rest = after.lstrip("\n")
    while rest.startswith("|"):
        rest = rest.partition("\n")[2]
    return f"{before}{mark}\n{table()}\n{rest.lstrip(chr(10))}"


def test_the_document_has_the_present_table() -> None:
    text = DOCUMENT.read_text()
    assert with_table(text) == text


def test_each_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(SourceReason)
    source = Source(UUID(int=1), SourceKind.LINK, "x")
    assert source.explain() == "Waiting for its turn."
    told = Source(UUID(int=1), SourceKind.LINK, "x", reason=SourceReason.NO_KEY, reason_detail="More.").explain()
    assert "YOUTUBE_API_KEY" in told
    assert told.endswith("More.")


def test_ids_never_change() -> None:
    # Written down: a change of these would discover everything that is known once more.
    assert youtube_video_id("dQw4w9WgXcQ") == UUID("86e06847-2806-5155-b2ca-587717f8848e")
    assert linked_video_id("https://example.org/a.mp3") == UUID("01aad9f8-9b45-5b4c-a7a8-b233ab819c21")
    assert source_id(SourceKind.CHANNEL, "@weather") == UUID("4451a728-c382-5be5-8cf6-87212473cc36")


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(Source(UUID(int=1), SourceKind.LINK, "x", websub_secret="hush"))


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))
