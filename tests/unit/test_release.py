"""The build: its steps and their order, images by digest, the smoke test against a cloud of its own, Dockerfiles."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from sonicgen.cloud.documents import document_id
from sonicgen.cloud.once import LEDGER_COLLECTION
from sonicgen.settings import REPOSITORY
from sonicgen.steps.retry_recording import FUNCTION
from tools.pin_bases import BASES, Base, ask_digest, read_bases, unpinned

RELEASE = REPOSITORY / "infra" / "release"
DOCKERFILES = sorted((REPOSITORY / "containers").glob("*/Dockerfile"))
DIGEST = "sha256:" + "ab" * 32


class Cloud(BaseHTTPRequestHandler):
    """The console, a callback, the metadata server, Cloud Storage and Firestore, as far as a smoke test sees them."""

    health: ClassVar[int] = 200
    ledger: ClassVar[list[str | None]] = []
    calls: ClassVar[list[tuple[str, str]]] = []
    name: ClassVar[str] = ""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Cloud.calls.append((self.command, path))
        if path == "/healthz":
            self.send(self.health, {"status": "ok"})
        elif path == "/webhook":
            self.send(401, {})
        elif path.startswith("/computeMetadata") and self.headers["Metadata-Flavor"] == "Google":
            self.send(200, {"access_token": "t"})
        elif path == "/":
            self.send(200, {})
        elif self.headers["Authorization"] != "Bearer t":
            self.send(401, {})
        elif path == "/upload/storage/v1/b/the-inbox/o":
            Cloud.name = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["name"][0]
            self.send(200, {"generation": "17"})
        elif path.startswith("/storage/v1/b/the-inbox/o/"):
            self.send(204, {})
        else:
            key = document_id(FUNCTION, f"the-inbox/{self.name}#17")
            known = path == f"/v1/projects/p/databases/(default)/documents/{LEDGER_COLLECTION}/{key}"
            state = self.ledger.pop(0) if known else None
            self.send(404 if state is None else 200, {"fields": {"state": {"stringValue": state}}})

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 (the library's names)

    def send(self, status: int, content: dict[str, Any]) -> None:
        body = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def cloud() -> Iterator[str]:
    Cloud.health, Cloud.ledger, Cloud.calls = 200, [None, "claimed", "done"], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def smoke_test(address: str, folder: Path) -> subprocess.CompletedProcess[str]:
    outputs = {"candidate_url": address, "webhook_url": f"{address}/webhook", "project": "p"}
    told = {name: {"value": value} for name, value in outputs.items()}
    (folder / "outputs.json").write_text(json.dumps(told | {"buckets": {"value": {"inbox": "gs://the-inbox"}}}))
    places = {f"SMOKE_{part}": address for part in ("METADATA", "STORAGE", "FIRESTORE")}
    command = [sys.executable, str(RELEASE / "smoke_test.py"), str(folder / "outputs.json")]
    return subprocess.run(command, env=os.environ | places, capture_output=True, text=True, timeout=60, check=False)


def test_a_release_that_works_passes_and_leaves_nothing(cloud: str, tmp_path: Path) -> None:
    done = smoke_test(cloud, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Cloud.ledger == []
    assert Cloud.calls[-1][0] == "DELETE"


def test_a_console_that_is_ill_fails(cloud: str, tmp_path: Path) -> None:
    Cloud.health = 503
    done = smoke_test(cloud, tmp_path)
    assert done.returncode == 1
    assert "the console's health answers 503" in done.stderr


def build() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((REPOSITORY / "cloudbuild.yaml").read_text())
    return read


def waits_for(step: str) -> set[str]:
    """Return every step that is over before this one begins."""
    direct = {each["id"]: set(each["waitFor"]) - {"-"} for each in build()["steps"]}
    return direct[step] | {earlier for name in direct[step] for earlier in waits_for(name)}


def test_the_steps_come_in_their_order() -> None:
    names = [step["id"] for step in build()["steps"]]
    assert len(names) == len(set(names))
    order = ("check", "bundles", "images", "migrate", "apply", "smoke-test", "traffic", "remember")
    for earlier, later in pairwise(order):
        assert earlier in waits_for(later), f"{later} does not wait for {earlier}"


def test_a_failed_smoke_test_goes_back() -> None:
    steps = {step["id"]: step for step in build()["steps"]}
    assert "previous" in waits_for("traffic")
    back = steps["traffic"]["args"][-1].split("else")[1]
    assert "apply.sh previous" in back
    assert "exit 1" in back


@pytest.mark.parametrize(
    ("applies", "passes", "asked"),
    [(True, True, "release"), (True, False, "previous"), (False, True, "previous")],
    ids=["all is well", "the smoke test fails", "what is applied stops halfway"],
)
def test_only_what_was_applied_whole_and_passed_stays(applies: bool, passes: bool, asked: str, tmp_path: Path) -> None:
    """The build's own lines, with scripts in place of Terraform's and the smoke test's."""
    (tmp_path / "infra" / "release").mkdir(parents=True)
    (tmp_path / "build").mkdir()
    apply = f'echo "$1" >> asked; [ "$1" != candidate ] || exit {0 if applies else 1}\n'
    (tmp_path / "infra" / "release" / "apply.sh").write_text(apply)
    (tmp_path / "infra" / "release" / "smoke_test.py").write_text(f"raise SystemExit({0 if passes else 1})\n")
    codes = []
    for step in build()["steps"]:
        if step["id"] in ("apply", "smoke-test", "traffic"):
            command = [step["entrypoint"], *(text.replace("$$", "$") for text in step["args"])]
            codes.append(subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode)
    assert (tmp_path / "asked").read_text().split() == ["candidate", asked]
    assert codes == [0, 0, 0 if asked == "release" else 1]


