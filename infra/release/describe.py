"""Writes what Terraform is told about a release, build/release.json; kept, it is what a later one goes back to.

    python infra/release/describe.py build

Only the standard library: it runs in the plain image of a build step.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

_LABEL = re.compile(r"[^a-z0-9_-]")


def describe(build: Path, told: dict[str, str]) -> None:
    """Write the file; `told` are the build's variables. Raises KeyError for one that is missing."""
    lines = (build / "images.txt").read_text().split()
    release: dict[str, object] = {
        "project_id": told["PROJECT_ID"],
        "region": told["REGION"],
        "release": _LABEL.sub("-", told["RELEASE"].lower())[:63] or "unnamed",
        "alert_email": told["ALERT_EMAIL"],
        "billing_account": told.get("BILLING_ACCOUNT") or None,
        "embedder_enabled": told["EMBEDDER"] == "true",
        "images": dict(zip(lines[::2], lines[1::2], strict=True)),
        **json.loads((build / "bundles" / "manifest.json").read_text()),
    }
    (build / "release.json").write_text(json.dumps(release, indent=2) + "\n")


if __name__ == "__main__":
    describe(Path(sys.argv[1]), dict(os.environ))
