"""Faults in the product, one line each, that the machine has to find."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Fault:
    """In this module `line` becomes `instead`."""

    module: str
    line: str
    instead: str = ""


FAULTS = {
    "any ancestor counts as the direct predecessor": Fault(
        "tokens.services",
        'if str(session.previous_jti) != token["jti"] or not',
        "if not",
    ),
    "time spent waiting makes a predecessor late": Fault(
        "tokens.services", "session.clock - waited -", "session.clock -"
    ),
    "a rotation at every refresh": Fault(
        "tokens.statements",
        "  AND (rotated_at IS NULL OR rotated_at <= clock_timestamp() - %(leeway)s)\n",
        "  AND (%(leeway)s IS NOT NULL)\n",
    ),
    "a rotation whatever the epoch": Fault(
        "tokens.statements",
        "AND (user_epoch >= %(epoch)s\n",
        "AND (%(epoch)s >= 0\n",
    ),
    "a rotation of revoked sessions": Fault(
        "tokens.statements",
        "presented)s\n  AND revoked_at IS NULL\n",
        "presented)s\n",
    ),
    "a rotation of expired sessions": Fault(
        "tokens.statements",
        "  AND expires_at > clock_timestamp()\n  AND (user_epoch",
        "  AND (user_epoch",
    ),
    "a rotation by any token": Fault(
        "tokens.statements",
        "  AND jti = %(presented)s\n",
        "  AND %(presented)s <> id\n",
    ),
    "rotations go on beyond the end of the session": Fault(
        "tokens.statements",
        "least(clock_timestamp() + %(lifetime)s, absolute_expires_at)",
        "clock_timestamp() + %(lifetime)s",
    ),
    "the kept session is not lifted": Fault(
        "tokens.statements", "below.id AND below.kept\n)", "below.id AND false\n)"
    ),
    "what a push names is kept, whatever its epoch": Fault(
        "tokens.statements",
        "AND session.user_epoch >= %(kept_from)s::bigint)",
        "AND %(kept_from)s::bigint IS NOT NULL)",
    ),
    "a rotation keeps what is named, whatever its epoch": Fault(
        "tokens.statements",
        "AND user_epoch >= %(kept_from)s::bigint))",
        "AND %(kept_from)s::bigint IS NOT NULL))",
    ),
    "a rotation does not lift the kept session": Fault(
        "tokens.statements",
        "user_epoch = greatest(user_epoch, %(epoch)s)",
        "user_epoch = user_epoch",
    ),
    "a login below the floor opens a session": Fault(
        "tokens.statements",
        "WHERE known.epoch <= excluded.epoch",
        "WHERE known.epoch IS NOT NULL",
    ),
    "a login leaves the session of its cookie": Fault(
        "tokens.services",
        "end_other_sessions(session.user_id, replaced_by_login(cookie))",
        "end_other_sessions(session.user_id, None)",
    ),
    "`active` outlives its token": Fault(
        "tokens.services",
        'int(token["exp"] + settings.JWT_LEEWAY - time.time())',
        "settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY",
    ),
    "the sweep believes what Redis says": Fault(
        "shared.auth.session_state", "startswith(REVOKED.encode())", "strip()"
    ),
    "a session of somebody else is ended": Fault(
        "tokens.statements",
        "  AND user_id = %(user_id)s\n",
        "  AND %(user_id)s <> id\n",
    ),
    "the most recently used give way": Fault(
        "tokens.statements",
        "ORDER BY last_used_at DESC, id DESC",
        "ORDER BY last_used_at",
    ),
    "`active` overwrites a revocation": Fault("shared.auth.session_state", ", nx=True"),
    "what Redis refuses is not deleted": Fault(
        "shared.auth.session_state", "connection().delete(*refused)", "pass"
    ),
    "a missing key means fine": Fault(
        "tokens.services", "session is not None and session.revoked_at is None", "True"
    ),
    "expired tokens do not log out": Fault(
        "tokens.services", "SpentRefreshToken.parse(", "RefreshToken.parse("
    ),
    "a reuse ends nothing": Fault(
        "tokens.services", 'end_session(session.id, "reuse")', "pass"
    ),
    "the predecessor gets no successor": Fault(
        "tokens.services",
        "return session, RefreshToken.current(session)",
        "return session, None",
    ),
    "a user who is gone keeps the session": Fault(
        "tokens.services", 'end_session(token["sid"], "user_gone")', "pass"
    ),
}


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Run the module's source anew, with the fault; afterwards all is as before."""
    module = import_module(fault.module)
    source, before = inspect.getsource(module), dict(vars(module))
    assert fault.line in source, fault
    changed = source.replace(fault.line, fault.instead)
    compiled = compile(changed, module.__file__ or "", "exec")
    exec(compiled, vars(module))  # noqa: S102 - our own source
    try:
        yield
    finally:
        vars(module).update(before)
