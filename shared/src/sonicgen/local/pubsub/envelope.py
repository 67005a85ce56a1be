"""The two forms of a push: the message wrapped in JSON, or its data as it is with the rest in headers."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from urllib.parse import quote

from sonicgen.local.pubsub.records import Delivery, Subscription

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# These belong to the connection; an attribute of that name must not break the request.
_RESERVED_HEADERS = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def make_request(subscription: Subscription, delivery: Delivery) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body that push `delivery`."""
    push = subscription.config.push_config
    if push.WhichOneof("wrapper") != "no_wrapper":
        return _wrap(subscription, delivery)
    headers = {"User-Agent": "CloudPubSub-Google"}
    if push.no_wrapper.write_metadata:
        headers |= _metadata(subscription, delivery)
    return headers, delivery.data


def _wrap(subscription: Subscription, delivery: Delivery) -> tuple[dict[str, str], bytes]:
    number, published = str(delivery.message_id), _timestamp(delivery.publish_time)
    message: dict[str, object] = {
        "messageId": number,
        "message_id": number,
        "publishTime": published,
        "publish_time": published,
    }
    # As the service does: what is empty is left out.
    if delivery.data:
        message["data"] = base64.b64encode(delivery.data).decode()
    if delivery.attributes:
        message["attributes"] = delivery.attributes
    if delivery.ordering_key:
        message["orderingKey"] = delivery.ordering_key
    envelope: dict[str, object] = {"message": message, "subscription": subscription.name}
    if subscription.dead_letter_topic:
        envelope["deliveryAttempt"] = delivery.attempt
    return {"Content-Type": "application/json", "User-Agent": "CloudPubSub-Google"}, json.dumps(envelope).encode()


def _metadata(subscription: Subscription, delivery: Delivery) -> dict[str, str]:
    headers = {
        "x-goog-pubsub-subscription-name": subscription.name,
        "x-goog-pubsub-message-id": str(delivery.message_id),
        "x-goog-pubsub-publish-time": _timestamp(delivery.publish_time),
    }
    if delivery.ordering_key:
        headers["x-goog-pubsub-ordering-key"] = _value(delivery.ordering_key)
    for key, value in delivery.attributes.items():
        name = key.lower()
        if _HEADER_NAME.fullmatch(key) and name not in _RESERVED_HEADERS and name not in headers:
            headers[key] = _value(value)
    return headers


def _value(text: str) -> str:
    """Percent-encode what a header cannot carry, as the HTTP binding of CloudEvents does."""
    return text if text.isascii() and text.isprintable() else quote(text, safe=_PRINTABLE.replace("%", ""))


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
