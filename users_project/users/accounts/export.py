"""The export of all data about a user, for the user (docs/privacy.md)."""

import time
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from shared.api.exceptions import DependencyUnavailable
from shared.circuit_breaker import Bulkhead
from shared.clients import auth_client
from users.accounts import privacy_schema as schema
from users.accounts.erasure import history_of
from users.accounts.models import EmailChange, Link, Purpose, Registration
from users.events import history, log
from users.factors.models import Factor, FactorReset, RecoveryCode
from users.mail.models import Kind, Mail
from users.models import User

FILENAME = "memo-export.json"
AT_ONCE = Bulkhead(1, patience=0)  # of a worker: they may take long
# Then the gateway waits 15 s for the answer, also if a last call takes five.
SECONDS = 9
render = JSONRenderer().render


def export(user: User) -> bytes:
    """All data that both services keep, as `ExportSerializer` describes it, in JSON.
    The Auth Service is asked first. Raises Unavailable, also after SECONDS."""
    end = time.monotonic() + SECONDS
    events = listed(map(history.public, history.all_events_of(user.pk)), end)
    sessions = listed(auth_client().stored_sessions(user.pk), end)
    own = render(schema.OwnDataSerializer(own_data(user)).data)
    log.record("user_exported", user.pk)
    return b'%s,"events":%s,"sessions":%s}' % (own[:-1], events, sessions)


def listed(rows: Iterable[dict[str, Any]], end: float) -> bytes:
    """A JSON array of any number of rows: the text takes a tenth of their memory.
    Raises DependencyUnavailable after `end` (monotonic)."""
    found = []
    for row in rows:
        if time.monotonic() > end:
            raise DependencyUnavailable
        found.append(render(row))
    return b"[%s]" % b",".join(found)


def own_data(user: User) -> Any:
    """What the User Service keeps, without events."""
    return {
        "exported_at": timezone.now(),
        "user": user,
        "permissions": sorted(user.get_user_permissions()),
        "email_changes": EmailChange.objects.filter(user=user),
        "registrations": registrations_of(user).order_by("created_at"),
        "links": links_of(user).order_by("created_at"),
        "mails": mails_of(user).order_by("created_at"),
        "factors": Factor.objects.filter(user=user).order_by("created_at"),
        "recovery_codes": RecoveryCode.objects.filter(user=user).order_by("pk"),
        "factor_resets": FactorReset.objects.filter(user=user),
        "admin_history": history_of([user.pk]).order_by("action_time"),
    }


def proved_addresses(user: User) -> list[str]:
    """The address, if it is verified. Otherwise what was mailed to it before the user
    had it may be another person's."""
    return [user.email_canonical] if user.email_verified else []


def registrations_of(user: User) -> QuerySet[Registration]:
    return Registration.objects.filter(email_canonical__in=proved_addresses(user))


def links_of(user: User) -> QuerySet[Link]:
    """All but those to an address that the user does not have: they exist only if no
    account has the address."""
    attempts = registrations_of(user)
    links = Link.objects.filter(Q(user=user) | Q(registration__in=attempts))
    others = ~Q(address=user.email_canonical)
    return links.exclude(others, purpose=Purpose.CHANGE_EMAIL)


def mails_of(user: User) -> QuerySet[Mail]:
    """All but those that `links_of` leaves out."""
    before = Q(user=None, address_canonical__in=proved_addresses(user))
    others = ~Q(address_canonical=user.email_canonical)
    mails = Mail.objects.filter(Q(user=user) | before)
    return mails.exclude(others, kind=Kind.CHANGE_EMAIL)
