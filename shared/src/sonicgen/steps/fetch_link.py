"""Have what lies behind a link as a file, for as long as it is looked at; nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sonicgen.domain.download import DownloadReason, explain
from sonicgen.domain.platform import site_name
from sonicgen.errors import DownloadError, InputError
from sonicgen.services.downloader import Progress
from sonicgen.steps.services import Services


@contextmanager
def fetched(services: Services, url: str, on_progress: Progress | None = None) -> Iterator[Path]:
    """Give the downloaded file inside the block; raise InputError with the reason's sentence when there is none."""
    downloader = services.downloader
    try:
        with downloader.download(url, downloader.limits(is_job=True), on_progress) as downloaded:
            yield downloaded.path
    except DownloadError as error:
        said = f" ({error.detail})" if error.detail else ""
        raise InputError(f"{explain(DownloadReason(error.reason), site_name(url))}{said}") from error
