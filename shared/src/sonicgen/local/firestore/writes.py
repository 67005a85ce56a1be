"""Applying one write: precondition, new content, transforms."""

from __future__ import annotations

import grpc

from sonicgen.local.firestore.faults import FaultError, invalid
from sonicgen.local.firestore.fields import check_document, get_field, put_field, remove_field
from sonicgen.local.firestore.messages import Document, Message, WriteResult
from sonicgen.local.firestore.paths import check_document_name, parse_field_path
from sonicgen.local.firestore.storage import Store
from sonicgen.local.firestore.transforms import apply_transform


def written_name(write: Message) -> str:
    """Return the name of the document that a write changes; raise FaultError when it names none."""
    kind = write.WhichOneof("operation")
    if kind is None:
        raise invalid("A write must update, delete or transform a document.")
    name: str = {"update": write.update.name, "delete": write.delete, "transform": write.transform.document}[kind]
    check_document_name(name)
    return name


def apply_write(store: Store, write: Message, now_microseconds: int) -> Message:
    """Apply a write inside the store's transaction and return its WriteResult.

    Raises FaultError: NOT_FOUND, ALREADY_EXISTS or FAILED_PRECONDITION for a precondition that does not hold,
    INVALID_ARGUMENT for content that Firestore refuses.
    """
    name = written_name(write)
    current = store.get(name)
    _check_precondition(write.current_document, name, current)
    result = WriteResult()
    if write.WhichOneof("operation") == "delete":
        store.delete(name)
        return result
    after = _updated(write, current)
    after.name = name
    transforms = write.transform.field_transforms or write.update_transforms
    for transform in transforms:
        result.transform_results.add().CopyFrom(apply_transform(after.fields, transform, now_microseconds))
    check_document(after)
    created = now_microseconds if current is None else current.create_time.ToMicroseconds()
    if current is not None and _same_fields(current, after):
        # A write that changes nothing keeps the time: documented in google.firestore.v1.WriteResult.
        result.update_time.CopyFrom(current.update_time)
        return result
    store.put(name, after, created, now_microseconds)
    result.update_time.FromMicroseconds(now_microseconds)
    return result


def _updated(write: Message, current: Message | None) -> Message:
    """Return a new document with the write's fields, before its transforms."""
    after = Document()
    if write.WhichOneof("operation") == "update" and not write.HasField("update_mask"):
        after.CopyFrom(write.update)
        return after
    if current is not None:
        after.CopyFrom(current)
    if write.WhichOneof("operation") == "update":
        for path in map(parse_field_path, write.update_mask.field_paths):
            value = get_field(write.update.fields, path)
            if value is None:
                remove_field(after.fields, path)
            else:
                put_field(after.fields, path, value)
    return after


def _check_precondition(precondition: Message, name: str, current: Message | None) -> None:
    kind = precondition.WhichOneof("condition_type")
    if kind == "exists" and precondition.exists and current is None:
        raise FaultError(grpc.StatusCode.NOT_FOUND, f"No document to update: {name}")
    if kind == "exists" and not precondition.exists and current is not None:
        raise FaultError(grpc.StatusCode.ALREADY_EXISTS, f"Document already exists: {name}")
    if kind == "update_time" and (current is None or current.update_time != precondition.update_time):
        raise FaultError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"The document was changed since the update_time that was given: {name}",
        )


def _same_fields(one: Message, other: Message) -> bool:
    def content(document: Message) -> bytes:
        encoded: bytes = Document(fields=document.fields).SerializeToString(deterministic=True)
        return encoded

    return content(one) == content(other)
