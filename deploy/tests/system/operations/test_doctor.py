"""`doctor` finds each fault that was injected into a running stack, by its id, and none
in a healthy one. Faults of a gateway: deploy/tests/local/test_external_checks.py."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from deploy.tests.stack import ROOT, System, as_it_was, with_lines
from nginx.tests.stub_service import Stub, StubHandler

Report = dict[tuple[str, str], str]
FOUND_WRONG = 3

# ---- Files ---------------------------------------------------------------------------


def setting(
    system: System, service: str, name: str, value: str
) -> AbstractContextManager[None]:
    path = system.state / "env" / f"{service}.env"
    return as_it_was(path, with_lines(path.read_text(), {name: value}))


@contextmanager
def readable_key(system: System) -> Iterator[None]:
    (path,) = system.state.glob("secrets/keys/private/*.pem")
    before = path.stat().st_mode
    path.chmod(0o640)
    try:
        yield
    finally:
        path.chmod(before)


def wrong_api_key(system: System) -> AbstractContextManager[None]:
    path = system.state / "secrets" / "auth_users_service_api_key"
    return as_it_was(path, path.read_text().swapcase())


# ---- Servers -------------------------------------------------------------------------


@contextmanager
def redis_user(system: System, *words: str) -> Iterator[None]:
    with system.redis() as admin:
        admin.execute_command("ACL", "SETUSER", *words)
        try:
            yield
        finally:
            admin.execute_command("ACL", "LOAD")


@contextmanager
def sql(system: System, service: str, inject: str, undo: str) -> Iterator[None]:
    """As the administrator of the cluster: the user that runs the stack (`peer`)."""
    with system.connect(service, "memo_admin", "") as connection:
        connection.autocommit = True
        connection.execute(inject)
        try:
            yield
        finally:
            connection.execute(undo)


@contextmanager
def stub_of_auth(system: System) -> Iterator[None]:
    """An Auth Service whose clock is an hour fast, and which publishes no key."""
    live = b'{"service": "auth", "code": "token_invalid", "keys": []}'

    def answer(handler: StubHandler) -> None:
        hour = formatdate(time.time() + 3600, usegmt=True)
        handler.date_time_string = lambda timestamp=None: hour  # type: ignore[method-assign]
        handler.reply(200, {"Content-Type": "application/json"}, live)

    with Stub("auth") as stub:
        stub.answer = answer
        with setting(system, "users", "AUTH_SERVICE_URL", f"http://{stub.address}"):
            yield
        stub.shutdown()


# ---- All of them ---------------------------------------------------------------------

SUPERUSER = ("ALTER ROLE users_app SUPERUSER", "ALTER ROLE users_app NOSUPERUSER")
MAY_CREATE = (
    "GRANT CREATE ON SCHEMA public TO auth_app",
    "REVOKE CREATE ON SCHEMA public FROM auth_app",
)
MAY_DELETE = (
    "GRANT DELETE ON tokens_event TO auth_app",
    "REVOKE DELETE ON tokens_event FROM auth_app",
)
OWNED_TABLE = (
    "CREATE TABLE injected (); ALTER TABLE injected OWNER TO auth_app",
    "DROP TABLE injected",
)
LOGGED = (
    "ALTER DATABASE auth SET log_statement = 'all'",
    "ALTER DATABASE auth RESET log_statement",
)
LIMITLESS = (
    "ALTER ROLE auth_app RESET statement_timeout",
    "ALTER ROLE auth_app SET statement_timeout = '5s'",
)
EXPIRED_SESSION = (
    "INSERT INTO tokens_session (id, user_id, user_epoch, jti, created_at,"
    " last_used_at, expires_at, absolute_expires_at, revoked_reason, user_agent)"
    " SELECT gen_random_uuid(), gen_random_uuid(), 0, gen_random_uuid(), t, t,"
    " t + interval '1 day', t + interval '2 days', '', 'doctor'"
    " FROM (SELECT now() - interval '9 days' AS t) AS times",
    "DELETE FROM tokens_session WHERE user_agent = 'doctor'",
)
EXPIRED_ADMIN = (
    "INSERT INTO django_session VALUES ('doctor', '', now() - interval '9 days')",
    "DELETE FROM django_session WHERE session_key = 'doctor'",
)
LATE_JOB = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at)"
    " VALUES ('doctor', 'doctor', now() - interval '1 h')",
    "DELETE FROM procrastinate_jobs WHERE queue_name = 'doctor'",
)
# The last of the Auth Service's, as if it had never been applied.
UNAPPLIED = (
    "UPDATE django_migrations SET app = 'doctor' WHERE id ="
    " (SELECT max(id) FROM django_migrations WHERE app = 'tokens')",
    "UPDATE django_migrations SET app = 'tokens' WHERE app = 'doctor'",
)

# Where it is found and by which id: a context of the stack, and its other arguments.
INJECTED_FAULTS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("auth", "apikeys.users"): (wrong_api_key,),
    # First: it would delete the expired session of the admin.
    ("users", "jobs.worker"): (System.stopped, "users-worker"),
    ("machine", "programs"): (System.stopped, "users-worker"),
    ("users", "jobs.wait"): (sql, "users", *LATE_JOB),
    ("users", "clock.auth"): (stub_of_auth,),
    ("users", "keys.published"): (stub_of_auth,),
    ("auth", "memo.E003"): (readable_key,),
    ("machine", "files"): (readable_key,),
    ("auth", "redis.policy"): (System.redis_setting, "maxmemory-policy", "allkeys-lru"),
    ("auth", "redis.persistence"): (System.redis_setting, "save", "3600 1"),
    ("auth", "redis.limit"): (System.redis_setting, "maxmemory", "0"),
    ("users", "redis.strangers"): (redis_user, "default", "on", "nopass", "+@all"),
    ("auth", "redis.rights"): (redis_user, "auth", "+config"),
    ("users", "redis.sessions"): (redis_user, "users", "~session:*"),
    ("users", "database.role"): (sql, "users", *SUPERUSER),
    ("auth", "database.create"): (sql, "auth", *MAY_CREATE),
    ("auth", "database.owner"): (sql, "auth", *OWNED_TABLE),
    ("auth", "database.limits"): (sql, "auth", *LIMITLESS),
    ("auth", "database.logs"): (sql, "auth", *LOGGED),
    ("auth", "database.pools"): (setting, "auth", "WEB_CONCURRENCY", "60"),
    ("auth", "database.migrations"): (sql, "auth", *UNAPPLIED),
    ("auth", "sessions.expired"): (sql, "auth", *EXPIRED_SESSION),
    ("users", "admin.expired"): (sql, "users", *EXPIRED_ADMIN),
    ("auth", "rights.tokens_event"): (sql, "auth", *MAY_DELETE),
}
# What a fault causes somewhere else.
FOLLOWS = {
    ("users", "database.create"),  # a superuser owns everything
    ("users", "database.owner"),
    ("users", "rights.users_event"),
    ("users", "rights.users_eventpersonal"),
    ("users", "redis.policy"),  # one Redis
    ("users", "redis.persistence"),
    ("users", "redis.limit"),
    ("auth", "redis.strangers"),
}


def wrong(system: System, *words: str) -> Report:
    """The lines that say so, by where and by which name they were found."""
    done = subprocess.run(
        ["./manage_all.sh", "doctor", *words],
        cwd=ROOT,
        env={**os.environ, "MEMO_STACK": system.stack},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = re.findall(r"^(ok|note|WRONG) +(\w+): +(\S+) +(.+)$", done.stdout, re.M)
    places = {"gateway"} if words else {"machine", "auth", "users", "gateway"}
    assert {where for _, where, _, _ in lines} == places, done.stdout + done.stderr
    found = {
        (where, name): text for each, where, name, text in lines if each == "WRONG"
    }
    assert done.returncode == (FOUND_WRONG if found else 0)
    ok = sum(each == "ok" for each, *_ in lines)
    assert done.stdout.splitlines()[-1].startswith(f"{ok} ok, ")
    return found


@pytest.fixture(scope="module")
def report(system: System) -> Iterator[Report]:
    """All faults at once: each has an id of its own in the report, and a report takes
    seconds."""
    with ExitStack() as faults:
        for inject, *words in dict.fromkeys(INJECTED_FAULTS.values()):
            faults.enter_context(inject(system, *words))
        found = wrong(system)
    yield found
    assert system.status()["state"] == "ready"


@pytest.mark.parametrize("fault", INJECTED_FAULTS, ids="-".join)
def test_an_injected_fault_is_found(
    fault: tuple[str, str], report: Report, system: System
) -> None:
    """After an arrow it says what to do."""
    text = report[fault]
    assert re.fullmatch(r".+: .+ -> .+", text)
    for name in ("auth_users_service_api_key", "redis_admin_password"):
        assert system.secret(name) not in text


def test_nothing_is_wrong_that_was_not_injected(report: Report, system: System) -> None:
    """In a healthy stack nothing is wrong, nor from outside."""
    assert set(report) <= set(INJECTED_FAULTS) | FOLLOWS
    assert wrong(system) == wrong(system, "--url", system.gateway_url) == {}
