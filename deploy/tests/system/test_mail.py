"""Mails of the whole system: none is lost and none arrives more than twice, whenever
the worker is killed. What a mail says, and faults of the server: users_project/tests.

The worker is the test's own, with a mail server of the test; the stack's is stopped.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest

from deploy.local.servers import application
from deploy.tests.browser.mailbox import mailed_link
from deploy.tests.stack import ROOT, System, wait_until, with_lines
from shared.tests.mail_server import MailServer, mail_server

PROJECT = ROOT / "users_project"
# By the beginning of the address: where the server leaves the worker waiting.
MOMENTS = {
    "stall": "after the claim of the job",
    "data-stall": "in DATA",
    "answer-stall": "after DATA, before the answer",
    "settle": "after the answer, before the row says so",
}
QUEUE = """
import sys
from django.db import transaction
from users.accounts.links import issue
from users.mail.outbox import queue
from users.models import User
user = User.objects.get(username=sys.stdin.readline().strip())
with transaction.atomic():
    for address in sys.stdin.read().split():
        link = issue("reset", address=address, user=user)
        queue("reset", address, locale="en", user=user, link=link)
"""
SILENT = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
RETRY = ("procrastinate", "defer", "retry_stalled_jobs", '{"timestamp": 0}')
BLOCKED = "FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
def server(system, tmp_path) -> Iterator[MailServer]:
    """With no worker but those of the test."""
    with system.stopped("users-worker"), mail_server(tmp_path) as server:
        text = (system.state / "env" / "users.env").read_text()
        (tmp_path / "users.env").write_text(with_lines(text, server.settings))
        yield server


def manage(
    system: System, *words: str, server: MailServer | None = None
) -> dict[str, Any]:
    """For `subprocess`: a command of the User Service with the settings of the stack;
    with a server, those of mail are other ones in its `.env` file."""
    service = next(x for x in system.layout.services if x.name == "users")
    env = application.environment(system.layout, service)
    if server:
        env["ENV_FILE"] = str(server.path / "users.env")
    command = [sys.executable, "manage.py", *words]
    return {"args": command, "cwd": PROJECT, "env": env}


@contextmanager
def worker(system: System, server: MailServer) -> Iterator[subprocess.Popen[bytes]]:
    words = ("procrastinate", "worker", "--concurrency=4")
    command = manage(system, *words, server=server)
    with subprocess.Popen(**command, umask=0o077) as process:
        try:
            yield process
        finally:
            process.terminate()


def queue(system: System, name: str, *addresses: str) -> None:
    """A mail with a link of this user to each address, as the service queues it."""
    text = "\n".join([name, *addresses])
    command = manage(system, "shell", "-c", QUEUE)
    subprocess.run(**command, input=text, text=True, check=True, timeout=60)


def sent(system: System, addresses: list[str]) -> list[bool]:
    sql = "SELECT sent_at IS NOT NULL FROM users_mail WHERE address = ANY(%s)"
    return [row[0] for row in system.query("users", sql, addresses)]


def link_of(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",)).get_content()
    return next(line for line in text.splitlines() if "token=" in line)


def test_no_mail_is_lost_and_none_comes_more_than_twice(system, user, server):
    """One worker sends four mails, each of which is at another moment when it dies."""
    addresses = [f"{name}@{user.name}.example" for name in MOMENTS]
    queue(system, user.name, *addresses)
    with worker(system, server) as first:
        wait_until(lambda: server.reached() == {*MOMENTS}, 30, "all four moments")
        secret = system.secret("users_db_app_password")
        with system.connect("users", "users_app", secret) as lock:
            lock.execute(
                "SELECT 1 FROM users_mail WHERE address = %s FOR UPDATE", addresses[-1:]
            )
            server.heal("settle")
            is_blocked = lambda: system.query("users", f"SELECT 1 {BLOCKED}")  # noqa: E731
            wait_until(is_blocked, 10, "the last moment")
            first.kill()
            first.wait()
            # PostgreSQL would do what the dead one has asked for.
            system.query("users", f"SELECT pg_terminate_backend(pid) {BLOCKED}")
    assert sent(system, addresses) == [False] * 4
    assert taken(server) == [*MOMENTS][2:]

    server.heal(*MOMENTS)
    with worker(system, server):
        # What is done every minute to jobs whose worker was silent for half of one.
        system.query("users", SILENT, role="owner")
        system.run("users", *RETRY)
        wait_until(lambda: all(sent(system, addresses)), 60, "all mails")
    assert taken(server) == sorted([*MOMENTS, "answer-stall", "settle"])
    mails = {(each["To"], each["Message-ID"], link_of(each)) for each in server.mails()}
    assert len(mails) == len(MOMENTS)


def taken(server: MailServer) -> list[str]:
    """For each mail that the server has taken, the moment that it is named by."""
    return sorted(each["to"][0].partition("@")[0] for each in server.envelopes())


def test_a_mail_of_development_is_a_file_that_a_command_prints(system, user):
    address = {"email": user.email}
    assert user.post("/api/v1/users/password_reset", json=address).status_code == 202
    url = mailed_link(system, user.email, "reset")
    assert url.startswith(f"{system.gateway_url}/account/reset?token=")
    assert f"To: {user.email}" in system.run("mail")
    assert system.run("mail", "--link").split() == [url]
    folder = system.state / "mail"
    assert {path.stat().st_mode & 0o77 for path in folder.iterdir()} == {0}


def test_a_test_mail_of_development_is_a_file_that_a_command_prints(system):
    said = system.run("doctor", "--mail", "eve@example.org")
    assert "ok    users:   mail.test           MAIL_FOLDER takes a test mail" in said
    assert "To: eve@example.org" in system.run("mail")
