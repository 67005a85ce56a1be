"""Writes down which image the containers are built on, by digest.

    python -m tools.pin_bases            asks the registry what the tags stand for and writes containers/bases.json
    python -m tools.pin_bases --check    says whether every base is pinned; prints NAME_IMAGE=IMAGE@DIGEST

A tag moves; a digest does not. A newer base comes in by running this again, in a commit of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from sonicgen.settings import REPOSITORY

BASES = REPOSITORY / "containers" / "bases.json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in ("oci.image.index.v1", "docker.distribution.manifest.list.v2", "oci.image.manifest.v1")
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_CALL_SECONDS = 30.0


@dataclass(frozen=True)
class Base:
    """One image that others start from."""

    registry: str
    image: str
    tag: str
    digest: str | None

    @property
    def reference(self) -> str:
        """How a Dockerfile names it; the tag is for people, the digest decides."""
        host = "" if self.registry == "registry-1.docker.io" else f"{self.registry}/"
        return f"{host}{self.image.removeprefix('library/')}:{self.tag}@{self.digest}"


def read_bases(path: Path = BASES) -> dict[str, Base]:
    """Return what a file says."""
    return {name: Base(**entry) for name, entry in json.loads(path.read_text()).items()}


def unpinned(bases: dict[str, Base]) -> list[str]:
    """Return the names of those without a digest."""
    return [name for name, base in bases.items() if base.digest is None or not DIGEST.fullmatch(base.digest)]


def ask_digest(base: Base, scheme: str = "https") -> str:
    """Return the digest that the tag stands for now; raises httpx.HTTPError, or ValueError when there is none."""
    address = f"{scheme}://{base.registry}/v2/{base.image}/manifests/{base.tag}"
    with httpx.Client(timeout=_CALL_SECONDS, follow_redirects=True) as client:
        answer = client.head(address, headers={"Accept": _MANIFESTS})
        if answer.status_code == 401:
            asked = dict(_CHALLENGE.findall(answer.headers["WWW-Authenticate"]))
            token = client.get(asked.pop("realm"), params=asked).raise_for_status().json()["token"]
            answer = client.head(address, headers={"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"})
        digest = answer.raise_for_status().headers.get("Docker-Content-Digest", "")
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"{base.registry} gives no digest for {base.image}:{base.tag}.")
    return str(digest)


def main() -> None:
    """Pin, or check."""
    parser = argparse.ArgumentParser(prog="python -m tools.pin_bases", description=__doc__)
    parser.add_argument("--check", action="store_true")
    bases = read_bases()
    if not parser.parse_args().check:
        pinned = {name: vars(base) | {"digest": ask_digest(base)} for name, base in bases.items()}
        BASES.write_text(json.dumps(pinned) + "\n")
        return
    if missing := unpinned(bases):
        sys.exit(
            f"Without a digest: {', '.join(missing)}. Run python -m tools.pin_bases and commit containers/bases.json."
        )
    for name, base in bases.items():
        print(f"{name.upper()}_IMAGE={base.reference}")


if __name__ == "__main__":
    main()
