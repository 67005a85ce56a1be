from __future__ import annotations

import pytest
from typer.testing import CliRunner

from sonicgen.cli.links import explain_download, is_link
from sonicgen.cli.main import app
from sonicgen.domain.download import Download, DownloadReason, DownloadState
from sonicgen.domain.source import linked_video_id
from sonicgen.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--failed"),
        (["--failed", "--due"], "--failed"),
        (["--reason", "gone"], "--failed"),
        (["--failed", "--reason", "bored"], "members_only"),
    ],
)
def test_what_to_retry_must_be_said(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["retry", *arguments])
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_links_are_told_from_files() -> None:
    assert is_link("https://youtu.be/abcdefghijk")
    assert not is_link("talk: part 1.mp3")


def test_a_download_is_explained_with_its_site() -> None:
    url = "https://m.youtube.com/watch?v=abcdefghijk"
    download = Download(
        linked_video_id(url), url, DownloadState.FAILED, "youtube.com", DownloadReason.GONE, "status 410"
    )
    assert explain_download(download) == "YouTube has it no more: it was removed, or the link is wrong. (status 410)"
