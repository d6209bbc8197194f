"""Append-only tables: the application's rights, and functions that delete old rows.

Rights are set after every `migrate`, and so at the end of a restore too: a dump brings
default privileges with it that let the application change rows.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.db import connection, connections
from django.db.migrations import RunSQL

from shared.events.models import AppendOnly

REVOKE = """
DO $do$
DECLARE grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC'
                        ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
        FROM pg_class, aclexplode(relacl) AS acl
        WHERE pg_class.oid = to_regclass('{table}') AND acl.grantee <> relowner
    LOOP
        EXECUTE 'REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {table} FROM '
            || grantee;
    END LOOP;
END
$do$
"""

# Functions of the owner, which the application may call. They set `search_path`, since
# the caller's would decide which tables these are. Times in variables and ids in arrays
# let PostgreSQL use an index: if nothing is due, it reads nothing.
PURGE = """
CREATE OR REPLACE FUNCTION purge_events(kept interval, personal interval, most integer)
RETURNS bigint LANGUAGE plpgsql STRICT SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    erased bigint;
    deleted bigint;
    event_before timestamptz := clock_timestamp() - kept;
    personal_before timestamptz := clock_timestamp() - least(kept, personal);
BEGIN
    IF least(kept, personal) < interval '90 days' THEN
        RAISE EXCEPTION 'events younger than 90 days stay';
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('purge_events')) THEN
        RETURN 0;  -- another caller does it
    END IF;
    DELETE FROM {table}personal WHERE event_id = ANY (ARRAY(
        SELECT event_id FROM {table}personal
        WHERE at < personal_before ORDER BY at LIMIT most
    ));
    GET DIAGNOSTICS erased = ROW_COUNT;
    DELETE FROM {table} WHERE id = ANY (ARRAY(
        SELECT id FROM {table}
        WHERE at < event_before ORDER BY at LIMIT most
    ));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN greatest(erased, deleted);
END
$$
"""
# Personal data of events about the user, and of events about others with the user as
# operator: the network in those is the user's. LIKE is the condition of their index.
ERASE = """
CREATE OR REPLACE FUNCTION erase_events(erased uuid, most integer)
RETURNS bigint LANGUAGE plpgsql STRICT SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE number bigint;
BEGIN
    DELETE FROM {table}personal WHERE event_id IN (
        SELECT id FROM (
            SELECT id FROM {table} WHERE user_id = erased
            UNION ALL
            SELECT id FROM {table}
            WHERE actor = 'operator:' || erased AND actor LIKE 'operator:%'
                AND user_id IS DISTINCT FROM erased
        ) AS theirs
        JOIN {table}personal ON event_id = id LIMIT most
    );
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END
$$
"""
DROP = "DROP FUNCTION {}"
MOST = 5000  # rows of one statement: some tens of milliseconds


def functions(table: str) -> list[RunSQL]:
    """The operations of a migration that makes the functions for a table of events."""
    return [
        RunSQL(PURGE.format(table=table), DROP.format("purge_events")),
        RunSQL(ERASE.format(table=table), DROP.format("erase_events")),
    ]


def append_only_tables(app_config: AppConfig | None = None) -> list[str]:
    """The append-only tables of an app, or of all apps."""
    models = (app_config or apps).get_models()
    return [each._meta.db_table for each in models if issubclass(each, AppendOnly)]


def limit_rights(app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """After `migrate`: no role but the owner may do more than SELECT and INSERT."""
    for table in append_only_tables(app_config):
        with connections[using].cursor() as cursor:
            cursor.execute(REVOKE.format(table=table))


def purge_events() -> int:
    """Delete events after 400 days, and their personal data after 90, in batches.
    Return the number of rows: in each batch, of the table that lost more."""
    total = deleted = purge_batch()
    while deleted == MOST:
        deleted = purge_batch()
        total += deleted
    return total


def purge_batch() -> int:
    """Delete one batch. It returns MOST if there may be more to delete."""
    [deleted] = call("purge_events('400 days', '90 days', %s)", MOST)
    return int(deleted)


def erase_events(user_id: Any) -> int:
    """Delete the personal data of a user's events, and of events about others where the
    user was the operator, in batches. Return the number of events. Outside of a
    transaction each batch is committed, so repeated calls finish any number."""
    total, erased = 0, MOST
    while erased == MOST:
        [erased] = call(f"erase_events(%s, {MOST})", user_id)
        total += erased
    return total


def call(function: str, argument: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}", [argument])
        return cursor.fetchone()
