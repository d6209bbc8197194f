"""The metrics of the Auth Service, in addition to those of `shared.metrics`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.conf import settings
from prometheus_client import Counter, Gauge

from shared.api.exceptions import Unauthorized
from shared.keys import key_store, keyring
from shared.metrics import LAST, made
from tokens.models import Session

refreshes_total = made(
    Counter,
    "refreshes_total",
    "Refreshes of sessions; not those with what is no token.",
    {
        "outcome": (
            *("rotated", "leeway", "current"),
            *("reuse", "expired", "revoked", "level"),
        )
    },
)
REFUSALS = {
    "refresh_token_reused": "reuse",
    "token_expired": "expired",
    "token_revoked": "revoked",
    "insufficient_user_authentication": "level",
}
# `other` is for reasons that another version of the User Service may send.
REASONS = (
    *("epoch", "logout", "logout_all", "operator", "password_changed", "replaced"),
    *("reuse", "session_cap", "session_ended", "user_deactivated", "user_deleted"),
    *("email_change_undone", "ended_by_operator"),
    *("factor_added", "factor_removed", "factors_reset"),
    *("user_gone", "other"),
)
sessions_revoked_total = made(
    Counter,
    "sessions_revoked_total",
    "Sessions that ended before their time.",
    {"reason": REASONS},
)
sweep_last_success_seconds = made(
    Gauge, "sweep_last_success_seconds", "When the last sweep ended, Unix time.", **LAST
)
signing_key_age_seconds = made(
    Gauge,
    "signing_key_age_seconds",
    "Since the key that signs was published.",
    **LAST,
)


@contextmanager
def counted_refusals() -> Iterator[None]:
    """Count a refresh that is refused."""
    try:
        yield
    except Unauthorized as exc:
        if outcome := REFUSALS.get(exc.default_code):
            refreshes_total.labels(outcome).inc()
        raise


def count_ended(ended: Iterable[Session]) -> None:
    """Count sessions that have just ended."""
    for session in ended:
        known = session.revoked_reason in REASONS
        reason = session.revoked_reason if known else "other"
        sessions_revoked_total.labels(reason).inc()


def look() -> None:
    """Set the age of the signing key (settings.MINUTE_GAUGES). Raises KeyFault."""
    assert settings.JWT_PUBLIC_KEYS_DIR is not None  # auth reads a folder
    file = settings.JWT_PUBLIC_KEYS_DIR / f"{keyring.signing_key().kid}.pem"
    age = datetime.now(UTC) - key_store.written_at(file)
    signing_key_age_seconds.set(age.total_seconds())
