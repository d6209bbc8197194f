"""Add and remove factors. The epoch, the event and the notice are in the same
transaction. It locks the user's row, so that concurrent changes follow each other."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pyotp import random_base32
from rest_framework.exceptions import NotFound, ValidationError

from shared.api.exceptions import FactorLimit, LastFactor, TokenInvalid, TokenRevoked
from shared.auth.authentication import TokenUser
from shared.auth.enrolment import EnrolmentUser
from shared.auth.permissions import RECENT, require_authentication
from shared.db.functions import ClockTimestamp
from users import revocation
from users.accounts import links
from users.events.log import record
from users.factors import policy, recovery_codes, secrets, totp
from users.factors.models import Factor, Type
from users.limits.guess_limits import Client
from users.mail.models import Kind
from users.mail.notices import notify_from
from users.models import User

MOST_PASSKEYS = 10
LIFETIME = timedelta(minutes=10)  # of a TOTP that waits for its first code
WRONG = {"code": [_("This is not a code of the new factor. Is the clock right?")]}


# The pages of the admin pass a `User`: they have asked who it is (`own_factors`).
Caller = TokenUser | EnrolmentUser | User


def lock(caller: Caller) -> User:
    """The user, with factors. The row is locked until the transaction ends.

    The login must be recent, and if the user has a factor, it must have used one: a
    stolen token cannot add a factor. Nor can a leaked password add the first one that
    an operator needs for the admin. An enrol token adds the first one only. Raises
    InsufficientUserAuthentication, TokenRevoked; TokenInvalid in the admin.
    """
    links.lock(caller.pk)
    user = User.objects.find(id=caller.pk, factors=True)
    if user is None:
        raise TokenRevoked
    if isinstance(caller, EnrolmentUser):
        require_first(user, caller)
    elif isinstance(caller, TokenUser):
        acr = "aal2" if user.factor_rows or policy.must_keep_one(user) else ""
        require_authentication(caller, acr=acr, max_age=RECENT)
        revocation.require_session(user, caller)
    elif user.session_epoch != caller.session_epoch:
        raise TokenInvalid
    return user


def require_first(user: User, caller: EnrolmentUser) -> None:
    """Raise TokenRevoked if the user has a factor, or if the user's sessions have ended
    since the enrol token was issued."""
    if user.factor_rows or user.session_epoch != caller.epoch:
        raise TokenRevoked


@transaction.atomic
def propose_totp(caller: Caller, name: str) -> tuple[Factor, str]:
    """Create a TOTP that waits for its first code, in place of one that waits already.
    Return it with its secret."""
    user = lock(caller)
    Factor.objects.filter(user=user, type=Type.TOTP, confirmed_at=None).delete()
    secret = random_base32()  # 160 bits (RFC 4226, section 4)
    factor = Factor(user=user, type=Type.TOTP, name=name, last_step=0)
    factor.secret = secrets.encrypt(secret, user.pk, factor.pk)
    factor.save()
    return factor, secret


@transaction.atomic
def confirm_totp(
    caller: Caller, factor_id: UUID, code: str, client: Client
) -> list[str]:
    """Confirm a TOTP, in place of the one before. Return recovery codes if it is the
    first factor. Raises NotFound, ValidationError."""
    user = lock(caller)
    since = timezone.now() - LIFETIME
    factor = find(user, factor_id, confirmed_at=None, created_at__gt=since)
    if not totp.spend(factor, code):
        raise ValidationError(WRONG, code="invalid")
    before = Factor.objects.filter(user=user, type=Type.TOTP)
    if before.filter(confirmed_at__isnull=False).delete()[0]:
        note_removal(user, caller, Type.TOTP, client)
    before.update(confirmed_at=ClockTimestamp())
    return note_addition(user, caller, Type.TOTP, client)


@transaction.atomic
def add_passkey(caller: Caller, factor: Factor, client: Client) -> list[str]:
    """Save a passkey that was registered. Return recovery codes if it is the first
    factor. Raises FactorLimit."""
    user = lock(caller)
    require_room(user)
    factor.save()
    return note_addition(user, caller, Type.PASSKEY, client)


def require_room(user: User) -> None:
    """Raise FactorLimit if the user has as many passkeys as allowed."""
    if Factor.objects.filter(user=user, type=Type.PASSKEY).count() >= MOST_PASSKEYS:
        raise FactorLimit


def note_addition(user: User, caller: Caller, kind: str, client: Client) -> list[str]:
    """Follow up a new factor. The first one brings recovery codes, and ends all other
    sessions, which were opened with a password alone."""
    record("factor_added", user.pk, type=kind)
    notify_from(client, Kind.FACTOR_ADDED, user)
    if user.factor_rows:
        return []
    user.raise_epoch("factor_added", sid_of(caller))
    return recovery_codes.replace(user.pk)


@transaction.atomic
def remove(caller: Caller, factor_id: UUID, client: Client) -> None:
    """Delete a factor; with the last one, the recovery codes. Raises NotFound,
    LastFactor."""
    user = lock(caller)
    factor = find(user, factor_id)
    factor.delete()
    if factor.confirmed_at is None:
        return
    if not user.has_usable_password() and not policy.usable_passkeys(user):
        raise LastFactor
    left = Factor.objects.filter(user=user, confirmed_at__isnull=False)
    if policy.must_keep_one(user) and not left.filter(suspect_at=None).exists():
        raise LastFactor
    if not left.exists():
        recovery_codes.void(user.pk)
    note_removal(user, caller, factor.type, client)


def note_removal(user: User, caller: Caller, kind: str, client: Client) -> None:
    """Follow up a removal. End the other sessions: the factor may have opened them."""
    record("factor_removed", user.pk, type=kind)
    notify_from(client, Kind.FACTOR_REMOVED, user)
    user.raise_epoch("factor_removed", sid_of(caller))


@transaction.atomic
def rename(caller: Caller, factor_id: UUID, name: str) -> Factor:
    """Raises NotFound."""
    factor = find(lock(caller), factor_id)
    factor.name = name
    factor.save(update_fields=["name"])
    return factor


@transaction.atomic
def replace_codes(caller: Caller, client: Client) -> list[str]:
    """Ten new recovery codes, in place of all from before. Raises NotFound for a user
    without a factor."""
    user = lock(caller)
    if not user.factor_rows:
        raise NotFound
    record("recovery_codes_replaced", user.pk)
    notify_from(client, Kind.RECOVERY_CODES_REPLACED, user)
    return recovery_codes.replace(user.pk)


@transaction.atomic
def drop_password(caller: Caller) -> None:
    """Make the password unusable and end the other sessions. The user needs two
    passkeys, or one and a recovery code for after a reset, as a passkey may get lost.
    Raises NotFound without a password, LastFactor."""
    user = lock(caller)
    if not user.has_usable_password():
        raise NotFound
    if policy.usable_passkeys(user) + user.has_recovery_code < 2:
        raise LastFactor
    user.set_unusable_password()
    user.write({"password"}, keep_sid=sid_of(caller))
    record("password_removed", user.pk)


def find(user: User, factor_id: UUID, **columns: Any) -> Factor:
    """A factor of the user. Raises NotFound."""
    factor = Factor.objects.filter(user=user, pk=factor_id, **columns).first()
    if factor is None:
        raise NotFound
    return factor


def sid_of(caller: Caller) -> UUID | None:
    """The session that continues. Enrol tokens belong to no session."""
    return caller.sid if isinstance(caller, TokenUser) else None
