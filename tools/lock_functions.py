"""Locks the requirements of functions and images: what their extras need, in the versions of requirements/dev.txt.

    python -m tools.lock_functions          (part of `make lock`)

The wheel of the package itself is added when a bundle or an image is built.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from sonicgen.topology import topology

# Found without the settings, whose packages are not there while they are being locked.
REPOSITORY = Path(__file__).parents[1]
# What functions run on.
PYTHON = "3.11"
PLATFORM = "x86_64-manylinux_2_28"


def lock(target: Path, extras: Iterable[str]) -> None:
    """Write one requirements.txt."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header"]
    command += ["--no-annotate", "--no-emit-package", "sonicgen", "--python-version", PYTHON]
    command += ["--python-platform", PLATFORM, "--constraint", "requirements/dev.txt"]
    command += [argument for extra in extras for argument in ("--extra", extra)]
    subprocess.run([*command, "-o", str(target), "shared/pyproject.toml"], cwd=REPOSITORY, check=True)


def main() -> None:
    """Lock all of them."""
    for function in topology().functions.values():
        lock(REPOSITORY / "functions" / function.name / "requirements.txt", function.extras)
    for name, image in topology().raw["images"].items():
        lock(REPOSITORY / "containers" / name / "requirements.txt", image["extras"])


if __name__ == "__main__":
    main()
