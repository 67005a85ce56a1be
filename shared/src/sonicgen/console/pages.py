"""The pages: rendered here, made live by small scripts of our own."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from sonicgen import __version__
from sonicgen.console.access import Caller, caller_of
from sonicgen.console.files import version_of_files
from sonicgen.console.library import read_library_cursor, write_library_cursor
from sonicgen.console.problems import ProblemError
from sonicgen.domain.recording import Recording
from sonicgen.domain.role import Role
from sonicgen.errors import InputError, NotFoundError, SonicGenError
from sonicgen.steps.describe_answer import clock
from sonicgen.steps.export_transcript import display_name, read_transcript
from sonicgen.steps.search_transcripts import read_day, search_transcripts
from sonicgen.steps.services import services
from sonicgen.steps.set_origin import origin_of
from sonicgen.store import channels, library, matches, recordings
from sonicgen.store.search import Filters

router = APIRouter()

# What a page calls a recording's state.
STATES = {
    "fingerprinted": "new",
    "matched": "copy",
    "pending": "being read",
    "too_short": "too little sound",
    "flag": "not usable",
    "waiting": "waiting",
}
ORDERS = {"newest": "newest first", "oldest": "oldest first", "title": "by title", "longest": "longest first"}
# Colours of voices in style.css.
VOICES = 8
# A page holds so many lines; a longer transcript fetches the rest while it is read.
MOST_LINES = 400
_PAGE_ENTRIES = 50
# A request body larger than this does not pass Cloud Run.
DIRECT_BYTES = 32 * 2**20 - 64 * 1024


@router.get("/")
def find_page(request: Request) -> Response:
    """Where is this from?"""
    settings = services().settings
    return _page(
        request,
        "find.html",
        Role.ANONYMOUS,
        maximum_bytes=settings.find_bytes,
        direct_bytes=settings.find_bytes if settings.is_embedded else min(DIRECT_BYTES, settings.find_bytes),
    )


@router.get("/library")
def library_page(
    request: Request,
    status: str = "",
    kind: str = "",
    sort: str = "newest",
    title: Annotated[str, Query(max_length=200)] = "",
    channel: str = "",
    cursor: str = "",
) -> Response:
    """Every recording."""

    def context() -> dict[str, Any]:
        order: Any = sort if sort in ORDERS else "newest"
        kinds: Any = kind if kind in ("originals", "copies") else None
        filters = library.LibraryFilters(status if status in STATES else None, channel or None, title or None, kinds)
        page = library.page(
            services().database, filters, order=order, limit=_PAGE_ENTRIES, cursor=read_library_cursor(cursor)
        )
        chosen = {"status": status, "kind": kind, "sort": order, "title": title, "channel": channel}
        following = write_library_cursor(page.next_cursor)
        return {
            "entries": page.entries,
            "chosen": chosen,
            "channels": channels.list_all(services().database),
            "next_url": _url("/library", {**chosen, "cursor": following}) if following else None,
            "is_first": not cursor,
            "is_filtered": any((status, kind, title, channel)),
            "orders": ORDERS,
        }

    return _page(request, "library.html", Role.VIEWER, context)


@router.get("/recordings/{identifier}")
def recording_page(request: Request, identifier: UUID, t: str = "") -> Response:
    """One recording: its sound, its words, where it turned up."""
    return _page(request, "recording.html", Role.VIEWER, lambda: _recording(identifier, t))


@router.get("/search")
def search_page(
    request: Request,
    q: Annotated[str, Query(max_length=400)] = "",
    speaker: str = "",
    channel: str = "",
    after: str = "",
    before: str = "",
    cursor: str = "",
) -> Response:
    """Who said what, and when?"""

    def context() -> dict[str, Any]:
        chosen = {"q": q, "speaker": speaker, "channel": channel, "after": after, "before": before}
        shown: dict[str, Any] = {"chosen": chosen, "answer": None, "trouble": None, "next_url": None}
        shown["channels"] = channels.list_all(services().database)
        if q.strip():
            try:
                filters = Filters(
                    speaker=speaker or None,
                    channel=channel or None,
                    after=read_day(after) if after else None,
                    before=read_day(before) if before else None,
                )
                answer = search_transcripts(services(), q, filters, cursor=cursor or None, is_patient=True)
            except InputError as error:
                shown["trouble"] = str(error)
            else:
                shown["answer"] = answer
                shown["next_url"] = _url("/search", {**chosen, "cursor": answer.next_cursor})
        return shown

    return _page(request, "search.html", Role.VIEWER, context)


@router.get("/review")
def review_page(request: Request) -> Response:
    """Uncertain matches, for a person to decide."""
    return _page(request, "review.html", Role.VIEWER)


@router.get("/label")
def label_page(request: Request) -> Response:
    """Unknown voices, for a person to name."""
    return _page(request, "label.html", Role.VIEWER)


@router.get("/speakers")
def speakers_page(request: Request) -> Response:
    """Everybody who was heard."""
    return _page(request, "speakers.html", Role.VIEWER)


@router.get("/operations")
def operations_page(request: Request) -> Response:
    """Queues, failures, dead letters, quotas, costs: live."""
    return _page(request, "operations.html", Role.VIEWER)


@router.get("/signin")
def sign_in_page(request: Request, to: str = "/") -> Response:
    """Show a key."""
    # Only a path of ours: "//elsewhere.example" is another site.
    is_ours = to.startswith("/") and not to.startswith(("//", "/\\"))
    return _page(request, "signin.html", Role.ANONYMOUS, to=to if is_ours else "/")


@router.get("/favicon.ico")
def icon() -> Response:
    """The icon lies among the other files."""
    return RedirectResponse(_static("icon.svg"), 308)


def problem_page(request: Request, body: dict[str, Any], headers: dict[str, str]) -> Response:
    """Return a page that says what went wrong."""
    try:
        caller: Caller | None = caller_of(request)
    except (ProblemError, SonicGenError):  # whatever is wrong with the credentials, the page is about something else
        caller = None
    return _render(request, "problem.html", caller, body["status"], headers, problem=body)


def _page(request: Request, template: str, role: Role, context: Any = None, **more: Any) -> Response:
    try:
        caller = caller_of(request)
    except ProblemError:
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie("sonicgen_session")
        return answer
    if not caller.role.includes(role):
        if caller.is_known:
            raise ProblemError(403, "not_allowed", f"This needs the role {role}; {caller.name} is {caller.role}.")
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/signin?to={quote(path, safe='')}", 303)
    return _render(request, template, caller, 200, {}, **(context() if context else {}), **more)


def _render(
    request: Request, template: str, caller: Caller | None, status: int, headers: dict[str, str], **context: Any
) -> Response:
    text = (
        _environment()
        .get_template(template)
        .render(
            version=__version__,
            path=request.url.path,
            caller=caller,
            can_label=caller is not None and caller.role.includes(Role.LABELLER),
            can_operate=caller is not None and caller.role.includes(Role.ADMIN),
            can_view=caller is not None and caller.role.includes(Role.VIEWER),
            states=STATES,
            **context,
        )
    )
    return HTMLResponse(text, status, {"Cache-Control": "no-store", **headers})


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("sonicgen.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.globals["static"] = _static
    made.filters["clock"] = lambda seconds: "–" if seconds is None else clock(seconds)
    made.filters["day"] = lambda moment: moment.strftime("%Y-%m-%d") if moment else "–"
    return made


def _static(name: str) -> str:
    return f"/static/{version_of_files()}/{name}"


def _url(path: str, parameters: dict[str, str | None]) -> str:
    return f"{path}?{urlencode({name: value for name, value in parameters.items() if value})}"


def _recording(identifier: UUID, moment: str) -> dict[str, Any]:
    database = services().database
    recording = recordings.get(database, identifier)
    origin = origin_of(services(), recording)
    try:
        transcript, lines = read_transcript(services(), recording)
        why = transcript.explain()
    except NotFoundError as error:
        transcript, lines, why = None, [], str(error)
    speakers = list(dict.fromkeys(line.speaker for line in lines if line.speaker))
    voices = {speaker: number % VOICES for number, speaker in enumerate(speakers)}
    names = {line.speaker: display_name(line) for line in lines if line.speaker}
    held = matches.of(database, identifier)
    holders = matches.copies_of(database, identifier)
    others = {match.reference_id for match in held} | {match.video_id for match in holders}
    return {
        "recording": recording,
        "moment": _read_moment(moment, recording),
        "original": origin.original,
        "origin": origin,
        "channel": channels.title_of(database, recording.channel_id),
        "transcript": transcript,
        "etag": f'"r{transcript.revision}"' if transcript else "",
        "why_no_words": why,
        "lines": [(number, line, display_name(line)) for number, line in enumerate(lines[:MOST_LINES])],
        "line_count": len(lines),
        "voices": voices,
        "voice_names": names,
        "held": held,
        "holders": holders,
        "copies": recordings.copies_of(database, identifier),
        "titles": {other: found.title for other in others if (found := recordings.find(database, other))},
    }


def _read_moment(text: str, recording: Recording) -> float | None:
    """Return the second that a link names, within the recording; None when it names none."""
    try:
        seconds = float(text.partition("-")[0])
    except ValueError:
        return None
    return seconds if 0 <= seconds <= (recording.duration_seconds or 0) + 1 else None
