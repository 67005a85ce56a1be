"""Lists of objects: pages, prefixes, and folders made by a delimiter."""

from __future__ import annotations

from dataclasses import dataclass, field

from sonicgen.local.storage.buckets import require_bucket
from sonicgen.local.storage.database import Database
from sonicgen.local.storage.names import end_of_prefix, read_page_token, write_page_token
from sonicgen.local.storage.resources import Json, ObjectRow

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """What a client wants listed."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    most: int = 1000
    token: str | None = None
    start: str = ""
    end: str | None = None
    folders_as_objects: bool = False  # also list an object whose name ends at the delimiter


@dataclass(slots=True)
class _Page:
    rows: list[ObjectRow] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_name: str | None = None

    def __len__(self) -> int:
        return len(self.rows) + len(self.prefixes)


def list_objects(database: Database, query: Query, base_url: str) -> Json:
    """Return one page of a bucket's objects, by name; raise Problem (404) when there is no such bucket."""
    require_bucket(database, query.bucket)
    page = _collect(database, query)
    answer: Json = {"kind": "storage#objects", "items": [row.resource(base_url) for row in page.rows]}
    if page.prefixes:
        answer["prefixes"] = page.prefixes
    if page.next_name is not None:
        answer["nextPageToken"] = write_page_token(page.next_name)
    return answer


def _collect(database: Database, query: Query) -> _Page:
    page = _Page()
    first: str | None = max(query.prefix, query.start, read_page_token(query.token) if query.token else "")
    bound = min((end for end in (end_of_prefix(query.prefix), query.end or None) if end is not None), default=None)
    while first is not None:
        rows = database.all("list_objects", bucket=query.bucket, first=first, bound=bound, most=_BATCH)
        first = None
        for record in rows:
            name: str = record["name"]
            if len(page) >= query.most:
                page.next_name = name
                return page
            folder = _folder(name, query)
            if folder is None or (query.folders_as_objects and name == folder):
                page.rows.append(ObjectRow.load(record))
            if folder is not None:
                page.prefixes.append(folder)
                first = end_of_prefix(folder)  # skip all that lies in it
                break
        else:
            if len(rows) == _BATCH:
                first = rows[-1]["name"] + "\0"
    return page


def _folder(name: str, query: Query) -> str | None:
    if not query.delimiter:
        return None
    end = name.find(query.delimiter, len(query.prefix))
    return None if end < 0 else name[: end + len(query.delimiter)]
