"""The parts of one server, and how a request reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from sonicgen.local.storage.buckets import Buckets
from sonicgen.local.storage.database import Database
from sonicgen.local.storage.files import ObjectFiles
from sonicgen.local.storage.names import read_name
from sonicgen.local.storage.notifications import Notifications
from sonicgen.local.storage.objects import Objects, Place
from sonicgen.local.storage.preconditions import Conditions, read_integer
from sonicgen.local.storage.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the routes work on."""

    database: Database
    files: ObjectFiles
    buckets: Buckets
    objects: Objects
    notifications: Notifications
    uploads: Uploads


def open_service(folder: Path, on_change: Callable[[], None]) -> Service:
    """Open the state in a folder and clean up after a crash. May block."""
    files = ObjectFiles(folder / "objects")
    database = Database(folder / "storage.sqlite")
    notifications = Notifications(database)
    objects = Objects(database, files, notifications, on_change)
    uploads = Uploads(database, files, objects)
    uploads.forget_old()
    files.sweep(
        complete={row["file"] for row in database.all("list_object_files")},
        parts={row["file"] for row in database.all("list_upload_files")},
    )
    return Service(database, files, Buckets(database), objects, notifications, uploads)


def service(request: Request) -> Service:
    """Return the service that a request is for."""
    found = request.app.state.service
    assert isinstance(found, Service)  # noqa: S101  # app.py puts it there
    return found


def base_url(request: Request) -> str:
    """Return this server's address as the client knows it."""
    return f"http://{request.headers.get('host', 'localhost')}"


def path_name(request: Request, key: str) -> str:
    """Return the bucket's or object's name in the URL."""
    return read_name(request.path_params[key])


def place(request: Request) -> Place:
    """Return the object that a request is about, with its conditions."""
    return Place(
        path_name(request, "bucket"),
        path_name(request, "name"),
        read_integer(request.query_params, "generation"),
        Conditions.read(request.query_params, request.headers),
    )
