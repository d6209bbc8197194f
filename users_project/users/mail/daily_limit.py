"""At most ten mails a day go to one address, and at most ten notices (MAIL-05)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from shared.structured_logging import audit
from users.accounts import links
from users.mail.models import NOTICES, Kind, Mail
from users.validators import normalize_identifier

DAY = timedelta(days=1)
DAILY = 10
# Never limited: a thief could use up the limit, and no link would come.
ONLY_WAY_BACK = {Kind.EMAIL_CHANGED, Kind.DELETION, Kind.FACTORS_RESET_REQUESTED}
# Links to the user's own address. When ten that a stranger has asked for have expired,
# they must not stop the next one.
FOR_OWNER = {Kind.RESET, Kind.VERIFY, Kind.ENROL}


def has_room(kind: Kind, address: str, user: Any = None) -> bool:
    """Whether one more mail may be queued. If not, this is logged, but not stored:
    strangers could fill tables by asking for mails."""
    recent, canonical = timezone.now() - DAY, normalize_identifier(address)
    user_id, before = user and user.pk, Q(created_at__gt=recent)
    # A waiting mail counts as arrived: it will be sent, or fail.
    is_full = exceeds(kind, canonical, user_id, before, Q(failed_at=None))
    if is_full:
        who = str(user_id) if user_id else None
        audit("mail_failed", user_id=who, kind=kind, error="TooManyMails")
    return not is_full


def is_too_many(mail: Mail) -> bool:
    """Whether the limit refuses a queued mail, after those of the day before it."""
    before = Q(created_at__gt=mail.created_at - DAY, pk__lt=mail.pk)
    sent, address = ~Q(sent_at=None), mail.address_canonical
    return exceeds(Kind(mail.kind), address, mail.user_id, before, sent)


def exceeds(
    kind: Kind, address: str, user_id: UUID | None, before: Q, arrived: Q
) -> bool:
    """Whether the limit refuses the mail. Notices count apart from other mails. Never
    for ONLY_WAY_BACK; for FOR_OWNER only if a live link of the kind has `arrived`."""
    if kind in ONLY_WAY_BACK:
        return False
    kinds = NOTICES if kind in NOTICES else set(Kind) - NOTICES
    mails = Mail.objects.filter(address_canonical=address)
    if mails.filter(before, kind__in=kinds, failed_at=None).count() < DAILY:
        return False
    same = mails.filter(arrived, kind=kind, user=user_id, link__in=links.live())
    # Of an address that was proved, links of ended sessions are void. An account with a
    # stranger's address could fill that mailbox by ending its sessions.
    valid = Q(link__session_epoch=F("user__session_epoch"))
    same = same.filter(valid | Q(user__email_verified_at=None))
    return kind not in FOR_OWNER or user_id is None or same.exists()
