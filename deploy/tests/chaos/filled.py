"""Stores that are full, and one that has forgotten everything."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg

from deploy.tests.chaos.faults import Stage

TERMINATE_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND pid <> pg_backend_pid()
"""


@contextmanager
def redis_full(stage: Stage) -> Iterator[None]:
    """It takes no write; with `noeviction` DEL still works."""
    admin = stage.rig.stack.redis()
    limit = admin.config_get("maxmemory")["maxmemory"]
    admin.config_set("maxmemory", "1")
    try:
        yield
    finally:
        admin.config_set("maxmemory", limit)
        admin.close()


@contextmanager
def redis_flushed(stage: Stage) -> Iterator[None]:
    with stage.rig.stack.redis() as admin:
        admin.flushall()
    yield


@contextmanager
def database_full(service: str, stage: Stage) -> Iterator[None]:
    """PostgreSQL at max_connections, and what the service had was taken from it."""
    with ExitStack() as held:
        stack = stage.rig.stack
        app = held.enter_context(connect(stage, service, "app"))
        fill(stage, service, held)
        app.execute(TERMINATE_OTHERS)
        fill(stage, service, held)
        yield
    stack.wait_for(f"{service}-db")


def fill(stage: Stage, service: str, held: ExitStack) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.enter_context(connect(stage, service, "owner"))


def connect(stage: Stage, service: str, role: str) -> psycopg.Connection:
    stack = stage.rig.stack
    password = stack.secret(f"{service}_db_{role}_password")
    connection = stack.connect(service, f"{service}_{role}", password)
    connection.autocommit = True
    return connection
