"""`sonicgen retry`: ask again for downloads."""

from __future__ import annotations

from typing import Annotated

import typer

from sonicgen.cli.connect import connected
from sonicgen.cli.console import output
from sonicgen.domain.download import DownloadReason
from sonicgen.errors import InputError


def retry(
    failed: Annotated[bool, typer.Option("--failed", help="Those that failed or were left out.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="With --failed: those that wait, too.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason (docs/sources.md).")] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Those whose next try is due, as the maintenance does it.")
    ] = False,
) -> None:
    """Ask again for downloads. A site that is left alone for a while (robot check, too many requests) stays so."""
    from sonicgen.steps.retry_downloads import retry_due_downloads, retry_failed_downloads

    if failed == due or ((waiting or reason) and not failed):
        raise InputError("Say which downloads: --failed (with --reason and --waiting), or --due.")
    known = None
    if reason is not None:
        try:
            known = DownloadReason(reason)
        except ValueError as error:
            raise InputError(f"There is no reason {reason!r}; one of {', '.join(DownloadReason)}.") from error
    with connected() as services:
        if failed:
            count = retry_failed_downloads(services, known, also_waiting=waiting)
        else:
            count = retry_due_downloads(services)
    output.print(f"Asked again for {count} downloads." if count else "No download to ask for again.")
