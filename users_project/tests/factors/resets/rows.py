"""What is there before and after a reset of factors: rows, mails, events."""

from datetime import timedelta

from django.utils import timezone

from users.accounts import links
from users.accounts.models import Link, Purpose
from users.events.models import Event
from users.factors.models import FactorReset
from users.limits.guess_limits import Client
from users.mail.models import Mail

ALL, WAITING, NONE = [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]
HERE = Client("192.0.2.7")
REASON = "seen at the desk, with a passport"


def kinds(user):
    return [mail.kind for mail in Mail.objects.filter(user=user).order_by("pk")]


def events(user):
    found = Event.objects.filter(user_id=user.pk, event__startswith="factors_")
    return [event.event for event in found.order_by("id")]


def token_of(user, purpose=Purpose.KEEP_FACTORS):
    sent = Link.objects.filter(user=user, purpose=purpose)
    return links.token_of(sent.latest("created_at"))


def make_due(**mail):
    """With its mail sent at once, unless `mail` says otherwise."""
    asked = timezone.now() - timedelta(days=1)
    Mail.objects.update(**(mail or {"sent_at": asked}))
    due = timezone.now() - timedelta(seconds=1)
    FactorReset.objects.update(created_at=asked, due_at=due)
