"""What `make test` says when a test fails once, always, or never."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import run_tests
from tools.run_tests import Half

NEVER = "def test_fine(): pass\n"
ALWAYS = "def test_broken(): assert False\n"
ONCE = """
from pathlib import Path

def test_shaky():
    seen = Path(__file__).with_suffix(".seen")
    was_there = seen.exists()
    seen.touch()
    assert was_there
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_tests, "HALVES", (Half("parts", ("parts",)), Half("whole", ("whole",))))
    for name in ("parts", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(NEVER)
    return tmp_path


def test_all_pass(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main() == 0
    assert capfd.readouterr().out.count("1 passed") == 2, "both halves are shown"


@pytest.mark.parametrize("half", ["parts", "whole"])
def test_what_fails_once_is_named_and_passes(project: Path, half: str, capfd: pytest.CaptureFixture[str]) -> None:
    (project / half / "test_more.py").write_text(ONCE)
    assert run_tests.main() == 0
    assert f"failed once, and passed alone: {half}/test_more.py::test_shaky" in capfd.readouterr().out


@pytest.mark.parametrize("half", ["parts", "whole"])
def test_what_fails_twice_fails(project: Path, half: str, capfd: pytest.CaptureFixture[str]) -> None:
    (project / half / "test_more.py").write_text(ONCE)
    (project / half / "test_worse.py").write_text(ALWAYS)
    assert run_tests.main() == 1
    told = capfd.readouterr().out
    assert "test_broken" in told
    assert f"failed once, and passed alone: {half}/test_more.py::test_shaky" in told


def test_many_failures_are_not_tried_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "MOST_AGAIN", 0)
    (project / "parts" / "test_more.py").write_text(ONCE)
    assert run_tests.main() == 1


def test_what_cannot_even_be_collected_fails(project: Path) -> None:
    (project / "whole" / "test_more.py").write_text("import nothing_of_that_name\n")
    assert run_tests.main() != 0
