"""Time that stands still, and steps on request: one for the product's Python
and for PostgreSQL, exact to the microsecond.

The product's statements and rows are left as they are. `clock_timestamp()` and
`statement_timestamp()` mean other functions, which lie in a schema that is searched
before PostgreSQL's own; what
shared and tokens know as `time` and `datetime` means this clock.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from .records import SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS frozen;
CREATE OR REPLACE FUNCTION frozen.clock_timestamp() RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$ SELECT current_setting('frozen.now')::timestamptz $$;
CREATE OR REPLACE FUNCTION frozen.statement_timestamp() RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT current_setting('frozen.now')::timestamptz $$;
SET search_path = frozen, pg_catalog, public;
"""


class Clock:
    """Stands in for the module `time`, whose other names it passes on."""

    def __init__(self) -> None:
        # Not a whole second, so that truncation shows.
        self.now = int(time.time()) * SECOND + 700_000

    def time(self) -> float:
        return self.now / SECOND

    def monotonic(self) -> float:
        return self.now / SECOND

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def step(self, microseconds: int) -> None:
        self.now += microseconds
        moment = (EPOCH + timedelta(microseconds=self.now)).isoformat()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('frozen.now', %s, false)", [moment])

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For the time of a test, in this connection and in all modules of ours."""
        with connection.cursor() as cursor:
            cursor.execute(SCHEMA)
        self.step(0)
        # What came later would not be replaced: the middleware, what a command needs.
        for name in ("config.urls", "tokens.sweep"):
            import_module(name)
        WSGIHandler()
        stand_ins = {id(time): self, id(datetime): frozen_datetime(self)}
        for module, name, value in names_for(time, datetime):
            monkeypatch.setattr(module, name, stand_ins[id(value)])

    def remove(self) -> None:
        """From this connection: behind PgBouncer, others get it next."""
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path")


def names_for(*wanted: Any) -> list[tuple[Any, str, Any]]:
    """(module, name, value) of all that is one of these to a module of ours."""
    return [
        (module, name, value)
        for title, module in list(sys.modules.items())
        if title.split(".")[0] in ("shared", "tokens")
        for name, value in list(vars(module).items())
        if any(value is each for each in wanted)
    ]


def frozen_datetime(clock: Clock) -> type[datetime]:
    class Frozen(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return (EPOCH + timedelta(microseconds=clock.now)).astimezone(tz)

    return Frozen
