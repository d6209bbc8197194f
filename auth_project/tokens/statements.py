"""The writes to sessions, each one statement, each by the database's clock.

`now()` would be the start of the transaction; `clock_timestamp()` is read after a lock
was waited for. Isolation is READ COMMITTED: a statement that waited for a row looks at
its WHERE again, on the row as it is then. That is what makes these linearizable.
"""

OPEN = """
INSERT INTO tokens_session (
    id, user_id, user_epoch, jti, created_at, last_used_at,
    expires_at, absolute_expires_at,
    ip, user_agent, revoked_reason
)
VALUES (
    %(id)s, %(user_id)s, %(user_epoch)s, %(jti)s, clock_timestamp(), clock_timestamp(),
    clock_timestamp() + least(%(lifetime)s, %(absolute)s),
    clock_timestamp() + %(absolute)s,
    %(ip)s, %(user_agent)s, ''
)
RETURNING *
"""

# Last line of WHERE: at most one rotation per leeway, so that tabs which refresh one
# after the other on a slow network do not leave each other two generations behind.
ROTATE = """
UPDATE tokens_session
SET jti = %(new)s,
    previous_jti = jti,
    rotated_at = clock_timestamp(),
    last_used_at = clock_timestamp(),
    expires_at = least(clock_timestamp() + %(lifetime)s, absolute_expires_at)
WHERE id = %(id)s
  AND jti = %(presented)s
  AND revoked_at IS NULL
  AND expires_at > clock_timestamp()
  AND user_epoch >= %(epoch)s
  AND (rotated_at IS NULL OR rotated_at <= clock_timestamp() - %(leeway)s)
RETURNING *
"""

# The first revocation's time and reason stay.
REVOKE = """
UPDATE tokens_session
SET revoked_at = coalesce(revoked_at, clock_timestamp()),
    revoked_reason =
        CASE WHEN revoked_at IS NULL THEN %(reason)s ELSE revoked_reason END
WHERE id = %(id)s
RETURNING *
"""

# Rows are locked in the order of their ids: two of these cannot deadlock. The session
# to keep is lifted to the new epoch by the same statement; it is not returned.
REVOKE_BELOW = """
WITH below AS (
    SELECT id FROM tokens_session
    WHERE user_id = %(user_id)s AND user_epoch < %(epoch)s AND revoked_at IS NULL
    ORDER BY id
    FOR UPDATE
), lifted AS (
    UPDATE tokens_session SET user_epoch = %(epoch)s
    WHERE id IN (SELECT id FROM below) AND id = %(keep)s
)
UPDATE tokens_session
SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
WHERE id IN (SELECT id FROM below) AND id IS DISTINCT FROM %(keep)s
RETURNING *
"""

# Somebody else's is as unknown as one that has ended: nothing is returned.
REVOKE_OWN = """
UPDATE tokens_session
SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
WHERE id = %(id)s
  AND user_id = %(user_id)s
  AND revoked_at IS NULL
  AND expires_at > clock_timestamp()
RETURNING *
"""

# Run after the INSERT of a log-in has committed: of any number at once, the last to
# start sees all their rows. What is among the newest of all is so among any of them,
# so nobody ends one that should stay, and exactly `cap` are left. The array is made
# before a lock is waited for: waiting changes nothing about who gives way.
REVOKE_SURPLUS = """
WITH surplus AS (
    SELECT id FROM tokens_session
    WHERE revoked_at IS NULL AND id = ANY (ARRAY(
        SELECT id FROM tokens_session
        WHERE user_id = %(user_id)s
          AND revoked_at IS NULL
          AND expires_at > clock_timestamp()
        ORDER BY last_used_at DESC, id DESC
        OFFSET %(cap)s
    ))
    ORDER BY id
    FOR UPDATE
)
UPDATE tokens_session
SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
WHERE id IN (SELECT id FROM surplus)
RETURNING *
"""

# For operators: one user's live sessions or (NULL) everybody's, so many at a time.
REVOKE_LIVE = """
WITH live AS (
    SELECT id FROM tokens_session
    WHERE revoked_at IS NULL
      AND expires_at > clock_timestamp()
      AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE
)
UPDATE tokens_session
SET revoked_at = clock_timestamp(), revoked_reason = %(reason)s
WHERE id IN (SELECT id FROM live)
RETURNING *
"""
