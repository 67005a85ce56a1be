"""Rich Transcription Time Marked (.rttm): who speaks when, as diarization tools score it.

Ten fields a line, separated by spaces (NIST RT-09 evaluation plan, appendix A).
"""

from __future__ import annotations

from collections.abc import Sequence

from sonicgen.domain.transcript import Utterance
from sonicgen.speech.names import display_name

UNKNOWN = "unknown"


def to_rttm(utterances: Sequence[Utterance], file_id: str) -> str:
    """Return a line for each of a transcript's lines that lasts at least a millisecond; `file_id` names the recording.

    A field cannot hold white space: spaces become underscores, other white space and control characters their
    percent-encoded bytes. Names that would become the same get a number.
    """
    fields: dict[str, str] = {}
    lines = []
    for utterance in sorted(utterances, key=lambda one: (one.start_seconds, one.end_seconds)):
        name = display_name(utterance) or UNKNOWN
        if name not in fields:
            fields[name] = _unlike(encode_field(name), set(fields.values()))
        start_ms, end_ms = round(utterance.start_seconds * 1000), round(utterance.end_seconds * 1000)
        if end_ms > start_ms:
            lines.append(
                f"SPEAKER {encode_field(file_id)} 1 {start_ms / 1000:.3f} {(end_ms - start_ms) / 1000:.3f} "
                f"<NA> <NA> {fields[name]} <NA> <NA>\n"
            )
    return "".join(lines)


def encode_field(text: str) -> str:
    """Return a text as one field: not empty, without white space or control characters."""
    encoded = "".join(
        "_" if character == " " else _percent(character) if character.isspace() or not character.isprintable()
        else character for character in text.strip()
    )  # fmt: skip
    # A semicolon first makes the line a comment, <NA> says that the field is not there.
    if not encoded or encoded == "<NA>":
        return UNKNOWN
    return _percent(";") + encoded[1:] if encoded.startswith(";") else encoded


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _unlike(field: str, taken: set[str]) -> str:
    number, result = 2, field
    while result in taken:
        result, number = f"{field}_{number}", number + 1
    return result
