"""Bundles of functions: the same bytes from the same input, and a start from one in a clean environment."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient

from sonicgen.settings import REPOSITORY
from sonicgen.steps.services import WEBHOOK_HEADER
from sonicgen.topology import topology
from tools.build_bundles import build
from tools.function_requests import REQUESTS, SECRET, ask
from tools.try_bundle import install, link, measure_start, serving

# The first test builds them all, and numba compiles: 25 s of processor time.
pytestmark = pytest.mark.timeout(300)
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every function's bundle, with machine code where it belongs."""
    return build(list(topology().functions), tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def webhook(bundles: dict[str, Path]) -> Path:
    """The smallest bundle."""
    return bundles["transcription_webhook"]


def ensure_topic(path: str) -> None:
    with PublisherClient() as client:
        if path not in {each.name for each in client.list_topics(project="projects/sonicgen-local")}:
            client.create_topic(name=path)


def pins(path: Path) -> dict[str, str]:
    return {found[1]: found[2] for line in path.read_text().splitlines() if (found := _PINNED.match(line))}


def extras_of(names: tuple[str, ...]) -> set[str]:
    """Return the requirements that extras name, the package's own among them resolved."""
    project = tomllib.loads((REPOSITORY / "shared" / "pyproject.toml").read_text())["project"]
    found = set(project["dependencies"])
    for name in names:
        found |= set(project["optional-dependencies"][name])
    return {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in found}


@pytest.mark.parametrize("name", topology().functions)
def test_requirements_are_locked_to_what_was_tested(name: str) -> None:
    """Each line has its version, the one of requirements/dev.txt, and its hashes; what the function needs is there."""
    path = REPOSITORY / "functions" / name / "requirements.txt"
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith((" ", "#"))]
    assert lines
    assert all(line.endswith("\\") and _PINNED.match(line) for line in lines), "a line without a hash"
    assert "://" not in path.read_text(), "names a host"
    tested, locked = pins(REPOSITORY / "requirements" / "dev.txt"), pins(path)
    assert {package: tested.get(package) for package in locked} == locked, "run make lock"
    assert extras_of(topology().functions[name].extras) <= set(locked), "run make lock"


def test_nobody_downloads_who_does_not_have_to() -> None:
    heavy = {"yt-dlp", "deno", "av", "scipy", "numba"}
    small = pins(REPOSITORY / "functions" / "transcription_webhook" / "requirements.txt")
    assert not heavy & set(small)


def test_a_bundle_holds_the_function_and_the_package(webhook: Path) -> None:
    with zipfile.ZipFile(webhook) as file:
        assert sorted(file.namelist()) == ["main.py", "requirements.txt", "sonicgen-0.1.0-py3-none-any.whl"]
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        wheel, requirements = file.read("sonicgen-0.1.0-py3-none-any.whl"), file.read("requirements.txt").decode()
    own = requirements.splitlines()[-1]
    assert own == f"./sonicgen-0.1.0-py3-none-any.whl --hash=sha256:{hashlib.sha256(wheel).hexdigest()}"


def test_the_same_input_gives_the_same_bytes(webhook: Path, tmp_path: Path) -> None:
    again = build(["transcription_webhook"], tmp_path)["transcription_webhook"]
    assert again.name == webhook.name
    assert again.read_bytes() == webhook.read_bytes()


def test_another_source_gives_another_name(webhook: Path, tmp_path: Path) -> None:
    """In a copy of the repository with one more comment in main.py."""
    copy = tmp_path / "repository"
    for name in ("functions", "tools", "shared"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    main = copy / "functions" / "transcription_webhook" / "main.py"
    main.write_text(main.read_text() + "# one more\n")
    command = [sys.executable, "-m", "tools.build_bundles", "transcription_webhook", "--out", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(copy / "shared" / "src")}
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)
    manifest = json.loads((tmp_path / "out" / "bundles" / "manifest.json").read_text())["bundles"]
    assert manifest.keys() == {"transcription_webhook"}
    assert manifest["transcription_webhook"] != f"functions/{webhook.name}"