def test_the_database_is_told_to_the_migration_alone() -> None:
    assert [step["id"] for step in build()["steps"] if step.get("secretEnv")] == ["migrate"]


def test_every_image_of_a_step_is_a_substitution_and_has_no_default() -> None:
    substitutions = build()["substitutions"]
    for step in build()["steps"]:
        name = step["name"].removeprefix("${").removesuffix("}")
        assert substitutions[name] == "", f"{step['id']} runs an image that nobody chose"


def test_scripts_are_whole(tmp_path: Path) -> None:
    for script in RELEASE.glob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
    for step in build()["steps"]:
        text = step["args"][-1].replace("$$", "$")
        if step["entrypoint"] in ("sh", "bash") and step["args"][0].startswith("-"):
            subprocess.run([step["entrypoint"], "-n"], input=text, text=True, check=True)
        else:
            assert (REPOSITORY / step["args"][0]).exists()


@pytest.mark.parametrize(("what", "serving"), [("candidate", True), ("release", False), ("previous", False)])
def test_traffic_stays_while_a_candidate_is_tested(what: str, serving: bool, tmp_path: Path) -> None:
    """With a terraform that writes down what it is asked."""
    (tmp_path / "infra" / "terraform").mkdir(parents=True)
    (tmp_path / "build").mkdir()
    for name in ("release", "previous"):
        (tmp_path / "build" / f"{name}.json").write_text("{}")
    terraform = tmp_path / "bin" / "terraform"
    terraform.parent.mkdir()
    terraform.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$2" = -raw ] && echo console-0123 || true\n')
    terraform.chmod(0o755)
    told = {"PATH": f"{terraform.parent}:{os.environ['PATH']}", "PROJECT_ID": "p", "ENVIRONMENT": "dev"}
    subprocess.run(["sh", str(RELEASE / "apply.sh"), what], cwd=tmp_path, env=told, check=True, capture_output=True)
    (apply,) = [line for line in (tmp_path / "asked").read_text().splitlines() if line.startswith("apply")]
    assert ("console_serving_revision=console-0123" in apply) == serving
    assert apply.split("-var-file=")[-1].split()[0].endswith("previous.json" if what == "previous" else "release.json")


