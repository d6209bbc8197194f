"""What every service can be asked, by subject."""

from shared.probes import clocks, database, files, listening, peers, redis, rights

__all__ = ["clocks", "database", "files", "listening", "peers", "redis", "rights"]
