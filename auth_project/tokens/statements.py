"""The writes to sessions. Each is one statement and uses the database's clock.

`clock_timestamp()` is read after any wait for a lock; `now()` would be the start of the
transaction. Isolation is READ COMMITTED: a statement that waited for a row evaluates
its WHERE again, on the row's new version. That makes these writes linearizable.

A statement that opens or ends sessions also writes the events: both happen or neither.
"""

from shared.events.models import recording
from tokens.events import ENDED, ENDED_OF_USER, TABLE

# Named, not `*`: the next version may add columns that this one does not know, and then
# a prepared statement with `*` fails, as the type of its result must not change.
COLUMNS = """
    id, user_id, user_epoch, jti, previous_jti, rotated_at, created_at, last_used_at,
    expires_at, absolute_expires_at, ip, user_agent, revoked_at, revoked_reason,
    acr, amr, stepped_up_at"""


def recorded(statement: str, rows: str, columns: str = COLUMNS) -> str:
    """Complete `statement`, which ends with an unfinished WITH: return the sessions in
    its `changed`, and write an event for each row of `rows`."""
    events = recording(TABLE, rows)
    return f"{statement}, {events}\nSELECT {columns} FROM changed\n"


# Returns no row, so that no session opens, if the epoch is below the highest that auth
# has received for this user: the password was verified before the epoch was raised.
FLOOR = """
WITH floor AS (
    INSERT INTO tokens_userepoch AS known (user_id, epoch)
    VALUES (%(user_id)s, %(user_epoch)s)
    ON CONFLICT (user_id) DO UPDATE SET epoch = excluded.epoch
    WHERE known.epoch <= excluded.epoch
    RETURNING epoch
)"""
OPENED = """
    INSERT INTO tokens_session (
        id, user_id, user_epoch, jti, created_at, last_used_at,
        expires_at, absolute_expires_at,
        ip, user_agent, revoked_reason, acr, amr
    )
    SELECT
        %(id)s, %(user_id)s, floor.epoch, %(jti)s, clock_timestamp(), clock_timestamp(),
        clock_timestamp() + least(%(lifetime)s, %(absolute)s),
        clock_timestamp() + %(absolute)s,
        %(ip)s, %(user_agent)s, '', %(acr)s, %(amr)s"""
LOGGED_IN = """
        SELECT 'authn_login_success', user_id, id, 'success',
            jsonb_build_object('acr', acr)
        FROM changed"""
OPEN = recorded(
    f"""{FLOOR}, changed AS ({OPENED}
    FROM floor
    RETURNING *
)""",
    LOGGED_IN,
)

# The session of a pending login. Of any number of requests at once, one settles it. A
# login that is refused for its epoch is not settled.
OPEN_PENDING = recorded(
    f"""{FLOOR}, settled AS (
    UPDATE tokens_login SET settled_at = clock_timestamp()
    FROM floor
    WHERE id = %(login)s AND settled_at IS NULL AND expires_at > clock_timestamp()
    RETURNING id AS login_id
), changed AS ({OPENED}
    FROM floor, settled
    RETURNING *
)""",  # noqa: S608 (constants alone)
    LOGGED_IN,
)

# A factor adds to the earlier methods, except `rba`: it replaces the trusted device. A
# password is accepted if there is no factor. Then `aal1`: a session whose last factor
# was removed must not get a new time for its old level.
STEP_UP = recorded(
    """
WITH live AS (
    SELECT session.id
    FROM tokens_session AS session JOIN tokens_login AS login ON login.sid = session.id
    WHERE login.id = %(login)s
      AND revoked_at IS NULL
      AND session.expires_at > clock_timestamp()
    FOR UPDATE OF session
), settled AS (
    UPDATE tokens_login SET settled_at = clock_timestamp()
    FROM live
    WHERE tokens_login.id = %(login)s
      AND settled_at IS NULL
      AND expires_at > clock_timestamp()
    RETURNING sid
), changed AS (
    UPDATE tokens_session
    SET stepped_up_at = clock_timestamp(),
        acr = CASE WHEN %(is_factor)s THEN 'aal2' ELSE 'aal1' END,
        amr = CASE WHEN %(is_factor)s THEN array_to_string(
            array_remove(array_remove(string_to_array(amr, ' '), 'rba'), 'mfa')
            || ARRAY(
                SELECT new FROM unnest(%(amr)s::text[]) AS new
                WHERE new <> ALL (string_to_array(amr, ' '))
            ) || ARRAY['mfa'], ' '
        ) ELSE 'pwd' END
    FROM settled
    WHERE id = settled.sid
    RETURNING tokens_session.*
)""",
    """
        SELECT 'authn_step_up', user_id, id, 'success', jsonb_build_object('acr', acr)
        FROM changed""",
)

