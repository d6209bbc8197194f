"""The queue of the User Service's worker, as its application role sees it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deploy.tests.stack import System
from deploy.tests.waiting import wait_until

DEFER = """SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[
    ROW('default', %s, 0, NULL, NULL, %s::jsonb, NULL)
]::procrastinate_job_to_defer_v1[]))"""
OLD_REQUEST = """INSERT INTO users_request (kind, address, created_at)
VALUES ('reset', 'a@example.org', now() - interval '2 h')"""


class Queue:
    """Jobs of a running stack. A purge has a row to delete."""

    def __init__(self, system: System) -> None:
        self.system = system

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.system.query("users", sql, *values)

    def defer(self, task: str = "purge", **words: str) -> int:
        """The id of a new job, one by the clock unless it has words of its own."""
        self.query(OLD_REQUEST)
        ((job,),) = self.query(DEFER, task, json.dumps(words or {"timestamp": 0}))
        return int(job)

    def status(self, job: int) -> str:
        rows = self.query("SELECT status FROM procrastinate_jobs WHERE id = %s", job)
        return str(rows[0][0]) if rows else "done"

    def wait(self, job: int, status: str = "done", seconds: float = 10.0) -> None:
        wait_until(lambda: self.status(job) == status, seconds, status)

    def has_purged(self) -> bool:
        return self.query("SELECT count(*) FROM users_request") == [(0,)]

    @contextmanager
    def held(self) -> Iterator[int]:
        """A purge in hand, which waits for a lock until this is over."""
        password = self.system.secret("users_db_owner_password")
        with self.system.connect("users", "users_owner", password) as owner:
            self.query(OLD_REQUEST)
            owner.execute("LOCK TABLE users_request")
            ((job,),) = self.query(DEFER, "purge", '{"timestamp": 0}')
            self.wait(job, "doing")
            yield job
