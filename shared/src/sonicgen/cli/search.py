"""`sonicgen search`: who said that, where, and when?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json

if TYPE_CHECKING:
    from sonicgen.steps.search_transcripts import SearchAnswer, Sentence

MOST_SENTENCES = 1_000


def search(
    query: Annotated[
        str, typer.Argument(help='Words, "a phrase", either OR or, -without.', show_default=False, metavar="QUERY")
    ],
    speaker: Annotated[str | None, typer.Option(help="Said by this label, name or part of a name.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel, by id or title.")] = None,
    after: Annotated[str | None, typer.Option(metavar="DATE", help="Published on or after this day.")] = None,
    before: Annotated[str | None, typer.Option(metavar="DATE", help="Published before this day.")] = None,
    recording: Annotated[str | None, typer.Option(metavar="ID", help="Only in this recording.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_SENTENCES, help="At most so many.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print the documented JSON form.")] = False,
) -> None:
    """Find sentences in all transcripts, best first, with the second to jump to. Ends with 1 when there are none."""
    from sonicgen.steps.search_transcripts import read_day, recording_filter, search_transcripts
    from sonicgen.store.search import Filters

    bounds = [None if text is None else read_day(text) for text in (after, before)]
    with connected() as services:
        filters = Filters(
            speaker=speaker,
            channel=channel,
            after=bounds[0],
            before=bounds[1],
            video_id=recording_filter(services, recording),
        )
        answer = search_transcripts(services, query, filters, limit=limit, is_patient=True)
    if json:
        print_json(answer.to_json())
    else:
        print_sentences(answer)
    if not answer.sentences:
        raise typer.Exit(1)


def print_sentences(answer: SearchAnswer) -> None:
    """Print what was found for people."""
    if not answer.sentences:
        output.print(f"Nothing found: no transcript has a line that fits {escape(answer.query)}.", soft_wrap=True)
        return
    for sentence in answer.sentences:
        line = sentence.hit.utterance
        who = f"[cyan]{escape(sentence.speaker)}[/]  " if sentence.speaker else ""
        output.print(
            f"[bold]{clock(sentence.passage.seconds)}[/]  {who}{escape(sentence.hit.title)} "
            f"[dim]{str(sentence.hit.video_id)[:8]} line {sentence.hit.position}, "
            f"{sentence.hit.happened_at:%Y-%m-%d}, {clock(line.start_seconds)}–{clock(line.end_seconds)}[/]",
            soft_wrap=True,
        )
        output.print(f"  {marked_snippet(sentence)}", soft_wrap=True)
    errors.print(f"[dim]{_how_many(answer)} ({answer.elapsed_ms:.0f} ms)[/]")


def marked_snippet(sentence: Sentence) -> str:
    """Return a snippet with the words that were looked for in bold."""
    text, at, parts = sentence.passage.snippet, 0, []
    for start, end in sentence.passage.highlights:
        parts.append(f"{escape(text[at:start])}[bold yellow]{escape(text[start:end])}[/]")
        at = end
    return "".join((*parts, escape(text[at:])))


def _how_many(answer: SearchAnswer) -> str:
    shown = len(answer.sentences)
    if answer.is_complete:
        return f"{shown} of {answer.matches} lines that fit"
    more = "; more with --limit" if answer.next_cursor else ""
    return f"the first {shown}, ranked among the {answer.matches:,} newest lines that fit{more}"
