"""The formats a transcript can be had in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from sonicgen.domain.transcript import Utterance
from sonicgen.errors import InputError
from sonicgen.speech.exports.plain import to_json, to_txt
from sonicgen.speech.exports.rttm import to_rttm
from sonicgen.speech.exports.subtitles import to_srt, to_vtt


class Format(StrEnum):
    """A format by the ending of its files."""

    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    JSON = "json"
    RTTM = "rttm"


MEDIA_TYPES: Mapping[Format, str] = {
    Format.SRT: "application/x-subrip",
    Format.VTT: "text/vtt",
    Format.TXT: "text/plain",
    Format.JSON: "application/json",
    Format.RTTM: "text/plain",
}


def read_format(text: str) -> Format:
    """Return the format that a person names.

    Raises InputError naming those there are.
    """
    try:
        return Format(text.strip().lower().removeprefix("."))
    except ValueError:
        raise InputError(f"There is no transcript format {text!r}; choose one of {', '.join(Format)}.") from None


def export(form: Format, utterances: Sequence[Utterance], *, about: Mapping[str, object], file_id: str) -> str:
    """Return a transcript in a format; `about` goes into JSON, `file_id` names the recording in RTTM."""
    match form:
        case Format.SRT:
            return to_srt(utterances)
        case Format.VTT:
            return to_vtt(utterances)
        case Format.TXT:
            return to_txt(utterances)
        case Format.JSON:
            return to_json(utterances, about)
        case Format.RTTM:
            return to_rttm(utterances, file_id)
