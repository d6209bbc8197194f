"""Faults in the product, one line each, that the machine has to find."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

# By the module: in what is a fault, this line becomes that one.
FAULTS = {
    "tokens.services": {
        "any ancestor counts as the direct predecessor": (
            'if str(session.previous_jti) != token["jti"] or not',
            "if not",
        ),
        "time spent waiting makes a predecessor late": (
            "session.clock - waited -",
            "session.clock -",
        ),
        "a login leaves the session of its cookie": (
            "replaced_by(cookie) if cookie else None",
            "None",
        ),
        "`active` outlives its token": (
            'int(token["exp"] + settings.JWT_LEEWAY - time.time())',
            "settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY",
        ),
        "a missing key means fine": (
            "session is not None and session.revoked_at is None",
            "True",
        ),
        "expired tokens do not log out": (
            "SpentRefreshToken.parse(",
            "RefreshToken.parse(",
        ),
        "a reuse ends nothing": ('end_session(session.id, "reuse")', "pass"),
        "the predecessor gets no successor": (
            "return session, RefreshToken.current(session)",
            "return session, None",
        ),
        "a user who is gone keeps the session": (
            'end_session(token["sid"], "user_gone")',
            "pass",
        ),
    },
    "tokens.statements": {
        "a rotation at every refresh": (
            "  AND (rotated_at IS NULL OR rotated_at <=",
            "  AND (%(leeway)s IS NOT NULL OR rotated_at <=",
        ),
        "a rotation whatever the epoch": (
            "AND (user_epoch >= %(epoch)s\n",
            "AND (%(epoch)s >= 0\n",
        ),
        "a rotation of revoked sessions": (
            "presented)s\n  AND revoked_at IS NULL\n",
            "presented)s\n",
        ),
        "a rotation of expired sessions": (
            "  AND expires_at > clock_timestamp()\n  AND (user_epoch",
            "  AND (user_epoch",
        ),
        "a rotation by any token": (
            "  AND jti = %(presented)s\n",
            "  AND %(presented)s <> id\n",
        ),
        "rotations continue beyond the end of the session": (
            "least(clock_timestamp() + %(lifetime)s, absolute_expires_at)",
            "clock_timestamp() + %(lifetime)s",
        ),
        "the kept session is not lifted": (
            "below.id AND below.kept\n)",
            "below.id AND false\n)",
        ),
        "what a push names is kept, whatever its epoch": (
            "AND session.user_epoch >= %(kept_from)s::bigint)",
            "AND %(kept_from)s::bigint IS NOT NULL)",
        ),
        "a rotation keeps what is named, whatever its epoch": (
            "AND user_epoch >= %(kept_from)s::bigint))",
            "AND %(kept_from)s::bigint IS NOT NULL))",
        ),
        "a rotation does not lift the kept session": (
            "user_epoch = greatest(user_epoch, %(epoch)s)",
            "user_epoch = user_epoch",
        ),
        "a login below the floor opens a session": (
            "WHERE known.epoch <= excluded.epoch",
            "WHERE known.epoch IS NOT NULL",
        ),
        "a session of another user is ended": (
            "  AND user_id = %(user_id)s\n",
            "  AND %(user_id)s <> id\n",
        ),
        "the most recently used end": (
            "ORDER BY last_used_at DESC, id DESC",
            "ORDER BY last_used_at",
        ),
    },
    "shared.auth.session_state": {
        "the sweep believes what Redis says": (
            "startswith(REVOKED.encode())",
            "strip()",
        ),
        "`active` overwrites a revocation": (", nx=True", ""),
        "what Redis refuses is not deleted": ("connection().delete(*refused)", "pass"),
    },
}
NAMES = [name for faults in FAULTS.values() for name in faults]


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run the module's source again, with the fault; afterwards all is as before."""
    title = next(title for title, faults in FAULTS.items() if name in faults)
    line, instead = FAULTS[title][name]
    module = import_module(title)
    source, before = inspect.getsource(module), dict(vars(module))
    assert line in source, name
    compiled = compile(source.replace(line, instead), module.__file__ or "", "exec")
    exec(compiled, vars(module))  # noqa: S102 - our own source
    try:
        yield
    finally:
        vars(module).update(before)
