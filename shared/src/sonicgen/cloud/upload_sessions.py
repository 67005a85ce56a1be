"""Resumable uploads that go straight into a bucket: whoever has the session's address may send the bytes, once."""

from __future__ import annotations

from sonicgen.cloud.objects import RETRY_SECONDS, _client, _own_errors, _retry


def start_upload_session(bucket: str, name: str, *, size_bytes: int, content_type: str, origin: str | None) -> str:
    """Return the address that takes an object's bytes in PUT requests, in parts and after breaks if need be.

    It is good for a week and for exactly `size_bytes`; a browser may use it from `origin`. A name that is taken is
    refused at the end. Raises UnavailableError.
    """
    with _own_errors(bucket, name):
        blob = _client().bucket(bucket).blob(name)
        return str(
            blob.create_resumable_upload_session(
                content_type=content_type,
                size=size_bytes,
                origin=origin,
                timeout=RETRY_SECONDS,
                if_generation_match=0,
                retry=_retry(),
            )
        )
