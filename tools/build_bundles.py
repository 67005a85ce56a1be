"""Builds what Cloud Functions are made of: one zip a function, the same bytes from the same input.

    python -m tools.build_bundles [NAME…] [--out build]

A bundle holds main.py, the locked requirements with the package's wheel added to them, the wheel, and for functions
that compute, the machine code of the package for the processors of Cloud Run. Its name carries its hash, so that a
function is deployed anew exactly when something in it changed; `manifest.json` says which bundle is whose.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sonicgen.compiled import PATTERNS, PROCESSOR
from sonicgen.settings import REPOSITORY
from sonicgen.topology import Function, topology

# The earliest that a zip can say; hatchling takes the same for the wheel.
EPOCH = (1980, 1, 1, 0, 0, 0)
EPOCH_SECONDS = "315532800"
MANIFEST = "manifest.json"
WORKSHOP = Path("/tmp/sonicgen-machine-code")  # noqa: S108 (made anew, for its owner alone)
_ADDRESS = re.compile(rb"(?<= at 0x)[0-9a-f]{6,16}(?=>)|(?<=_expr_0x)[0-9a-f]{6,16}|(?<=pickledata\.)\d{9,20}")
_WARM_UP = "from sonicgen.match.search import warm_up; warm_up()"


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel into a folder and return it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH_SECONDS}
    subprocess.run(command, cwd=REPOSITORY / "shared", env=environment, check=True, capture_output=True)
    (wheel,) = folder.glob("sonicgen-*.whl")
    return wheel


def compile_wheel(wheel: Path) -> dict[str, bytes]:
    """Return the machine code of a wheel's modules, by its place in the bundle."""
    with _workshop() as site:
        with zipfile.ZipFile(wheel) as file:
            file.extractall(site)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "SONICGEN"))}
        environment |= PROCESSOR | {"PYTHONPATH": str(site), "PYTHONHASHSEED": "0"}
        subprocess.run([sys.executable, "-P", "-c", _WARM_UP], cwd=site, env=environment, check=True)
        found = sorted(path for pattern in PATTERNS for path in site.glob(f"sonicgen/*/__pycache__/{pattern}"))
        return {f"compiled/{path.parent.parent.name}/{path.name}": _without_addresses(path) for path in found}


def _without_addresses(path: Path) -> bytes:
    """Return a file of numba's cache with the addresses that it names numbered by their order.

    They stand in listings for people and in names that hold within the file; each says where something lay in memory
    that one time, and would make every build a different one.
    """
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return numbers.setdefault(found[0], str(len(numbers)).zfill(len(found[0])).encode())

    return _ADDRESS.sub(number, path.read_bytes())


@contextmanager
def _workshop() -> Iterator[Path]:
    """Give an empty folder that has the same name on every machine, since machine code carries its source's path."""
    with WORKSHOP.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(WORKSHOP, ignore_errors=True)
        WORKSHOP.mkdir(mode=0o700)
        try:
            yield WORKSHOP
        finally:
            shutil.rmtree(WORKSHOP)


def bundle_files(function: Function, wheel: Path, compiled: dict[str, bytes]) -> dict[str, bytes]:
    """Return what a function's bundle holds."""
    source = REPOSITORY / "functions" / function.name
    content = wheel.read_bytes()
    # pip's hash mode wants a hash for every line, and takes a file beside main.py.
    own = f"./{wheel.name} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    return {
        "main.py": (source / "main.py").read_bytes(),
        "requirements.txt": (source / "requirements.txt").read_bytes() + own.encode(),
        wheel.name: content,
        **(compiled if function.is_compiled else {}),
    }


def write_bundle(function: Function, files: dict[str, bytes], folder: Path) -> Path:
    """Write a bundle and return it; files, order, times and rights are the same on every machine."""
    draft = folder / f"{function.name}.part"
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, files[name], compresslevel=9)
    # Of what it holds, not of the zip: how it was deflated says nothing about the function.
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n{len(files[name])}\n".encode() + files[name])
    return draft.replace(folder / f"{function.name}-{digest.hexdigest()[:16]}.zip")


def build(names: list[str], folder: Path) -> dict[str, Path]:
    """Build the bundles of the named functions into a folder and return them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [topology().functions[name] for name in names]
    with tempfile.TemporaryDirectory() as temporary:
        wheel = build_wheel(Path(temporary))
        compiled = compile_wheel(wheel) if any(function.is_compiled for function in wanted) else {}
        return {f.name: write_bundle(f, bundle_files(f, wheel, compiled), folder) for f in wanted}


def write_image_parts(folder: Path) -> None:
    """Write what the images are made of beside their requirements: the wheel, and the machine code."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in compile_wheel(build_wheel(folder)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main() -> None:
    """Build what the command line names; everything, the parts of the images too, when it names nothing."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_bundles", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(topology().functions))
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build")
    options = parser.parse_args()
    if unknown := set(options.names) - set(topology().functions):
        parser.error(f"There is no function {', '.join(sorted(unknown))}.")
    folder = options.out / "bundles"
    built = build(options.names or list(topology().functions), folder)
    manifest = {"bundles": {name: f"functions/{path.name}" for name, path in built.items()}}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    if not options.names:
        write_image_parts(options.out / "image")
    for path in built.values():
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")


if __name__ == "__main__":
    main()
