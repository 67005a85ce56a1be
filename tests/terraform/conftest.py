"""Terraform's own verdict on the files, when Terraform and Google's schema are on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.terraform.working_copy import SCHEMA, Plan, WorkingCopy


@pytest.fixture
def copy(tmp_path: Path) -> WorkingCopy:
    """A copy of the files to change and plan."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    if not SCHEMA.exists():
        pytest.skip("the schema of Google's provider is not beside this project (../shared/tools)")
    return WorkingCopy(tmp_path / "copy")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of an empty production project."""
    if shutil.which("terraform") is None or not SCHEMA.exists():
        pytest.skip("terraform or the schema of Google's provider is not here")
    return WorkingCopy(tmp_path_factory.mktemp("terraform") / "copy").plan()
