"""`sonicgen fingerprint`: what may be sent in place of the sound itself."""

from __future__ import annotations

import base64
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
    from sonicgen.sound.fingerprint import fingerprint as take
    from sonicgen.sound.packing import pack_peaks

    made = take(clip)
    peaks = base64.b64encode(pack_peaks(made.peaks, 0)).decode()
    print_json({"fingerprint": {"version": made.version, "seconds": round(made.seconds, 3), "peaks": peaks}})
