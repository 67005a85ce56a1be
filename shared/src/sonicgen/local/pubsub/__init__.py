"""The embedded cloud's Pub/Sub: a gRPC server for the real google-cloud-pubsub clients, with push, kept in one file."""

from __future__ import annotations

from sonicgen.local.pubsub.records import SubscriptionStatistics
from sonicgen.local.pubsub.server import PubsubServer

__all__ = ["PubsubServer", "SubscriptionStatistics"]
