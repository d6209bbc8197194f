"""Connections that give up (shared.db), and the schema that migrations make."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import db
from tests.conftest import log_in, log_out, outcome, refresh_token
from tokens.models import Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make_pool(monkeypatch):
    """A pool as Django makes one for the application role, with short limits."""
    monkeypatch.setattr(db, "ANSWER_TIMEOUT", 1)
    monkeypatch.setattr(db, "POOL_TIMEOUT", 1)
    options = db.options(threads=1, is_pooled=False)
    pooled = options.pop("pool")
    with ExitStack() as stack:

        def make(where=(), **others):
            names = ("dbname", "user", "password", "host", "port")
            params = connection.get_connection_params() | dict(where)
            kwargs = {name: params[name] for name in names if params.get(name)}
            pool = ConnectionPool(kwargs=kwargs | options, **pooled | others)
            return stack.enter_context(pool)

        yield make


def test_a_statement_without_an_answer_is_given_up(make_pool):
    """A server that stands still must not keep a thread. Its late answer would be taken
    for the next statement's, also by Django before it gives the connection back.
    Statements that answer are not disturbed."""
    pool, started = make_pool(), time.monotonic()
    with pool.connection() as slow:
        with pytest.raises(psycopg.OperationalError, match="did not answer"):
            slow.execute("SELECT pg_sleep(4), 'late'")

        assert time.monotonic() - started < 3
        assert slow.closed
        with pytest.raises(psycopg.OperationalError, match="closed"):
            slow.execute("SELECT 'mine'")

    for _ in range(3):
        with pool.connection() as fresh:
            assert fresh is not slow
            rows = fresh.execute("SELECT generate_series(1, 50000)").fetchall()
            assert len(rows) == 50_000


def test_a_transaction_that_took_too_long_is_an_unavailable_database(make_pool):
    """The error of PostgreSQL 17's `transaction_timeout`, which ends the connection."""
    with make_pool().connection() as slow:
        with pytest.raises(psycopg.OperationalError, match="of no more use"):
            slow.execute("DO $$ BEGIN RAISE SQLSTATE '25P04'; END $$")

        assert slow.closed


def test_a_pool_that_is_used_up_is_waited_for_briefly(make_pool):
    """It has one for each thread and one for the sweep."""
    assert db.options(8, is_pooled=False)["pool"]["max_size"] == 9
    pool, started = make_pool(), time.monotonic()
    with (
        pool.connection(),
        pool.connection(),
        pytest.raises(PoolTimeout) as caught,
        pool.connection(),
    ):
        pytest.fail("a third connection")

    assert time.monotonic() - started < 3
    assert isinstance(caught.value, psycopg.OperationalError)


def test_a_server_that_comes_back_late_is_used_again(make_pool, tmp_path):
    """DATA-08: however many gave up waiting, and though the pool gave up too."""
    there = Path(connection.get_connection_params()["host"], ".s.PGSQL.5432")
    pool = make_pool({"host": str(tmp_path)}, reconnect_timeout=0.1)
    for _ in range(4):
        with pytest.raises(psycopg.OperationalError), pool.connection():
            pytest.fail("there is no server")
    time.sleep(0.5)
    (tmp_path / there.name).symlink_to(there)

    until = time.monotonic() + 5
    while time.monotonic() < until:
        with suppress(psycopg.OperationalError), pool.connection():
            return
    pytest.fail("it is not used")


def test_a_row_that_stays_locked_is_503(session, another_cursor):
    """CONC-09: never a 500, and nothing has changed."""
    another_cursor.execute("SELECT 1 FROM tokens_session FOR UPDATE")

    answer = log_out(refresh_token(session))

    assert outcome(answer) == (503, "dependency_unavailable")
    assert Session.objects.get().revoked_at is None


def test_the_columns_that_are_searched_have_indexes():
    """And migrations are complete."""
    call_command("makemigrations", check=True, dry_run=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'tokens_session'"
        )
        found = [row[0] for row in cursor.fetchall()]

    revoked = "(revoked_at) WHERE (revoked_at IS NOT NULL)"
    for end in ("(id)", "(user_id, revoked_at)", "(expires_at)", revoked):
        assert any(index.endswith(end) for index in found), end


def test_no_column_could_hold_a_token():
    """TOK-15: what leaks with the database is worth nothing without the key."""
    names = {field.name for field in Session._meta.get_fields()}

    assert not names & {"token", "refresh_token", "token_hash", "secret"}
    assert max(f.max_length or 0 for f in Session._meta.get_fields()) == 256


# --- Connections of the pool --------------------------------------------------------


@pytest.fixture
def pooled(settings):
    """Django's connection as services have it, with a pool of one."""
    own = connections["default"]
    pooled = own.copy(alias="pooled")
    options = pooled.settings_dict["OPTIONS"] | db.options(threads=0, is_pooled=False)
    pooled.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    yield pooled
    connections["default"] = own
    pooled.close()
    pooled.close_pool()


def ask(pooled):
    """What a request does: take a connection, ask, give it back. The server's pid."""
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    pooled.close()
    return pid


def test_a_connection_is_used_again_unless_the_server_has_ended_it(pooled):
    """A restart of PostgreSQL fails no request that comes after it. In the connection
    PostgreSQL plans a statement once and not for every request."""
    pid = ask(pooled)
    assert {ask(pooled) for _ in range(10)} == {pid}
    with pooled.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (1,)
    pooled.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    assert ask(pooled) != pid


def test_while_the_server_is_down_one_thread_waits_for_it(pooled, tmp_path):
    """S2S-06: other requests need the threads. Once it is back, all wait again."""
    there = Path(connection.get_connection_params()["host"], ".s.PGSQL.5432")
    pooled.settings_dict["HOST"] = str(tmp_path)
    pooled.settings_dict["OPTIONS"]["pool"] |= {"timeout": 1, "reconnect_timeout": 0.1}

    def waited(_):
        started = time.monotonic()
        with pytest.raises(OperationalError):
            ask(pooled.copy())
        return time.monotonic() - started

    assert waited(0) > 0.9
    with ThreadPoolExecutor(8) as threads:
        waits = sorted(threads.map(waited, range(8)))
    assert waits[6] < 0.5 < waits[7]
    pooled.strict_until[pooled.alias] = time.monotonic() + 0.2  # over while one waits
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(waited, 0)
        time.sleep(0.4)
        assert max(threads.map(waited, range(7))) < 0.5
        assert first.result() > 0.5

    (tmp_path / there.name).symlink_to(there)
    until = time.monotonic() + 5
    while pooled.strict_until and time.monotonic() < until:
        with suppress(OperationalError):
            ask(pooled)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: ask(pooled.copy()), range(8)))


@pytest.mark.parametrize(
    "end",
    [
        "SET default_transaction_read_only = on",
        "SET idle_in_transaction_session_timeout = 1; BEGIN; SELECT 1",
    ],
)
def test_a_connection_that_takes_no_writes_is_not_used_again(
    pooled, users, trusted_kid, end
):
    """A primary that became a standby, or a transaction that was idle for too long."""
    connections["default"] = pooled
    with pooled.cursor() as cursor:
        cursor.execute(end)
        backend = Path(f"/proc/{pooled.connection.info.backend_pid}")
    deadline = time.monotonic() + 10
    while "BEGIN" in end and backend.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    refused = log_in()
    pooled.close()
    assert outcome(refused) == (503, "dependency_unavailable")
    assert log_in().status_code == 200
