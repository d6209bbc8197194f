"""What every service can be asked, by subject."""

from shared.diagnostics import database, peers, process, redis

__all__ = ["database", "peers", "process", "redis"]
