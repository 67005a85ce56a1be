"""Fetch the models' weights that weights.lock.json names, and nothing that differs from it by a bit.

python fetch_weights.py TARGET [--lock FILE] [--hub URL] [--token-file FILE] [--check]

Needs the standard library only. A token (for gated models) is read from a file, such as a build secret, and sent to the
hub alone. Files that are there already are not fetched again; with --check none is fetched, and one that is missing or
different is an error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

HUB = "https://huggingface.co"
TIMEOUT_SECONDS = 60
TRIES = 3
_BLOCK_BYTES = 1 << 20


class FetchError(Exception):
    """A file cannot be had as it should be."""


class _KeepToken(urllib.request.HTTPRedirectHandler):
    """Follows redirects without showing the token to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            found.remove_header("Authorization")
        return found


def fetch_all(lock: Path, target: Path, hub: str = HUB, token: str | None = None, *, check: bool = False) -> list[Path]:
    """Fetch every file of a lock below `target`; return them. Raises FetchError."""
    paths = []
    for name, model in json.loads(lock.read_text()).items():
        for file, expected in model["files"].items():
            path = target / model["folder"] / file
            url = f"{hub}/{name}/resolve/{quote(model['revision'])}/{quote(file)}"
            if not (path.exists() and _digest(path) == expected):
                if check:
                    raise FetchError(f"{path} is missing or is not what {lock.name} names; fetch the weights anew.")
                _fetch(url, path, expected, token)
            paths.append(path)
    return paths


def _fetch(url: str, path: Path, expected: str, token: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    for left in reversed(range(TRIES)):
        try:
            found = _download(url, part, token)
            break
        except (OSError, urllib.error.URLError) as error:
            part.unlink(missing_ok=True)
            refused = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403, 404)
            if refused or not left:
                raise FetchError(f"{url} cannot be fetched: {error}.") from error
    if found != expected:
        part.unlink()
        raise FetchError(f"{url} is not the file that was locked: its SHA-256 is {found} and not {expected}.")
    part.replace(path)


def _download(url: str, part: Path, token: str | None) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    opener = urllib.request.build_opener(_KeepToken)
    digest = hashlib.sha256()
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer, part.open("wb") as out:
        while block := answer.read(_BLOCK_BYTES):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Read the command line, fetch, and say what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--lock", type=Path, default=Path(__file__).with_name("weights.lock.json"))
    parser.add_argument("--hub", default=HUB)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    token = None
    if options.token_file is not None and options.token_file.exists():
        token = options.token_file.read_text().strip() or None
    try:
        paths = fetch_all(options.lock, options.target, options.hub, token, check=options.check)
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
