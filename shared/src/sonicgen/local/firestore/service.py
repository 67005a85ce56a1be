"""The calls of google.firestore.v1.Firestore: messages in, engine asked, messages out."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import NoReturn

from grpc import StatusCode

from sonicgen.local.firestore.engine import Engine
from sonicgen.local.firestore.faults import FaultError, invalid, unimplemented
from sonicgen.local.firestore.fields import project
from sonicgen.local.firestore.listing import list_collection_ids, list_documents
from sonicgen.local.firestore.messages import Message, Write, rpc
from sonicgen.local.firestore.paths import NAME_FIELD, check_document_name, check_parent, parse_field_path
from sonicgen.local.firestore.queries import run_aggregation
from sonicgen.local.firestore.transactions import Transaction

# As long as the ids that the clients make themselves (20 characters), and never in sequence.
_ID_BYTES = 15


class Service:
    """One method per call. Each raises FaultError for what it refuses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_document(self, request: Message) -> Message:
        check_document_name(request.name)
        _refuse_past(request)
        (document,), _ = await self._engine.read_documents([request.name], self._engine.find(request.transaction))
        if document is None:
            raise _missing(request.name)
        return _masked(document, request)

    async def batch_get_documents(self, request: Message) -> AsyncIterator[Message]:
        _refuse_past(request)
        names = list(dict.fromkeys(request.documents))
        for name in names:
            check_document_name(name)
        transaction, begun = await self._transaction(request)
        if begun:
            yield rpc("BatchGetDocumentsResponse")(transaction=begun)
        documents, read_time = await self._engine.read_documents(names, transaction)
        for name, document in zip(names, documents, strict=True):
            response = rpc("BatchGetDocumentsResponse")()
            response.read_time.FromMicroseconds(read_time)
            if document is None:
                response.missing = name
            else:
                response.found.CopyFrom(_masked(document, request))
            yield response

    async def list_documents(self, request: Message) -> Message:
        check_parent(request.parent)
        _refuse_past(request)
        transaction = self._engine.find(request.transaction)
        response, _ = await self._engine.read(lambda reader: list_documents(reader, request), transaction)
        return response

    async def list_collection_ids(self, request: Message) -> Message:
        check_parent(request.parent)
        _refuse_past(request)
        response, _ = await self._engine.read(lambda reader: list_collection_ids(reader, request))
        return response

    async def run_query(self, request: Message) -> AsyncIterator[Message]:
        _refuse_past(request)
        transaction, begun = await self._transaction(request)
        documents, read_time = await self._engine.read_query(request.parent, request.structured_query, transaction)
        first = rpc("RunQueryResponse")(transaction=begun)
        if begun or not documents:
            first.read_time.FromMicroseconds(read_time)
            yield first
        for document in documents:
            response = rpc("RunQueryResponse")(document=document)
            response.read_time.FromMicroseconds(read_time)
            yield response

    async def run_aggregation_query(self, request: Message) -> AsyncIterator[Message]:
        _refuse_past(request)
        transaction, begun = await self._transaction(request)
        wanted = request.structured_aggregation_query
        if transaction is not None and transaction.snapshot is None:
            # Remembered, so that the commit notices when the aggregate would be another.
            await self._engine.read_query(request.parent, wanted.structured_query, transaction)
        results, read_time = await self._engine.read(
            lambda reader: run_aggregation(reader, request.parent, wanted), transaction
        )
        response = rpc("RunAggregationQueryResponse")(transaction=begun)
        response.read_time.FromMicroseconds(read_time)
        for alias, value in results.items():
            response.result.aggregate_fields[alias].CopyFrom(value)
        yield response

    async def begin_transaction(self, request: Message) -> Message:
        transaction = await self._engine.begin(request.options)
        return rpc("BeginTransactionResponse")(transaction=transaction.token)

    async def rollback(self, request: Message) -> None:
        await self._engine.rollback(request.transaction)

    async def commit(self, request: Message) -> Message:
        results, commit_time = await self._engine.commit(request.writes, request.transaction)
        response = rpc("CommitResponse")(write_results=results)
        response.commit_time.FromMicroseconds(commit_time)
        return response

    async def batch_write(self, request: Message) -> Message:
        response = rpc("BatchWriteResponse")()
        for result in await self._engine.write_each(request.writes):
            written, status = response.write_results.add(), response.status.add()
            if isinstance(result, FaultError):
                status.code, status.message = result.code.value[0], result.message
            else:
                written.CopyFrom(result)
        return response

    async def create_document(self, request: Message) -> Message:
        check_parent(request.parent)
        write = Write(update=request.document)
        document_id = request.document_id or secrets.token_urlsafe(_ID_BYTES)
        write.update.name = f"{request.parent}/{request.collection_id}/{document_id}"
        write.current_document.exists = False
        return await self._write_and_read(write, request)

    async def update_document(self, request: Message) -> Message:
        write = Write(update=request.document)
        if request.HasField("update_mask"):
            write.update_mask.CopyFrom(request.update_mask)
        if request.HasField("current_document"):
            write.current_document.CopyFrom(request.current_document)
        return await self._write_and_read(write, request)

    async def delete_document(self, request: Message) -> None:
        write = Write(delete=request.name)
        if request.HasField("current_document"):
            write.current_document.CopyFrom(request.current_document)
        await self._engine.commit([write])

    async def _write_and_read(self, write: Message, request: Message) -> Message:
        await self._engine.commit([write])
        (document,), _ = await self._engine.read_documents([write.update.name])
        if document is None:
            raise _missing(write.update.name)
        return _masked(document, request)

    async def _transaction(self, request: Message) -> tuple[Transaction | None, bytes]:
        """Return the transaction that a read belongs to and, when it is begun by this very read, its token."""
        if request.HasField("new_transaction"):
            transaction = await self._engine.begin(request.new_transaction)
            return transaction, transaction.token
        return self._engine.find(request.transaction), b""


class Absent:
    """The calls that the local Firestore does not have, each with what to do instead."""

    async def write(self, _: Message) -> NoReturn:
        raise unimplemented("The local Firestore has no Write stream; use Commit.")

    async def listen(self, _: Message) -> NoReturn:
        raise unimplemented("The local Firestore has no Listen stream; read the document again.")

    async def partition_query(self, _: Message) -> NoReturn:
        raise unimplemented("The local Firestore does not partition queries; page through them with cursors.")

    async def execute_pipeline(self, _: Message) -> NoReturn:
        raise unimplemented("The local Firestore has no pipelines; use a structured query.")


def _masked(document: Message, request: Message) -> Message:
    if not request.HasField("mask"):
        return document
    paths = [parse_field_path(path) for path in request.mask.field_paths]
    return project(document, [path for path in paths if path != NAME_FIELD])


def _missing(name: str) -> FaultError:
    return FaultError(StatusCode.NOT_FOUND, f'Document "{name}" not found.')


def _refuse_past(request: Message) -> None:
    if request.HasField("read_time"):
        raise invalid("The local Firestore keeps no past versions: leave out read_time.")
