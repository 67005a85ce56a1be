"""Listing what lies in a collection and which collections lie below a document, in pages."""

from __future__ import annotations

from collections.abc import Iterator

from sonicgen.local.firestore.faults import invalid
from sonicgen.local.firestore.fields import project
from sonicgen.local.firestore.messages import Document, Message, StructuredQuery, rpc
from sonicgen.local.firestore.paths import NAME_FIELD, parse_field_path
from sonicgen.local.firestore.queries import run_query
from sonicgen.local.firestore.storage import Reader

_PAGE = 300  # when the request names no size; Firestore's own choice varies


def list_documents(reader: Reader, request: Message) -> Message:
    """Answer ListDocuments. With `show_missing`, also names that only have documents below them."""
    if request.show_missing and request.order_by:
        raise invalid("show_missing and order_by cannot be given together.")
    if not request.collection_id:
        documents = [
            document for group in _collections(reader, request.parent) for document in reader.in_collection(group)
        ]
    elif request.show_missing:
        documents = list(_with_missing(reader, f"{request.parent}/{request.collection_id}"))
    else:
        documents = run_query(reader, request.parent, _query(request))
    if request.HasField("mask"):
        paths = [path for path in map(parse_field_path, request.mask.field_paths) if path != NAME_FIELD]
        documents = [project(document, paths) for document in documents]
    page, token = _page(documents, request)
    return rpc("ListDocumentsResponse")(documents=page, next_page_token=token)


def list_collection_ids(reader: Reader, request: Message) -> Message:
    """Answer ListCollectionIds: the collections directly below a document or the root."""
    ids = [collection.rsplit("/", 1)[1] for collection in _collections(reader, request.parent)]
    page, token = _page(ids, request)
    return rpc("ListCollectionIdsResponse")(collection_ids=page, next_page_token=token)


def _query(request: Message) -> Message:
    query = StructuredQuery()
    query.from_.add().collection_id = request.collection_id
    for part in filter(None, (part.strip() for part in request.order_by.split(","))):
        field, _, direction = part.partition(" ")
        order = query.order_by.add()
        order.field.field_path = field
        order.direction = 2 if direction.strip().lower() == "desc" else 1
    return query


def _with_missing(reader: Reader, collection: str) -> Iterator[Message]:
    depth = collection.count("/") + 1
    names = sorted({"/".join(name.split("/")[: depth + 1]) for name in reader.names_below(collection)})
    for name in names:
        yield reader.get(name) or Document(name=name)


def _collections(reader: Reader, parent: str) -> list[str]:
    depth = parent.count("/") + 1
    return sorted({"/".join(name.split("/")[: depth + 1]) for name in reader.names_below(parent)})


def _page(items: list[Message], request: Message) -> tuple[list[Message], str]:
    """Return a page and the token of the next; the token is the position, so what is added meanwhile may shift it."""
    if request.page_token and not request.page_token.isdigit():
        raise invalid("The page token is not one of ours.")
    start = int(request.page_token or 0)
    end = start + (request.page_size or _PAGE)
    return items[start:end], str(end) if end < len(items) else ""
