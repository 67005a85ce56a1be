"""Imports between the rooms of the package go one way only (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "shared" / "src" / "sonicgen"

# What each room may import of the package. A module that lies beside the rooms counts as a room of its own.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "log": set(),
    "topology": set(),
    "compiled": set(),
    "__main__": {"cli"},
    "settings": {"errors"},
    "domain": {"errors"},
    "events": {"domain", "errors"},
    "sound": {"domain", "errors"},
    "match": {"sound", "domain", "errors"},
    "origin": {"domain", "errors"},
    "speech": {"domain", "errors"},
    "voices": {"domain", "errors"},
    "embedder": {"steps", "cloud", "voices", "sound", "domain", "errors", "log", "settings"},
    "services": {"domain", "errors", "log", "settings"},
    "store": {"domain", "errors", "log"},
    "cloud": {"domain", "errors", "log", "settings"},
    "steps": {
        "sound",
        "match",
        "origin",
        "speech",
        "voices",
        "services",
        "store",
        "cloud",
        "events",
        "domain",
        "errors",
        "log",
        "settings",
        "topology",
    },
    "jobs": {"steps", "events", "settings", "errors", "log"},
    "console": {"steps", "store", "domain", "errors", "log", "settings"},
    "cli": {
        "steps",
        "embedder",
        "voices",
        "store",
        "cloud",
        "local",
        "console",
        "sound",
        "domain",
        "errors",
        "log",
        "settings",
        "topology",
    },
    "local": {
        "steps",
        "store",
        "cloud",
        "events",
        "sound",
        "match",
        "origin",
        "speech",
        "voices",
        "embedder",
        "services",
        "domain",
        "errors",
        "log",
        "settings",
        "topology",
    },
}
# What of the outside each pure room may import.
PURE: dict[str, set[str]] = {
    "domain": set(),
    "events": set(),
    "origin": set(),
    "speech": set(),
    "voices": {"numpy", "scipy"},
    "sound": {"numpy", "scipy", "numba", "av"},
    "match": {"numpy", "scipy", "numba"},
    "store": {"numpy", "psycopg", "psycopg_pool"},
}


def imported_modules(source: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "sonicgen":
                yield from (f"sonicgen.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.ImportFrom):
            yield "relative import"


def wrong_imports(room: str, source: str) -> list[str]:
    """Return what a module of a room imports although it may not."""
    wrong = []
    for name in imported_modules(source):
        if name == "relative import":
            wrong.append(name)
        top, _, rest = name.partition(".")
        if top == "sonicgen":
            target = rest.split(".")[0]
            if target and target != room and target not in ALLOWED[room] and target != "__version__":
                wrong.append(name)
        elif room in PURE and top not in PURE[room] and top not in sys.stdlib_module_names:
            wrong.append(name)
    return wrong


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in ALLOWED, f"the room {room} has no rule"
    assert wrong_imports(room, path.read_text()) == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("domain", "from sonicgen.store import recordings"),
        ("domain", "import numpy"),
        ("sound", "import sonicgen.match.search"),
        ("match", "from sonicgen import store"),
        ("store", "from sonicgen.steps.services import services"),
        ("steps", "from sonicgen.local.folder import DataFolder"),
        ("console", "def late():\n    from sonicgen.local import folder"),
        ("events", "import google.cloud.storage"),
        ("cloud", "from ..store import postings"),
        ("embedder", "from sonicgen.store.database import Database"),
        ("steps", "from sonicgen.embedder.app import create_app"),
    ],
)
def test_wrong_import_is_noticed(room: str, line: str) -> None:
    assert wrong_imports(room, line)


def test_entries_only_translate() -> None:
    functions = PACKAGE.parents[2] / "functions"
    for main in functions.glob("*/main.py"):
        source = main.read_text()
        assert len(source.splitlines()) <= 30, f"{main} does more than translate"
        rooms = {name.split(".")[1] for name in imported_modules(source) if name.startswith("sonicgen.")}
        assert rooms <= {"events", "steps", "settings", "errors", "log"}


def test_containers_only_start_what_the_package_holds() -> None:
    for main in (PACKAGE.parents[2] / "containers").glob("*/main.py"):
        source = main.read_text()
        assert len(source.splitlines()) <= 30, f"{main} does more than start"
        rooms = {name.split(".")[1] for name in imported_modules(source) if name.startswith("sonicgen.")}
        assert rooms <= {main.parent.name.removeprefix("gpu-"), "settings"}