def test_without_a_release_before_nothing_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "infra" / "terraform").mkdir(parents=True)
    done = subprocess.run(
        ["sh", str(RELEASE / "apply.sh"), "previous"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no previous release" in done.stdout


def test_a_release_is_described_for_terraform(tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "manifest.json").write_text(json.dumps({"bundles": {"maintenance": "functions/m-1.zip"}}))
    (tmp_path / "images.txt").write_text(f"console host/console@{DIGEST}\njobs host/jobs@{DIGEST}\n")
    told = {"PROJECT_ID": "p", "REGION": "r", "RELEASE": "V1.2", "ALERT_EMAIL": "a@b", "EMBEDDER": "false"}
    command = [sys.executable, str(RELEASE / "describe.py"), str(tmp_path)]
    subprocess.run(command, env=os.environ | told, check=True)
    release = json.loads((tmp_path / "release.json").read_text())
    assert release["images"] == {"console": f"host/console@{DIGEST}", "jobs": f"host/jobs@{DIGEST}"}
    assert (release["release"], release["billing_account"], release["embedder_enabled"]) == ("v1-2", None, False)
    declared = set(re.findall(r'^variable "(\w+)"', (REPOSITORY / "infra/terraform/variables.tf").read_text(), re.M))
    assert set(release) <= declared


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfiles_pass_hadolint(path: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists() and shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([str(hadolint), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images_are_pinned_labelled_and_run_as_nobody_special(path: Path) -> None:
    text = path.read_text()
    stages = re.findall(r"^FROM \S+ AS (\w+)", text, re.M)
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) - set(stages) == {"${PYTHON_IMAGE}"}
    assert "ARG PYTHON_IMAGE\n" in text, "the base has no default"
    users = re.findall(r"^USER (\S+)", text, re.M)
    assert users
    assert users[-1] not in ("0", "root")
    assert not re.search(r"(?i)\b(ARG|ENV)\b.*(token|secret|password|_key)", text)
    assert "--require-hashes" in text
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M):
        for source in sources.split():
            built = source.startswith("build/")  # by tools/build_bundles.py, before
            assert built or (REPOSITORY / source).exists(), source
    modules = re.findall(r'"-m", "([a-z_.]+)"', text) + re.findall(r'"(sonicgen\.[a-z_.]+):create_app"', text)
    assert all(importlib.util.find_spec(module) for module in modules)
    assert modules or (path.parent / "main.py").exists()


def test_every_image_says_what_it_is_and_of_which_release() -> None:
    script = (RELEASE / "build_images.sh").read_text()
    for label in ("title", "licenses", "revision"):
        assert f"org.opencontainers.image.{label}=" in script
    assert '--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"' in script


def test_bases_have_a_checked_form(tmp_path: Path) -> None:
    bases = read_bases()
    assert all(base.digest is None or re.fullmatch(r"sha256:[0-9a-f]{64}", base.digest) for base in bases.values())
    short = Base("registry-1.docker.io", "library/python", "3.11", "sha256:12")
    assert unpinned({"python": short}) == ["python"]
    whole = Base("registry-1.docker.io", "library/python", "3.11", DIGEST)
    assert unpinned({"python": whole}) == []
    assert whole.reference == f"python:3.11@{DIGEST}"
    assert BASES.exists()


def test_a_registry_is_asked_as_it_wants_to_be() -> None:
    """A registry that speaks the distribution protocol: first a challenge, then a token, then the digest."""

    class Registry(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            allowed = self.headers["Authorization"] == "Bearer for-library/python"
            self.send_response(200 if allowed else 401)
            challenge = f'Bearer realm="http://{self.headers["Host"]}/token",scope="repository:library/python:pull"'
            name, value = ("Docker-Content-Digest", DIGEST) if allowed else ("WWW-Authenticate", challenge)
            self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            scope = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["scope"][0]
            body = json.dumps({"token": f"for-{scope.split(':')[1]}"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        base = Base(f"127.0.0.1:{server.server_address[1]}", "library/python", "3.11-slim", None)
        assert ask_digest(base, scheme="http") == DIGEST
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
