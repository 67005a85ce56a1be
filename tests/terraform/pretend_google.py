"""A provider with Google's real schema and no cloud behind it: Terraform itself validates and plans against it.

Every argument, block, reference, loop and type is then judged by Terraform, and a plan holds every value that the real
one would hold, but for those that Google makes up; those are made up here from the resource's own name.
"""

from __future__ import annotations

import gzip
import json
from concurrent import futures
from functools import cache
from pathlib import Path
from typing import Any

import grpc

from tests.terraform.protocol import MESSAGES, METHODS, SERVICE, UNKNOWN, read_value, write_value

PROJECT = "sonicgen-test"
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
_PROVIDER = "registry.terraform.io/hashicorp/google"


class PretendGoogle:
    """Serves until it is stopped; `reattach` is what Terraform is told to find it."""

    def __init__(self, schema: Path, types: set[str]) -> None:
        whole = _read_schema(schema)
        self._resources = {name: whole["resource_schemas"][name] for name in types if name in whole["resource_schemas"]}
        self._sources = {n: whole["data_source_schemas"][n] for n in types if n in whole["data_source_schemas"]}
        self._provider = whole["provider"]
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(
                getattr(self, f"_{method}"),
                request_deserializer=MESSAGES[takes].FromString,
                response_serializer=MESSAGES[gives].SerializeToString,
            )
            for method, (takes, gives) in METHODS.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def reattach(self) -> str:
        """The value of TF_REATTACH_PROVIDERS."""
        address = {"Network": "tcp", "String": f"127.0.0.1:{self._port}"}
        return json.dumps(
            {_PROVIDER: {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": 1, "Test": True, "Addr": address}}
        )

    def stop(self) -> None:
        """End."""
        self._server.stop(None).wait()

    def _GetSchema(self, _: Any, __: Any) -> Any:  # noqa: N802 (the protocol's names)
        answer = MESSAGES["Schemas"](provider=_schema(self._provider))
        for kind, schemas in (("resource_schemas", self._resources), ("data_source_schemas", self._sources)):
            for name, schema in schemas.items():
                getattr(answer, kind).add(key=name, value=_schema(schema))
        return answer

    def _PrepareProviderConfig(self, request: Any, _: Any) -> Any:  # noqa: N802
        return MESSAGES["PrepareResponse"](prepared_config=request.config)

    def _ValidateResourceTypeConfig(self, _: Any, __: Any) -> Any:  # noqa: N802
        return MESSAGES["Diagnostics"]()

    _ValidateDataSourceConfig = _Configure = _ValidateResourceTypeConfig

    def _PlanResourceChange(self, request: Any, _: Any) -> Any:  # noqa: N802
        planned = read_value(request.proposed_new_state)
        if planned is not None:
            _make_up(request.type_name, self._resources[request.type_name]["block"], planned, planned, UNKNOWN)
        return MESSAGES["PlanResponse"](planned_state=write_value(planned))

    def _ReadDataSource(self, request: Any, _: Any) -> Any:  # noqa: N802
        state = read_value(request.config)
        # What is read is known: nothing that we ask for is more than a text.
        _make_up(request.type_name, self._sources[request.type_name]["block"], state, state, None)
        return MESSAGES["ReadResponse"](state=write_value(state))

    def _Stop(self, _: Any, __: Any) -> Any:  # noqa: N802
        return MESSAGES["StopResponse"]()


@cache
def _read_schema(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt") as file:
        schema: dict[str, Any] = json.load(file)["provider_schemas"][_PROVIDER]
    schema["provider"]["block"]["attributes"]["default_labels"]["type"] = ["map", "string"]  # the extract lost it
    return schema


def _schema(schema: dict[str, Any]) -> Any:
    return MESSAGES["Schema"](version=schema.get("version", 0), block=_block(schema["block"]))


def _block(block: dict[str, Any]) -> Any:
    answer = MESSAGES["Block"]()
    for name, attribute in block.get("attributes", {}).items():
        flags = {flag: bool(attribute.get(flag)) for flag in ("required", "optional", "computed")}
        answer.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    for name, nested in block.get("block_types", {}).items():
        answer.block_types.add(
            type_name=name,
            block=_block(nested["block"]),
            nesting=_NESTING[nested["nesting_mode"]],
            min_items=nested.get("min_items") or 0,
            max_items=nested.get("max_items") or 0,
        )
    return answer


def _make_up(kind: str, block: dict[str, Any], body: dict[str, Any], whole: dict[str, Any], otherwise: Any) -> None:
    """Fill in what Google would."""
    for name, attribute in block.get("attributes", {}).items():
        if body.get(name) is None and attribute.get("computed"):
            body[name] = _invent(kind, name, whole) if attribute["type"] == "string" else otherwise
    for name, nested in block.get("block_types", {}).items():
        found = body.get(name) or []
        for each in [found] if isinstance(found, dict) else found:
            if isinstance(each, dict):
                _make_up(kind, nested["block"], each, whole, otherwise)


def _invent(kind: str, attribute: str, whole: dict[str, Any]) -> Any:
    name = whole.get("name") or whole.get("account_id") or whole.get("secret_id") or kind
    if name == UNKNOWN:
        return UNKNOWN
    email = f"{whole.get('account_id')}@{PROJECT}.iam.gserviceaccount.com"
    known = {
        "email": email,
        "email_address": f"service-1@{kind}.iam.gserviceaccount.com",
        "member": f"serviceAccount:{email}",
        "number": "123456789",
        "uri": f"https://{name}-abcdefghij-uc.a.run.app",
        "project": PROJECT,
    }
    if attribute in known:
        return known[attribute]
    if attribute == "id":
        collection = {"google_pubsub_topic": "topics", "google_pubsub_subscription": "subscriptions"}.get(kind, kind)
        return f"projects/{PROJECT}/{collection}/{name}"
    return f"{kind}.{attribute}.{name}"
