"""Parameters of routes that take files: as form fields, as the old service's documentation has it, or in the query.

The form's value counts when both are there.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import Depends, File, Form, Query, Request, UploadFile

from sonicgen.domain.embedding import Hints, Span
from sonicgen.embedder.house import House
from sonicgen.embedder.problems import Code, RequestError
from sonicgen.embedder.tickets import Ticket

T = TypeVar("T")
MOST_FILES = 100
MOST_SPEAKERS = 50
_Speakers = Annotated[int | None, Form(ge=1, le=MOST_SPEAKERS)]


def house(request: Request) -> House:
    """Return what requests share."""
    found: House = request.app.state.house
    return found


def ticket(request: Request) -> Ticket:
    """Return the request's ticket."""
    found: Ticket = request.state.ticket
    return found


def _first(form: T | None, query: T | None) -> T | None:
    return query if form is None else form


def hints(
    num_speakers: Annotated[
        int | None, Form(ge=1, le=MOST_SPEAKERS, description="Exactly so many, where there is speech for them.")
    ] = None,
    min_speakers: _Speakers = None,
    max_speakers: _Speakers = None,
    min_duration: Annotated[float | None, Form(ge=0, le=3600, description="Leaves shorter turns out; seconds.")] = None,
    query_num: Annotated[int | None, Query(alias="num_speakers", ge=1, le=MOST_SPEAKERS)] = None,
    query_min: Annotated[int | None, Query(alias="min_speakers", ge=1, le=MOST_SPEAKERS)] = None,
    query_max: Annotated[int | None, Query(alias="max_speakers", ge=1, le=MOST_SPEAKERS)] = None,
    query_duration: Annotated[float | None, Query(alias="min_duration", ge=0, le=3600)] = None,
) -> Hints:
    """Return what is known of the speakers."""
    return checked_hints(
        Hints(
            _first(num_speakers, query_num),
            _first(min_speakers, query_min),
            _first(max_speakers, query_max),
            _first(min_duration, query_duration),
        )
    )


def checked_hints(found: Hints) -> Hints:
    """Return hints that can be true together; `num_speakers` overrides the others."""
    if found.num_speakers is None and (found.min_speakers or 1) > (found.max_speakers or MOST_SPEAKERS):
        raise RequestError(
            Code.INVALID_PARAMETER,
            f"min_speakers is {found.min_speakers} and max_speakers is {found.max_speakers}; the first is the smaller.",
        )
    return found


def normalize(
    normalize: Annotated[
        bool | None, Form(description="At length one, which is the default; otherwise the mean of the pieces' vectors.")
    ] = None,
    query_normalize: Annotated[bool | None, Query(alias="normalize")] = None,
) -> bool:
    """Return whether a vector is wanted at length one."""
    found = _first(normalize, query_normalize)
    return True if found is None else found


def threshold(
    threshold: Annotated[
        float | None,
        Form(ge=-1, le=1, allow_inf_nan=False, description="The cosine that decides; without one the model's own."),
    ] = None,
    query_threshold: Annotated[float | None, Query(alias="threshold", ge=-1, le=1, allow_inf_nan=False)] = None,
) -> float | None:
    """Return the caller's threshold."""
    return _first(threshold, query_threshold)


def segment(
    segment_start_time: Annotated[float | None, Form(description="Listen from this second on.")] = None,
    segment_end_time: Annotated[float | None, Form(description="Listen up to this second.")] = None,
    query_start: Annotated[float | None, Query(alias="segment_start_time")] = None,
    query_end: Annotated[float | None, Query(alias="segment_end_time")] = None,
) -> Span | None:
    """Return the part of the sound that is meant, None for all of it."""
    start, end = _first(segment_start_time, query_start), _first(segment_end_time, query_end)
    if start is None and end is None:
        return None
    return Span(start or 0.0, 1e9 if end is None else end)


def files(
    file: Annotated[
        list[UploadFile] | None, File(description="The sound; several of them give several results.")
    ] = None,
    files: Annotated[list[UploadFile] | None, File(description="Several sounds; always answered as a list.")] = None,
) -> Files:
    """Return the files of a request."""
    found = Files([*(file or []), *(files or [])], is_batch=bool(files) or len(file or []) > 1)
    if not found.uploads:
        raise RequestError(Code.MISSING_FILE, "There is no audio; send it as the form field `file`.")
    if len(found.uploads) > MOST_FILES:
        raise RequestError(Code.INVALID_PARAMETER, f"There are more than {MOST_FILES} files; send them in parts.")
    return found


class Files:
    """The uploads of one request; `is_batch` says that the answer is a list."""

    def __init__(self, uploads: list[UploadFile], is_batch: bool) -> None:
        self.uploads = uploads
        self.is_batch = is_batch


InHouse = Annotated[House, Depends(house)]
WithTicket = Annotated[Ticket, Depends(ticket)]
WithHints = Annotated[Hints, Depends(hints)]
WithNormalize = Annotated[bool, Depends(normalize)]
WithThreshold = Annotated[float | None, Depends(threshold)]
WithSegment = Annotated[Span | None, Depends(segment)]
WithFiles = Annotated[Files, Depends(files)]
