"""Counting in PostgreSQL, for what must not be open while Redis is away.

Less than what Redis does: whole windows in place of growing waits, no known addresses,
no networks, and not everybody together, which would be one row for all to wait for.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.db import connections, models
from django.db.models.functions import Now

from shared.limits.buckets import Bucket
from shared.limits.in_redis import Verdict

# One bucket counts where those before it have: an attempt that is refused by address
# is none of the account's. A row that is full or being counted in is waited for; rows
# are taken in the order of buckets, so that two attempts never wait for each other.
COUNT = """
{name} AS (
    INSERT INTO {table} AS tally (bucket, count, expires_at)
    SELECT %s::text, 1, clock_timestamp() + %s::interval {source}
    ON CONFLICT (bucket) DO UPDATE
    SET count = CASE
            WHEN tally.expires_at <= clock_timestamp() THEN 1 ELSE tally.count + 1
        END,
        expires_at = CASE
            WHEN tally.expires_at <= clock_timestamp() THEN excluded.expires_at
            ELSE tally.expires_at
        END
    WHERE tally.expires_at <= clock_timestamp() OR tally.count < %s::int
    RETURNING 1
)"""

# Failures are forgotten after a success; else the attempt was none. Rows are locked in
# the order in which COUNT has taken them.
GIVE_BACK = """
WITH taken AS (
    SELECT tally.bucket
    FROM {table} AS tally
    JOIN unnest(%s::text[]) WITH ORDINALITY AS given (bucket, number) USING (bucket)
    ORDER BY given.number
    FOR UPDATE OF tally
)
UPDATE {table}
SET count = CASE WHEN bucket = ANY(%s::text[]) THEN 0 ELSE greatest(count - 1, 0) END
WHERE bucket IN (SELECT bucket FROM taken)
"""

WAIT = """
SELECT extract(epoch FROM expires_at - clock_timestamp())::float8
FROM {table} WHERE bucket = %s
"""


class TallyQuerySet(models.QuerySet["Tally"]):
    def reserve(self, buckets: Sequence[Bucket]) -> Verdict:
        """Count an attempt in one bucket after the other, till one is full. One
        statement; should it fail nothing was counted. Raises OperationalError."""
        counted = [bucket for bucket in buckets if bucket.in_floor]
        parts, parameters = [], []
        for number, bucket in enumerate(counted):
            source = f"FROM b{number - 1}" if number else ""
            part = COUNT.format(name=f"b{number}", table=self.table, source=source)
            parts.append(part)
            window = timedelta(seconds=bucket.limit.seconds)
            parameters += [bucket.key, window, bucket.limit.most]
        if not counted:
            return Verdict()
        rows = " UNION ALL ".join(f"SELECT 1 FROM b{n}" for n in range(len(parts)))  # noqa: S608 - names of ours
        passed = len(self.execute(f"WITH {','.join(parts)} {rows}", parameters))
        self.let_go()
        if passed == len(counted):
            return Verdict(marks=(0,) * len(buckets))
        full = counted[passed]
        self.give_back(counted[:passed], success=False)
        [[wait]] = self.execute(WAIT.format(table=self.table), [full.key]) or [(1.0,)]
        return Verdict(full, wait)

    def give_back(self, buckets: Sequence[Bucket], *, success: bool) -> None:
        """Undo a reservation, or after a success forget the failures."""
        keys = [bucket.key for bucket in buckets if bucket.in_floor]
        failures = [b.key for b in buckets if success and b.kind == "delays"]
        if keys:
            with connections[self.db].cursor() as cursor:
                cursor.execute(GIVE_BACK.format(table=self.table), [keys, failures])

    def expired(self) -> Self:
        """Rows of windows that are over."""
        return self.filter(expires_at__lt=Now())

    def let_go(self) -> None:
        """No connection is kept while another service is asked, or a hash is made."""
        connection = connections[self.db]
        if not connection.in_atomic_block:
            connection.close()

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def execute(self, statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        with connections[self.db].cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())


class Tally(models.Model):
    """How often something was tried in the window that ends at `expires_at`."""

    bucket = models.CharField(primary_key=True, max_length=160)
    count = models.PositiveIntegerField()
    expires_at = models.DateTimeField(db_index=True)

    objects = TallyQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.bucket


def tallies() -> TallyQuerySet | None:
    """Those of this service; None where it has none (LIMIT_MODEL)."""
    if not settings.LIMIT_MODEL:
        return None
    found: TallyQuerySet = apps.get_model(settings.LIMIT_MODEL)._default_manager.all()
    return found
