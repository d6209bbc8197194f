"""Diagnostics of every service: its stores and its peers."""

from shared.diagnostics import database, peers, redis

__all__ = ["database", "peers", "redis"]
