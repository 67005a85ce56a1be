"""The table of reasons in docs/sources.md is the table of the domain.

`python -m tests.unit.domain.test_download_table` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from sonicgen.domain.download import RULES, DownloadState, describe_retries, explain

DOCUMENT = Path(__file__).parents[3] / "docs" / "sources.md"
MARK = "<!-- table of reasons: `python -m tests.unit.domain.test_download_table` writes it anew -->\n"


def table() -> str:
    """Return the table as the document has it."""
    lines = ["| Reason | State | What people are told | Tried again |", "|---|---|---|---|"]
    for reason, rule in RULES.items():
        retried = bool(rule.waits_seconds)
        state = f"{DownloadState.WAITING}, then {rule.end}" if retried else f"{rule.end}"
        lines.append(f"| `{reason}` | {state} | {explain(reason, 'YouTube')} | {describe_retries(rule)} |")
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


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))
