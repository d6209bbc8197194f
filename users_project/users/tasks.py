"""The jobs of the worker. A job carries ids and no other data of users. It may run
twice: after a worker dies, its unfinished job starts again from the beginning.

Every function here is short; the work is in the module that it calls.
"""

from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from shared.clients import auth_client
from shared.db import rights
from users import bulk, purges
from users.accounts import change_email, erasure, registration, requests
from users.factors import resets
from users.jobs import WORKER_TIMEOUT
from users.mail import delivery

# For jobs that need PostgreSQL or another service: twelve retries in half an hour.
RETRY = RetryStrategy(max_attempts=12, wait=10, linear_wait=30)
# Below that of all other jobs: they must not wait for thousands of mails, or for a mail
# server that is down. A retry keeps it.
MAILS = -1

# --- For a request --------------------------------------------------------------------


@app.task(name="send_mail", priority=MAILS, retry=delivery.Backoff())
def send_mail(mail_id: int) -> None:
    """Send a mail that waits."""
    delivery.deliver(mail_id)


@app.task(name="handle_registration", retry=RETRY)
def handle_registration(registration_id: str) -> None:
    """Mail the link of a registration, or that the account exists."""
    registration.handle(UUID(registration_id))


@app.task(name="handle_request", retry=RETRY)
def handle_request(request_id: int) -> None:
    """Mail the link that was requested, if the address has an account."""
    requests.handle(request_id)


@app.task(name="handle_email_change", retry=RETRY)
def handle_email_change(user_id: str) -> None:
    """Mail the link that confirms a new address, unless the address is taken."""
    change_email.handle(UUID(user_id))


@app.task(name="change_users", retry=RetryStrategy(max_attempts=180, wait=10))
def change_users(change: str, editor_id: str, user_ids: list[str]) -> None:
    """Make an operator's change to a chunk of users. Their sessions live until then, so
    a failed job is retried soon."""
    bulk.follow(change, [*map(UUID, user_ids)], UUID(editor_id))


@app.task(name="erase_in_auth", retry=RetryStrategy(wait=10, linear_wait=60))
def erase_in_auth(user_id: str) -> None:
    """Erase a user in the Auth Service, too. Retried until the service has answered."""
    auth_client().erase(UUID(user_id))


# --- By the clock ---------------------------------------------------------------------
#
# `timestamp` is when the job was due. Procrastinate makes up for a missed time only
# within ten minutes, so even daily work is scheduled every hour. The jobs have no
# queueing locks: a job with one cannot be retried while another waits.


@app.periodic(cron="* * * * *")
@app.task(name="retry_stalled_jobs")
async def retry_stalled_jobs(timestamp: int) -> None:
    """Retry the jobs of workers that died."""
    jobs, seconds = app.job_manager, WORKER_TIMEOUT.total_seconds()
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=seconds):
        await jobs.retry_job(job)


@app.periodic(cron="*/10 * * * *")
@app.task(name="purge", retry=RETRY)
def purge(timestamp: int) -> None:
    """Delete links, mails and other rows that have no more use."""
    purges.purge()


@app.periodic(cron="*/10 * * * *")
@app.task(name="erase_users", retry=RETRY)
def erase_users(timestamp: int) -> None:
    """Erase the deleted accounts that can no longer be restored."""
    erasure.erase_due()


@app.periodic(cron="*/10 * * * *")
@app.task(name="reset_factors", retry=RETRY)
def reset_factors(timestamp: int) -> None:
    """Run the resets of second factors whose FACTOR_RESET_DELAY is over."""
    resets.run_due()


@app.periodic(cron="23 * * * *")
@app.task(name="delete_old_jobs")
async def delete_old_jobs(timestamp: int) -> None:
    """Delete jobs that failed a month ago. Those that succeed are deleted at once."""
    await app.job_manager.delete_old_jobs(
        nb_hours=30 * 24,
        include_failed=True,
        include_cancelled=True,
        include_aborted=True,
    )


@app.periodic(cron="43 * * * *")
@app.task(name="purge_events")
def purge_events(timestamp: int) -> None:
    """Delete old events, and earlier their personal part."""
    rights.purge_events()
