"""Webhooks: who is told of what, and whether it arrived."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from sonicgen.console.access import Admin
from sonicgen.console.once import IdempotencyKey, answer_once
from sonicgen.steps.services import services
from sonicgen.steps.tell_webhooks import add_webhook
from sonicgen.store import webhooks
from sonicgen.store.webhooks import Webhook

router = APIRouter(tags=["webhooks"])


class WebhookRequest(BaseModel):
    """An address and what it is to be told of."""

    url: str = Field(max_length=2_000)
    events: list[Literal["find.done", "recording.decided", "transcript.ready", "match.reviewed"]] = Field(min_length=1)


@router.get("/v1/webhooks")
def list_webhooks(caller: Admin) -> dict[str, Any]:
    """Every address, without its secret."""
    return {"webhooks": [_form(webhook) for webhook in webhooks.list_all(services().database)]}


@router.post("/v1/webhooks", status_code=201)
def make_webhook(body: WebhookRequest, caller: Admin, idempotency_key: IdempotencyKey = None) -> Response:
    """Have an address told of events; the answer holds the secret that signs them, this once."""

    def work() -> dict[str, Any]:
        made = add_webhook(services(), body.url, list(body.events))
        return {**_form(made), "secret": made.secret}

    return answer_once(caller, idempotency_key, ("webhook", body.url, body.events), work, 201)


@router.delete("/v1/webhooks/{identifier}", status_code=204)
def remove_webhook(identifier: UUID, caller: Admin) -> Response:
    """Tell an address nothing more."""
    webhooks.remove(services().database, identifier)
    return Response(status_code=204)


@router.get("/v1/webhooks/{identifier}/deliveries")
def list_deliveries(identifier: UUID, caller: Admin) -> dict[str, Any]:
    """What an address was told lately, and how it answered."""
    return {
        "deliveries": [
            {
                "id": str(one.id),
                "event": one.event,
                "event_id": one.event_id,
                "attempts": one.attempts,
                "next_attempt_at": one.next_attempt_at.isoformat() if one.next_attempt_at else None,
                "delivered_at": one.delivered_at.isoformat() if one.delivered_at else None,
                "last_answer": one.last_answer,
                "created_at": one.created_at.isoformat(),
            }
            for one in webhooks.deliveries(services().database, identifier)
        ]
    }


def _form(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": str(webhook.id),
        "url": webhook.url,
        "events": list(webhook.events),
        "created_at": webhook.created_at.isoformat(),
    }
