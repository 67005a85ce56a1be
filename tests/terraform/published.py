"""Which topics each entry may publish to, read from the code: the constants of every step that it imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from sonicgen.settings import REPOSITORY

_PACKAGE = REPOSITORY / "shared" / "src" / "sonicgen"
_PUBLISHING = {"publish_event", "publish_events", "publish_message", "publish_soon"}
# Where the calls themselves live: what they are given comes from their callers.
_BUS = {_PACKAGE / "cloud" / "bus.py", _PACKAGE / "cloud" / "batches.py"}


def topics_of(entry: Path) -> set[str]:
    """Return every topic that the code reached from a file publishes to."""
    return set().union(*(_published_in(path) for path in _reached(entry)))


def _reached(entry: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return found


@cache
def _imported(path: Path) -> list[Path]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sonicgen"):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    paths = [_PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in names if name != "sonicgen"]
    return [found for found in paths if found.exists()]


@cache
def _published_in(path: Path) -> frozenset[str]:
    """Return the topics that a module's own calls name; a name that is no constant here fails."""
    if path in _BUS:
        return frozenset()
    tree = ast.parse(path.read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _PUBLISHING
    ]
    return frozenset(_constant(path, tree, call.args[0]) for call in calls)


def _constant(path: Path, tree: ast.Module, node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    assert isinstance(node, ast.Name), f"{path}: publish to a constant, so that its topic can be found"
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and [ast.unparse(t) for t in statement.targets] == [node.id]:
            return str(ast.literal_eval(statement.value))
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                if (alias.asname or alias.name) == node.id:
                    source = _PACKAGE.joinpath(*statement.module.split(".")[1:]).with_suffix(".py")
                    return _constant(source, ast.parse(source.read_text()), ast.Name(alias.name))
    raise AssertionError(f"{path}: {node.id} is no constant of the module")
