"""`bench --sizes N`: bytes of a user, a session and an event in each store, from N of
each; docs/operations/scaling.md."""

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

from redis import Redis

from .checkout import Checkout

# Another user, session and token in each copy; a column that a table lacks is ignored.
COPIES = """INSERT INTO {table}
SELECT fresh.* FROM {table} AS original
CROSS JOIN generate_series(1, %(count)s) AS n
CROSS JOIN LATERAL jsonb_populate_record(original, jsonb_build_object(
    'user_id', gen_random_uuid(), 'sid', gen_random_uuid(), 'jti', gen_random_uuid(),
    'previous_jti', gen_random_uuid(), '{key}', {value}, 'n', n)) AS fresh
WHERE original.{key} = (SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1)"""
TABLES = (
    ("auth", "tokens_session", "id", "gen_random_uuid()"),
    ("auth", "tokens_event", "id", "original.id + n"),
    ("auth", "tokens_eventpersonal", "event_id", "original.event_id + n"),
)


def sizes(checkout: Checkout, count: int) -> Iterator[str]:
    """A line for each store and kind."""
    before = size(checkout, "users", "users_user")
    with checkout.connect("users") as connection:
        [had] = connection.execute("SELECT count(*) FROM users_user").fetchone() or [0]
    checkout.seed(had + count)
    grown = size(checkout, "users", "users_user") - before
    yield f"users_user: {grown / count:.0f} bytes"
    checkout.log_in(range(1))  # a row to copy
    for service, table, key, value in TABLES:
        before = size(checkout, service, table)
        with checkout.connect(service) as connection:
            statement = COPIES.format(table=table, key=key, value=value)
            connection.execute(statement, {"count": count})
        grown = size(checkout, service, table) - before
        yield f"{table}: {grown / count:.0f} bytes"
    yield f"session in Redis: {redis_bytes(checkout, count):.0f} bytes"


def size(checkout: Checkout, service: str, table: str) -> int:
    """The bytes of a table, with its indexes."""
    with checkout.connect(service) as connection:
        connection.execute(f"VACUUM ANALYZE {table}")
        answer = connection.execute("SELECT pg_total_relation_size(%s)", [table])
        [found] = answer.fetchone() or [0]
        return int(found)


def redis_bytes(checkout: Checkout, count: int) -> float:
    """The bytes of a session's state with a time to live."""
    path = urlsplit(checkout.env("auth")["REDIS_URL"]).path
    password = (checkout.secrets / "redis_admin_password").read_text().strip()
    with Redis(unix_socket_path=path, username="admin", password=password) as store:
        before = store.info("memory")["used_memory"]
        with store.pipeline(transaction=False) as pipeline:
            for _ in range(count):
                pipeline.set(f"session:{uuid.uuid4()}", "active", ex=3600)
            pipeline.execute()
        return (store.info("memory")["used_memory"] - before) / count
