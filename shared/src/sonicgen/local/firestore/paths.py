"""Resource names of documents and paths of fields within them."""

from __future__ import annotations

import re

from sonicgen.local.firestore.faults import invalid

FieldPath = tuple[str, ...]

NAME_FIELD: FieldPath = ("__name__",)

_SEGMENT = re.compile(r"([a-zA-Z_][a-zA-Z_0-9]*)|`((?:[^`\\]|\\.)+)`")
_ROOT_SEGMENTS = 5  # projects/P/databases/D/documents
# https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
_NAME_BYTES = 6 * 1024


def parse_field_path(text: str) -> FieldPath:
    """Split a dotted path into its names; a name in backticks may hold any character.

    Raises FaultError (INVALID_ARGUMENT) for a path that Firestore refuses.
    """
    names: list[str] = []
    at = 0
    while True:
        found = _SEGMENT.match(text, at)
        if found is None:
            raise invalid(
                f"The field path {text!r} is not valid; names other than [a-zA-Z_][a-zA-Z_0-9]* need backticks."
            )
        plain, quoted = found.groups()
        names.append(plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
        if at == len(text):
            return tuple(names)
        if text[at] != ".":
            raise invalid(f"The field path {text!r} has no dot after {found.group()!r}.")
        at += 1


def check_document_name(name: str) -> None:
    """Raise FaultError (INVALID_ARGUMENT) unless this is the full name of a document."""
    parts = name.split("/")
    inside = len(parts) - _ROOT_SEGMENTS
    if inside < 2 or inside % 2 or not _is_root(parts) or not all(parts):
        raise invalid(f"{name!r} is not the name of a document.")
    if len(name.encode()) > _NAME_BYTES or any(part in {".", ".."} for part in parts):
        raise invalid(f"The document name {name[:100]!r} is too long or holds '.' or '..' as an id.")


def check_parent(name: str) -> None:
    """Raise FaultError (INVALID_ARGUMENT) unless collections can lie under this name, a root or a document."""
    parts = name.split("/")
    if len(parts) == _ROOT_SEGMENTS and _is_root(parts) and all(parts):
        return
    check_document_name(name)


def _is_root(parts: list[str]) -> bool:
    return len(parts) >= _ROOT_SEGMENTS and (parts[0], parts[2], parts[4]) == ("projects", "databases", "documents")


def collection_of(name: str) -> str:
    """Return the path of the collection that holds a document."""
    return name.rsplit("/", 1)[0]


def subtree(name: str) -> tuple[str, str]:
    """Return the half-open interval of names that lie under a document, a collection or a root."""
    return f"{name}/", f"{name}0"  # "0" follows "/" in ASCII
