"""Security events, recorded in the transaction of the change that they report."""

from typing import Any
from uuid import UUID

from django.db import connection

from shared.api.client_ip import client_address
from shared.events.models import actor, recording, row
from shared.structured_logging import audit, current
from users.events.catalogue import CATALOGUE

TABLE = "users_event"
ROW = """
        SELECT deed, %(user_id)s::uuid, %(sid)s::uuid, %(outcome)s::text,
            %(data)s::jsonb
        FROM unnest(%(events)s::text[]) AS deed"""
RECORD = f"WITH {recording(TABLE, ROW)} SELECT FROM event"

# The same statement adds no row if there is no account, and of the guesses beyond an
# account's limit those of the first one of a day, so that strangers cannot fill the
# table. The response does not wait until the row is on disk: its time would reveal
# whether there is an account.
OF_ACCOUNT = f"""{ROW}, set_config('synchronous_commit', 'off', true)
        WHERE %(user_id)s::uuid IS NOT NULL
          AND NOT (%(is_silent)s AND EXISTS (
            SELECT FROM {TABLE}
            WHERE user_id = %(user_id)s::uuid AND event = 'authn_login_fail_max'
              AND at > clock_timestamp() - interval '1 day'
        ))"""
RECORD_FAILURE = f"WITH {recording(TABLE, OF_ACCOUNT)} SELECT FROM event"


def record(event: str, user_id: UUID | None, **fields: Any) -> None:
    """Record an event of the catalogue: a row, and a log line with the same fields."""
    write(event, user_id, **fields)
    audit(event, user_id=user_id and str(user_id), **fields)


def write(event: str, user_id: UUID | None, **fields: Any) -> None:
    """Write only the row. The caller logs the line after the change."""
    execute(RECORD, [event], user_id, fields)


def record_failure(
    events: list[str], user_id: UUID | None, *, is_silent: bool = False, **fields: Any
) -> None:
    """Record what was refused to a client that may not be the user. Beyond the silent
    limit of the account (`is_silent`) an event says so, and only the first of a day are
    rows."""
    if is_silent:
        events = [*events, "authn_login_fail_max"]
    execute(RECORD_FAILURE, events, user_id, fields, is_silent=is_silent)
    for event in events:
        audit(event, user_id=user_id and str(user_id), **fields)


def execute(
    statement: str,
    events: list[str],
    user_id: UUID | None,
    fields: dict[str, Any],
    **more: Any,
) -> None:
    *_, columns = (row(event, fields, CATALOGUE) for event in events)
    columns |= {"events": events, "user_id": user_id, **more}
    with connection.cursor() as cursor:
        cursor.execute(statement, columns)


def source() -> dict[str, Any]:
    """The origin of an event, for its log line: an address, the admin or a command."""
    request = current.get()
    if request is None:
        return {"by": "operator"}
    if actor(request).startswith("operator:"):
        return {"site": "admin"}
    return {"ip": client_address(request)}
