"""Links instead of files: each is followed from its download to its final state."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sonicgen.cli.console import errors, escape, output
from sonicgen.domain.download import Download, DownloadState
from sonicgen.domain.platform import site_name
from sonicgen.domain.recording import MatchStatus, Recording

if TYPE_CHECKING:
    from sonicgen.steps.services import Services

_LOOK_SECONDS = 0.2
# The download takes most of the time.
_DOWNLOAD_SHARE = 0.8
# What is left of a line of 80 beside the bar.
_SHOWN_CHARACTERS = 28
_ENDED = (DownloadState.FAILED, DownloadState.SKIPPED, DownloadState.WAITING)
_DOWNLOAD_STYLES = {DownloadState.FAILED: "red", DownloadState.SKIPPED: "yellow", DownloadState.WAITING: "yellow"}


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a link came: its recording is final, or its download ended or waits."""

    url: str
    recording: Recording
    download: Download | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it soon."""
        return self.recording.is_final or (self.download is not None and self.download.state in _ENDED)

    @property
    def is_good(self) -> bool:
        """Whether its sound was heard and judged."""
        return self.recording.is_final and self.recording.match_status is not MatchStatus.FLAG

    def explain(self) -> str:
        """Return what a person is told."""
        if self.recording.match_status is None and self.download is not None:
            return explain_download(self.download)
        return self.recording.explain()


def is_link(text: str) -> bool:
    """Return whether an argument is a link rather than a file."""
    return "://" in text


def explain_download(download: Download) -> str:
    """Return what a person is told about a download, with when it comes again."""
    told = download.explain(site_name(download.url))
    if download.next_attempt_at is None:
        return told
    return f"{told} Next try: {download.next_attempt_at.astimezone():%Y-%m-%d %H:%M}."


def follow_links(services: Services, urls: list[str], quiet: bool = False) -> list[Followed]:
    """Add links and wait until each is final, with a bar a link; return them in their order."""
    from sonicgen.steps.add_link import add_link

    columns = (TextColumn("{task.fields[state]}"), BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}"))  # fmt: skip  # noqa: E501
    with Progress(*columns, console=errors, disable=quiet) as progress:
        waiting: dict[UUID, tuple[str, TaskID]] = {}
        for url in urls:
            task = progress.add_task(escape(_short(url)), total=1.0, state="[blue]asked for     [/]")
            waiting[add_link(services, url)] = (url, task)
        done = _wait(services, progress, waiting)
    if not quiet:
        for followed in done:
            _print(followed)
    return done


def _wait(services: Services, progress: Progress, waiting: dict[UUID, tuple[str, TaskID]]) -> list[Followed]:
    final: dict[UUID, Followed] = {}
    while True:
        for identifier, (url, task) in waiting.items():
            if identifier not in final:
                followed, state, completed = _look(services, identifier, url)
                progress.update(
                    task, state=state, completed=completed, description=escape(_short(followed.recording.title))
                )
                if followed.is_final:
                    final[identifier] = followed
        if len(final) == len(waiting):
            return [final[identifier] for identifier in waiting]
        time.sleep(_LOOK_SECONDS)


def _look(services: Services, identifier: UUID, url: str) -> tuple[Followed, str, float]:
    from sonicgen.cloud.documents import read_progress
    from sonicgen.store import downloads, recordings

    followed = Followed(
        url, recordings.get(services.database, identifier), downloads.find(services.database, identifier)
    )
    status, download = followed.recording.match_status, followed.download
    if followed.recording.is_final:
        return followed, f"[green]{status:<14}[/]", 1.0
    if download is not None and download.state in _ENDED:
        return followed, f"[{_DOWNLOAD_STYLES[download.state]}]{download.state:<14}[/]", 0.0
    reported = read_progress(str(identifier))
    fraction = reported.fraction if reported else 0.0
    if status is MatchStatus.PENDING or (download is not None and download.state is DownloadState.STORED):
        heard = fraction if reported is not None and reported.step == "decoding" else 0.0
        return followed, f"[blue]{status or 'stored':<14}[/]", _DOWNLOAD_SHARE + (1 - _DOWNLOAD_SHARE) * heard
    return followed, f"[blue]{reported.step if reported else 'waiting':<14}[/]", _DOWNLOAD_SHARE * fraction


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _print(followed: Followed) -> None:
    from sonicgen.cli.add import STYLES

    recording, download = followed.recording, followed.download
    if recording.match_status is None and download is not None:
        style, state = _DOWNLOAD_STYLES.get(download.state, "blue"), f"{download.state}"
    else:
        style, state = STYLES[recording.match_status], f"{recording.match_status}"
    output.print(
        f"[{style}]{state:<14}[/][dim]{str(recording.id)[:8]}[/]  {escape(recording.title)}  "
        f"[dim]{escape(followed.explain())}[/]",
        soft_wrap=True,
    )
