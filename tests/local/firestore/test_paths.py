from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.local.firestore.faults import FaultError
from sonicgen.local.firestore.paths import check_document_name, check_parent, parse_field_path

ROOT = "projects/p/databases/(default)/documents"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b_1.C", ("a", "b_1", "C")),
        ("`a b`.c", ("a b", "c")),
        (r"`dot.\`tick\`.\\`", (r"dot.`tick`.\ ".strip(),)),
    ],
)
def test_field_paths(text: str, path: tuple[str, ...]) -> None:
    assert parse_field_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a b", "1a", "`a", "``", "a`b`", "`a`b"])
def test_wrong_field_paths(text: str) -> None:
    with pytest.raises(FaultError):
        parse_field_path(text)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_a_quoted_path_gives_its_names(names: list[str]) -> None:
    quoted = ".".join("`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`" for name in names)
    assert parse_field_path(quoted) == tuple(names)


@pytest.mark.parametrize("name", [f"{ROOT}/a/b", f"{ROOT}/a/b/c/d"])
def test_document_names(name: str) -> None:
    check_document_name(name)
    check_parent(name)
    check_parent(ROOT)


@pytest.mark.parametrize("name", [ROOT, f"{ROOT}/a", f"{ROOT}/a/b/c", f"{ROOT}/a/", f"{ROOT}/a/..", "a/b", "x/" + ROOT])
def test_wrong_document_names(name: str) -> None:
    with pytest.raises(FaultError):
        check_document_name(name)