def test_a_function_answers_from_its_bundle_in_a_clean_environment(
    webhook: Path, tmp_path: Path, emulators: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what its requirements name is installed; a callback of AssemblyAI's arrives on the bus."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators["PUBSUB_EMULATOR_HOST"])
    topic = "projects/sonicgen-local/topics/transcript-completed"
    subscription = f"projects/sonicgen-local/subscriptions/test-{uuid4()}"
    ensure_topic(topic)
    installed = install(webhook, tmp_path, compile_all=False)
    with SubscriberClient() as client:
        client.create_subscription(name=subscription, topic=topic)
        with serving(installed, emulators | {"SONICGEN_WEBHOOK_SECRET": SECRET}) as address:
            callback = {"transcript_id": "t-1", "status": "completed"}
            # The first request waits for the worker, which reads everything from disk for the first time.
            answer = httpx.post(address, json=callback, headers={WEBHOOK_HEADER: SECRET}, timeout=90)
            assert answer.status_code == 204
        received = client.pull(subscription=subscription, max_messages=1, timeout=20).received_messages
    assert json.loads(received[0].message.data)["provider_id"] == "t-1"
    assert measure_start(installed).seconds < 20


def test_every_function_has_a_request() -> None:
    assert REQUESTS.keys() == topology().functions.keys()


@pytest.mark.parametrize("name", topology().functions)
def test_each_function_answers_from_its_bundle(
    name: str,
    bundles: dict[str, Path],
    tmp_path: Path,
    emulators: dict[str, str],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the packages that its requirements name and no others."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulators["PUBSUB_EMULATOR_HOST"])
    ensure_topic("projects/sonicgen-local/topics/transcript-completed")
    installed = link(bundles[name], tmp_path)
    environment = emulators | {"DATABASE_URL": database_url, "SONICGEN_WEBHOOK_SECRET": SECRET}
    with serving(installed, environment) as address:
        ask(name, address)


def test_a_linked_environment_has_nothing_else(bundles: dict[str, Path], tmp_path: Path) -> None:
    installed = link(bundles["transcript_inherit"], tmp_path)
    code = "from importlib import metadata; print(*sorted(d.metadata['Name'] for d in metadata.distributions()))"
    listed = subprocess.run([installed.python, "-c", code], capture_output=True, text=True, check=True, env={})
    told = {re.sub(r"[-_.]+", "-", name).lower() for name in listed.stdout.split()}
    assert told == {*pins(installed.folder / "requirements.txt"), "sonicgen"}
    for module in ("av", "googleapiclient", "pinecone", "google.cloud.run_v2"):
        assert subprocess.run([installed.python, "-c", f"import {module}"], capture_output=True, env={}).returncode == 1


def test_machine_code_is_used_wherever_the_package_lies(bundles: dict[str, Path], tmp_path: Path) -> None:
    """Built for one folder, loaded in another: numba takes what was brought along and compiles nothing."""
    site = tmp_path / "elsewhere"
    with zipfile.ZipFile(bundles["fingerprint_match"]) as file:
        file.extractall(tmp_path)
        compiled = [name for name in file.namelist() if name.startswith("compiled/")]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    code = (
        "import sonicgen.match.search as s; s.warm_up()\n"
        "import gc\nfrom numba.core.dispatcher import Dispatcher\n"
        "ours = [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.__module__.startswith('sonicgen')]\n"
        "stats = [d.stats for d in ours]\n"
        "print(sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "SONICGEN"))}
    environment |= {"PYTHONPATH": str(site), "SONICGEN_COMPILED": str(tmp_path / "compiled"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=site, env=environment, capture_output=True, text=True, check=True
    )
    hits, misses = map(int, done.stdout.split())
    assert hits >= len([name for name in compiled if name.endswith(".nbi")]) // 2
    assert misses == 0
