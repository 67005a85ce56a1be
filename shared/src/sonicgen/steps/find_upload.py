"""Large files: into the bucket past the console, then asked about or added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from sonicgen.cloud.objects import delete_object, open_object
from sonicgen.cloud.upload_sessions import start_upload_session
from sonicgen.errors import InputError, NotFoundError, TooLargeError
from sonicgen.steps.services import Services
from sonicgen.store import uploads
from sonicgen.store.uploads import Purpose, Upload

# Where bytes lie that somebody only asks about; the bucket's lifecycle rule removes what is left there after a day.
FIND_FOLDER = "uploads"
_BLOCK_BYTES = 1 << 20
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class StartedUpload:
    """An upload that was begun; `address` takes the bytes."""

    upload: Upload
    address: str


def begin_upload(
    services: Services,
    *,
    owner: str,
    purpose: Purpose,
    name: str,
    size_bytes: int,
    content_type: str,
    origin: str | None,
) -> StartedUpload:
    """Return the address for a file's bytes; a file to be added goes into the inbox, whose event does the rest.

    Raises TooLargeError for more than is taken for the purpose, InputError for a name that is none.
    """
    settings = services.settings
    most = settings.find_bytes if purpose == "find" else settings.download_bytes
    if size_bytes > most:
        raise TooLargeError(f"The file is larger than {most / 2**20:.0f} MB, which is the limit here.")
    base = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable()).strip()[-_LONGEST_NAME:]
    if not base:
        raise InputError("The upload needs the file's name.")
    identifier = uuid4()
    bucket, folder = (settings.media_bucket, f"{FIND_FOLDER}/") if purpose == "find" else (settings.inbox_bucket, "")
    object_name = f"{folder}{identifier}/{base}"
    address = start_upload_session(bucket, object_name, size_bytes=size_bytes, content_type=content_type, origin=origin)
    upload = uploads.add(
        services.database,
        identifier,
        owner=owner,
        purpose=purpose,
        bucket=bucket,
        object_name=object_name,
        name=base,
        size_bytes=size_bytes,
    )
    return StartedUpload(upload, address)


def fetch_upload(services: Services, upload_id: UUID, owner: str, path: Path) -> tuple[str, Path]:
    """Bring an uploaded clip to a file and take it out of the bucket; return its name and the file.

    Raises NotFoundError for what is not there (yet), InputError for an upload with another purpose.
    """
    upload = uploads.get(services.database, upload_id, owner)
    if upload.purpose != "find":
        raise InputError("That upload was made to be added, not to be asked about.")
    try:
        with open_object(upload.bucket, upload.object_name) as stream, path.open("wb") as file:
            while block := stream.read(_BLOCK_BYTES):
                file.write(block)
    except NotFoundError as error:
        raise NotFoundError("The upload has not arrived; send its bytes to its address first.") from error
    delete_object(upload.bucket, upload.object_name, missing_ok=True)
    uploads.remove(services.database, upload_id)
    return upload.name, path


def sweep_uploads(services: Services) -> int:
    """Remove the bytes of clips that nobody asked about within a day; return how many uploads were forgotten."""
    swept = uploads.old(services.database)
    for upload in swept:
        if upload.purpose == "find":
            delete_object(upload.bucket, upload.object_name, missing_ok=True)
        uploads.remove(services.database, upload.id)
    return len(swept)
