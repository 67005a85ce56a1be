"""`sonicgen up`: starts every part of the embedded cloud, watches it, stops all of it."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING

from sonicgen.errors import LocalError
from sonicgen.local import postgres
from sonicgen.local.folder import DataFolder
from sonicgen.local.processes import Child, Crew, Program
from sonicgen.settings import Settings, read_settings

if TYPE_CHECKING:
    from sonicgen.local.scheduler import Scheduler

HOST = "127.0.0.1"
# The first start initialises the database and compiles the signal processing; 5 s and 20 s were seen on two cores.
READY_SECONDS = 120.0
# How many events and requests the light functions answer at a time, all together: what the bus gives them at once
# (`at_once` in topology.json, 19 in all), and callers of those that are called over HTTP.
LIGHT_THREADS = 32

# What the provider calls has a process of its own, so that a burst of callbacks waits for no other function's work.
CALLBACK_FUNCTION = "transcription_webhook"

Say = Callable[[str], None]


@dataclass(frozen=True)
class System:
    """A running embedded cloud."""

    folder: DataFolder
    url: str
    environment: dict[str, str]
    seconds_to_ready: float
    crew: Crew


@dataclass(frozen=True)
class _Helper:
    """A program that nobody waits for, started when the rest is up, and the variable that holds its address."""

    program: Program
    address: dict[str, str]


@contextmanager
def running(settings: Settings, say: Say = lambda _: None) -> Iterator[System]:
    """Run the embedded cloud inside the block.

    `say` is told each step in a few words. Raises LocalError when a part does not start.
    """
    started = time.monotonic()
    folder = DataFolder(settings.data_dir)
    folder.prepare()
    with ExitStack() as stack:
        stack.enter_context(folder.hold())
        _check_port_free(settings.port)
        crew = Crew(folder.logs)
        stack.callback(crew.stop)
        environment = _start_servers(crew, folder, settings, say)
        storage = environment["STORAGE_EMULATOR_HOST"]
        helpers = [*_transcriber(folder, settings, storage), *_embedder(settings, storage, environment["DATABASE_URL"])]
        for helper in helpers:
            environment |= helper.address
        os.environ.update(environment)
        callback_port = free_port()
        callbacks = _callback_environment(read_settings(), callback_port)
        os.environ.update(callbacks)
        _start_programs(crew, folder, read_settings(), callback_port, say)
        for helper in helpers:
            crew.start(helper.program)
        folder.write_addresses(environment | callbacks)
        scheduler = _start_scheduler(settings)
        stack.callback(scheduler.stop)
        url = f"http://{HOST}:{settings.port}"
        yield System(folder, url, environment, time.monotonic() - started, crew)


def worker_count() -> int:
    """Return how many recordings are fingerprinted at a time: one a core, two at most, for memory's sake."""
    return min(2, os.cpu_count() or 1)


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_port_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalError(f"Port {port} is in use; choose another one with --port or SONICGEN_PORT.") from error


def _start_servers(crew: Crew, folder: DataFolder, settings: Settings, say: Say) -> dict[str, str]:
    say("database")
    postgres.prepare_cluster(folder.postgres)
    postgres.release_cluster(folder.postgres)
    database = crew.start(
        Program(
            "postgres",
            postgres.postgres_command(folder.postgres),
            stop_signal=SIGINT,  # fast shutdown: does not wait for clients
            options=dict(postgres.popen_options(folder.postgres)),
        )
    )
    say("buckets, bus, documents, jobs")
    storage_port, pubsub_port, firestore_port, jobs_port = (free_port() for _ in range(4))
    ports = tuple(map(str, (storage_port, pubsub_port, firestore_port, jobs_port)))
    servers = crew.start(Program("servers", (sys.executable, "-m", "sonicgen.local.servers", str(folder.root), *ports)))
    storage = f"http://{HOST}:{storage_port}"
    url = postgres.database_url(folder.postgres)
    _wait(database, lambda: postgres.is_ready(url))
    for port in (storage_port, pubsub_port, firestore_port, jobs_port):
        _wait(servers, lambda port=port: _answers(port))  # type: ignore[misc]
    return {
        "SONICGEN_DATA": str(folder.root),
        "SONICGEN_PORT": str(settings.port),
        "GOOGLE_CLOUD_PROJECT": settings.project_id,
        "STORAGE_EMULATOR_HOST": storage,
        "PUBSUB_EMULATOR_HOST": f"{HOST}:{pubsub_port}",
        "FIRESTORE_EMULATOR_HOST": f"{HOST}:{firestore_port}",
        "SONICGEN_JOBS_ENDPOINT": f"{HOST}:{jobs_port}",
        "SONICGEN_DOWNLOAD_DIR": str(_download_dir(folder, settings)),
        "DATABASE_URL": url,
    }


def _download_dir(folder: DataFolder, settings: Settings) -> Path:
    return settings.download_dir.absolute() if "download_dir" in settings.model_fields_set else folder.downloads


def _transcriber(folder: DataFolder, settings: Settings, storage: str) -> Iterator[_Helper]:
    """Yield the stand-in for AssemblyAI, unless it is off or a key takes its place.

    It is there before the first recording is fingerprinted, and a call that comes too early is made again.
    """
    if settings.transcription in {"off", "assemblyai"}:
        return
    if settings.transcription == "auto" and settings.assemblyai_api_key is not None:
        return
    port = free_port()
    command = (sys.executable, "-m", "sonicgen.local.assemblyai", str(folder.cloud / "assemblyai"), str(port))
    environment = {"STORAGE_EMULATOR_HOST": storage, "MALLOC_ARENA_MAX": "2"}
    program = Program("transcriber", command, environment=environment)
    yield _Helper(program, {"SONICGEN_LOCAL_TRANSCRIBER_URL": f"http://{HOST}:{port}"})


