"""Terraform's plugin protocol 5, as far as planning needs it: messages made from a table instead of a .proto."""

from __future__ import annotations

from typing import Any

import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "tfplugin5.Provider"

# name -> ((number, field, type), …); "*" means repeated. Types that are no scalars are messages of this table.
# A map travels as repeated entries of key and value, so it is declared as that.
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "Empty": (),
    "DynamicValue": ((1, "msgpack", "bytes"), (2, "json", "bytes")),
    "Diagnostic": ((1, "severity", "int64"), (2, "summary", "string"), (3, "detail", "string")),
    "RawState": ((1, "json", "bytes"),),
    "Attribute": (
        (1, "name", "string"), (2, "type", "bytes"), (4, "required", "bool"), (5, "optional", "bool"),
        (6, "computed", "bool"),
    ),
    "NestedBlock": (
        (1, "type_name", "string"), (2, "block", "Block"), (3, "nesting", "int64"), (4, "min_items", "int64"),
        (5, "max_items", "int64"),
    ),
    "Block": ((1, "version", "int64"), (2, "attributes", "*Attribute"), (3, "block_types", "*NestedBlock")),
    "Schema": ((1, "version", "int64"), (2, "block", "Block")),
    "SchemaEntry": ((1, "key", "string"), (2, "value", "Schema")),
    "Schemas": (
        (1, "provider", "Schema"), (2, "resource_schemas", "*SchemaEntry"), (3, "data_source_schemas", "*SchemaEntry"),
        (4, "diagnostics", "*Diagnostic"),
    ),
    "PrepareRequest": ((1, "config", "DynamicValue"),),
    "PrepareResponse": ((1, "prepared_config", "DynamicValue"), (2, "diagnostics", "*Diagnostic")),
    "ValidateRequest": ((1, "type_name", "string"), (2, "config", "DynamicValue")),
    "Diagnostics": ((1, "diagnostics", "*Diagnostic"),),
    "PlanRequest": (
        (1, "type_name", "string"), (2, "prior_state", "DynamicValue"), (3, "proposed_new_state", "DynamicValue"),
        (4, "config", "DynamicValue"),
    ),
    "PlanResponse": ((1, "planned_state", "DynamicValue"), (4, "diagnostics", "*Diagnostic")),
    "ReadRequest": ((1, "type_name", "string"), (2, "config", "DynamicValue")),
    "ReadResponse": ((1, "state", "DynamicValue"), (2, "diagnostics", "*Diagnostic")),
    "StopResponse": ((1, "Error", "string"),),
}  # fmt: skip
# What the service is asked for, and what it takes and gives.
METHODS = {
    "GetSchema": ("Empty", "Schemas"),
    "PrepareProviderConfig": ("PrepareRequest", "PrepareResponse"),
    "ValidateResourceTypeConfig": ("ValidateRequest", "Diagnostics"),
    "ValidateDataSourceConfig": ("ValidateRequest", "Diagnostics"),
    "Configure": ("Empty", "Diagnostics"),
    "PlanResourceChange": ("PlanRequest", "PlanResponse"),
    "ReadDataSource": ("ReadRequest", "ReadResponse"),
    "Stop": ("Empty", "StopResponse"),
}
# A value that is known only once something else was made.
UNKNOWN = msgpack.ExtType(0, b"\x00")


def _make_messages() -> dict[str, Any]:
    field = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "bytes": field.TYPE_BYTES,
        "string": field.TYPE_STRING,
        "int64": field.TYPE_INT64,
        "bool": field.TYPE_BOOL,
    }
    file = descriptor_pb2.FileDescriptorProto(name="tfplugin5.proto", package="tfplugin5", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, label, kind in fields:
            repeated, kind = kind.startswith("*"), kind.lstrip("*")
            message.field.add(
                name=label,
                number=number,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
                type=scalars.get(kind, field.TYPE_MESSAGE),
                type_name=None if kind in scalars else f".tfplugin5.{kind}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tfplugin5.{n}")) for n in _MESSAGES}


MESSAGES = _make_messages()


def read_value(value: Any) -> Any:
    """Return a value that Terraform sent; what is not known yet is UNKNOWN."""
    return msgpack.unpackb(value.msgpack, ext_hook=lambda *_: UNKNOWN, strict_map_key=False)


def write_value(value: Any) -> Any:
    """Return a value as Terraform reads it."""
    return MESSAGES["DynamicValue"](msgpack=msgpack.packb(value))
