"""The wire messages of Firestore, as plain protobuf classes.

google-cloud-firestore wraps each message in a proto-plus class that converts every value at every access. A server
touches every field of every message, so it works on the protobuf classes beneath.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.cloud.firestore_v1.types import aggregation_result, common, document, firestore, query, write

# Protobuf's Python classes are made at run time and carry no types.
Message: TypeAlias = Any

Document: Message = document.Document.pb()
Value: Message = document.Value.pb()
DocumentMask: Message = common.DocumentMask.pb()
Precondition: Message = common.Precondition.pb()
TransactionOptions: Message = common.TransactionOptions.pb()
Write: Message = write.Write.pb()
WriteResult: Message = write.WriteResult.pb()
ServerValue: Message = write.DocumentTransform.FieldTransform.ServerValue
StructuredQuery: Message = query.StructuredQuery.pb()
FieldOperator: Message = query.StructuredQuery.FieldFilter.Operator
UnaryOperator: Message = query.StructuredQuery.UnaryFilter.Operator
CompositeOperator: Message = query.StructuredQuery.CompositeFilter.Operator
Direction: Message = query.StructuredQuery.Direction
AggregationResult: Message = aggregation_result.AggregationResult.pb()


def rpc(name: str) -> Message:
    """Return the protobuf class of a request or response of the service, such as `CommitRequest`."""
    return getattr(firestore, name).pb()
