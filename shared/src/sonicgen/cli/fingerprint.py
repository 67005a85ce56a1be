"""`sonicgen fingerprint`: what may be sent in place of the sound itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sonicgen.cli.console import print_json
from sonicgen.errors import InputError


def fingerprint(
    clip: Annotated[Path, typer.Argument(help="A file that ffmpeg reads.", show_default=False)],
) -> None:
    """Print a clip's fingerprint, for POST /v1/find: the server learns where it is from without hearing it."""
    if not clip.is_file():
        raise InputError(f"{clip} is not a file.")
    from sonicgen.steps.sent_fingerprint import write_fingerprint

    print_json({"fingerprint": write_fingerprint(clip)})
