"""What this service's own Redis user may, tried out without doing harm (DATA-06)."""

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import NoPermissionError

from shared.doctor import Context, Finding, judge, probe
from shared.probes.redis import ADMIN, connect

WRITER = "auth"  # of session:*, where everybody reads whether a session is alive
FORBIDDEN = (
    ["FLUSHALL"],
    ["CONFIG", "SET", "save", ""],
    ["KEYS", "*"],
    ["ACL", "LIST"],
)
ADVICE = "./manage_all.sh up writes .secrets/redis_users.acl; then restart redis."


def is_refused(act: Callable[[], Any]) -> bool:
    try:
        act()
    except NoPermissionError:
        return True
    return False


@probe
def own_user(context: Context) -> Iterator[Finding]:
    client = get_redis_connection("default")
    yield judge(
        "redis.rights",
        is_refused(lambda: client.config_get("maxmemory")),
        "our Redis user may not administer",
        "our Redis user may read and change Redis's configuration",
        ADVICE,
    )
    if settings.SERVICE_NAME != WRITER:
        # No session has this name, and it is gone in a second.
        yield judge(
            "redis.sessions",
            is_refused(lambda: client.set("session:doctor", "", ex=1)),
            "our Redis user may only read sessions",
            "our Redis user may write sessions, which are the Auth Service's",
            ADVICE,
        )


@probe
def forbidden_commands(context: Context) -> Iterator[Finding]:
    """Asked of the administrator: trying them would do them."""
    if not context.redis_admin_password:
        return
    user = settings.SERVICE_NAME
    with connect(ADMIN, context.redis_admin_password) as admin:
        allowed = [
            words[0]
            for words in FORBIDDEN
            if admin.execute_command("ACL DRYRUN", user, *words) == "OK"
        ]
    yield judge(
        "redis.commands",
        not allowed,
        f"Redis's user {user} has no dangerous command",
        f"Redis's user {user} may {', '.join(allowed)}",
        ADVICE,
    )
