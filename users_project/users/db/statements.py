"""Statements that the ORM cannot write. Most end sessions, by raising epochs
(docs/sessions.md).

The next epoch follows the clock, so that after a restore of an older database it is
still above every epoch that the Auth Service has seen. The clock is that of the
statement, so that all columns of a row get the same epoch.
"""

from shared.events.models import recording
from users.events.log import TABLE

NEXT_EPOCH = """greatest(
        session_epoch + 1, floor(extract(epoch FROM statement_timestamp()))::bigint
    )"""
# For an UPDATE of any users: no session is kept.
END_ALL = f"kept_sid = NULL, kept_from = NULL, session_epoch = {NEXT_EPOCH}"

# The data of the event: epoch and reason, without empty members.
ENDED = """jsonb_strip_nulls(jsonb_build_object(
            'epoch', session_epoch, 'reason', nullif(%(reason)s::text, '')
        ))"""
# A change of the password is an event of its own, with the session that is kept.
EVENTS = f"""
        SELECT 'sessions_ended', id, NULL::uuid, 'success', {ENDED}
        FROM raised
        UNION ALL
        SELECT 'authn_password_change', id, %(keep)s::uuid, 'success',
            jsonb_strip_nulls(jsonb_build_object('site', %(site)s::text))
        FROM raised
        WHERE %(password_changed)s"""  # noqa: S608 (constants alone)

# One statement, so that each of several callers at once raises the epoch and gets its
# own. A session is kept only if its own epoch is at least `kept_from`: sessions that
# earlier epochs ended stay ended. The same statement writes the events, and forgets a
# change of address, whose link is void now.
RAISE_EPOCH = f"""
WITH raised AS (
    UPDATE users_user
    SET kept_from = CASE WHEN %(keep)s::uuid IS NULL THEN NULL
                         WHEN kept_sid = %(keep)s::uuid THEN kept_from
                         ELSE session_epoch END,
        kept_sid = %(keep)s::uuid,
        session_epoch = {NEXT_EPOCH},
        password_epoch = CASE WHEN %(password_changed)s THEN {NEXT_EPOCH}
                         ELSE password_epoch END,
        updated_at = clock_timestamp()
    WHERE id = %(id)s AND (%(absent)s OR is_active AND deleted_at IS NULL)
    RETURNING *
), forgotten AS (
    DELETE FROM users_emailchange WHERE user_id IN (SELECT id FROM raised)
), {recording(TABLE, EVENTS)}
SELECT session_epoch, kept_sid, kept_from, password_epoch, updated_at FROM raised
"""  # noqa: S608 (constants alone)

# After a restore of the database: at most `limit` users, whose ids follow `after`. No
# session is kept, as it is unknown which ones were.
RAISE_EPOCHS = f"""
WITH batch AS (
    SELECT id FROM users_user
    WHERE id > %(after)s
    ORDER BY id
    LIMIT %(limit)s
    FOR NO KEY UPDATE
), raised AS (
    UPDATE users_user
    SET kept_sid = NULL, kept_from = NULL,
        session_epoch = greatest({NEXT_EPOCH}, %(above)s::bigint + 1)
    FROM batch
    WHERE users_user.id = batch.id
    RETURNING users_user.id
), forgotten AS (
    DELETE FROM users_emailchange WHERE user_id IN (SELECT id FROM raised)
)
SELECT id FROM raised
"""  # noqa: S608 (constants alone)

# Add a registration that waits for its link, if no user has the username. Whether one
# has the address is not checked.
ADD_REGISTRATION = """
INSERT INTO users_registration (
    id, email, email_canonical, username,
    first_name, last_name, display_name, avatar_url, locale, created_at
)
SELECT %(id)s, %(email)s, %(email_canonical)s, %(username)s, %(first_name)s,
    %(last_name)s, %(display_name)s, %(avatar_url)s, %(locale)s, clock_timestamp()
WHERE NOT EXISTS (
    SELECT FROM users_user WHERE username_canonical = %(username_canonical)s
)
"""
