"""A function's bundle as the cloud would run it: unpacked, installed into a clean environment, served, measured."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sonicgen.topology import topology

HOST = "127.0.0.1"
READY_SECONDS = 120.0
# What Google's buildpack for Python runs, but for --user, which a virtual environment has no use for.
_INSTALL = (
    "install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt", "--upgrade",
    "--upgrade-strategy", "only-if-needed", "--no-warn-script-location", "--no-warn-conflicts", "--force-reinstall",
    "--no-compile",
)  # fmt: skip
_COMPILE = ("-m", "compileall", "--invalidation-mode", "unchecked-hash", "-qq")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)
_MEASURE = """
import json, time
started = time.perf_counter()
import functions_framework
functions_framework.create_app("main", "main.py")
seconds = time.perf_counter() - started
# Not getrusage: what the process that started this one held counts there.
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([seconds, time.process_time(), int(peak)]))
"""


@dataclass(frozen=True)
class Installed:
    """A bundle that was unpacked and whose requirements were installed."""

    name: str
    folder: Path
    python: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the function is told beside its settings; nothing of this process's own comes through."""
        function = topology().functions[self.name]
        told = {"PATH": os.environ["PATH"], "GOOGLE_CLOUD_PROJECT": "sonicgen-local", "MALLOC_ARENA_MAX": "2"}
        return told | ({"SONICGEN_COMPILED": "compiled"} if function.is_compiled else {})


@dataclass(frozen=True)
class Start:
    """What it takes until a function can answer: seconds from the first import, and the memory then.

    Processor seconds are of the whole process, the interpreter's start included; on a busy machine they say more.
    """

    seconds: float
    processor_seconds: float
    memory_mib: float


def install(bundle: Path, folder: Path, *, compile_all: bool = True) -> Installed:
    """Unpack a bundle and install what it names, and nothing else, as the cloud's build does.

    Without `compile_all` the first start takes longer.
    """
    source, environment = folder / "source", folder / "environment"
    with zipfile.ZipFile(bundle) as file:
        file.extractall(source)
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *_INSTALL], cwd=source, check=True)
    if compile_all:
        # It fails when some file of a package is no Python that it can read, and has done its work all the same.
        subprocess.run([python, *_COMPILE, environment / "lib"], check=False)
    return Installed(bundle.name.rsplit("-", 1)[0], source, python)


def link(bundle: Path, folder: Path) -> Installed:
    """Unpack a bundle beside an environment of exactly the packages that it names, linked from this process's own.

    A second instead of a minute, for tests: `install` takes the same versions from an index. Raises
    PackageNotFoundError or ValueError when this process has not the package, or not this version of it.
    """
    source, environment = folder / "source", folder / "environment"
    with zipfile.ZipFile(bundle) as file:
        file.extractall(source)
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    wanted = {_canonical(name): version for name, version in _PINNED.findall((source / "requirements.txt").read_text())}
    for name, version in wanted.items():
        if metadata.version(name) != version:
            raise ValueError(f"{name} is {metadata.version(name)} here, and {version} in {bundle.name}: run make lock.")
    _link_packages(packages, wanted)
    (wheel,) = source.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(packages)
    return Installed(bundle.name.rsplit("-", 1)[0], source, environment / "bin" / "python")


def _link_packages(target: Path, wanted: Container[str]) -> None:
    """Link what belongs to the wanted packages: a folder as a whole where nobody else has a part in it."""
    owners: dict[Path, set[str]] = defaultdict(set)
    files: list[tuple[str, Path]] = []
    root = Path(sysconfig.get_path("purelib"))
    for distribution in metadata.distributions(path=[str(root)]):
        name = _canonical(distribution.metadata["Name"])
        for file in distribution.files or ():
            if ".." not in file.parts:
                files.append((name, Path(file)))
                for place in Path(file).parents:
                    owners[place].add(name)
    for name, path in files:
        if name not in wanted:
            continue
        # From the top down to the first folder that is the wanted packages' alone; else the file itself.
        places = [place for place in reversed(path.parents) if place != Path()]
        chosen = next((place for place in places if all(owner in wanted for owner in owners[place])), path)
        link = target / chosen
        if not link.exists() and (root / chosen).exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(root / chosen)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def measure_start(installed: Installed, environment: Mapping[str, str] | None = None) -> Start:
    """Load the function in a fresh process, once."""
    done = subprocess.run(
        [installed.python, "-c", _MEASURE],
        cwd=installed.folder,
        env=installed.environment | dict(environment or {}),
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, processor_seconds, kib = json.loads(done.stdout.splitlines()[-1])
    return Start(seconds, processor_seconds, kib / 1024)


@contextmanager
def serving(installed: Installed, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve the function with functions-framework as the cloud does and give its address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [
        str(installed.python),
        "-m",
        "functions_framework",
        "--target",
        "main",
        "--host",
        HOST,
        "--port",
        str(port),
    ]
    process = subprocess.Popen(
        command, cwd=installed.folder, env=installed.environment | dict(environment), stdout=sys.stderr.fileno()
    )
    try:
        _wait(port, process)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("the function does not start from its bundle")
