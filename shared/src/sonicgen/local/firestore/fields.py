"""Reading and changing single fields of a document by their paths."""

from __future__ import annotations

from collections.abc import Iterable

from sonicgen.local.firestore.faults import invalid
from sonicgen.local.firestore.messages import Document, Message
from sonicgen.local.firestore.paths import FieldPath

# https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
_DOCUMENT_BYTES = 1_048_576
_DEPTH = 20


def get_field(fields: Message, path: FieldPath) -> Message | None:
    """Return the value at a path, None when there is none."""
    value = None
    for name in path:
        if name not in fields:
            return None
        value = fields[name]
        fields = value.map_value.fields
    return value


def put_field(fields: Message, path: FieldPath, value: Message) -> None:
    """Set the value at a path, making the maps on the way to it."""
    for name in path[:-1]:
        step = fields[name]
        if step.WhichOneof("value_type") != "map_value":
            step.map_value.SetInParent()
        fields = step.map_value.fields
    fields[path[-1]].CopyFrom(value)


def remove_field(fields: Message, path: FieldPath) -> None:
    """Remove the value at a path, if there is one."""
    for name in path[:-1]:
        if name not in fields:
            return
        fields = fields[name].map_value.fields
    if path[-1] in fields:
        del fields[path[-1]]


def project(document: Message, paths: Iterable[FieldPath]) -> Message:
    """Return the document with only the fields at these paths."""
    smaller = Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for path in paths:
        value = get_field(document.fields, path)
        if value is not None:
            put_field(smaller.fields, path, value)
    return smaller


def check_document(document: Message) -> None:
    """Raise FaultError (INVALID_ARGUMENT) for a document that Firestore would not store."""
    for name in document.fields:
        if not name or (name.startswith("__") and name.endswith("__")):
            raise invalid(f"The field name {name!r} is reserved.")
        _check_value(document.fields[name], _DEPTH)
    if document.ByteSize() > _DOCUMENT_BYTES:
        raise invalid(
            f"The document {document.name!r} is larger than the {_DOCUMENT_BYTES} bytes that Firestore holds."
        )


def _check_value(value: Message, depth: int) -> None:
    kind = value.WhichOneof("value_type")
    if depth == 0:
        raise invalid(f"Values may be nested {_DEPTH} deep at most.")
    if kind == "map_value":
        for item in value.map_value.fields.values():
            _check_value(item, depth - 1)
    elif kind == "array_value":
        for item in value.array_value.values:
            if item.WhichOneof("value_type") == "array_value":
                raise invalid("An array cannot hold an array directly.")
            _check_value(item, depth - 1)
    elif kind in {None, "field_reference_value", "variable_reference_value", "function_value", "pipeline_value"}:
        raise invalid(f"A value of the kind {kind or 'nothing'} cannot be stored.")
