"""Resets, which remove all second factors of a user who has lost them. An operator asks
for one, and the user can object for some time. A password reset never removes one."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from shared.api.exceptions import LinkInvalid
from shared.db.functions import ClockTimestamp
from users.accounts import link_mails, links
from users.accounts.models import Purpose
from users.events.log import record
from users.events.models import Event
from users.factors import recovery_codes
from users.factors.models import OF_USER, Factor, FactorReset
from users.limits.guess_limits import Client, counted
from users.mail.models import Kind, Mail
from users.mail.outbox import notify
from users.models import User

ASKED = "Asked for a reset of the second factors"  # and why, in the admin's history
BY_COMMAND = "operator"


@transaction.atomic
def request(user: User, operator: str, reason: str) -> FactorReset:
    """Have all factors removed after FACTOR_RESET_DELAY, and mail the user a link that
    cancels this. A reset that waits already stays unchanged."""
    user = links.lock(user.pk)
    due = timezone.now() + timedelta(seconds=settings.FACTOR_RESET_DELAY)
    defaults = {"operator": operator, "reason": reason, "due_at": due}
    reset, is_new = FactorReset.objects.get_or_create(user=user, defaults=defaults)
    if is_new:
        link_mails.send(Purpose.KEEP_FACTORS, user, expires_at=reset.due_at)
        record("factors_reset_requested", user.pk, by=operator, why=reason)
    return reset


@transaction.atomic
def cancel(user: User, operator: str = "") -> bool:
    """Cancel the reset that waits. False if no reset waits."""
    links.lock(user.pk)
    found, _ = FactorReset.objects.filter(user=user).delete()
    if found:
        links.void(purpose=Purpose.KEEP_FACTORS, user=user)
        who = {"by": operator} if operator else {}
        record("factors_reset_cancelled", user.pk, **who)
    return bool(found)


def cancel_by_link(token: str, client: Client) -> None:
    """Cancel the reset by the link in the mail. Ignores changes of password, address
    and sessions: they say nothing about who asked. Raises LinkInvalid, RateLimited."""
    with counted(client):
        link = links.find(token, Purpose.KEEP_FACTORS)
        with transaction.atomic():
            user = links.lock(link.user_id)
            links.use(link)
            if user is None or not cancel(user):
                raise LinkInvalid


def forget_all() -> None:
    """In a restored database, forget the resets that wait: users may have cancelled
    them after the dump, and would not learn that they wait again."""
    FactorReset.objects.all().delete()
    links.void(purpose=Purpose.KEEP_FACTORS)


def run_due() -> int:
    """Run the resets that are due, each in its own transaction. Return their number."""
    due = FactorReset.objects.filter(due_at__lte=ClockTimestamp())
    return sum(run(reset.user) for reset in due.select_related("user"))


@transaction.atomic
def run(user: User) -> bool:
    """Run the reset of this user, unless it was cancelled meanwhile. Cancel it if the
    operator may not change the user any more, or if the user could not object."""
    links.lock(user.pk)
    due = FactorReset.objects.filter(user=user, due_at__lte=ClockTimestamp())
    reset = due.first()
    if reset is None:
        return False
    if not (is_allowed(reset) and is_announced(reset)):
        cancel(user)
        return False
    run_now(user, reset.operator, reset.reason)
    return True


def is_allowed(reset: FactorReset) -> bool:
    """Whether the operator who asked could ask now, too."""
    if reset.operator == BY_COMMAND:
        return True
    operator = User.objects.operator(reset.operator, "users.change_user")
    if operator is None:
        return False
    users = User.objects.modifiable_by(operator)
    return users.filter(pk=reset.user_id).exists()


def is_announced(reset: FactorReset) -> bool:
    """Whether the mail with the link that cancels it was sent in the first half of the
    time, so that the other half was left to read it; or mail is off."""
    if not settings.MAIL_ENABLED:
        return True
    kind, since = Kind.FACTORS_RESET_REQUESTED, reset.created_at
    mails = Mail.objects.filter(user=reset.user_id, kind=kind, created_at__gte=since)
    return mails.filter(sent_at__lte=since + (reset.due_at - since) / 2).exists()


@transaction.atomic
def run_now(user: User, operator: str, reason: str) -> None:
    """Delete all factors and recovery codes, end all sessions, and mail a notice."""
    locked = links.lock(user.pk)
    delete_all(locked)
    if not locked.is_deleted:  # a new epoch would void the link that restores it
        locked.raise_epoch("factors_reset")
    record("factors_reset", user.pk, by=operator, why=reason)
    notify(Kind.FACTORS_RESET, locked)


def delete_all(user: User) -> None:
    """Delete all data about the factors of a user whose row is locked, and void the
    link that cancels a reset: it must not cancel a later one."""
    for model in OF_USER:
        model._default_manager.filter(user=user).delete()
    links.void(purpose=Purpose.KEEP_FACTORS, user=user)


def record_removals(factors: QuerySet[Factor]) -> None:
    """Record the removal of each of these factors that is confirmed."""
    for factor in factors.filter(confirmed_at__isnull=False):
        record("factor_removed", factor.user_id, type=factor.type)


def delete_since(user: User, time: datetime) -> None:
    """Delete the factors that were added since this time; without another one, the
    recovery codes too. The row of the user is locked."""
    factors = Factor.objects.filter(user=user)
    added = factors.exclude(confirmed_at__lt=time)
    record_removals(added)
    added.delete()
    # Codes have no time. Those of a first factor go with it; others leave an event.
    events = Event.objects.filter(user_id=user.pk, event="recovery_codes_replaced")
    if events.filter(at__gte=time).exists() or not factors.exists():
        recovery_codes.void(user.pk)
