"""Requests about buckets and their notification configs."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sonicgen.local.storage.preconditions import Conditions, read_integer
from sonicgen.local.storage.resources import read_json
from sonicgen.local.storage.service import base_url, path_name, service

_MOST = 1000


def page_size(request: Request) -> int:
    """Return how many items a page may hold."""
    asked = read_integer(request.query_params, "maxResults")
    return min(asked, _MOST) if asked and asked > 0 else _MOST


async def create_bucket(request: Request) -> Response:
    """Answer buckets.insert."""
    sent = read_json(await request.body())
    return JSONResponse(await run_sync(service(request).buckets.create, sent, base_url(request)))


async def list_buckets(request: Request) -> Response:
    """Answer buckets.list."""
    query = request.query_params
    listing = partial(service(request).buckets.list, query.get("prefix", ""), page_size(request))
    return JSONResponse(await run_sync(listing, query.get("pageToken"), base_url(request)))


async def get_bucket(request: Request) -> Response:
    """Answer buckets.get."""
    conditions = Conditions.read(request.query_params, request.headers)
    name = path_name(request, "bucket")
    return JSONResponse(await run_sync(service(request).buckets.get, name, base_url(request), conditions))


async def update_bucket(request: Request) -> Response:
    """Answer buckets.patch and buckets.update."""
    sent = read_json(await request.body())
    update = partial(service(request).buckets.update, replace=request.method == "PUT")
    conditions = Conditions.read(request.query_params, request.headers)
    return JSONResponse(await run_sync(update, path_name(request, "bucket"), sent, conditions, base_url(request)))


async def delete_bucket(request: Request) -> Response:
    """Answer buckets.delete."""
    conditions = Conditions.read(request.query_params, request.headers)
    await run_sync(service(request).buckets.delete, path_name(request, "bucket"), conditions)
    return Response(status_code=204)


async def create_notification(request: Request) -> Response:
    """Answer notifications.insert."""
    sent = read_json(await request.body())
    create = service(request).notifications.create
    return JSONResponse(await run_sync(create, path_name(request, "bucket"), sent, base_url(request)))


async def list_notifications(request: Request) -> Response:
    """Answer notifications.list."""
    listing = service(request).notifications.list
    return JSONResponse(await run_sync(listing, path_name(request, "bucket"), base_url(request)))


async def get_notification(request: Request) -> Response:
    """Answer notifications.get."""
    get, number = service(request).notifications.get, path_name(request, "number")
    return JSONResponse(await run_sync(get, path_name(request, "bucket"), number, base_url(request)))


async def delete_notification(request: Request) -> Response:
    """Answer notifications.delete."""
    delete, number = service(request).notifications.delete, path_name(request, "number")
    await run_sync(delete, path_name(request, "bucket"), number)
    return Response(status_code=204)


async def get_service_account(request: Request) -> Response:
    """Answer projects.serviceAccount.get: who publishes the notifications."""
    project = path_name(request, "project")
    address = f"service-{project}@gs-project-accounts.iam.gserviceaccount.com"
    return JSONResponse({"kind": "storage#serviceAccount", "email_address": address})


_BUCKETS = "/storage/v1/b"
_BUCKET = f"{_BUCKETS}/{{bucket}}"
_CONFIGS = f"{_BUCKET}/notificationConfigs"

ROUTES = [
    Route(_BUCKETS, create_bucket, methods=["POST"]),
    Route(_BUCKETS, list_buckets, methods=["GET"]),
    Route(_BUCKET, get_bucket, methods=["GET"]),
    Route(_BUCKET, update_bucket, methods=["PATCH", "PUT"]),
    Route(_BUCKET, delete_bucket, methods=["DELETE"]),
    Route(_CONFIGS, create_notification, methods=["POST"]),
    Route(_CONFIGS, list_notifications, methods=["GET"]),
    Route(f"{_CONFIGS}/{{number}}", get_notification, methods=["GET"]),
    Route(f"{_CONFIGS}/{{number}}", delete_notification, methods=["DELETE"]),
    Route("/storage/v1/projects/{project}/serviceAccount", get_service_account, methods=["GET"]),
]