def _embedder(settings: Settings, storage: str, database_url: str) -> Iterator[_Helper]:
    """Yield the embedder, unless it is off or another one is named.

    Whoever asks before it has loaded its models is told so and asks again. When it cannot start, everything else runs
    on; `sonicgen doctor` says why it does not.
    """
    if settings.embedder == "off" or settings.embedder_url is not None:
        return
    port = free_port()
    environment = {
        "GOOGLE_CLOUD_PROJECT": settings.project_id,
        "STORAGE_EMULATOR_HOST": storage,
        "DATABASE_URL": database_url,
        "MALLOC_ARENA_MAX": "2",
    }
    command = (sys.executable, "-m", "sonicgen.embedder.serve", str(port))
    program = Program("embedder", command, environment=environment)
    yield _Helper(program, {"SONICGEN_EMBEDDER_URL": f"http://{HOST}:{port}"})


def _callback_environment(settings: Settings, callback_port: int) -> dict[str, str]:
    """Return where the stand-in tells of transcripts that are over, and the secret that it proves itself with.

    AssemblyAI itself cannot reach this machine: unless an address is set that it can, it is asked instead.
    """
    if settings.transcription_provider != "local" or settings.webhook_url is not None:
        return {}
    return {
        "SONICGEN_WEBHOOK_URL": f"http://{HOST}:{callback_port}/",
        "SONICGEN_WEBHOOK_SECRET": secrets.token_urlsafe(32),
    }


def _start_scheduler(settings: Settings) -> Scheduler:
    from sonicgen.local.scheduler import Scheduler
    from sonicgen.topology import topology

    topic = topology().raw["schedules"]["maintenance"]["topic"]
    scheduler = Scheduler(topic, settings.maintenance_seconds)
    scheduler.start()
    return scheduler


def _start_programs(crew: Crew, folder: DataFolder, settings: Settings, callback_port: int, say: Say) -> None:
    # Imported here: the clients read the emulators' addresses from the environment that was just set.
    from sonicgen.local.topology import light_functions, provision, triggers
    from sonicgen.store.database import Database
    from sonicgen.store.migrations import migrate

    workers = worker_count()
    say("functions")
    children: list[tuple[Child, int]] = []
    endpoints: dict[str, str] = {}
    for trigger in triggers(workers):
        if not trigger.is_light:
            port = free_port()
            endpoints[trigger.function] = f"http://{HOST}:{port}"
            program = _computing_function(settings.functions_dir / trigger.function, port, workers)
            children.append((crew.start(program), port))
    light_port, light = free_port(), light_functions(workers)
    endpoints |= {name: f"http://{HOST}:{light_port}/{name}" for name in light}
    children.append((crew.start(_light_functions(settings.functions_dir, light, light_port)), light_port))
    if settings.transcription_provider is not None:
        program = _function(settings.functions_dir / CALLBACK_FUNCTION, callback_port, "http")
        children.append((crew.start(program), callback_port))
    say("page")
    console = (
        sys.executable, "-m", "uvicorn", "sonicgen.console.app:create_app", "--factory",
        "--host", HOST, "--port", str(settings.port), "--log-level", "warning",
        "--timeout-graceful-shutdown", "1",
        # Whether a proxy's word counts is decided by SONICGEN_TRUSTED_PROXIES (console/access.py).
        "--no-proxy-headers",
    )  # fmt: skip
    children.append((crew.start(Program("console", console, environment={"MALLOC_ARENA_MAX": "4"})), settings.port))
    say("schema, topics, buckets")
    with Database(settings.require_database_url()) as database:
        migrate(database)
    provision(settings, endpoints, workers)
    crew.start(Program("inbox", (sys.executable, "-m", "sonicgen.local.inbox", str(folder.root))))
    for child, port in children:
        _wait(child, lambda port=port: _answers(port))  # type: ignore[misc]


def _source(folder: Path) -> Path:
    source = folder / "main.py"
    if not source.exists():
        raise LocalError(f"There is no function at {source}; run from the repository or set SONICGEN_FUNCTIONS.")
    return source


def _light_functions(folder: Path, names: tuple[str, ...], port: int) -> Program:
    sources = [str(_source(folder / name).parent) for name in names]
    command = (sys.executable, "-m", "sonicgen.local.function_host", str(port), *sources)
    return Program("functions", command, environment={"THREADS": str(LIGHT_THREADS), "MALLOC_ARENA_MAX": "2"})


def _function(folder: Path, port: int, signature: str, **environment: str) -> Program:
    command = (
        sys.executable, "-m", "functions_framework", "--target", "main", "--source", str(_source(folder)),
        "--signature-type", signature, "--host", HOST, "--port", str(port),
    )  # fmt: skip
    # Few arenas: by default every thread of the clients keeps one of its own.
    return Program(folder.name, command, environment={"MALLOC_ARENA_MAX": "2", **environment})


def _computing_function(folder: Path, port: int, workers: int) -> Program:
    # One event a worker: fingerprinting is arithmetic, and threads would only share one core between several events.
    # Large arrays are given back when they are freed: the allocator learns to keep what was once freed, tens of MB each
    # after a recording of hours.
    return _function(
        folder, port, "cloudevent", WORKERS=str(workers), THREADS="1", MALLOC_MMAP_THRESHOLD_=str(4 * 2**20)
    )


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _wait(child: Child, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    restarts = child.restarts
    while not is_ready():
        if time.monotonic() > deadline or child.restarts > restarts + 2:
            raise LocalError(
                f"{child.program.name} does not start; the end of {child.log_path} says:\n{child.last_words()}"
            )
        time.sleep(0.02)