# Raises the kept session to the user's epoch, whether the push arrived or not. If the
# user needs a second factor, a session without one does not rotate; it may step up.
# Last line of WHERE: at most one rotation per leeway, so that tabs which refresh one
# after the other on a slow network do not leave each other two generations behind.
ROTATE = f"""
UPDATE tokens_session
SET jti = %(new)s,
    previous_jti = jti,
    rotated_at = clock_timestamp(),
    last_used_at = clock_timestamp(),
    expires_at = least(clock_timestamp() + %(lifetime)s, absolute_expires_at),
    user_epoch = greatest(user_epoch, %(epoch)s)
WHERE id = %(id)s
  AND jti = %(presented)s
  AND revoked_at IS NULL
  AND expires_at > clock_timestamp()
  AND (user_epoch >= %(epoch)s
       OR (id = %(kept_sid)s::uuid AND user_epoch >= %(kept_from)s::bigint))
  AND (NOT %(needs_factor)s
       OR acr <> 'aal1' OR 'rba' = ANY (string_to_array(amr, ' ')))
  AND (rotated_at IS NULL OR rotated_at <= clock_timestamp() - %(leeway)s)
RETURNING {COLUMNS}
"""  # noqa: S608 (constants alone)

# Only the first revocation sets the time and the reason, and is an event. `has_lived`:
# whether it is this one.
REVOKE = recorded(
    """
WITH found AS (
    SELECT id, revoked_at IS NULL AS lives FROM tokens_session
    WHERE id = %(id)s
    FOR UPDATE
), changed AS (
    UPDATE tokens_session
    SET revoked_at = coalesce(revoked_at, clock_timestamp()),
        revoked_reason =
            CASE WHEN revoked_at IS NULL THEN %(reason)s ELSE revoked_reason END
    FROM found WHERE found.id = tokens_session.id
    RETURNING tokens_session.*, lives AS has_lived
)""",
    """
        SELECT deed.event, user_id, id,
            CASE deed.event WHEN 'authn_token_reuse' THEN 'failure' ELSE 'success' END,
            CASE deed.event WHEN 'authn_token_revoked'
                THEN jsonb_build_object('reason', revoked_reason) ELSE '{}' END
        FROM changed JOIN found USING (id), unnest(%(events)s::text[]) AS deed (event)
        WHERE lives""",
    f"{COLUMNS}, has_lived",
)

# Runs before REVOKE_BELOW and never as one statement with it: its snapshot would be
# older than its wait for a login's lock, so it would not see the login's session.
RAISE_FLOORS = """
INSERT INTO tokens_userepoch AS known (user_id, epoch)
SELECT DISTINCT user_id, %(epoch)s::bigint
FROM unnest(%(user_ids)s::uuid[]) AS pushed (user_id)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET epoch = greatest(known.epoch, excluded.epoch)
"""

