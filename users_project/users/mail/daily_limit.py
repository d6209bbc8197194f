"""Ten mails a day go to one address, and ten notices: MAIL-05."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from shared.structured_logging import audit
from users.accounts import links
from users.mail.models import NOTICES, Kind, Mail
from users.validators import normalize_identifier

DAY = timedelta(days=1)
DAILY = 10
# A thief could use up what else may go to the address, and no link would come.
ONLY_WAY_BACK = {Kind.EMAIL_CHANGED, Kind.DELETION, Kind.FACTORS_RESET_REQUESTED}
# To the user's own address. Ten that a stranger has asked for are over soon, and must
# not stop the next one.
FOR_OWNER = {Kind.RESET, Kind.VERIFY, Kind.ENROL}


def has_room(kind: Kind, address: str, user: Any = None) -> bool:
    """Whether one more may be queued. If not a line of the log says so, and no row:
    strangers could fill tables with what they ask for."""
    recent, canonical = timezone.now() - DAY, normalize_identifier(address)
    user_id, before = user and user.pk, Q(created_at__gt=recent)
    # One that waits will be sent, or fail.
    is_full = exceeds(kind, canonical, user_id, before, Q(failed_at=None))
    if is_full:
        who = str(user_id) if user_id else None
        audit("mail_failed", user_id=who, kind=kind, error="TooManyMails")
    return not is_full


def is_too_many(mail: Mail) -> bool:
    """Whether ten others went to the address in the day before it."""
    before = Q(created_at__gt=mail.created_at - DAY, pk__lt=mail.pk)
    sent, address = ~Q(sent_at=None), mail.address_canonical
    return exceeds(Kind(mail.kind), address, mail.user_id, before, sent)


def exceeds(
    kind: Kind, address: str, user_id: UUID | None, before: Q, arrived: Q
) -> bool:
    """Mails that anyone may ask for leave the notices alone. What brings the only way
    back always goes, and so does a link if none that `arrived` does the same."""
    if kind in ONLY_WAY_BACK:
        return False
    kinds = NOTICES if kind in NOTICES else set(Kind) - NOTICES
    mails = Mail.objects.filter(address_canonical=address)
    if mails.filter(before, kind__in=kinds, failed_at=None).count() < DAILY:
        return False
    same = mails.filter(arrived, kind=kind, user=user_id, link__in=links.live())
    return kind not in FOR_OWNER or user_id is None or same.exists()
