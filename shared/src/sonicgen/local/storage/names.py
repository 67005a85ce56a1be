"""Names of buckets and objects: what is allowed, how they sort, how a page of them is continued."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from sonicgen.local.storage.problems import Problem, invalid

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_OBJECT_BYTES = 1024  # https://cloud.google.com/storage/docs/objects#naming
_LAST_CHARACTER = "\U0010ffff"


def read_name(quoted: str) -> str:
    """Return the name that a piece of a URL's path spells; raise Problem when it is not UTF-8."""
    try:
        return unquote_to_bytes(quoted).decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("The name in the URL is not UTF-8.") from error


def check_bucket_name(name: str) -> None:
    """Raise Problem when no bucket may be called so."""
    if not _BUCKET.fullmatch(name) or any(len(piece) > 63 for piece in name.split(".")):
        raise invalid(f"Invalid bucket name: '{name}'")


def check_object_name(name: str) -> None:
    """Raise Problem when no object may be called so."""
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise invalid("The object's name is not valid Unicode.") from error
    if not name:
        raise Problem(400, "required", "Required")
    if length > _OBJECT_BYTES:
        raise invalid(f"The object's name takes {length} bytes of UTF-8; at most {_OBJECT_BYTES} are allowed.")
    if name in {".", ".."} or "\r" in name or "\n" in name:
        raise invalid("An object cannot be called '.' or '..', nor hold a line break in its name.")


def end_of_prefix(prefix: str) -> str | None:
    """Return the first text that sorts after everything that starts with a prefix; None when nothing does.

    UTF-8 sorts by bytes exactly as its code points do, so the last character that can be raised is raised.
    """
    stem = prefix.rstrip(_LAST_CHARACTER)
    if not stem:
        return None
    code = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)  # surrogates are no characters


def write_page_token(name: str) -> str:
    """Return the token of the page that starts at a name."""
    return base64.urlsafe_b64encode(name.encode("utf-8")).decode("ascii")


def read_page_token(token: str) -> str:
    """Return the name that a page starts at; raise Problem when the token is not ours."""
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8")
    except (UnicodeError, binascii.Error) as error:
        raise invalid("Invalid page token.") from error