# Locks rows in the order of their ids, so that two of these cannot deadlock. It raises
# the kept session to the new epoch too, and does not return it. Without IS TRUE no
# session would be revoked if there is none to keep. If `caller` logs out everywhere,
# that is an event of its own, by the session `caller_sid`, unless no session ends. With
# IN, and not arrays, it reads the whole table: of a user with many ended sessions
# PostgreSQL expects many.
REVOKE_BELOW = recorded(
    """
WITH below AS (
    SELECT id,
        (id = %(kept_sid)s::uuid
         AND user_epoch >= %(kept_from)s::bigint) IS TRUE AS kept
    FROM tokens_session
    WHERE user_id = ANY (%(user_ids)s::uuid[])
      AND user_epoch < %(epoch)s::bigint
      AND revoked_at IS NULL
    ORDER BY id
    FOR UPDATE
), lifted AS (
    UPDATE tokens_session SET user_epoch = %(epoch)s::bigint
    WHERE id = ANY (ARRAY(SELECT id FROM below WHERE kept))
), changed AS (
    UPDATE tokens_session
    SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
    WHERE id = ANY (ARRAY(SELECT id FROM below WHERE NOT kept))
    RETURNING *
)""",
    f"""{ENDED_OF_USER}
        UNION ALL
        SELECT 'session_logout_all', %(caller)s::uuid, %(caller_sid)s::uuid, 'success',
            jsonb_build_object('keep', %(kept_sid)s::uuid IS NOT NULL)
        WHERE %(caller)s::uuid IS NOT NULL
            AND EXISTS (SELECT FROM changed)""",  # noqa: S608 (constants alone)
)

# Returns no row for a session of another user, as for one that has ended.
REVOKE_OWN = recorded(
    """
WITH changed AS (
    UPDATE tokens_session
    SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
    WHERE id = %(id)s
      AND user_id = %(user_id)s
      AND revoked_at IS NULL
      AND expires_at > clock_timestamp()
    RETURNING *
)""",
    ENDED,
)

# Runs after a login's INSERT has committed: of any number at once, the last to start
# sees all rows. A session that is among the `cap` newest of all is so in any subset, so
# no login ends a session that should stay, and exactly `cap` remain. The array is built
# before any wait for a lock, which then does not change which sessions end. The session
# that the login replaces ends in any case and does not count for the cap. One that was
# used in the future was used before the clock went back, so earlier than all others.
# Within ten seconds it is not: the clocks of two processors differ a little.
END_OTHERS = recorded(
    """
WITH ending AS (
    SELECT id FROM tokens_session
    WHERE revoked_at IS NULL AND id = ANY (array_append(ARRAY(
        SELECT id FROM tokens_session
        WHERE user_id = %(user_id)s
          AND revoked_at IS NULL
          AND expires_at > clock_timestamp()
          AND id IS DISTINCT FROM %(replaced)s::uuid
        ORDER BY last_used_at > clock_timestamp() + interval '10 seconds',
            last_used_at DESC, id DESC
        OFFSET %(cap)s
    ), %(replaced)s::uuid))
    ORDER BY id
    FOR UPDATE
), changed AS (
    UPDATE tokens_session
    SET revoked_at = clock_timestamp(),
        revoked_reason =
            CASE WHEN id = %(replaced)s::uuid THEN 'replaced' ELSE 'session_cap' END
    WHERE id IN (SELECT id FROM ending)
    RETURNING *
)""",
    ENDED,
)

# The epochs that auth has received by pushes and logins, and those of refreshes too:
# pages of `limit` rows, by the key of each table, since both may be long.
FLOORS = """
SELECT user_id, user_id, epoch FROM tokens_userepoch
WHERE user_id > %(after)s ORDER BY user_id LIMIT %(limit)s
"""
SESSION_EPOCHS = """
SELECT id, user_id, user_epoch FROM tokens_session
WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
"""

# For operators: ends those of these sessions that are live.
REVOKE_LIVE = recorded(
    """
WITH live AS (
    SELECT id FROM tokens_session
    WHERE id = ANY(%(ids)s)
      AND revoked_at IS NULL
      AND expires_at > clock_timestamp()
    ORDER BY id
    FOR UPDATE
), changed AS (
    UPDATE tokens_session
    SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
    WHERE id IN (SELECT id FROM live)
    RETURNING *
)""",
    ENDED_OF_USER,
)
