"""A copy of the Terraform files that a test may change, and Terraform at work in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonicgen.settings import REPOSITORY
from tests.terraform.pretend_google import PROJECT, PretendGoogle

TOPOLOGY = Path("shared/src/sonicgen/topology.json")
SCHEMA = REPOSITORY.parent / "shared" / "tools" / "google-6.50.schema.json.gz"
CHECKER = REPOSITORY.parent / "shared" / "tools" / "tfcheck.py"
_DECLARED = re.compile(r'^(?:resource|data) "(google_\w+)"', re.MULTILINE)


@dataclass(frozen=True)
class Resource:
    """One planned resource; `values` is what the provider would be told, sensitive and unknown values left out."""

    address: str
    type: str
    name: str
    index: str | int | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What Terraform would make."""

    resources: tuple[Resource, ...]
    outputs: dict[str, Any]

    def of(self, type_: str, name: str | None = None) -> list[Resource]:
        """Return the resources of a type, and of a name when one is given."""
        return [r for r in self.resources if r.type == type_ and name in (None, r.name)]


class PlanError(Exception):
    """Terraform refuses the files; the message is its own."""


class WorkingCopy:
    """The repository's infra/ and topology, copied; nothing is written outside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(REPOSITORY / "infra", root / "infra", ignore=shutil.ignore_patterns(".terraform*"))
        (root / TOPOLOGY).parent.mkdir(parents=True)
        shutil.copy(REPOSITORY / TOPOLOGY, root / TOPOLOGY)

    def folder(self, module: str) -> Path:
        """Return a module's folder: terraform or bootstrap."""
        return self.root / "infra" / module

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file; it must be there."""
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{path} does not hold {old!r}"
        file.write_text(text.replace(old, new, 1))

    def topology(self) -> dict[str, Any]:
        """Return the copy's topology."""
        read: dict[str, Any] = json.loads((self.root / TOPOLOGY).read_text())
        return read

    def plan(self, module: str = "terraform", environment: str = "prod", **variables: object) -> Plan:
        """Have Terraform plan with what a test gives; raise PlanError with what it says when it refuses."""
        folder = self.folder(module)
        declared = "\n".join(path.read_text() for path in folder.glob("*.tf"))
        (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        given = self._variables() | variables if module == "terraform" else {"project_id": PROJECT} | variables
        (folder / "test.tfvars.json").write_text(json.dumps(given))
        files = [f"-var-file=environments/{environment}.tfvars"] if module == "terraform" else []
        google = PretendGoogle(SCHEMA, set(_DECLARED.findall(declared)))
        try:
            run = _Terraform(folder, google.reattach)
            run("init", "-input=false")
            run("plan", "-input=false", "-out=plan.bin", *files, "-var-file=test.tfvars.json")
            return _read_plan(json.loads(run("show", "-json", "plan.bin")))
        finally:
            google.stop()

    def _variables(self) -> dict[str, object]:
        topology = self.topology()
        return {
            "project_id": PROJECT,
            "release": "abc1234",
            "alert_email": "operator@example.org",
            "billing_account": "000000-000000-000000",
            "embedder_enabled": True,
            "bundles": {name: f"functions/{name}-0.zip" for name in topology["functions"]},
            "images": {name: f"host/{name}@sha256:{'0' * 64}" for name in ("console", "gpu-embedder", "jobs")},
        }


class _Terraform:
    def __init__(self, folder: Path, reattach: str) -> None:
        self._folder = folder
        self._environment = os.environ | {
            "TF_REATTACH_PROVIDERS": reattach,
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
        }

    def __call__(self, command: str, *arguments: str) -> str:
        flags = () if command == "show" else ("-no-color",)
        done = subprocess.run(
            ["terraform", command, *flags, *arguments],
            cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PlanError(f"terraform {command}: {done.stderr or done.stdout}")
        return done.stdout


def _read_plan(read: dict[str, Any]) -> Plan:
    resources = tuple(
        Resource(r["address"], r["type"], r["name"], r.get("index"), r["values"])
        for r in read["planned_values"]["root_module"]["resources"]
        if r["mode"] == "managed"
    )
    outputs = {name: output.get("value") for name, output in read["planned_values"].get("outputs", {}).items()}
    return Plan(resources, outputs)
