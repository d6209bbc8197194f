"""Connections that give up (shared.db), and the schema that migrations make."""

import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import db
from tests.conftest import outcome, refresh_token
from tokens.models import Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool(monkeypatch, settings):
    """A pool as Django makes one for the application role, with short limits."""
    monkeypatch.setattr(db, "ANSWER_TIMEOUT", 0.3)
    monkeypatch.setattr(db, "POOL_TIMEOUT", 0.3)
    options = db.options(threads=1)
    options.pop("server_side_binding")  # Django's, not psycopg's
    pooled = options.pop("pool")
    where = connection.get_connection_params()
    kept = {
        n: where[n]
        for n in ("dbname", "user", "password", "host", "port")
        if where.get(n)
    }
    with ConnectionPool(kwargs={**kept, **options}, **pooled) as pool:
        yield pool


def test_a_statement_without_an_answer_is_given_up(pool):
    """A server that stands still must not keep a thread."""
    started = time.monotonic()
    with (
        pytest.raises(psycopg.OperationalError, match="did not answer"),
        pool.connection() as slow,
    ):
        slow.execute("SELECT pg_sleep(10)")

    assert time.monotonic() - started < 2
    assert slow.closed


def test_its_connection_is_never_used_again(pool):
    """The late answer would be taken for the next statement's."""
    with pytest.raises(psycopg.OperationalError), pool.connection() as slow:
        slow.execute("SELECT pg_sleep(1), 'late'")

    for _ in range(3):
        with pool.connection() as fresh:
            assert fresh is not slow
            assert fresh.execute("SELECT 'mine'").fetchone() == ("mine",)


def test_it_is_closed_at_once_and_not_only_by_the_pool(pool):
    """Django asks the same connection again before it gives it back."""
    with pool.connection() as slow:
        with pytest.raises(psycopg.OperationalError, match="did not answer"):
            slow.execute("SELECT pg_sleep(0.5), 'late'")

        assert slow.closed
        with pytest.raises(psycopg.OperationalError, match="closed"):
            slow.execute("SELECT 'mine'")


def test_statements_that_answer_are_not_disturbed(pool):
    with pool.connection() as conn:
        rows = conn.execute("SELECT generate_series(1, 50000)").fetchall()

    assert len(rows) == 50_000


def test_the_server_has_limits_of_its_own(pool):
    """For statements whose client has gone."""
    with pool.connection() as conn:
        limits = {
            name: conn.execute(f"SHOW {name}").fetchone()[0]
            for name in db.SERVER_LIMITS
        }

    assert limits == {
        "statement_timeout": "5s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "15s",
    }


def test_a_pool_that_is_used_up_is_waited_for_briefly(pool):
    started = time.monotonic()
    with (
        pool.connection(),
        pool.connection(),
        pytest.raises(PoolTimeout) as caught,
        pool.connection(),
    ):
        pytest.fail("a third connection")

    assert time.monotonic() - started < 2
    assert isinstance(caught.value, psycopg.OperationalError)


def test_the_pool_has_one_for_each_thread_and_one_for_the_sweep():
    assert db.options(threads=8)["pool"]["max_size"] == 9


def test_a_server_that_comes_back_late_is_used_again(monkeypatch, tmp_path):
    """DATA-08: however many gave up waiting, and though the pool gave up too."""
    monkeypatch.setattr(db, "POOL_TIMEOUT", 0.1)
    options = db.options(threads=1)
    options.pop("server_side_binding")  # Django's, not psycopg's
    pooled = {**options.pop("pool"), "reconnect_timeout": 0.1}
    where = connection.get_connection_params()
    kept = {n: where[n] for n in ("dbname", "user", "password") if where.get(n)}
    there = Path(where["host"], ".s.PGSQL.5432")
    kwargs = {**kept, "host": str(tmp_path), **options}
    with ConnectionPool(kwargs=kwargs, **pooled) as pool:
        for _ in range(10):
            with pytest.raises(psycopg.OperationalError), pool.connection():
                pytest.fail("there is no server")
        time.sleep(1)
        (tmp_path / there.name).symlink_to(there)

        assert serves_within(pool, 5)


def serves_within(pool, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(psycopg.OperationalError), pool.connection():
            return True
        time.sleep(0.05)
    return False


def test_a_row_that_stays_locked_is_503(session):
    """CONC-09: never a 500, and nothing has changed."""
    from tests.conftest import log_out

    other = connection.copy()
    other.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM tokens_session FOR UPDATE")
        assert outcome(log_out(refresh_token(session))) == (
            503,
            "dependency_unavailable",
        )
    finally:
        other.rollback()
        other.close()
        connection.close()  # the next test gets a connection without the limit

    assert Session.objects.get().revoked_at is None


def test_migrations_are_complete(capsys):
    call_command("makemigrations", check=True, dry_run=True)


def test_the_columns_that_are_searched_have_indexes():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'tokens_session'"
        )
        found = [row[0] for row in cursor.fetchall()]

    for column in ("(id)", "(user_id)", "(expires_at)"):
        assert any(index.endswith(column) for index in found), column
    assert any("(revoked_at) WHERE (revoked_at IS NOT NULL)" in i for i in found)


def test_no_column_could_hold_a_token():
    """TOK-15: what leaks with the database is worth nothing without the key."""
    names = {field.name for field in Session._meta.get_fields()}

    assert not names & {"token", "refresh_token", "token_hash", "secret"}
    assert max(f.max_length or 0 for f in Session._meta.get_fields()) == 256


# --- Connections of the pool --------------------------------------------------------


@pytest.fixture
def pooled(settings):
    """Django's connection as services have it, with a pool of one."""
    options = db.options(threads=0)
    pooled = connection.copy(alias="pooled")
    pooled.settings_dict = {**connection.settings_dict, "OPTIONS": options}
    yield pooled
    pooled.close()
    pooled.close_pool()


def end_on_the_server(pid):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def ask(pooled):
    """What a request does: take a connection, ask, give it back. The server's pid."""
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    pooled.close()
    return pid


def test_a_connection_is_used_again(pooled):
    assert ask(pooled) == ask(pooled)


def test_one_that_the_server_has_ended_is_not(pooled):
    """A restart of PostgreSQL fails no request that comes after it."""
    pid = ask(pooled)
    end_on_the_server(pid)

    assert ask(pooled) != pid


def test_a_question_is_one_round_trip(pooled, tmp_path):
    """By what libpq says it has sent: a round trip ends with Sync or is a Query."""
    ask(pooled)
    path = tmp_path / "trace"
    with path.open("w") as trace:
        with pooled.pool.connection() as ours:
            ours.pgconn.trace(trace.fileno())
        ask(pooled)
        with pooled.pool.connection() as ours:
            ours.pgconn.untrace()

    lines = [line.split("\t") for line in path.read_text().splitlines()]
    sent = [line[3].strip() for line in lines if line[1] == "F"]
    assert sent.count("Sync") + sent.count("Query") == 1, sent


def test_statements_are_prepared(pooled):
    """PostgreSQL plans them once in a connection and not for every request."""
    for _ in range(10):
        ask(pooled)
    with pooled.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (1,)
