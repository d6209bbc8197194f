"""The scale law: ten thousand, a hundred thousand, a million people with five sessions
each. What a request costs may not depend on how many there are."""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import redis

from .ours import Ours
from .rounds import Plan, compare
from .stack import ROOT, Stack

SIZES = (10_000, 100_000, 1_000_000)
SESSIONS_EACH = 5
PATHS = ("me", "verify_token", "refresh", "login", "register")
KEYS = 50_000

# Of each person's sessions one has been over for days: what flushing is for.
SEED_SESSIONS = """
INSERT INTO tokens_session (
    id, user_id, user_epoch, jti, created_at, last_used_at, expires_at,
    absolute_expires_at, revoked_reason, user_agent, ip
)
SELECT gen_random_uuid(), id, 0, gen_random_uuid(), moment, moment,
       moment + interval '30 days', moment + interval '30 days', '', 'bench', NULL
FROM bench_person, generate_series(1, %(each)s) AS n,
     LATERAL (SELECT now() - CASE WHEN n = 1 THEN interval '33 days'
                                  ELSE interval '1 day' END AS moment) AS times
"""


def measure(stack: Stack, sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """The cells of every path at each size, flushing, and what a session takes."""
    empty(stack)
    cells: dict[str, Any] = {}
    flushes: dict[str, Any] = {}
    for size in sizes:
        begun = time.monotonic()
        grow(stack, size)
        print(
            f"  {size} people after {time.monotonic() - begun:.0f} s", file=sys.stderr
        )
        ours = Ours(stack)
        cells[str(size)] = [
            asdict(cell)
            for path in PATHS
            for cell in compare(stack, [ours], path, 16, Plan(5, 2))
        ]
        flushes[str(size)] = flush(stack)
    found = {"cells": cells, "flushes": flushes, "key_bytes": bytes_per_key(stack)}
    empty(stack)
    return found


def empty(stack: Stack) -> None:
    with stack.database("auth") as connection:
        connection.execute("TRUNCATE tokens_session")
    with stack.database("users") as connection:
        connection.execute("TRUNCATE users_user CASCADE")


def grow(stack: Stack, size: int) -> None:
    """To so many people, and five sessions for each who has none."""
    stack.seed(size)
    with stack.database("users") as users, stack.database("auth") as auth:
        auth.execute("CREATE TEMP TABLE bench_person (id uuid)")
        reading = "COPY (SELECT id FROM users_user) TO STDOUT"
        with (
            users.cursor().copy(reading) as source,
            auth.cursor().copy("COPY bench_person FROM STDIN") as target,
        ):
            for piece in source:
                target.write(piece)
        auth.execute("TRUNCATE tokens_session")
        auth.execute(SEED_SESSIONS, {"each": SESSIONS_EACH})
        auth.execute("VACUUM ANALYZE tokens_session")
        auth.execute("CHECKPOINT")
        users.execute("CHECKPOINT")


def flush(stack: Stack) -> dict[str, float]:
    """`flushexpiredsessions`: rows, seconds, and the most memory it held."""
    count = "SELECT count(*) FROM tokens_session"
    with stack.database("auth") as connection:
        [before] = connection.execute(count).fetchone() or [0]
        begun = time.monotonic()
        subprocess.run(
            ["./manage_all.sh", "auth", "flushexpiredsessions"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        seconds = time.monotonic() - begun
        [after] = connection.execute(count).fetchone() or [0]
    # In KiB, of the largest child there has been: it grows or stays.
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    found = {"rows": before - after, "seconds": seconds, "memory": most}
    print(f"  flushed {found}", file=sys.stderr, flush=True)
    return found


def bytes_per_key(stack: Stack) -> float:
    """What Redis holds for a live session, its share of all tables included."""
    client = redis.Redis.from_url(
        stack.env("auth")["REDIS_URL"], password=stack.secret("auth_redis_password")
    )
    admin = redis.Redis.from_url(
        stack.env("auth")["REDIS_URL"].replace("auth@", "admin@"),
        password=stack.secret("redis_admin_password"),
    )
    names = [f"session:{uuid4()}" for _ in range(KEYS)]
    before = admin.info("memory")["used_memory"]
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.set(name, b"active", ex=310)
        pipeline.execute()
    taken = admin.info("memory")["used_memory"] - before
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.delete(name)
        pipeline.execute()
    return taken / KEYS
