"""The export of all data about a user, for the user (docs/privacy.md)."""

from typing import Any

from django.db.models import Q
from django.utils import timezone

from shared.clients import auth_client
from shared.event_pages import EventPage, merge, represent
from users.accounts import privacy_schema as schema
from users.accounts.models import EmailChange, Link, Purpose, Registration
from users.events import history, log
from users.events.models import Event
from users.factors.models import Factor, FactorReset, RecoveryCode
from users.mail.models import Kind, Mail
from users.models import User

FILENAME = "memo-export.json"


def export(user: User) -> dict[str, Any]:
    """All data that both services keep, as `ExportSerializer` describes it. Raises
    DependencyUnavailable or Overloaded, from the Auth Service, which is asked first."""
    sessions, theirs = auth_client().export(user.pk)
    own = Event.objects.filter(user_id=user.pk).select_related("personal")
    events = merge(EventPage([*map(represent, own)]), theirs).events
    # Of an address that is not verified, they may be of another person.
    proved = [user.email_canonical] if user.email_verified else []
    attempts = Registration.objects.filter(email_canonical__in=proved)
    links = Link.objects.filter(Q(user=user) | Q(registration__in=attempts))
    before = Q(user=None, address_canonical__in=proved)
    mails = Mail.objects.filter(Q(user=user) | before)
    # Whether a link went to an address that the user does not have tells whether there
    # is an account of that address.
    others = ~Q(address=user.email_canonical)
    links = links.exclude(others, purpose=Purpose.CHANGE_EMAIL)
    others = ~Q(address_canonical=user.email_canonical)
    mails = mails.exclude(others, kind=Kind.CHANGE_EMAIL)
    found: Any = {
        "exported_at": timezone.now(),
        "user": user,
        "permissions": sorted(user.get_user_permissions()),
        "email_changes": EmailChange.objects.filter(user=user),
        "registrations": attempts.order_by("created_at"),
        "links": links.order_by("created_at"),
        "mails": mails.order_by("created_at"),
        "factors": Factor.objects.filter(user=user).order_by("created_at"),
        "recovery_codes": RecoveryCode.objects.filter(user=user).order_by("pk"),
        "factor_resets": FactorReset.objects.filter(user=user),
        "events": [*map(history.public, events)],
        "sessions": [],
    }
    answer = schema.ExportSerializer(found).data
    log.record("user_exported", user.pk)
    return {**answer, "sessions": sessions}
