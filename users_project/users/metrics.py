"""Metrics of the User Service, in addition to those of `shared.metrics`."""

from django.db import connection
from prometheus_client import Counter, Gauge, Histogram

from shared.metrics import LAST, internal_calls_failed_total, made

password_hash_seconds = made(
    Histogram,
    "password_hash_seconds",
    "Hashes of passwords, the wait for a thread included.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
password_hash_refused_total = made(
    Counter, "password_hash_refused_total", "Hashes refused: too many wait."
)
jobs_waiting = made(
    Gauge,
    "jobs_waiting",
    "Jobs that are due, 1,000 at most.",
    {"queue": ("default",)},
    **LAST,
)
mail_oldest_unsent_seconds = made(
    Gauge, "mail_oldest_unsent_seconds", "How long the oldest mail has waited.", **LAST
)
backup_age_seconds = made(
    Gauge, "backup_age_seconds", "Since the last backup; +Inf: never.", **LAST
)
# It starts at 0, so that the first push that is lost raises an alert.
lost_pushes = internal_calls_failed_total.labels("auth", "sessions/revoke")

# Each query reads as few rows as possible, by an index. `backup` writes its time into
# the comment of the database, which is in no table and in no backup.
STATE = """
SELECT
    (SELECT count(*) FROM (
        SELECT FROM procrastinate_jobs
        WHERE status = 'todo'
          AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())
        LIMIT 1000
    ) AS due),
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
     FROM users_mail WHERE sent_at IS NULL AND failed_at IS NULL),
    (SELECT coalesce(
        extract(epoch FROM clock_timestamp() - max(
            substring(shobj_description(oid, 'pg_database') FROM 'memo backup (.*)')
        )::timestamptz),
        'Infinity')
     FROM pg_database WHERE datname = current_database())
"""


def look() -> None:
    """Set the gauges from the database, by one statement (settings.MINUTE_GAUGES)."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        jobs, mail, backup = cursor.fetchone()
    jobs_waiting.labels("default").set(jobs)
    mail_oldest_unsent_seconds.set(mail)
    backup_age_seconds.set(backup)
