"""Rules over the files alone, for machines without Terraform: what they name, and what each resource says."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from sonicgen.settings import _SECRETS, REPOSITORY, Settings
from sonicgen.topology import PATH, read_topology
from tests.terraform.published import topics_of

MAIN = REPOSITORY / "infra" / "terraform"
Files = dict[str, str]
Check = Callable[[Files], Iterator[str]]


def read_files() -> Files:
    """Return the text of every file that the rules look at, by its name."""
    return {path.name: path.read_text() for path in (*MAIN.glob("*.tf"), PATH)}


def resources(files: Files) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the type, the name and the body of every resource."""
    for name, text in files.items():
        if name.endswith(".tf"):
            for block in hcl2.loads(text).get("resource", []):
                for kind, named in block.items():
                    if isinstance(named, dict):
                        for label, body in named.items():
                            if isinstance(body, dict):
                                yield kind.strip('"'), label.strip('"'), body


def subscriptions_have_dead_letters(files: Files) -> Iterator[str]:
    """Only the subscription that holds the dead letters has none."""
    for kind, name, body in resources(files):
        if kind == "google_pubsub_subscription":
            if name != "dead_letters" and "dead_letter_policy" not in body:
                yield f"{name} loses what fails"
            if "expiration_policy" not in body:
                yield f"{name} vanishes when nothing comes"


def one_resource_lets_anybody_in(files: Files) -> Iterator[str]:
    """`allUsers` stands once, over what topology.json calls public: the two callbacks and the console."""
    for kind, name, body in resources(files):
        if "allUsers" in json.dumps(body) and (name, body.get("for_each")) != ("public", "${local.public_services}"):
            yield f"{kind}.{name} lets anybody in"
    topology = json.loads(files[PATH.name])
    entries = topology["functions"] | topology["containers"]
    public = {name for name, entry in entries.items() if entry.get("public")}
    yield from (f"{name} is public" for name in public - {"console", "transcription_webhook", "websub_callback"})


def every_function_is_an_entry(files: Files) -> Iterator[str]:
    """A folder in functions/ has an entry, an entry has a folder, and Terraform makes one function of each."""
    folders = {path.parent.name for path in (REPOSITORY / "functions").glob("*/main.py")}
    yield from (
        f"{name} is a folder or an entry alone" for name in folders ^ set(json.loads(files[PATH.name])["functions"])
    )
    made = [body for kind, _, body in resources(files) if kind == "google_cloudfunctions2_function"]
    if [body["for_each"] for body in made] != ["${local.functions}"]:
        yield "not every entry becomes a function"


def topics_exist(files: Files) -> Iterator[str]:
    """Whatever code publishes to, and whatever an entry names, is a topic."""
    topology = json.loads(files[PATH.name])
    topics = set(topology["topics"])
    for folder in (REPOSITORY / "functions").glob("*/main.py"):
        yield from (f"{folder.parent.name} publishes to {topic}" for topic in topics_of(folder) - topics)
    for name, entry in (topology["functions"] | topology["jobs"] | topology["containers"]).items():
        named = {*entry["publishes"], *([entry["topic"]] if entry.get("topic") else [])}
        yield from (f"{name} names the topic {topic}" for topic in named - topics)


def timeouts_fit(files: Files) -> Iterator[str]:
    """An event's function ends before its message comes again."""
    topology = json.loads(files[PATH.name])
    deadline = topology["delivery"]["ack_deadline_seconds"]
    if not 10 <= deadline <= 600:
        yield "Pub/Sub gives 10 to 600 s"
    for name, entry in topology["functions"].items():
        if entry.get("topic") and entry["timeout_seconds"] >= min(deadline, 541):
            yield f"{name} may still work when its event comes again"


def secrets_are_the_settings(files: Files) -> Iterator[str]:
    """Every secret that the code reads is one in the cloud, and the other way round."""
    secrets = set(json.loads(files[PATH.name])["secrets"])
    yield from (f"{name} is no secret in both" for name in secrets ^ set(_SECRETS))


def settings_exist(files: Files) -> Iterator[str]:
    """Every setting that a group names is one of the settings."""
    known = {field.alias for field in Settings.model_fields.values()}
    for group, names in json.loads(files[PATH.name])["settings"].items():
        yield from (f"{group} names {name}" for name in set(names) - known)


# The rule, and the change that it must notice: a file, a pattern, what takes its place.
CHECKS: tuple[tuple[Check, str, str, str], ...] = (
    (subscriptions_have_dead_letters, "subscriptions.tf", r"(?s)  dead_letter_policy \{.*?\n  \}\n", ""),
    (one_resource_lets_anybody_in, "public.tf", r"local\.public_services", "local.functions"),
    (one_resource_lets_anybody_in, PATH.name, r'"public": false', '"public": true'),
    (every_function_is_an_entry, PATH.name, r'"websub_callback": \{', '"websub": {'),
    (every_function_is_an_entry, "functions.tf", r"local\.functions\b", "local.event_functions"),
    (topics_exist, PATH.name, r'"transcript-ready": \{"wrapped"', '"transcripts-ready": {"wrapped"'),
    (timeouts_fit, PATH.name, r'"timeout_seconds": 540', '"timeout_seconds": 600'),
    (secrets_are_the_settings, PATH.name, r'"SONICGEN_PROXY": \{', '"SONICGEN_PROXIES": {'),
    (settings_exist, PATH.name, r"SONICGEN_CURRENCY", "SONICGEN_MONEY"),
)


@pytest.mark.parametrize("check", dict.fromkeys(check for check, *_ in CHECKS), ids=lambda check: check.__name__)
def test_the_files_keep_the_rule(check: Check) -> None:
    assert list(check(read_files())) == []


@pytest.mark.parametrize(("check", "name", "old", "new"), CHECKS, ids=lambda each: getattr(each, "__name__", ""))
def test_the_rule_notices_a_fault(check: Check, name: str, old: str, new: str) -> None:
    files = read_files()
    changed = re.sub(old, new, files[name], count=1)
    assert changed != files[name]
    assert list(check(files | {name: changed}))


def test_the_embedded_cloud_reads_the_same_names() -> None:
    known = read_topology()
    assert {function.name for function in known.event_functions} | set(known.http_functions) == set(known.functions)
    assert known.topics[-1] == known.dead_letter_topic


def test_no_step_names_a_topic_twice_over() -> None:
    """A constant that names a topic names one of topology.json."""
    topics = set(read_topology().topics)
    for path in (REPOSITORY / "shared" / "src" / "sonicgen" / "steps").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("TOPIC"):
                assert ast.literal_eval(node.value) in topics, path.name


def test_no_key_and_no_secret_stands_in_a_file() -> None:
    for path in (*MAIN.rglob("*.tf"), *MAIN.rglob("*.tfvars"), Path(REPOSITORY / "infra" / "bootstrap" / "main.tf")):
        text = path.read_text()
        assert "google_service_account_key" not in text
        assert "google_secret_manager_secret_version" not in text, "its value would lie in the state"
        assert not re.search(r"(?i)(password|api_key|token)\s*=\s*\"", text), path
