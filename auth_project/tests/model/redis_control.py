"""A hand on the real Redis: what it keeps, and what auth may do with it."""

import os
from pathlib import Path

from django.conf import settings
from redis import Redis

from shared.auth import session_state

from .records import DOWN, FULL, READ_ONLY, WELL

USER = "model"
# As the Auth Service has them.
RIGHTS = "reset on >model ~session:* ~auth:* -@all +@read +@write +@connection"
RIGHTS += " +@scripting -@dangerous"
TAKEN = {READ_ONLY: "-set -del -expire", DOWN: "-@all"}


class RedisControl:
    def __init__(self) -> None:
        self.admin = redis_of("admin", admin_password())
        self.own = redis_of(USER, "model")
        self.asking = self.own  # whose connection `shared.auth.session_state` has

    def close(self) -> None:
        """All as it was before."""
        self.redis_trouble(WELL)
        self.lose_all()
        self.admin.acl_deluser(USER)
        self.admin.close()
        self.own.close()

    def age(self, microseconds: int) -> None:
        """Redis has a clock of its own: what it keeps is made so much older."""
        names = list(self.admin.scan_iter("session:*", count=1000))
        with self.admin.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pttl(name)
            for name, left in zip(names, pipeline.execute(), strict=True):
                pipeline.pexpire(name, left - microseconds // 1000)
            pipeline.execute()

    def lose_all(self) -> None:
        """What a flush does; the stack's other keys stay."""
        names = list(self.admin.scan_iter("session:*", count=1000))
        if names:
            self.admin.delete(*names)

    def lose(self, sid: str) -> None:
        self.admin.delete(session_state.key(sid))

    def restore_active(self, sid: str, seconds: int) -> None:
        """A fail-over to a replica that was behind."""
        self.admin.set(session_state.key(sid), "active", ex=seconds)

    def redis_trouble(self, kind: str) -> None:
        rights = f"{RIGHTS} {TAKEN.get(kind, '')}".split()
        self.admin.execute_command("ACL", "SETUSER", USER, *rights)
        self.admin.config_set("maxmemory", "1" if kind == FULL else "128mb")

    def says(self, sid: str) -> tuple[bool, int] | None:
        """Whether Redis says that it lives, and for how many seconds; None: nothing."""
        name = session_state.key(sid)
        value = self.admin.get(name)
        return None if value is None else (value == b"active", self.admin.ttl(name))


def admin_password() -> str:
    """Of the Redis that `./manage_all.sh` made: it lies next to auth's own."""
    own = Path(settings.BASE_DIR, os.environ["REDIS_PASSWORD_FILE"])
    return (own.parent / "redis_admin_password").read_text().strip()


def redis_of(user: str, password: str) -> Redis:
    path = session_state.connection().connection_pool.connection_kwargs["path"]
    return Redis(unix_socket_path=path, username=user, password=password)
